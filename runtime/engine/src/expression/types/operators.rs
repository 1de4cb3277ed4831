//! What the operators of CEL take and give.

use cel::common::ast::operators::{ADD, DIVIDE, MODULO, MULTIPLY, SUBSTRACT};

use super::{Kind, Kinds, Type};

/// What an arithmetic operator gives; no kinds where it has no meaning for any of the values.
pub(super) fn arithmetic(operator: &str, left: &Type, right: &Type) -> Type {
    let mut kinds = Kinds::NONE;
    for one in left.kinds.iter() {
        for two in right.kinds.iter() {
            kinds = kinds.or(pair(operator, one, two).map_or(Kinds::NONE, Kinds::of));
        }
    }
    let items = match (&left.items, &right.items) {
        (Some(one), Some(two)) => Some(one.or(two).into()),
        _ => None,
    };
    Type { items, ..Type::of_kinds(kinds) }
}

fn pair(operator: &str, left: Kind, right: Kind) -> Option<Kind> {
    use Kind::{Bytes, Double, Duration, Int, List, Map, String, Timestamp, Uint};
    match (operator, left, right) {
        (ADD | SUBSTRACT | MULTIPLY | DIVIDE, Int, Int) | (MODULO, Int, Int) => Some(Int),
        (ADD | SUBSTRACT | MULTIPLY | DIVIDE, Uint, Uint) | (MODULO, Uint, Uint) => Some(Uint),
        (ADD | SUBSTRACT | MULTIPLY | DIVIDE, Double, Double) => Some(Double),
        (ADD, String, String) => Some(String),
        (ADD, Bytes, Bytes) => Some(Bytes),
        // The evaluator appends what the other side iterates over: the items of a list, the names of a map.
        (ADD, List, List | Map) => Some(List),
        (ADD, Timestamp, Duration) | (ADD, Duration, Timestamp) | (SUBSTRACT, Timestamp, Duration) => Some(Timestamp),
        (ADD | SUBSTRACT, Duration, Duration) | (SUBSTRACT, Timestamp, Timestamp) => Some(Duration),
        _ => None,
    }
}

/// Whether values of these types can have an order among them.
pub(super) fn have_order(left: Kinds, right: Kinds) -> bool {
    use Kind::{Bool, Bytes, Duration, Null, String, Timestamp};
    let both = |kinds: Kinds| !left.and(kinds).is_empty() && !right.and(kinds).is_empty();
    both(Kinds::NUMBER) || [Bool, Bytes, Duration, Null, String, Timestamp].map(Kinds::of).into_iter().any(both)
}

/// Whether values of these types can be equal.
pub(super) fn can_be_equal(left: Kinds, right: Kinds) -> bool {
    let both_numbers = !left.and(Kinds::NUMBER).is_empty() && !right.and(Kinds::NUMBER).is_empty();
    both_numbers || !left.and(right).is_empty()
}
