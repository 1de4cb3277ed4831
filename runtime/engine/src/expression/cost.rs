//! A bound on what an evaluation may cost, known before it runs: an evaluation cannot be interrupted.

use cel::common::ast::{Expr, IdedExpr};

use super::program::children;
use super::scope::{Extent, Scope};

/// Most iterations of the innermost loop of one evaluation.
const ITERATIONS_MAX: u64 = 1_000_000;

/// Most bytes that one evaluation may build: iterations, times the largest text, where text can be built.
const BUILT_BYTES_MAX: u64 = 64 << 20;

/// What of an expression decides its cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// How deep comprehensions stand in one another.
    pub(super) comprehension_depth: usize,
    /// Operators and functions: each may copy a text or join lists.
    calls: u64,
    /// Elements of its own list and map literals.
    literal_items: u64,
}

impl Shape {
    pub(super) fn of(expression: &IdedExpr) -> Self {
        let mut shape = Self { comprehension_depth: 0, calls: 0, literal_items: 0 };
        for child in children(expression) {
            let inner = Self::of(child);
            shape.comprehension_depth = shape.comprehension_depth.max(inner.comprehension_depth);
            shape.calls += inner.calls;
            shape.literal_items += inner.literal_items;
        }
        match &expression.expr {
            // A chain such as `l.filter(…).map(…)` runs one after the other; only what stands in the loop nests.
            Expr::Comprehension(it) => {
                let range = Self::of(&it.iter_range).comprehension_depth;
                let inside = [&it.loop_cond, &it.loop_step].map(|part| Self::of(part).comprehension_depth);
                let inside = inside.into_iter().max().unwrap_or(0);
                shape.comprehension_depth = range.max(inside + 1);
            }
            Expr::Call(_) => shape.calls += 1,
            Expr::List(list) => shape.literal_items += list.elements.len() as u64,
            Expr::Map(map) => shape.literal_items += map.entries.len() as u64,
            _ => {}
        }
        shape
    }

    /// Refuses an evaluation that could take too long or build too much.
    pub(super) fn check(&self, scope: &Scope, roots: &[&'static str]) -> Result<(), String> {
        let mut extent = Extent::default();
        for root in roots {
            extent = extent.max(scope.extent(root));
        }
        let widest = extent.items.max(self.literal_items).max(1).saturating_mul(self.joins());
        let iterations = widest.saturating_pow(u32::try_from(self.comprehension_depth).unwrap_or(u32::MAX));
        if self.comprehension_depth > 0 && iterations > ITERATIONS_MAX {
            return Err(format!(
                "could need {iterations} iterations over lists of up to {} items; at most {ITERATIONS_MAX} are allowed",
                extent.items
            ));
        }
        let built = iterations.saturating_mul(extent.text_bytes).saturating_mul(self.calls);
        if built > BUILT_BYTES_MAX && self.comprehension_depth > 0 {
            return Err(format!("could build {built} bytes of text; at most {BUILT_BYTES_MAX} are allowed"));
        }
        Ok(())
    }

    /// Joining lists with `+` makes longer ones than the scope has. Comprehensions hold one `+` each of their own.
    fn joins(&self) -> u64 {
        if self.comprehension_depth > 1 { 1 } else { 1 + self.calls / 8 }
    }
}
