//! Expressions: CEL, bounded in cost, with `${…}` interpolation (F-04).
//!
//! CEL is typed and total: no loop without a list, no side effect. What it does not bound is cost, so an expression
//! has a largest length and nesting when it is saved, and a largest number of iterations when it is evaluated (S-10).

mod cost;
mod environment;
mod fault;
#[cfg(test)]
mod hostile_tests;
mod instrument;
mod kinds;
mod library;
mod meter;
mod names;
mod pattern;
mod place;
mod program;
mod scope;
mod template;
mod tree;
mod types;

pub use self::cost::{BUILT_MAX, Cost, CostClass, OPERATIONS_MAX};
pub use self::fault::{EvaluationError, ExpressionFault, Part as ExpressionPart};
pub use self::library::{Function, Group, groups};
pub use self::program::{EXPRESSION_BYTES_MAX, Evaluation, Expression, NESTING_MAX, type_name};
pub(crate) use self::scope::weight;
pub use self::scope::{PROMPT_ROOT, REQUEST_ROOT, RESPONSE_ROOT, ROOTS, Scope};
pub use self::template::{Part, Template, TemplateFault, ValueTemplate, to_text};
pub use self::tree::{Member, Read};
pub use self::types::{Type, TypeFault, Types, Wanted};
