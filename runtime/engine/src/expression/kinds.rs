//! The kinds of values that an expression meets, and sets of them.

use std::fmt;

use cel::common::types::Kind as CelKind;
use cel::common::value::Val;

/// One kind of value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    List,
    Map,
    Timestamp,
    Duration,
    Optional,
    Type,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Null,
        Self::Bool,
        Self::Int,
        Self::Uint,
        Self::Double,
        Self::String,
        Self::Bytes,
        Self::List,
        Self::Map,
        Self::Timestamp,
        Self::Duration,
        Self::Optional,
        Self::Type,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Map => "map",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Optional => "optional",
            Self::Type => "type",
        }
    }

    /// Of a value of CEL's.
    pub(super) fn of(value: &dyn Val) -> Option<Self> {
        Some(match value.get_type().kind() {
            CelKind::NullType => Self::Null,
            CelKind::Boolean => Self::Bool,
            CelKind::Int => Self::Int,
            CelKind::UInt => Self::Uint,
            CelKind::Double => Self::Double,
            CelKind::String => Self::String,
            CelKind::Bytes => Self::Bytes,
            CelKind::List => Self::List,
            CelKind::Map => Self::Map,
            CelKind::Timestamp => Self::Timestamp,
            CelKind::Duration => Self::Duration,
            CelKind::Opaque => Self::Optional,
            CelKind::Type => Self::Type,
            _ => return None,
        })
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ANY: Self = Self((1 << Kind::ALL.len()) - 1);
    pub(super) const NUMBER: Self = Self::of(Kind::Int).or(Self::of(Kind::Uint)).or(Self::of(Kind::Double));

    pub(super) const fn of(kind: Kind) -> Self {
        Self(1 << kind as u8)
    }

    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn has(self, kind: Kind) -> bool {
        !self.and(Self::of(kind)).is_empty()
    }

    /// The kinds of it, in a fixed order.
    pub(super) fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }

    /// The kind of that name as a signature writes it; `number` is every number, `any` every kind.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "any" => Some(Self::ANY),
            "number" => Some(Self::NUMBER),
            _ => Kind::ALL.into_iter().find(|kind| kind.name() == name).map(Self::of),
        }
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return formatter.write_str("any");
        }
        // Who writes documents knows numbers, not how they are kept.
        let mut names: Vec<&str> = Vec::new();
        if self.and(Self::NUMBER) == Self::NUMBER {
            names.push("number");
        }
        let single = |kind: &Kind| names.is_empty() || !Self::NUMBER.has(*kind);
        let rest: Vec<&str> = self.iter().filter(single).map(Kind::name).collect();
        names.extend(rest);
        formatter.write_str(&names.join(" or "))
    }
}
