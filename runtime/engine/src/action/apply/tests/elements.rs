use proptest::prelude::*;

use super::*;
use crate::action::read_type;

const PLACES: &str = "type: CUSTOM\ntitle: Custom\noperations: [add, replace, remove]\nplaces:\n\
    \x20 - { path: /list, holds: { kind: value } }\n\
    \x20 - { path: /claims, create: true, holds: { kind: claims } }\n\
    \x20 - { path: /named, create: true, holds: { kind: named, values: claim, members: { in: { kind: members } } } }\n\
    \x20 - { path: /texts, create: true, holds: { kind: texts } }\n\
    \x20 - { path: /deep/members, create: true, holds: { kind: members } }\n";

/// Applies operations that are allowed on all the paths they name.
fn applied(name: ProfileName, read_only: &[&str], event: &Value, operations: &[Value]) -> Applied {
    let kind = read_type(PLACES).expect("a type");
    let operations: Vec<Operation> =
        operations.iter().map(|it| serde_json::from_value(it.clone()).expect("an operation")).collect();
    let listed = operations.iter().filter_map(|it| Some((it.kind(), it.path()?.to_owned())));
    let allowed: Vec<AllowedOperation> =
        listed.map(|(op, path)| AllowedOperation { op, paths: vec![path, "/list/*/name".to_owned()] }).collect();
    let claims = ClaimRules { read_only: read_only.iter().map(|&it| it.to_owned()).collect(), ..ClaimRules::default() };
    let mut profile = Profile::named(name).with(&STRICT);
    profile.enforcement = Enforcement::Drop;
    let annotations = BTreeMap::new();
    let rules =
        ApplyRules { kind: &kind, allowed: &allowed, profile: &profile, claims: &claims, annotations: &annotations };
    apply(event, &operations, &rules).expect("dropped at worst")
}

fn named(names: &[&str]) -> Value {
    json!({ "list": names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>() })
}

fn replace_at(path: &str) -> Value {
    json!({ "op": "replace", "path": path, "value": "z" })
}

#[test]
fn what_is_read_only_stays_whatever_the_spelling() {
    //
    let event = named(&["user", "admin"]);
    for name in [ProfileName::Strict, ProfileName::Wso2] {
        for guard in ["/list/1", "/list[name=admin]", "/list/*", "/list/1/name"] {
            for path in [
                "/list/01/name",
                "/list/+1/name",
                "/list/001",
                "/list/1/name",
                "/list[name=admin]/name",
                "/list[name=admin]",
                "/list/-",
            ] {
                let applied = applied(name, &[guard], &event, &[replace_at(path)]);
                assert_eq!(applied.event, event, "{guard} {path}");
            }
        }
        for (guard, path) in [("/list[name=admin]", "/list[name=user]/name"), ("/list/1", "/list/0/name")] {
            let applied = applied(name, &[guard], &event, &[replace_at(path)]);
            assert_eq!(applied.event, named(&["z", "admin"]), "{guard} {path}");
        }
        let moved = [json!({ "op": "remove", "path": "/list/0" }), replace_at("/list/0/name")];
        assert_eq!(applied(name, &["/list/1"], &event, &moved).event, named(&["z", "admin"]));
    }
    for path in ["/list/01/name", "/list/+1/name", "/list/01"] {
        assert_eq!(applied(ProfileName::Strict, &[], &event, &[replace_at(path)]).event, event, "{path}");
    }
}

#[test]
fn original_indices_are_original_on_the_way_too() {
    //
    let event = named(&["a", "b", "c"]);
    let of = |event: &Value, operations: &[Value]| applied(ProfileName::Wso2, &[], event, operations).event;
    let remove = |at: usize| json!({ "op": "remove", "path": format!("/list/{at}") });
    let add = |value: Value| json!({ "op": "add", "path": "/list/-", "value": value });
    assert_eq!(of(&event, &[remove(0), replace_at("/list/1/name")]), named(&["z", "c"]));
    assert_eq!(of(&event, &[remove(0), replace_at("/list/0/name")]), named(&["b", "c"]));
    assert_eq!(of(&event, &[remove(0), replace_at("/list/1/name"), replace_at("/list/1/name")]), named(&["z", "c"]));
    let last = [add(json!({ "name": "d" })), replace_at("/list/1/name"), replace_at("/list/3/name")];
    assert_eq!(of(&event, &last), named(&["a", "z", "c", "d"]));
    // An element may be changed twice, where none has moved.
    let twice = [replace_at("/list/1/name"), json!({ "op": "add", "path": "/list/1/age", "value": 3 })];
    assert_eq!(of(&event, &twice)["list"][1], json!({ "name": "z", "age": 3 }));
    let equal = named(&["a", "a", "c"]);
    assert_eq!(of(&equal, &[remove(2), replace_at("/list/1/name")]), named(&["a", "z"]));
    assert_eq!(of(&equal, &[remove(0), replace_at("/list/1/name")]), named(&["a", "c"]), "nobody can tell which");
    let strict = applied(ProfileName::Strict, &[], &event, &[remove(0), replace_at("/list/1/name")]);
    assert_eq!(strict.event, named(&["b", "z"]));
}

