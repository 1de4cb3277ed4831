//! The type check: what it finds, and that it never finds what is not there.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::expression::{Expression, Scope};

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["age", "name", "flag", "list", "user"],
        "properties": {
            "age": { "type": "integer" }, "name": { "type": "string" }, "flag": { "type": "boolean" },
            "list": { "type": "array", "items": { "type": "integer" } },
            "user": {
                "type": "object", "additionalProperties": false, "required": ["id"],
                "properties": { "id": { "$ref": "#/$defs/id" }, "level": { "enum": [1, 2, null] } },
            },
            "either": { "anyOf": [{ "type": "string" }, { "type": "integer" }] },
        },
        "$defs": { "id": { "type": "string" } },
    })
}

/// The faults of an expression: `!` before those that are certain, and the part that each is about.
fn faults(source: &str, wanted: Wanted) -> Vec<String> {
    let types = Types::default().with("event", Type::of_schema(&schema()));
    let expression = Expression::parse(source).expect(source);
    let faults = expression.type_faults(&types, wanted).into_iter();
    faults
        .map(|fault| {
            assert_eq!(
                source.get(fault.part.offset..fault.part.offset + fault.part.text.len()),
                Some(&*fault.part.text)
            );
            format!("{}`{}`: {}", if fault.is_certain { "!" } else { "" }, fault.part.text, fault.message)
        })
        .collect()
}

#[test]
fn what_never_fits_is_found_with_its_part() {
    // covers F-04
    for (source, found) in [
        ("event.age + 'x'", "!`event.age + 'x'`: `+` has no meaning between number and string"),
        ("[event.age + 'x']", "!`event.age + 'x'`: `+` has no meaning between number and string"),
        ("event.name < 3", "!`event.name < 3`: `<` compares string and int, which have no order between them"),
        ("event.name == 3", "`event.name == 3`: `==` compares string and int, which are never equal"),
        (
            "event.age.split(',')",
            "!`event.age`: `split` takes string here, not number; it is called as `string.split(string, int?) -> list(string)`",
        ),
        ("event.list.map(n, n + 'x')", "`n + 'x'`: `+` has no meaning between number and string"),
        (
            "event.list.map(n, n)[0] + 'x'",
            "!`event.list.map(n, n)[0] + 'x'`: `+` has no meaning between number and string",
        ),
        ("event.name.map(n, n)", "!`event.name`: a loop goes over string; it needs a list or a map"),
        ("event.name.first", "!`event.name.first`: `.first` is read of string, which has no members"),
        ("event.user.nmae", "!`event.user.nmae`: there is no member `nmae` here"),
        ("event.user.id + 1", "!`event.user.id + 1`: `+` has no meaning between string and int"),
        ("event.user.level + 'x'", "!`event.user.level + 'x'`: `+` has no meaning between number or null and string"),
        ("event.flag ? 1 : event.age + 'x'", "`event.age + 'x'`: `+` has no meaning between number and string"),
        ("event.age ? 1 : 2", "!`event.age`: a condition needs true or false, not number"),
        ("event.flag || event.age", "`event.age`: || needs true or false, not number"),
        ("!event.age", "!`event.age`: ! needs true or false, not number"),
        ("'a' in event.name", "!`'a' in event.name`: `in` looks into string; it needs a list or a map"),
        (
            "event.other.getFullYear()",
            "!`event.other`: `getFullYear` takes timestamp here, not JSON; it is called as `timestamp.getFullYear(string?) -> int`",
        ),
        ("event.list['a']", "!`event.list['a']`: a list is read at string; it needs a number"),
        (
            "hex.encode(event.list)",
            "!`event.list`: `hex.encode` takes string or bytes here, not list; it is called as `hex.encode(string|bytes) -> string`",
        ),
    ] {
        assert!(
            faults(source, Wanted::Anything).contains(&found.to_owned()),
            "{source}: {:?}",
            faults(source, Wanted::Anything)
        );
    }
    let never = "!`event.age + 1`: this gives number, but a condition must give true or false";
    assert_eq!(faults("event.age + 1", Wanted::Condition), [never.replace("number", "int")]);
}

