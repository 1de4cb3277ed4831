//! What an evaluation may cost (S-10): the bounds, what of an expression its author may not overdo, and how the
//! functions of the library grow.

use cel::common::ast::operators::{ADD, CONDITIONAL, LOGICAL_AND, LOGICAL_OR};
use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr};
use serde::Serialize;

use super::tree::children;

/// Most elementary operations of one evaluation. One is about 10 ns of one core: a look at 16 bytes, an eighth of a
/// look at an item.
pub const OPERATIONS_MAX: u64 = 50_000_000;

/// Most bytes that one evaluation may build; each value counts 16.
pub const BUILT_MAX: u64 = 16 << 20;

/// What one node of an expression counts for each time that a loop comes by.
pub(super) const NODE_OPERATIONS: u64 = 20;

/// What an evaluation has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Elementary operations; see [`OPERATIONS_MAX`].
    pub operations: u64,
    /// Bytes of text and values that were built on the way; see [`BUILT_MAX`].
    pub built: u64,
}

/// How the cost of a function grows with what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostClass {
    /// It does not.
    Constant,
    /// With the bytes of the text.
    Text,
    /// With the items of the list, and all that is in them.
    List,
    /// With n log n of the items.
    Sorted,
    /// With the bytes of the text times the size of the pattern; where all matches are looked for, once for each.
    Pattern,
    /// With what it makes, which may be larger than what it is given.
    Output,
    /// With the items times what stands in the brackets.
    Loop,
}

impl CostClass {
    /// In a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Text => "text",
            Self::List => "list",
            Self::Sorted => "n log n",
            Self::Pattern => "text × pattern",
            Self::Output => "output",
            Self::Loop => "loop",
        }
    }
}

/// What of an expression is bounded when it is saved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    /// How deep comprehensions stand in one another.
    pub(super) comprehension_depth: usize,
    /// Comprehensions, wherever they stand.
    pub(super) comprehensions: usize,
    /// `+`, as the author wrote it.
    pub(super) joins: u64,
}

impl Shape {
    /// Each node is looked at once.
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let Expr::Comprehension(it) = &expression.expr else {
            let joins = u64::from(matches!(&expression.expr, Expr::Call(call) if call.func_name == ADD));
            let own = Self { joins, ..Self::default() };
            return children(expression).into_iter().map(Self::of).fold(own, Self::and);
        };
        let range = Self::of(&it.iter_range);
        let inside = author_parts(it).into_iter().map(Self::of).fold(Self::default(), Self::and);
        // A chain such as `l.filter(…).map(…)` runs one after the other; only what stands in the loop nests.
        let comprehension_depth = range.comprehension_depth.max(inside.comprehension_depth + 1);
        let both = range.and(inside);
        Self { comprehension_depth, comprehensions: both.comprehensions + 1, ..both }
    }

    fn and(self, other: Self) -> Self {
        Self {
            comprehension_depth: self.comprehension_depth.max(other.comprehension_depth),
            comprehensions: self.comprehensions + other.comprehensions,
            joins: self.joins + other.joins,
        }
    }
}

/// What of a comprehension its author wrote, besides the range; the rest is the parser's own, and cheap.
pub(super) fn author_parts(it: &ComprehensionExpr) -> Vec<&IdedExpr> {
    let is_accumulator = |part: &IdedExpr| matches!(&part.expr, Expr::Ident(name) if *name == it.accu_var);
    match &it.loop_step.expr {
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (LOGICAL_AND | LOGICAL_OR, [accumulator, predicate]) if is_accumulator(accumulator) => vec![predicate],
            (ADD, [accumulator, added]) if is_accumulator(accumulator) => children(added),
            (CONDITIONAL, [predicate, then, otherwise]) if is_accumulator(otherwise) => match &then.expr {
                Expr::Call(inner) if inner.func_name == ADD => {
                    let added = inner.args.get(1).map(children).unwrap_or_default();
                    std::iter::once(predicate).chain(added).collect()
                }
                _ => vec![predicate, then],
            },
            _ => vec![&it.loop_step],
        },
        _ => vec![&it.loop_step],
    }
}
