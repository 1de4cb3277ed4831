//! Regular expressions, known when an expression is saved: each is compiled once, and how large it becomes decides
//! what its use costs (S-10).

use std::collections::HashMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

use super::cost::CostClass;
use super::library::{self, Callee};
use super::meter::{Pattern, Patterns};
use super::tree::children;

/// How large a pattern may be when it is compiled, in bytes: the steps in which that is found out.
const SIZES: [usize; 3] = [4 << 10, 32 << 10, 256 << 10];

/// What a pattern may remember while it is matched, in bytes.
const MEMORY: usize = 1 << 20;

/// Most patterns of one expression: each is compiled to see how large it is.
const PATTERNS_MAX: usize = 8;

/// Compiles the patterns of an expression. Refuses those that only a run knows, faulty ones and large ones: what is
/// wrong, and the node that it is wrong with.
pub(super) fn compile(expression: &IdedExpr) -> Result<Patterns, (String, u64)> {
    let mut found = Vec::new();
    collect(expression, &mut found);
    if let Some((name, pattern)) = found.get(PATTERNS_MAX) {
        let count = found.len();
        let message = format!(
            "the expression uses patterns {count} times, here in `{name}`; at most {PATTERNS_MAX} are allowed: join patterns with `|`"
        );
        return Err((message, pattern.id));
    }
    let mut patterns = HashMap::new();
    for (name, pattern) in found {
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
            let message = format!(
                "the pattern of `{name}` must stand here as a text in quotes; for texts that only a run knows there are `==`, `in`, `contains`, `startsWith` and `endsWith`"
            );
            return Err((message, pattern.id));
        };
        let compiled = compiled(name, text.inner()).map_err(|message| (message, pattern.id))?;
        patterns.insert(text.inner().to_owned(), Arc::new(compiled));
    }
    Ok(Arc::new(patterns))
}

fn compiled(function: &str, pattern: &str) -> Result<Pattern, String> {
    let mut problem = String::new();
    for size in SIZES {
        match regex::RegexBuilder::new(pattern).size_limit(size).dfa_size_limit(MEMORY).build() {
            Ok(regex) => return Ok(Pattern { regex, bytes: size as u64 }),
            Err(regex::Error::CompiledTooBig(limit)) => {
                problem = format!(
                    "a pattern of `{function}` takes more than {limit} bytes when it is compiled; repeat less in it, or write `[0-9]` for `\\d` and `[A-Za-z]` for letters"
                );
            }
            Err(error) => {
                // The last line says what is wrong, those before it where.
                let text = error.to_string();
                let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                return Err(format!("a pattern of `{function}` is no regular expression: {what}"));
            }
        }
    }
    Err(problem)
}

/// The patterns, each with the function that takes it.
fn collect<'a>(expression: &'a IdedExpr, found: &mut Vec<(&'static str, &'a IdedExpr)>) {
    if let Expr::Call(call) = &expression.expr {
        found.extend(pattern_of(call));
    }
    for child in children(expression) {
        collect(child, found);
    }
}

/// The pattern stands second, in `text.matches(pattern)` and in `regex.extract(text, pattern)`.
fn pattern_of(call: &CallExpr) -> Option<(&'static str, &IdedExpr)> {
    let Callee::Function(number, given) = library::callee(call) else { return None };
    let function = library::entry(number)?.function;
    (function.cost == CostClass::Pattern).then_some((function.name, *given.get(1)?))
}

#[cfg(test)]
mod tests {
    use crate::expression::{Expression, Scope};
    use serde_json::json;

    #[test]
    fn patterns_stand_in_the_text_and_are_small() {
        // keeps S-10, F-04
        let fault = |source: &str| Expression::parse(source).expect_err(source);
        let message = |source: &str| fault(source).message;
        assert!(message("'a'.matches(event.pattern)").contains("in quotes"));
        assert_eq!(fault("'a'.matches(event.pattern)").offset, "'a'.matches(".len());
        assert!(message("event.l.map(x, 'a'.matches(x))").contains("in quotes"));
        assert!(message("matches(event.text, 'a' + 'b')").contains("in quotes"));
        assert!(message("regex.replace(event.text, event.pattern, '')").contains("in quotes"));
        assert!(message("event.text.matches('(a{500}){200}')").contains("262144 bytes"));
        let unclosed = message("event.text.matches('(a')");
        assert!(unclosed.contains("no regular expression: unclosed group"), "{unclosed}");
        assert!(message(&["event.text.matches('a')"; 9].join("||")).contains("9 times"));
        let scope = Scope::new([("event", json!({"text": "a-1@example.org", "l": ["a", "b"]}))]);
        let value = |source: &str| Expression::parse(source).expect(source).evaluate(&scope).expect(source);
        assert_eq!(value(r"event.text.matches('^[\\w-]+@\\w+\\.org$')"), json!(true));
        assert_eq!(value("event.l.map(x, x.matches('^[^b]$'))"), json!([true, false]));
    }

    #[test]
    fn a_match_costs_the_text_times_the_pattern() {
        // keeps S-10
        let evaluate = |source: &str, bytes: usize| {
            let scope = Scope::new([("event", json!({"text": "a".repeat(bytes), "l": vec![1; 1_000]}))]);
            Expression::parse(source).expect(source).evaluate(&scope).map_err(|error| error.to_string())
        };
        assert_eq!(evaluate("event.text.matches('^a+$')", 1_000_000), Ok(json!(true)));
        let large = r"event.text.matches('\\w{4}')";
        assert_eq!(evaluate(large, 64 << 10), Ok(json!(true)));
        assert!(evaluate(large, 1_000_000).expect_err("costly").contains("operations"));
        assert_eq!(evaluate(r"event.l.all(x, '1111'.matches('\\w{4}'))", 1), Ok(json!(true)));
        let looped = r"event.l.all(x, event.text.matches('\\w{4}'))";
        assert!(evaluate(looped, 1_000).expect_err("costly").contains("operations"));
        // Each of many matches may have looked at all that was left.
        assert_eq!(evaluate("size(regex.extractAll(event.text, 'a'))", 1_000), Ok(json!(1_000)));
        assert!(
            evaluate("size(regex.extractAll(event.text, 'a'))", 100_000).expect_err("costly").contains("operations")
        );
    }
}
