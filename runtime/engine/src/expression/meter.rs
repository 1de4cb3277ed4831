//! What an evaluation has cost so far, and where it ends (S-10). An evaluation cannot be interrupted from outside, so
//! whatever may take long asks here first. What is over stays over: CEL forgives errors, as in `error || true`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use cel::common::types::{CelBytes, CelList, CelMap, CelOptional, CelString, Kind};
use cel::common::value::Val;

use super::cost::{BUILT_MAX, Cost, OPERATIONS_MAX};

/// A regular expression, compiled when its expression was parsed.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: regex::Regex,
    /// Of what it is compiled to, rounded up.
    pub(super) bytes: u64,
}

/// By their text.
pub(super) type Patterns = Arc<HashMap<String, Arc<Pattern>>>;

#[derive(Default)]
struct Meter {
    cost: Cost,
    /// How the sentence about what is over ends.
    over: Option<String>,
    patterns: Patterns,
}

thread_local! {
    /// Functions of CEL are plain pointers, so the evaluation that a call belongs to is the one of its thread.
    static METER: RefCell<Meter> = RefCell::default();
}

/// Runs an evaluation from `spent` on; gives what it has cost in all, and what is over if something is.
pub(super) fn metered<T>(patterns: &Patterns, spent: Cost, work: impl FnOnce() -> T) -> (T, Cost, Option<String>) {
    let meter = Meter { cost: spent, over: None, patterns: patterns.clone() };
    let before = METER.replace(meter);
    let value = work();
    let meter = METER.replace(before);
    (value, meter.cost, meter.over)
}

/// Before work of so many operations.
///
/// # Errors
/// The evaluation has had as many as it may.
pub(super) fn spend(operations: u64) -> Result<(), String> {
    METER.with_borrow_mut(|meter| {
        meter.cost.operations = meter.cost.operations.saturating_add(operations);
        let message = || format!("needs more than {OPERATIONS_MAX} operations, of which no more are allowed");
        meter.check(meter.cost.operations > OPERATIONS_MAX, message)
    })
}

/// Before so many bytes are built.
///
/// # Errors
/// The evaluation has built as much as it may.
pub(super) fn build(bytes: u64) -> Result<(), String> {
    spend(bytes / 64)?;
    METER.with_borrow_mut(|meter| {
        meter.cost.built = meter.cost.built.saturating_add(bytes);
        let message = || format!("builds more than {BUILT_MAX} bytes, of which no more are allowed");
        meter.check(meter.cost.built > BUILT_MAX, message)
    })
}

/// Before so many bytes are built in one piece: whoever builds them pays when they are there.
///
/// # Errors
/// The evaluation may not build so much more.
pub(super) fn room(bytes: u64) -> Result<(), String> {
    METER.with_borrow_mut(|meter| {
        let is_over = meter.cost.built.saturating_add(bytes) > BUILT_MAX;
        meter.check(is_over, || format!("builds more than {BUILT_MAX} bytes, of which no more are allowed"))
    })
}

/// The pattern of that text, if the expression has it.
pub(super) fn pattern(text: &str) -> Option<Arc<Pattern>> {
    METER.with_borrow(|meter| meter.patterns.get(text).cloned())
}

impl Meter {
    fn check(&mut self, is_over: bool, message: impl FnOnce() -> String) -> Result<(), String> {
        if is_over && self.over.is_none() {
            self.over = Some(message());
        }
        self.over.clone().map_or(Ok(()), Err)
    }
}

/// What a value counts for, its parts included.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    parts: u64,
    bytes: u64,
}

impl Weight {
    /// Of a value.
    pub(super) fn of(value: &dyn Val) -> Self {
        let mut weight = Self { parts: 1, bytes: 0 };
        match value.get_type().kind() {
            Kind::String => {
                weight.bytes += value.downcast_ref::<CelString<'_>>().map_or(0, |it| it.inner().len() as u64)
            }
            Kind::Bytes => weight.bytes += value.downcast_ref::<CelBytes<'_>>().map_or(0, |it| it.inner().len() as u64),
            Kind::List => {
                let items = value.downcast_ref::<CelList<'_>>().map(CelList::inner).into_iter().flatten();
                items.for_each(|item| weight.add(Self::of(item.as_ref())));
            }
            Kind::Map => {
                let entries = value.downcast_ref::<CelMap<'_>>().map(CelMap::inner).into_iter().flatten();
                entries.for_each(|(key, item)| weight.add(Self::of(key.inner()).and(Self::of(item.as_ref()))));
            }
            Kind::Opaque => {
                let inner = value.downcast_ref::<CelOptional<'_>>().and_then(CelOptional::option);
                inner.into_iter().for_each(|inner| weight.add(Self::of(inner)));
            }
            _ => {}
        }
        weight
    }

    fn add(&mut self, other: Self) {
        *self = self.and(other);
    }

    fn and(self, other: Self) -> Self {
        Self { parts: self.parts + other.parts, bytes: self.bytes + other.bytes }
    }

    /// To look at it or copy it once.
    pub(super) fn operations(self) -> u64 {
        self.parts * 8 + self.bytes / 16
    }

    /// To do something with each byte of it.
    pub(super) fn scanned(self) -> u64 {
        self.parts * 8 + self.bytes / 8
    }

    /// What a copy of it takes.
    pub(super) fn built(self) -> u64 {
        self.parts * 16 + self.bytes
    }
}
