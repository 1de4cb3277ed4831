//! One parsed expression.

use std::sync::Arc;

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::{Context, ExecutionError};
use serde_json::Value;

use super::cost::{Cost, Shape};
use super::environment::environment;
use super::fault::{EvaluationError, ExpressionFault, Part, explain, offset_of};
use super::instrument::instrumented;
use super::kinds::Kind;
use super::meter::{self, Patterns};
use super::pattern;
use super::place;
use super::scope::{ROOTS, Scope};
use super::tree::{Read, collect_paths, collect_reads, evaluated_children};
use super::{names, scope};

/// The longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 4096;

/// How deep `map`, `filter`, `all`, `exists` and `exists_one` may stand inside one another.
pub const NESTING_MAX: usize = 2;

/// Most comprehensions of one expression.
const COMPREHENSIONS_MAX: usize = 16;

/// Most `+` of one expression: each copies what stands before it.
const JOINS_MAX: u64 = 64;

/// Most operators, brackets and dots of one expression. Its tree is at most so deep, so that walking it never
/// overflows a stack.
pub(super) const MARKS_MAX: usize = 250;

/// A parsed expression. Evaluating it changes nothing and always ends.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    source: String,
    /// As the author wrote it.
    tree: IdedExpr,
    places: SourceInfo,
    /// As it runs.
    running: IdedExpr,
    roots: Vec<&'static str>,
    patterns: Patterns,
}

/// What an evaluation gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The value, as JSON.
    pub value: Value,
    /// What CEL calls its type: `timestamp` or `bytes`, say, where JSON has but text.
    pub kind: &'static str,
    /// What it has cost.
    pub cost: Cost,
}

impl Expression {
    /// Parses an expression and checks its roots, its functions, its length and its nesting.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(source: &str) -> Result<Self, ExpressionFault> {
        Self::parse_over(&ROOTS, source)
    }

    /// The same for an expression that sees other roots than most do.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse_over(known: &[&'static str], source: &str) -> Result<Self, ExpressionFault> {
        check_text(source)?;
        let parsed = environment().parser().parse_with_source_info(source);
        let (tree, places) = parsed.map_err(|errors| parse_fault(source, &errors))?;
        let at = |(message, id): (String, u64)| ExpressionFault { message, offset: place::start(source, &places, id) };
        check_shape(&Shape::of(&tree))?;
        names::check_functions(&tree).map_err(at)?;
        let roots = names::roots(known, &tree).map_err(at)?;
        let patterns = pattern::compile(&tree).map_err(at)?;
        let running = instrumented(&tree);
        Ok(Self(Arc::new(Parsed { source: source.to_owned(), tree, places, running, roots, patterns })))
    }

    /// The text that was parsed.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The roots that the expression reads.
    pub fn roots(&self) -> &[&'static str] {
        &self.0.roots
    }

    /// The fields that the expression selects one after the other from a root, such as `["connectors", "risk"]`.
    pub fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        collect_paths(&self.0.tree, &mut paths);
        paths
    }

    /// What the expression reads below a root, each with the way there: fields and literal indices.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads = Vec::new();
        collect_reads(&self.0.tree, &mut reads);
        reads
    }

    /// The expression's value.
    ///
    /// # Errors
    /// A missing field, a wrong type, a division by zero, a cost over the bound, a value that JSON does not have.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, EvaluationError> {
        self.measure(scope).map(|evaluation| evaluation.value)
    }

    /// The expression's value, with its type and what it has cost.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn measure(&self, scope: &Scope) -> Result<Evaluation, EvaluationError> {
        let mut context = Context::with_env(environment());
        for root in &self.0.roots {
            context.add_variable_from_value(*root, scope.cel(root));
        }
        let run = || cel::Value::resolve(&self.0.running, &context);
        let (result, cost, over) = meter::metered(&self.0.patterns, Cost::default(), run);
        match (result, over) {
            (_, Some(problem)) => Err(self.error(problem)),
            (Err(error), None) => Err(self.located(&context, &error, cost)),
            (Ok(value), None) => {
                let kind = scope::kind_of(&value).map_or("unknown", Kind::name);
                let value = scope::from_cel(&value).map_err(|problem| self.error(problem))?;
                Ok(Evaluation { value, kind, cost })
            }
        }
    }

    /// The expression's value where it must be a boolean.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and a value of another type.
    pub fn evaluate_bool(&self, scope: &Scope) -> Result<bool, EvaluationError> {
        match self.evaluate(scope)? {
            Value::Bool(value) => Ok(value),
            other => Err(self.error(format!("gives {}, but a condition must give true or false", type_name(&other)))),
        }
    }

    pub(super) fn tree(&self) -> &IdedExpr {
        &self.0.tree
    }

    /// Where a part of it stands.
    pub(super) fn part(&self, node: &IdedExpr) -> Part {
        let range = place::range(self.source(), &self.0.places, node);
        Part { text: self.source().get(range.clone()).unwrap_or_default().to_owned(), offset: range.start }
    }

    fn error(&self, problem: String) -> EvaluationError {
        EvaluationError::new(self.source(), problem)
    }

    /// The error with the smallest part that has it by itself, as long as looking for it costs no more than is left.
    fn located(&self, context: &Context<'_, '_>, error: &ExecutionError, spent: Cost) -> EvaluationError {
        let mut node = &self.0.tree;
        let search = || {
            let fails = |part: &&IdedExpr| {
                let running = instrumented(part);
                let result = cel::Value::resolve(&running, context);
                result.is_err_and(|found| found == *error)
            };
            while let Some(part) = evaluated_children(node).into_iter().find(fails) {
                node = part;
            }
            node
        };
        let (node, ..) = meter::metered(&self.0.patterns, spent, search);
        self.error(explain(error)).in_part(self.part(node))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

/// The name of a value's type, with its article.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn at_start(message: String) -> ExpressionFault {
    ExpressionFault { message, offset: 0 }
}