#[test]
fn a_dropped_operation_makes_nothing_out_of_null() {
    //
    let event = json!({
        "claims": null, "named": null, "texts": null, "deep": { "members": null },
    });
    for path in ["/claims[uri=a]", "/named/a", "/texts/0", "/deep/members/a"] {
        for operation in [json!({ "op": "remove", "path": path }), json!({ "op": "add", "path": path })] {
            let applied = applied(ProfileName::Strict, &[], &event, &[operation]);
            assert_eq!((results(&applied.operations), &applied.event), (vec![OperationResult::Dropped], &event));
        }
    }
}

fn events() -> impl Strategy<Value = Value> {
    let list = prop::sample::select(vec![json!(null), json!([]), json!(3), json!([{ "name": "a" }, { "name": "b" }])]);
    let named = json!([{ "name": "a", "value": ["x"] }, { "name": "in", "value": null }]);
    let named = prop::sample::select(vec![json!(null), json!({}), named]);
    let deep = prop::sample::select(vec![json!(null), json!({ "members": null }), json!({ "members": { "a": 1 } })]);
    let claims = prop::sample::select(vec![json!(null), json!("x"), json!([{ "uri": "a", "value": "1" }])]);
    (list.clone(), claims, named, list, deep).prop_map(|(list, claims, named, texts, deep)| {
        json!({ "list": list, "claims": claims, "named": named, "texts": texts, "deep": deep })
    })
}

fn operations() -> impl Strategy<Value = Vec<Value>> {
    let path = prop::sample::select(vec![
        "/list",
        "/list/0",
        "/list/-",
        "/list/0/name",
        "/list/1/name",
        "/list[name=b]",
        "/list/01",
        "/claims[uri=a]",
        "/claims[uri=b]",
        "/claims/0",
        "/named/-",
        "/named/0",
        "/named/a",
        "/named/a/0",
        "/named/a/-",
        "/named/in/x",
        "/named/c",
        "/texts/-",
        "/texts/0",
        "/deep/members/a",
        "/deep/members/b",
        "/deep/members/",
        "/none",
    ]);
    let value = prop::sample::select(vec![
        json!(null),
        json!("b"),
        json!(1),
        json!(["x", null]),
        json!({ "name": "b" }),
        json!({ "name": "c", "value": "v" }),
        json!([{ "name": "a" }]),
    ]);
    let op = prop::sample::select(vec!["add", "replace", "remove"]);
    let one = (op, path, prop::option::of(value)).prop_map(|(op, path, value)| match value {
        Some(value) => json!({ "op": op, "path": path, "value": value }),
        None => json!({ "op": op, "path": path }),
    });
    prop::collection::vec(one, 0..8)
}

proptest! {
    #[test]
    fn dropped_operations_are_as_if_they_had_not_been_there(event in events(), operations in operations()) {
        for name in [ProfileName::Strict, ProfileName::Wso2] {
            let all = applied(name, &[], &event, &operations);
            let kept: Vec<Value> = operations.iter().zip(&all.operations)
                .filter(|(_, record)| record.result == OperationResult::Applied)
                .map(|(operation, _)| operation.clone())
                .collect();
            let without = applied(name, &[], &event, &kept);
            prop_assert_eq!(results(&without.operations), vec![OperationResult::Applied; kept.len()]);
            prop_assert_eq!(&all.event, &without.event);
            if kept.is_empty() {
                prop_assert_eq!(&all.event, &event);
            }
        }
    }
}
