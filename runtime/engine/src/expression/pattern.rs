//! The regular expressions of `matches`, known when an expression is saved: CEL compiles one at each use, however
//! large it becomes (S-10).

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

use super::tree::children;

/// The function that takes a regular expression.
pub(super) const MATCHES: &str = "matches";

/// How large a pattern may be when it is compiled, in bytes: the steps in which that is found out.
const SIZES: [usize; 3] = [4 << 10, 32 << 10, 256 << 10];

/// Most patterns of one expression: each is compiled to see how large it is.
const PATTERNS_MAX: usize = 8;

/// Refuses patterns that only a run knows, faulty ones and large ones.
pub(super) fn check(expression: &IdedExpr) -> Result<(), String> {
    let mut calls = Vec::new();
    collect(expression, &mut calls);
    if calls.len() > PATTERNS_MAX {
        let count = calls.len();
        return Err(format!(
            "the expression uses `{MATCHES}` {count} times; at most {PATTERNS_MAX} are allowed: join patterns with `|`"
        ));
    }
    for call in calls {
        let Some(pattern) = literal(call) else {
            return Err(format!(
                "the pattern of `{MATCHES}` must stand here as a text in quotes; for texts that only a run knows there are `==`, `in`, `contains`, `startsWith` and `endsWith`"
            ));
        };
        compiled_size(pattern)?;
    }
    Ok(())
}

/// The size of what the pattern of a call is compiled to, in bytes, rounded up.
pub(super) fn size(call: &CallExpr) -> u64 {
    // One that `check` refuses never runs.
    literal(call).and_then(|pattern| compiled_size(pattern).ok()).unwrap_or_default()
}

fn compiled_size(pattern: &str) -> Result<u64, String> {
    let mut problem = String::new();
    for size in SIZES {
        match regex::RegexBuilder::new(pattern).size_limit(size).build() {
            Ok(_) => return Ok(size as u64),
            Err(regex::Error::CompiledTooBig(limit)) => {
                problem = format!(
                    "a pattern of `{MATCHES}` takes more than {limit} bytes when it is compiled; repeat less in it, or write `[0-9]` for `\\d` and `[A-Za-z]` for letters"
                );
            }
            Err(error) => {
                // The last line says what is wrong, those before it where.
                let text = error.to_string();
                let what = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                return Err(format!("a pattern of `{MATCHES}` is no regular expression: {what}"));
            }
        }
    }
    Err(problem)
}

fn collect<'a>(expression: &'a IdedExpr, calls: &mut Vec<&'a CallExpr>) {
    if let Expr::Call(call) = &expression.expr
        && call.func_name == MATCHES
    {
        calls.push(call);
    }
    for child in children(expression) {
        collect(child, calls);
    }
}

/// The pattern stands last, in `text.matches(pattern)` and in `matches(text, pattern)`.
fn literal(call: &CallExpr) -> Option<&str> {
    match &call.args.last()?.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::expression::{Expression, Scope};
    use serde_json::json;

    #[test]
    fn patterns_stand_in_the_text_and_are_small() {
        // keeps S-10, F-04
        let fault = |source: &str| Expression::parse(source).expect_err(source).message;
        assert!(fault("'a'.matches(event.pattern)").contains("in quotes"));
        assert!(fault("event.l.map(x, 'a'.matches(x))").contains("in quotes"));
        assert!(fault("matches(event.text, 'a' + 'b')").contains("in quotes"));
        assert!(fault("event.text.matches('(a{500}){200}')").contains("262144 bytes"));
        let unclosed = fault("event.text.matches('(a')");
        assert!(unclosed.contains("no regular expression: unclosed group"), "{unclosed}");
        assert!(fault(&["event.text.matches('a')"; 9].join("||")).contains("9 times"));
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
        assert!(evaluate(r"event.l.all(x, '1'.matches('\\w{4}'))", 1).expect_err("costly").contains("operations"));
    }
}
