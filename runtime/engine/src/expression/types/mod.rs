//! What is known of the types in an expression before it runs: a set of kinds for each value, and what is in lists
//! and maps. Sets are never too small, so a fault that is certain is one on every value.

mod check;
mod operators;
mod schema;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::fault::Part;
use super::kinds::{Kind, Kinds};

/// What a value may be.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    kinds: Kinds,
    /// Of a list; nothing is known where there is none.
    items: Option<Arc<Type>>,
    /// Of a map; nothing is known where there are none.
    members: Option<Arc<Members>>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Members {
    known: BTreeMap<String, Type>,
    /// What the others are; there are no others where there is none.
    others: Option<Type>,
}

/// What the roots of an expression are; any JSON where nothing is said.
#[derive(Debug, Clone, Default)]
pub struct Types {
    roots: HashMap<&'static str, Type>,
}

/// What an expression must give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever it likes.
    Anything,
    /// True or false.
    Condition,
}

/// Something in an expression that does not fit its types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeFault {
    /// What is wrong.
    pub message: String,
    /// Which part of the expression.
    pub part: Part,
    /// Whether every evaluation fails there. Otherwise it stands where an evaluation may never come by, or has a
    /// value that is no error but always the same.
    pub is_certain: bool,
}

impl Types {
    /// The same with a root of that type.
    #[must_use]
    pub fn with(mut self, root: &'static str, of: Type) -> Self {
        self.roots.insert(root, of);
        self
    }
}

const JSON: Kinds = Kinds::NUMBER
    .or(Kinds::of(Kind::Null))
    .or(Kinds::of(Kind::Bool))
    .or(Kinds::of(Kind::String))
    .or(Kinds::of(Kind::List))
    .or(Kinds::of(Kind::Map));

impl Type {
    /// Whatever JSON can say.
    pub const JSON: Self = Self::of_kinds(JSON);
    /// A number.
    pub const NUMBER: Self = Self::of_kinds(Kinds::NUMBER);
    /// Text.
    pub const STRING: Self = Self::of(Kind::String);
    const ANY: Self = Self::of_kinds(Kinds::ANY);

    const fn of_kinds(kinds: Kinds) -> Self {
        Self { kinds, items: None, members: None }
    }

    const fn of(kind: Kind) -> Self {
        Self::of_kinds(Kinds::of(kind))
    }

    /// A list of such values.
    #[must_use]
    pub fn list(items: Self) -> Self {
        Self { items: Some(Arc::new(items)), ..Self::of(Kind::List) }
    }

    /// An object of these members and others of a type; of no others where there is none.
    #[must_use]
    pub fn map(known: impl IntoIterator<Item = (String, Self)>, others: Option<Self>) -> Self {
        let members = Members { known: known.into_iter().collect(), others };
        Self { members: Some(Arc::new(members)), ..Self::of(Kind::Map) }
    }

    /// This or that.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        let (list, map) = (Kind::List, Kind::Map);
        let items = match (&self.items, &other.items) {
            (items, _) if !other.kinds.has(list) => items.clone(),
            (_, items) if !self.kinds.has(list) => items.clone(),
            (Some(one), Some(two)) => Some(Arc::new(one.or(two))),
            _ => None,
        };
        let members = match (&self.members, &other.members) {
            (members, _) if !other.kinds.has(map) => members.clone(),
            (_, members) if !self.kinds.has(map) => members.clone(),
            (Some(one), Some(two)) if one == two => Some(one.clone()),
            _ => None,
        };
        Self { kinds: self.kinds.or(other.kinds), items, members }
    }

    /// This and that at once.
    fn and(&self, other: &Self) -> Self {
        let items = self.items.clone().or_else(|| other.items.clone());
        let members = self.members.clone().or_else(|| other.members.clone());
        Self { kinds: self.kinds.and(other.kinds), items, members }
    }

    fn only(&self, kinds: Kinds) -> Self {
        Self { kinds: self.kinds.and(kinds), ..self.clone() }
    }

    fn item(&self) -> Self {
        self.items.as_deref().cloned().unwrap_or(Self::ANY)
    }

    /// What stands under a name of a map; `None` where nothing can.
    fn member(&self, name: &str) -> Option<Self> {
        let Some(members) = &self.members else { return Some(Self::ANY) };
        members.known.get(name).or(members.others.as_ref()).cloned()
    }
}

#[cfg(test)]
mod tests;
