//! One parsed expression.

use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program};
use serde_json::Value;

use super::cost;
use super::pattern;
use super::scope::{ROOTS, Scope};
use super::tree::{Read, bound_variables, collect_paths, collect_reads};

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
const MARKS_MAX: usize = 250;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionFault {
    /// What is wrong and how to mend it.
    pub message: String,
    /// Where in the expression, in bytes from its start.
    pub offset: usize,
}

/// Why an expression gave no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` {problem}")]
pub struct EvaluationError {
    /// The expression.
    pub expression: String,
    /// What is wrong, as the end of a sentence.
    pub problem: String,
}

/// A parsed expression. Evaluating it changes nothing and always ends.
#[derive(Debug, Clone)]
pub struct Expression(Arc<Parsed>);

#[derive(Debug)]
struct Parsed {
    source: String,
    program: Program,
    roots: Vec<&'static str>,
    shape: cost::Shape,
}

impl Expression {
    /// Parses an expression and checks its roots, its length and its nesting.
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
        let at_start = |message: String| ExpressionFault { message, offset: 0 };
        if source.trim().is_empty() {
            return Err(at_start("an expression is missing here".to_owned()));
        }
        if source.len() > EXPRESSION_BYTES_MAX {
            let length = source.len();
            return Err(at_start(format!(
                "the expression has {length} bytes; at most {EXPRESSION_BYTES_MAX} are allowed"
            )));
        }
        let marks = marks(source);
        if marks > MARKS_MAX {
            let message =
                format!("the expression has {marks} operators, brackets and dots; at most {MARKS_MAX} are allowed");
            return Err(at_start(message));
        }
        let program = ENV.compile(source).map_err(|errors| parse_fault(source, &errors))?;
        pattern::check(program.expression())
            .map_err(|message| ExpressionFault { message, offset: source.find(pattern::MATCHES).unwrap_or(0) })?;
        let shape = cost::Shape::of(program.expression());
        if shape.comprehension_depth > NESTING_MAX {
            let depth = shape.comprehension_depth;
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
        let roots = roots_of(known, source, &program)?;
        Ok(Self(Arc::new(Parsed { source: source.to_owned(), program, roots, shape })))
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
        collect_paths(self.0.program.expression(), &mut paths);
        paths
    }

    /// What the expression reads below a root, each with the way there: fields and literal indices.
    pub fn reads(&self) -> Vec<Read> {
        let mut reads = Vec::new();
        collect_reads(self.0.program.expression(), &mut reads);
        reads
    }

    /// The expression's value.
    ///
    /// # Errors
    /// A missing field, a wrong type, a division by zero, a cost over the bound, a value that JSON does not have.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, EvaluationError> {
        let mut context = Context::with_env(ENV.clone());
        for root in &self.0.roots {
            context.add_variable_from_value(*root, scope.cel(root));
        }
        self.0.shape.check(scope, &self.0.roots).map_err(|problem| self.error(problem))?;
        let value = self.0.program.execute(&context).map_err(|error| self.error(explain(&error)))?;
        super::scope::from_cel(&value).map_err(|problem| self.error(problem))
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

