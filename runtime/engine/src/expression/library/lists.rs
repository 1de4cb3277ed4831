//! Functions on lists.

use std::cmp::Ordering;
use std::collections::HashSet;

use cel::Value;
use cel::objects::Key;

use super::{Function, Run, function, of_list, of_option, unfit};
use crate::expression::cost::CostClass;
use crate::expression::meter;

/// The longest list that `lists.range` makes.
const RANGE_MAX: i64 = 1_000_000;

pub(super) static FUNCTIONS: [Function; 12] = [
    function(
        "sort",
        "list.sort() -> list",
        "The items in ascending order: numbers, or values of one kind that has an order",
        ["[3, 1, 2].sort()", "[1, 2, 3]"],
        CostClass::Sorted,
        Run::Here(sort),
    ),
    function(
        "sortByKeys",
        "list.sortByKeys(list) -> list",
        "The items in the ascending order of keys, one for each: `l.sortByKeys(l.map(x, x.age))`",
        ["['b', 'a'].sortByKeys([2, 1])", "[\"a\", \"b\"]"],
        CostClass::Sorted,
        Run::Here(sort_by_keys),
    ),
    function(
        "distinct",
        "list.distinct() -> list",
        "The items, each only where it stands first",
        ["[1, 2, 1].distinct()", "[1, 2]"],
        CostClass::List,
        Run::Here(distinct),
    ),
    function(
        "sum",
        "list.sum() -> number",
        "The sum of a list of numbers; 0 of an empty one",
        ["[1, 2, 3].sum()", "6"],
        CostClass::List,
        Run::Here(sum),
    ),
    function("min", "list.min() -> any", "The least item", ["[3, 1, 2].min()", "1"], CostClass::List, Run::Here(min)),
    function(
        "max",
        "list.max() -> any",
        "The greatest item",
        ["[3, 1, 2].max()", "3"],
        CostClass::List,
        Run::Here(max),
    ),
    function(
        "first",
        "list.first() -> optional",
        "The first item, if there is one",
        ["[1, 2].first().orValue(0)", "1"],
        CostClass::List,
        Run::Here(first),
    ),
    function(
        "last",
        "list.last() -> optional",
        "The last item, if there is one",
        ["[].last().orValue(0)", "0"],
        CostClass::List,
        Run::Here(last),
    ),
    function(
        "slice",
        "list.slice(int, int) -> list",
        "The items from a position to another, which is not part of them",
        ["[1, 2, 3].slice(0, 2)", "[1, 2]"],
        CostClass::List,
        Run::Here(slice),
    ),
    function(
        "flatten",
        "list.flatten(int?) -> list",
        "The list with the items of the lists in it, one level deep or so many",
        ["[1, [2, [3]]].flatten()", "[1, 2, [3]]"],
        CostClass::List,
        Run::Here(flatten),
    ),
    function(
        "lists.range",
        "lists.range(int) -> list(int)",
        "The integers from 0 up to a number, which is not part of them; at most 1,000,000",
        ["lists.range(3)", "[0, 1, 2]"],
        CostClass::Output,
        Run::Here(range),
    ),
    function(
        "lists.zip",
        "lists.zip(list, list) -> list(list)",
        "Pairs of the items of two lists, as many as the shorter one has",
        ["lists.zip(['a', 'b'], [1, 2])", "[[\"a\", 1], [\"b\", 2]]"],
        CostClass::Output,
        Run::Here(zip),
    ),
];

/// Values that have an order among them.
#[derive(Debug)]
enum Keys<'a> {
    /// Whole numbers only.
    Whole(Vec<i128>),
    /// Numbers, some with fractions.
    Numbers(Vec<f64>),
    /// Values of one kind.
    Others(Vec<&'a Value>),
}

const NO_ORDER: &str = "is given values that have no order among them; they must all be numbers, or all be of one \
                        kind: text, booleans, timestamps or durations";