/// Before the parser, which recurses, sees it.
fn check_text(source: &str) -> Result<(), ExpressionFault> {
    if source.trim().is_empty() {
        return Err(at_start("an expression is missing here".to_owned()));
    }
    if source.len() > EXPRESSION_BYTES_MAX {
        let length = source.len();
        return Err(at_start(format!("the expression has {length} bytes; at most {EXPRESSION_BYTES_MAX} are allowed")));
    }
    let marks = marks(source);
    if marks > MARKS_MAX {
        return Err(at_start(format!(
            "the expression has {marks} operators, brackets and dots; at most {MARKS_MAX} are allowed"
        )));
    }
    Ok(())
}

/// Whatever can make a tree deeper, counted before the parser recurses over it. What stands in quotes counts too:
/// telling it apart is the parser's job.
fn marks(source: &str) -> usize {
    source.bytes().filter(|byte| b"()[]{}.+-*/%<>=!&|?".contains(byte)).count()
}

fn check_shape(shape: &Shape) -> Result<(), ExpressionFault> {
    let depth = shape.comprehension_depth;
    if depth > NESTING_MAX {
        return Err(at_start(format!(
            "`map`, `filter`, `all` and `exists` stand {depth} deep in one another; at most {NESTING_MAX} are allowed"
        )));
    }
    if shape.comprehensions > COMPREHENSIONS_MAX || shape.joins > JOINS_MAX {
        return Err(at_start(format!(
            "the expression has {} loops and {} times `+`; at most {COMPREHENSIONS_MAX} and {JOINS_MAX} are allowed",
            shape.comprehensions, shape.joins
        )));
    }
    Ok(())
}

fn parse_fault(source: &str, errors: &cel::ParseErrors) -> ExpressionFault {
    let Some(first) = errors.errors.first() else {
        return at_start("this is not an expression".to_owned());
    };
    let message = first.msg.lines().next().unwrap_or_default().trim().to_owned();
    ExpressionFault {
        message: format!("this is not a CEL expression: {message}"),
        offset: offset_of(source, first.pos),
    }
}

#[cfg(test)]
mod tests;