    fn error(&self, problem: String) -> EvaluationError {
        EvaluationError { expression: self.0.source.chars().take(200).collect(), problem }
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

/// Whatever can make a tree deeper, counted before the parser recurses over it. What stands in quotes counts too:
/// telling it apart is the parser's job.
fn marks(source: &str) -> usize {
    source.bytes().filter(|byte| b"()[]{}.+-*/%<>=!&|?".contains(byte)).count()
}

fn parse_fault(source: &str, errors: &cel::ParseErrors) -> ExpressionFault {
    let Some(first) = errors.errors.first() else {
        return ExpressionFault { message: "this is not an expression".to_owned(), offset: 0 };
    };
    let message = first.msg.lines().next().unwrap_or_default().trim().to_owned();
    ExpressionFault {
        message: format!("this is not a CEL expression: {message}"),
        offset: offset_of(source, first.pos),
    }
}

/// CEL counts lines and columns from 1.
fn offset_of(source: &str, (line, column): (isize, isize)) -> usize {
    let before: usize = source.split_inclusive('\n').take(usize::try_from(line - 1).unwrap_or(0)).map(str::len).sum();
    (before + usize::try_from(column - 1).unwrap_or(0)).min(source.len())
}

fn roots_of(known: &[&'static str], source: &str, program: &Program) -> Result<Vec<&'static str>, ExpressionFault> {
    let mut bound = Vec::new();
    bound_variables(program.expression(), &mut bound);
    let references = program.references();
    let mut roots = Vec::new();
    let mut variables = references.variables();
    variables.sort_unstable();
    for variable in variables {
        if let Some(root) = known.iter().find(|root| **root == variable) {
            roots.push(*root);
        } else if !bound.iter().any(|name| name == variable) {
            let offset = source.find(variable).unwrap_or(0);
            let known = known.join("`, `");
            return Err(ExpressionFault {
                message: format!("`{variable}` is not known here; an expression sees `{known}`"),
                offset,
            });
        }
    }
    Ok(roots)
}

/// An evaluation error in words, without the values that it happened on: they may be personal.
fn explain(error: &cel::ExecutionError) -> String {
    use cel::ExecutionError as E;
    match error {
        E::NoSuchKey(key) => format!("reads the field `{key}`, which is not there; test it with has(…) first"),
        E::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(", ");
            format!("uses `{}` on ({types}), which it is not made for", overload.function())
        }
        E::UnsupportedBinaryOperator(operator, left, right) => {
            format!("uses `{operator}` on ({}, {}), which it is not made for", left.type_of(), right.type_of())
        }
        E::UndeclaredReference(name) => format!("calls `{name}`, which is not known"),
        E::ValuesNotComparable(..) => "compares values of types that have no order between them".to_owned(),
        E::DivisionByZero(_) | E::RemainderByZero(_) => "divides by zero".to_owned(),
        E::Overflow(operator, ..) => format!("overflows at `{operator}`"),
        E::IndexOutOfBounds(_) => "reads past the end of a list".to_owned(),
        E::UnexpectedType { got, want } => format!("needs {want}, but got {got}"),
        E::FunctionError { function, message } => format!("fails in `{function}`: {message}"),
        E::InvalidArgumentCount { expected, actual } => format!("gives a function {actual} arguments, not {expected}"),
        _ => "cannot be evaluated on these values".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        Scope::new([
            ("event", json!({"user": {"id": "u1", "age": 41}, "list": [1, 2, 3], "text": "a b"})),
            ("connectors", json!({"risk": {"transformed_data": {"score": 81}}})),
        ])
    }

    #[track_caller]
    fn check(source: &str, expected: Value) {
        let value = Expression::parse(source)
            .map_err(|fault| fault.message)
            .and_then(|expression| expression.evaluate(&scope()).map_err(|error| error.to_string()));
        assert_eq!(value, Ok(expected), "{source}");
    }

    #[test]
    fn values() {
        // covers F-04
        check("event.user.id", json!("u1"));
        check("connectors.risk.transformed_data.score > 80", json!(true));
        check("event.user.age + 1", json!(42));
        check("1.5 * 2.0", json!(3.0));
        check("{'user': event.user.id}", json!({"user": "u1"}));
        check("event.list.map(x, x * 2)", json!([2, 4, 6]));
        check("event.list.exists(x, event.list.all(y, y <= x))", json!(true));
        check("has(event.user.name) ? event.user.name : 'nobody'", json!("nobody"));
        check("'k' in connectors", json!(false));
        check("steps", Value::Null);
    }

    #[test]
    fn faults_say_what_and_where() {
        let fault = |source: &str| Expression::parse(source).expect_err(source);
        assert_eq!(
            fault("user.id == 1").message,
            "`user` is not known here; an expression sees `event`, `connectors`, `steps`, `claims`, `args`, `run`"
        );
        assert_eq!(fault("event.a ==").offset, "event.a ==".len());
        assert!(fault("event.l.map(a, event.l.map(b, event.l.map(c, c)))").message.contains("3 deep"));
        assert!(fault(&"1 + ".repeat(4000)).message.contains("bytes"));
        assert!(fault(&"(".repeat(2000)).message.contains("brackets"));
        assert!(fault(&"!".repeat(2000)).message.contains("brackets"));
        assert!(fault(&format!("{}1", "1+".repeat(100))).message.contains("100 times `+`"));
        assert!(fault(&format!("event.l{}", ".map(x,x)".repeat(40))).message.contains("allowed"));
        assert!(fault("  ").message.contains("missing"));
    }

    #[test]
    fn evaluation_errors_name_no_value() {
        let error = |source: &str| {
            Expression::parse(source).map(|it| it.evaluate(&scope())).expect("parses").expect_err(source).to_string()
        };
        assert_eq!(
            error("event.user.name"),
            "`event.user.name` reads the field `name`, which is not there; test it with has(…) first"
        );
        assert_eq!(
            error("event.user.id + 1"),
            "`event.user.id + 1` uses `add` on (string, int), which it is not made for"
        );
        assert_eq!(error("1 / (event.user.age - 41)"), "`1 / (event.user.age - 41)` divides by zero");
    }

    #[test]
    fn costly_expressions_are_refused_before_they_run() {
        // keeps S-10
        let numbers: Vec<Value> = (0..2_000).map(Value::from).collect();
        let scope = Scope::new([("event", json!({"l": numbers, "s": "x".repeat(1_000_000)}))]);
        let joined = vec!["event.l"; 30].join("+");
        for costly in [
            "event.l.all(x, event.l.exists(y, x == y))".to_owned(),
            "event.l.all(x, event.l.exists(y, !(-1 in event.l)))".to_owned(),
            "event.l.map(x, event.s + event.s)".to_owned(),
            "event.l.map(x, event.s.matches('a+'))".to_owned(),
            format!("({joined}).all(x, ({joined}).all(y, true))"),
            vec!["event.s"; 30].join("+"),
        ] {
            let expression = Expression::parse(&costly).expect("parses");
            let error = expression.evaluate(&scope).expect_err(&costly).to_string();
            assert!(error.contains("are allowed"), "{error}");
        }
        let flat = Expression::parse("event.l.exists(y, y == 1999)").expect("parses");
        assert_eq!(flat.evaluate(&scope), Ok(json!(true)));
        let copies = Expression::parse("event.l.map(x, event.l)").expect("parses");
        let error = copies.evaluate(&scope).expect_err("4 million items").to_string();
        assert!(error.contains("larger than"), "{error}");
    }

    #[test]
    fn the_deepest_expressions_fit_on_a_stack() {
        // keeps S-10: a worker has as much stack as this thread
        let scope = scope();
        for deep in [
            format!("{}1", "1-".repeat(MARKS_MAX)),
            format!("{}true", "!".repeat(MARKS_MAX)),
            format!("event{}", ".a".repeat(MARKS_MAX)),
            format!("event{}", "[0]".repeat(MARKS_MAX / 2)),
            format!("{}1{}", "(".repeat(MARKS_MAX / 2), ")".repeat(MARKS_MAX / 2)),
            format!("{}1{}", "[".repeat(MARKS_MAX / 2), "]".repeat(MARKS_MAX / 2)),
            format!("{}1", "true?1:".repeat(MARKS_MAX)),
        ] {
            if let Ok(expression) = Expression::parse(&deep) {
                let _ = expression.evaluate(&scope);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn parsing_and_evaluating_never_panics(source in "[ a-z0-9.()\\[\\]{}'\"+*/<>=!?:,&|-]{0,60}") {
            if let Ok(expression) = Expression::parse(&source) {
                let _ = expression.evaluate(&scope());
            }
        }
    }
}