#[test]
fn what_may_fit_is_left_alone() {
    for source in [
        "event.age + 1 > 2 && event.name.startsWith('a')",
        "[1, 2] + {'a': 1} == [1, 2, 'a']",
        "event.either + 'x'",
        "event.either + 1",
        "event.missing.deep + 1",
        "has(event.user.level) ? event.user.level : 0",
        "event.user.level == null",
        "event.list.filter(n, n > 1).sum() + 1",
        "event.?name.orValue('') + 'x'",
        "timestamp(run.created_at) + duration('1h') > timestamp('2026-01-01T00:00:00Z')",
        "event.list.sort().first().orValue(0) + event.list.min()",
        "{'a': event.age}.a + 1",
        "dyn(event.age) == dyn('x')",
        "json.parse(event.name).any.thing + 1",
        "steps.x.y || claims.z",
        "event.name.split(',').map(s, s.trim()).join('-') == ''",
    ] {
        let found = faults(source, Wanted::Anything);
        assert_eq!(found, Vec::<String>::new(), "{source}");
    }
}

const LEAVES: [&str; 21] = [
    "event.age",
    "event.name",
    "event.flag",
    "event.list",
    "event.user",
    "event.user.id",
    "event.user.level",
    "event.either",
    "event.other",
    "1",
    "2.5",
    "'a'",
    "true",
    "null",
    "[1, 2]",
    "['a']",
    "{'a': 1}",
    "duration('1h')",
    "b'x'",
    "run",
    "timestamp('2026-01-01T00:00:00Z')",
];

const MEMBERS: [&str; 26] = [
    "size()",
    "trim()",
    "split('a')",
    "sort()",
    "sum()",
    "first()",
    "min()",
    "distinct()",
    "reverse()",
    "get('/a', 1)",
    "map(x, x)",
    "filter(x, x > 1)",
    "all(x, x == 1)",
    "exists(x, x < 2)",
    "getHours()",
    "join()",
    "flatten()",
    "hasValue()",
    "lower()",
    "slice(0, 1)",
    "map(x, x + 1)",
    "exists_one(x, x == 1)",
    "max()",
    "last()",
    "orValue(1)",
    "value()",
];

const FUNCTIONS: [&str; 14] = [
    "string",
    "int",
    "double",
    "size",
    "bytes",
    "hex.encode",
    "json.stringify",
    "dyn",
    "bool",
    "timestamp",
    "optional.of",
    "!",
    "-",
    "lists.range",
];

/// Expressions over the schema's members: many have no meaning, and some of those have a value all the same.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(&LEAVES[..]).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||"]);
        let member = prop::sample::select(&MEMBERS[..]);
        let function = prop::sample::select(&FUNCTIONS[..]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(one, sign, two)| format!("({one} {sign} {two})")),
            (inner.clone(), member).prop_map(|(value, member)| format!("{value}.{member}")),
            (function, inner.clone()).prop_map(|(function, value)| format!("{function}({value})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(list, index)| format!("{list}[{index}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {{'a': {b}}}]")),
        ]
    })
}

/// Values that fulfil the schema.
fn events() -> impl Strategy<Value = Value> {
    let age = prop_oneof![any::<i32>().prop_map(Value::from), Just(json!(5.0)), Just(json!(u64::MAX))];
    let level = prop_oneof![Just(json!(1)), Just(json!(2)), Just(Value::Null)];
    let either = prop_oneof![Just(json!("a")), Just(json!(1))];
    let other =
        prop_oneof![Just(Value::Null), Just(json!([1])), Just(json!("a")), Just(json!({"a": 1})), Just(json!(true))];
    let list = prop::collection::vec(0..3_i64, 0..3);
    ((age, "[a-c]{0,2}", any::<bool>(), list), (level, either, other)).prop_map(
        |((age, name, flag, list), (level, either, other))| {
            json!({
                "age": age, "name": name, "flag": flag, "list": list, "either": either, "other": other,
                "user": { "id": name, "level": level },
            })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn an_expression_that_has_a_value_has_no_type_error(source in expressions(), event in events()) {
        // covers F-04
        let Ok(expression) = Expression::parse(&source) else { return Ok(()) };
        let scope = Scope::new([("event", event), ("run", json!({"id": "r"}))]);
        if let Ok(value) = expression.evaluate(&scope) {
            let types = Types::default().with("event", Type::of_schema(&schema()));
            let wanted = if value.is_boolean() { Wanted::Condition } else { Wanted::Anything };
            let certain: Vec<TypeFault> =
                expression.type_faults(&types, wanted).into_iter().filter(|fault| fault.is_certain).collect();
            prop_assert_eq!(certain, vec![], "{} gives {}", source, value);
        }
    }
}