impl<'a> Keys<'a> {
    fn of(values: &'a [Value]) -> Result<Self, String> {
        if let Some(whole) = values.iter().map(whole).collect() {
            return Ok(Self::Whole(whole));
        }
        if let Some(numbers) = values.iter().map(number).collect() {
            return Ok(Self::Numbers(numbers));
        }
        let first = values.first().map(std::mem::discriminant);
        let has_order = |value: &Value| {
            matches!(value, Value::String(_) | Value::Bool(_) | Value::Timestamp(_) | Value::Duration(_))
                && Some(std::mem::discriminant(value)) == first
        };
        if values.iter().all(has_order) { Ok(Self::Others(values.iter().collect())) } else { Err(NO_ORDER.to_owned()) }
    }

    fn compare(&self, left: usize, right: usize) -> Ordering {
        fn at<T, U: Ord>(items: &[T], left: usize, right: usize, key: impl Fn(&T) -> U) -> Ordering {
            items.get(left).map(&key).cmp(&items.get(right).map(&key))
        }
        match self {
            Self::Whole(items) => at(items, left, right, |item| *item),
            Self::Numbers(items) => match (items.get(left), items.get(right)) {
                (Some(left), Some(right)) => left.total_cmp(right),
                _ => Ordering::Equal,
            },
            Self::Others(items) => match (items.get(left), items.get(right)) {
                (Some(left), Some(right)) => left.partial_cmp(right).unwrap_or(Ordering::Equal),
                _ => Ordering::Equal,
            },
        }
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(number) => Some(i128::from(*number)),
        Value::UInt(number) => Some(i128::from(*number)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "CEL compares integers with doubles in this way")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::UInt(number) => Some(*number as f64),
        // Nothing is less or greater than NaN.
        Value::Float(number) => Some(*number).filter(|number| !number.is_nan()),
        _ => None,
    }
}

fn sorted(items: &[Value], keys: &[Value]) -> Result<Value, String> {
    let length = items.len() as u64;
    meter::spend(length.saturating_mul(u64::from(length.max(2).ilog2())) * 4)?;
    let keys = Keys::of(keys)?;
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by(|left, right| keys.compare(*left, *right));
    Ok(of_list(order.into_iter().filter_map(|index| items.get(index).cloned()).collect()))
}

fn sort(given: &[Value]) -> Result<Value, String> {
    let [Value::List(items)] = given else { return Err(unfit()) };
    sorted(items, items)
}

fn sort_by_keys(given: &[Value]) -> Result<Value, String> {
    let [Value::List(items), Value::List(keys)] = given else { return Err(unfit()) };
    if items.len() != keys.len() {
        return Err("is given another number of keys than there are items".to_owned());
    }
    sorted(items, keys)
}

fn extreme(given: &[Value], wanted: Ordering) -> Result<Value, String> {
    let [Value::List(items)] = given else { return Err(unfit()) };
    let keys = Keys::of(items)?;
    let better = |best: usize, next: usize| if keys.compare(next, best) == wanted { next } else { best };
    let best = (0..items.len()).reduce(better).and_then(|index| items.get(index));
    best.cloned().ok_or_else(|| "is given an empty list; test `size(…) > 0` first".to_owned())
}

fn min(given: &[Value]) -> Result<Value, String> {
    extreme(given, Ordering::Less)
}

fn max(given: &[Value]) -> Result<Value, String> {
    extreme(given, Ordering::Greater)
}

fn sum(given: &[Value]) -> Result<Value, String> {
    let [Value::List(items)] = given else { return Err(unfit()) };
    if let Some(whole) = items.iter().map(whole).collect::<Option<Vec<i128>>>() {
        let sum = i64::try_from(whole.into_iter().sum::<i128>());
        return sum.map(Value::Int).map_err(|_| "gives a sum that is too large for an integer".to_owned());
    }
    let numbers: Option<Vec<f64>> = items.iter().map(number).collect();
    let numbers = numbers.ok_or_else(|| "is given a list with something that is no number".to_owned())?;
    Ok(Value::Float(numbers.into_iter().sum()))
}

