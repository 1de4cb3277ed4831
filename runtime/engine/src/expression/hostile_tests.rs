//! Expressions that want to burn the host (S-10): each ends within its bound, and none panics.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::cost::{BUILT_MAX, OPERATIONS_MAX};
use super::{Expression, Scope};

/// A text and a list that are large, but not larger than a context may hold.
fn scope() -> Scope {
    let list: Vec<Value> = (0..2_000).map(Value::from).collect();
    let text = "a,".repeat(50_000);
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    Scope::new([(
        "event",
        json!({"l": list, "s": text, "deep": deep, "n": 1_000_000, "small": "ab", "few": [1, 2, 3]}),
    )])
}

fn problem(source: &str) -> String {
    let expression = Expression::parse(source).map_err(|fault| fault.message).expect(source);
    expression.evaluate(&scope()).expect_err(source).to_string()
}

#[test]
fn bombs_are_stopped_at_their_bound() {
    // keeps S-10; covers F-04
    for bomb in [
        "event.l.all(x, event.l.all(y, lists.range(event.n).size() > 0))",
        "lists.range(event.n).map(x, lists.range(event.n))",
        "lists.range(event.n).all(x, lists.range(event.n).all(y, true))",
        "event.l.map(x, event.s)",
        "event.l.map(x, {'a': event.s})",
        "event.l.map(x, [event.s])",
        "event.l.map(x, event.l)",
        "event.l.map(x, optional.of(event.l))",
        "event.l.map(x, true ? event.s : event.small)",
        "event.l.map(x, event.s.upper())",
        "event.l.map(x, bytes(event.s))",
        "event.s.replace('a', event.s)",
        "event.s.replace('', event.s)",
        "event.s.split('').join(event.s)",
        "regex.replace(event.s, 'a', r'\\0\\0\\0\\0' + event.s)",
        "regex.replace(event.s + event.s, '.*', r'\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0')",
        "regex.extractAll(event.s, 'a').size() > 0",
        "event.l.all(x, event.l.exists(y, x == y))",
        "event.l.all(x, event.l.exists(y, !(-1 in event.l)))",
        "event.l.all(x, event.l.sort().size() > 0)",
        "event.l.all(x, !(-1 in event.l) && event.l.distinct().size() > 0)",
        "event.l.all(x, hash.sha256(event.s).size() == 32)",
        "event.l.all(x, json.stringify(event).size() > 0)",
        "event.l.all(x, event.get('/s').size() > 0)",
        "[event.l, event.l, event.l].map(a, event.l.map(b, event.l)).flatten(9)",
        // What is over stays over, whatever forgives errors.
        "lists.range(event.n).map(x, lists.range(event.n)).size() > 0 || true",
        "event.few.exists(x, lists.range(event.n).all(y, event.s.contains('z')) || x == 3)",
    ] {
        let problem = problem(bomb);
        assert!(problem.contains("of which no more are allowed"), "{bomb}: {problem}");
    }
}

#[test]
fn deep_and_huge_values_are_refused_in_words() {
    // keeps S-10
    assert!(problem("json.parse(event.deep)").contains("nests deeper than 64 levels"));
    let levels = |count: usize| format!("json.parse('{}{}')", "[".repeat(count), "]".repeat(count));
    assert!(Expression::parse(&levels(64)).expect("64").evaluate(&scope()).is_ok());
    assert!(problem(&levels(65)).contains("nests deeper than 64 levels"));
    assert!(problem("lists.range(event.n + 1)").contains("0 to 1000000"));
    assert!(problem("lists.range(-1)").contains("0 to 1000000"));
    assert!(problem("timestamp('2026-01-01T00:00:00Z').format(event.s)").contains("more than 256 bytes"));
    assert!(problem("timestamp('2026-01-01T00:00:00Z').format('%')").contains("strftime"));
    assert!(problem("[9223372036854775807, 1].sum()").contains("too large"));
}

#[test]
fn ordinary_work_on_large_values_is_done() {
    // covers F-04
    for (source, expected) in [
        ("event.s.split(',').filter(x, x != '').size()", json!(50_000)),
        ("event.s.split(',').distinct()", json!(["a", ""])),
        ("event.l.map(x, x * 2).sum()", json!(3_998_000)),
        ("event.l.sortByKeys(event.l.map(x, -x)).first().orValue(0)", json!(1_999)),
        ("event.few.exists(x, event.few.all(y, y <= x))", json!(true)),
        ("event.s.replace(',', '').size()", json!(50_000)),
        ("lists.range(100).map(x, lists.range(100).map(y, x * y).sum()).sum()", json!(24_502_500)),
        ("string(base64.decode(base64.encode(event.s))) == event.s", json!(true)),
    ] {
        let value = Expression::parse(source).expect(source).evaluate(&scope());
        assert_eq!(value.map_err(|error| error.to_string()), Ok(expected), "{source}");
    }
}

#[test]
fn errors_name_the_smallest_part_that_fails() {
    // covers F-04
    for (source, part, offset) in [
        ("1 + event.few[7]", "event.few[7]", 4),
        ("'é' + event.small + event.missing.x", "event.missing", 21),
        ("[1, int(event.small)].size()", "int(event.small)", 4),
        ("event.few.map(x, x + 'a').size()", "event.few.map(x, x + 'a')", 0),
    ] {
        let error = Expression::parse(source).expect(source).evaluate(&scope()).expect_err(source);
        let found = error.part.expect(source);
        assert_eq!((found.text.as_str(), found.offset), (part, offset), "{source}");
    }
}

/// Expressions that make large things of large things.
fn hostile() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "event.l",
        "event.s",
        "event.n",
        "event.small",
        "event.few",
        "event",
        "lists.range(1000000)",
        "'a'",
        "3",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 2, |inner| {
        let member = prop::sample::select(vec![
            "split('')",
            "split(',')",
            "join()",
            "join(event.s)",
            "sort()",
            "distinct()",
            "reverse()",
            "flatten(3)",
            "sum()",
            "map(x, event.l)",
            "map(x, event.s)",
            "filter(x, event.s != '')",
            "map(x, x)",
            "upper()",
            "replace('a', event.s)",
            "first().orValue(event.l)",
            "get('/l')",
            "all(x, lists.range(1000).size() > 0)",
            "matches('a+b')",
            "size()",
            "map(x, event.few.map(y, [x, y]))",
            "substring(1)",
            "indexOf('zz')",
            "max()",
            "slice(0, 2)",
        ]);
        let function = prop::sample::select(vec![
            "json.stringify",
            "json.parse",
            "hex.encode",
            "base64.encode",
            "hash.sha512",
            "string",
            "bytes",
            "url.encode",
            "dyn",
            "optional.of",
            "size",
            "lists.range",
        ]);
        prop_oneof![
            (inner.clone(), member).prop_map(|(value, member)| format!("{value}.{member}")),
            (function, inner.clone()).prop_map(|(function, value)| format!("{function}({value})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} + {two})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("lists.zip({one}, {two})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} == {two} || {two} in {one})")),
            inner.prop_map(|value| format!("[{value}, {{'k': {value}}}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_stays_within_the_bound(source in hostile()) {
        // keeps S-10
        let Ok(expression) = Expression::parse(&source) else { return Ok(()) };
        if let Ok(evaluation) = expression.measure(&scope()) {
            prop_assert!(evaluation.cost.operations <= OPERATIONS_MAX && evaluation.cost.built <= BUILT_MAX);
        }
    }
}
