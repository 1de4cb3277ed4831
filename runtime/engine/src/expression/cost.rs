//! A bound on what an evaluation may cost, known before it runs: an evaluation cannot be interrupted (S-10).
//!
//! The bound is generous where it does not matter and never too low: it takes the longest list and the longest text
//! that the expression could meet for every list and text.

use cel::common::ast::operators::{ADD, CONDITIONAL, EQUALS, IN, LOGICAL_AND, LOGICAL_OR, NOT_EQUALS};
use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue};

use super::pattern::{self, MATCHES};
use super::scope::{Extent, Scope};
use super::tree::children;

/// Most elementary operations of one evaluation: looks at an item, copies of 64 bytes.
const OPERATIONS_MAX: u64 = 50_000_000;

/// Most bytes of text, or items of lists, that one evaluation may build.
const BUILT_MAX: u64 = 16 << 20;

/// What one use of a regular expression counts for, besides each byte that it is compiled to: it is compiled each
/// time.
const PATTERN_OPERATIONS: u64 = 10_000;

/// How many bytes of a compiled pattern may look at a byte of text as one operation.
const PATTERN_BYTES_PER_OPERATION: u64 = 1 << 10;

/// What of an expression decides its cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    /// How deep comprehensions stand in one another.
    pub(super) comprehension_depth: usize,
    /// Comprehensions, wherever they stand.
    pub(super) comprehensions: usize,
    /// `+`, as the author wrote it.
    pub(super) joins: u64,
    /// Operators and functions that take the same time whatever they are given.
    light: u64,
    /// Operators and functions that may look at every item or byte of what they are given.
    heavy: u64,
    /// Regular expressions.
    patterns: u64,
    /// Bytes of what they are compiled to.
    pattern_bytes: u64,
    /// Elements of its own list and map literals.
    literal_items: u64,
    /// Bytes of its own text literals.
    literal_bytes: u64,
}

impl Shape {
    /// Each node is looked at once.
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let Expr::Comprehension(it) = &expression.expr else {
            return children(expression).into_iter().map(Self::of).fold(Self::of_node(&expression.expr), Self::and);
        };
        let range = Self::of(&it.iter_range);
        let inside = author_parts(it).into_iter().map(Self::of).fold(Self::default(), Self::and);
        // A chain such as `l.filter(…).map(…)` runs one after the other; only what stands in the loop nests.
        let comprehension_depth = range.comprehension_depth.max(inside.comprehension_depth + 1);
        let both = range.and(inside);
        Self { comprehension_depth, comprehensions: both.comprehensions + 1, light: both.light + 2, ..both }
    }

    fn and(self, other: Self) -> Self {
        Self {
            comprehension_depth: self.comprehension_depth.max(other.comprehension_depth),
            comprehensions: self.comprehensions + other.comprehensions,
            joins: self.joins + other.joins,
            light: self.light + other.light,
            heavy: self.heavy + other.heavy,
            patterns: self.patterns + other.patterns,
            pattern_bytes: self.pattern_bytes + other.pattern_bytes,
            literal_items: self.literal_items + other.literal_items,
            literal_bytes: self.literal_bytes + other.literal_bytes,
        }
    }

    fn of_node(node: &Expr) -> Self {
        let mut shape = Self::default();
        match node {
            Expr::Call(call) => match call.func_name.as_str() {
                ADD => (shape.joins, shape.heavy) = (1, 1),
                MATCHES => (shape.patterns, shape.pattern_bytes) = (1, pattern::size(call)),
                EQUALS | NOT_EQUALS | IN => shape.heavy = 1,
                // Operators are named with an underscore; functions with letters.
                name if name.starts_with(char::is_alphabetic) => shape.heavy = 1,
                _ => shape.light = 1,
            },
            Expr::List(list) => shape.literal_items = list.elements.len() as u64,
            Expr::Map(map) => shape.literal_items = map.entries.len() as u64,
            Expr::Literal(LiteralValue::String(text)) => shape.literal_bytes = text.inner().len() as u64,
            _ => {}
        }
        shape
    }

    /// Refuses an evaluation that could take too long or build too much.
    pub(super) fn check(&self, scope: &Scope, roots: &[&'static str]) -> Result<(), String> {
        let extent = roots.iter().map(|root| scope.extent(root)).fold(Extent::default(), Extent::max);
        let items = extent.items.max(self.literal_items).max(1).saturating_mul(self.joins + 1);
        let text = (extent.text_bytes + self.literal_bytes).saturating_mul(self.joins + 1);
        let iterations = items.saturating_pow(u32::try_from(self.comprehension_depth).unwrap_or(u32::MAX));
        let heavy = self.heavy.saturating_mul(items.max(text / 64).max(1));
        let matching = text.saturating_mul(self.pattern_bytes.div_ceil(PATTERN_BYTES_PER_OPERATION));
        let compiling = self.patterns.saturating_mul(PATTERN_OPERATIONS).saturating_add(self.pattern_bytes);
        let patterns = compiling.saturating_add(matching);
        let once = self.light.saturating_add(heavy).saturating_add(patterns).max(1);
        let operations = iterations.saturating_mul(once);
        if operations > OPERATIONS_MAX {
            return Err(format!(
                "could need {operations} operations, with lists of up to {} items and texts of up to {} bytes; \
                 at most {OPERATIONS_MAX} are allowed",
                extent.items, extent.text_bytes
            ));
        }
        let built = if self.joins > 0 { iterations.saturating_mul(text.max(items)) } else { 0 };
        if built > BUILT_MAX {
            return Err(format!("could build {built} bytes; at most {BUILT_MAX} are allowed"));
        }
        Ok(())
    }
}

/// What of a comprehension its author wrote, besides the range; the rest is the parser's own, and cheap.
fn author_parts(it: &ComprehensionExpr) -> Vec<&IdedExpr> {
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