fn distinct(given: &[Value]) -> Result<Value, String> {
    let [Value::List(items)] = given else { return Err(unfit()) };
    let mut seen = HashSet::new();
    let is_new = |item: &&Value| {
        let mut key = Vec::new();
        identity(item, &mut key);
        seen.insert(key)
    };
    Ok(of_list(items.iter().filter(is_new).cloned().collect()))
}

/// Bytes that equal values share and others do not; `1`, `1u` and `1.0` are equal in CEL.
fn identity(value: &Value, into: &mut Vec<u8>) {
    let mut tagged = |tag: u8, bytes: &[u8]| {
        into.push(tag);
        into.extend((bytes.len() as u64).to_be_bytes());
        into.extend(bytes);
    };
    match value {
        Value::Int(_) | Value::UInt(_) => tagged(b'n', &whole(value).unwrap_or_default().to_be_bytes()),
        Value::Float(number) => match exactly_whole(*number) {
            Some(whole) => tagged(b'n', &whole.to_be_bytes()),
            None => tagged(b'f', &number.to_bits().to_be_bytes()),
        },
        Value::String(text) => tagged(b's', text.as_bytes()),
        Value::Bytes(bytes) => tagged(b'b', bytes),
        Value::List(items) => {
            tagged(b'l', &(items.len() as u64).to_be_bytes());
            items.iter().for_each(|item| identity(item, into));
        }
        Value::Map(map) => {
            tagged(b'm', &(map.map.len() as u64).to_be_bytes());
            let mut entries: Vec<(String, &Value)> = map.map.iter().map(|(key, item)| (key_text(key), item)).collect();
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            for (key, item) in entries {
                identity(&super::of_text(key), into);
                identity(item, into);
            }
        }
        other => tagged(b'o', format!("{other:?}").as_bytes()),
    }
}

fn key_text(key: &Key) -> String {
    match key {
        Key::String(text) => format!("s{text}"),
        other => format!("o{other}"),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only numbers that are whole, and small enough, are converted")]
fn exactly_whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 1e19).then_some(number as i128)
}

fn first(given: &[Value]) -> Result<Value, String> {
    let [Value::List(items)] = given else { return Err(unfit()) };
    Ok(of_option(items.first().cloned()))
}

fn last(given: &[Value]) -> Result<Value, String> {
    let [Value::List(items)] = given else { return Err(unfit()) };
    Ok(of_option(items.last().cloned()))
}

fn slice(given: &[Value]) -> Result<Value, String> {
    let [Value::List(items), Value::Int(start), Value::Int(end)] = given else { return Err(unfit()) };
    let range = usize::try_from(*start).ok().zip(usize::try_from(*end).ok());
    let found = range.and_then(|(start, end)| items.get(start..end));
    let outside = || "is given positions outside of the list, or an end before the start".to_owned();
    found.map(|items| of_list(items.to_vec())).ok_or_else(outside)
}

fn flatten(given: &[Value]) -> Result<Value, String> {
    let (items, levels) = match given {
        [Value::List(items)] => (items, 1),
        [Value::List(items), Value::Int(levels)] if *levels >= 0 => (items, *levels),
        _ => return Err("is given a negative number of levels".to_owned()),
    };
    let mut flat = Vec::new();
    flatten_into(items, levels, &mut flat);
    Ok(of_list(flat))
}

fn flatten_into(items: &[Value], levels: i64, flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(inner) if levels > 0 => flatten_into(inner, levels - 1, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn range(given: &[Value]) -> Result<Value, String> {
    let [Value::Int(end)] = given else { return Err(unfit()) };
    if !(0..=RANGE_MAX).contains(end) {
        return Err(format!("is given a number that is not from 0 to {RANGE_MAX}"));
    }
    meter::room(end.unsigned_abs() * 16)?;
    Ok(of_list((0..*end).map(Value::Int).collect()))
}

fn zip(given: &[Value]) -> Result<Value, String> {
    let [Value::List(left), Value::List(right)] = given else { return Err(unfit()) };
    let pairs = left.iter().zip(right.iter()).map(|(left, right)| of_list(vec![left.clone(), right.clone()]));
    Ok(of_list(pairs.collect()))
}
