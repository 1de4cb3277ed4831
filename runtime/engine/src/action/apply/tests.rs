use std::collections::BTreeMap;

use serde_json::{Value, json};

mod elements; // which element is meant, and what dropped operations leave

use super::*;
use crate::action::{ActionTypes, Indices, NullValue, ProfileName, ProfileSettings};

const STRICT: ProfileSettings = none();

const fn none() -> ProfileSettings {
    ProfileSettings {
        enforcement: None,
        null_value: None,
        indices: None,
        last_element: None,
        texts: None,
        unknown_members: None,
        redirect: None,
        missing_certificate: None,
        list_values: None,
        request_timeout: None,
    }
}

/// Applies operations by the rules of a shipped type.
struct Case<'a> {
    kind: &'a str,
    allowed: Value,
    profile: Profile,
    claims: Value,
}

fn case<'a>(kind: &'a str, name: ProfileName, allowed: Value) -> Case<'a> {
    Case { kind, allowed, profile: Profile::named(name).with(&STRICT), claims: json!({}) }
}

impl Case<'_> {
    fn apply(&self, event: &Value, operations: Value) -> Result<Applied, NotApplied> {
        let operations: Vec<Operation> = serde_json::from_value(operations).expect("operations");
        self.apply_all(event, &operations)
    }

    fn apply_all(&self, event: &Value, operations: &[Operation]) -> Result<Applied, NotApplied> {
        let types = ActionTypes::shipped();
        let allowed: Vec<AllowedOperation> = serde_json::from_value(self.allowed.clone()).expect("entries");
        let claims: ClaimRules = serde_json::from_value(self.claims.clone()).expect("claim rules");
        let kind = types.get(self.kind).expect("a shipped type");
        apply(
            event,
            operations,
            &ApplyRules {
                kind,
                allowed: &allowed,
                profile: &self.profile,
                claims: &claims,
                annotations: &BTreeMap::new(),
            },
        )
    }
}

fn claim(name: &str) -> String {
    format!("/user/claims[uri=http://wso2.org/claims/{name}]")
}

fn replace(name: &str, value: Value) -> Value {
    json!({ "op": "replace", "path": claim(name), "value": value })
}

fn extension(name: ProfileName) -> Case<'static> {
    case("FLOW_EXTENSION", name, json!([{ "op": "replace", "paths": [claim("tier"), claim("interests")] }]))
}

fn token(name: ProfileName) -> Case<'static> {
    let paths =
        ["/accessToken/scopes/", "/accessToken/claims/", "/accessToken/claims/aud/", "/accessToken/claims/groups/"];
    let entry = |op: &str| json!({ "op": op, "paths": paths });
    case("PRE_ISSUE_ACCESS_TOKEN", name, json!([entry("add"), entry("replace"), entry("remove")]))
}

fn token_event() -> Value {
    json!({ "accessToken": { "scopes": ["a", "b", "c"], "claims": [
        { "name": "aud", "value": ["x"] },
        { "name": "expires_in", "value": 3600 },
        { "name": "groups", "value": ["red", "green"] },
    ] } })
}

fn user() -> Value {
    json!({ "user": { "claims": [{ "uri": "http://wso2.org/claims/tier", "value": "silver" }] } })
}

fn results(records: &[OperationRecord]) -> Vec<OperationResult> {
    records.iter().map(|record| record.result).collect()
}

#[test]
fn replace_creates_replaces_and_empties_claims() {
    //
    let case = extension(ProfileName::Strict);
    let applied = case.apply(&user(), json!([replace("tier", json!("gold")), replace("interests", json!(["a", "b"]))]));
    let expected = json!({ "user": { "claims": [
        { "uri": "http://wso2.org/claims/tier", "value": "gold" },
        { "uri": "http://wso2.org/claims/interests", "value": ["a", "b"] },
    ] } });
    assert_eq!(applied.expect("allowed").event, expected);
    for empty in [json!(""), json!(null)] {
        let applied = case.apply(&user(), json!([replace("tier", empty)])).expect("allowed");
        assert_eq!(applied.event.pointer("/user/claims/0/value"), Some(&json!("")));
    }
    for event in [json!({}), json!(null), json!({ "user": { "claims": null } })] {
        let applied = case.apply(&event, json!([replace("tier", json!("gold"))])).expect("allowed");
        assert_eq!(applied.event.pointer("/user/claims/0/value"), Some(&json!("gold")));
    }
}

#[test]
fn one_operation_outside_the_list_refuses_them_all_or_is_left_out() {
    //
    let operations = json!([replace("tier", json!("gold")), replace("email", json!("x"))]);
    let refused = extension(ProfileName::Strict).apply(&user(), operations.clone()).expect_err("not allowed");
    assert_eq!((refused.code, refused.index), ("action.operation-not-allowed", 1));
    assert_eq!(results(&refused.operations), [OperationResult::Dropped, OperationResult::Rejected]);
    let applied = extension(ProfileName::Wso2).apply(&user(), operations).expect("dropped");
    assert_eq!(results(&applied.operations), [OperationResult::Applied, OperationResult::Dropped]);
    assert_eq!(applied.operations[1].code.as_deref(), Some("action.operation-not-allowed"));
    assert!(applied.operations[1].reason.as_ref().is_some_and(|reason| reason.contains("allowed-operations")));
    assert_eq!(applied.event.pointer("/user/claims/0/value"), Some(&json!("gold")));
}

#[test]
fn what_cannot_be_done_leaves_nothing_behind() {
    //
    let bad = [replace("interests", json!({ "a": 1 })), json!({ "op": "replace", "path": claim("tier") })];
    for operation in bad {
        let operations = json!([operation]);
        let refused = extension(ProfileName::Strict).apply(&json!({}), operations.clone()).expect_err("impossible");
        assert_eq!(refused.code, "action.operation-impossible");
        let applied = extension(ProfileName::Wso2).apply(&json!({}), operations).expect("dropped");
        assert_eq!(applied.event, json!({}));
    }
    let event = json!({ "user": { "claims": "x" } });
    let refused = extension(ProfileName::Strict).apply(&event, json!([replace("tier", json!("a"))]));
    assert_eq!(refused.expect_err("no list").code, "action.operation-impossible");
}

#[test]
fn a_redirect_is_never_applied() {
    //
    let operations = json!([{ "op": "redirect", "url": "https://x.test" }]);
    let refused = extension(ProfileName::Strict).apply(&user(), operations).expect_err("refused");
    assert_eq!(refused.code, "action.operation-not-allowed");
}

#[test]
fn operations_have_bounds_by_any_profile() {
    //
    for name in [ProfileName::Strict, ProfileName::Wso2] {
        let case = extension(name);
        let operation: Operation = serde_json::from_value(replace("tier", json!("a"))).expect("an operation");
        assert!(case.apply_all(&user(), &vec![operation.clone(); OPERATIONS_MAX]).is_ok());
        let refused = case.apply_all(&user(), &vec![operation; OPERATIONS_MAX + 1]).expect_err("too many");
        assert_eq!(refused.code, "action.too-many-operations");
        let half = json!("x".repeat(OPERATIONS_BYTES_MAX / 2 - 200));
        assert!(case.apply(&user(), json!([replace("tier", half.clone()), replace("tier", half.clone())])).is_ok());
        let large = json!([replace("tier", half.clone()), replace("tier", half.clone()), replace("tier", half)]);
        let refused = case.apply(&user(), large).expect_err("too large");
        assert_eq!((refused.code, refused.index), ("action.operations-too-large", 2));
    }
}

#[test]
fn claims_keep_to_their_catalogue() {
    //
    let mut case = extension(ProfileName::Strict);
    let names = ["tier", "interests", "identity/x", "unknown", "userid"];
    let mut paths: Vec<String> = names.map(claim).to_vec();
    paths.push("/user/claims[uri=urn:other]".to_owned());
    case.allowed = json!([{ "op": "replace", "paths": paths }]);
    let known = json!({
        "http://wso2.org/claims/tier": {}, "http://wso2.org/claims/userid": {},
        "http://wso2.org/claims/interests": { "multi-valued": true }, "http://wso2.org/claims/identity/x": {},
    });
    case.claims = json!({
        "dialect": "http://wso2.org/claims/", "refused": ["http://wso2.org/claims/identity/"],
        "read-only": [claim("userid")], "known": known,
    });
    let is_fine = |case: &Case<'_>, operation: Value| case.apply(&user(), json!([operation])).is_ok();
    assert!(is_fine(&case, replace("tier", json!("gold"))) && is_fine(&case, replace("interests", json!(["a"]))));
    for bad in [
        replace("tier", json!(["gold"])),
        replace("interests", json!("a")),
        replace("interests", json!(["a", null])),
        replace("identity/x", json!("a")),
        replace("unknown", json!("a")),
        replace("userid", json!("a")),
        json!({ "op": "replace", "path": "/user/claims[uri=urn:other]", "value": "a" }),
    ] {
        assert!(!is_fine(&case, bad.clone()), "{bad}");
    }
    let emptied = case.apply(&user(), json!([replace("interests", json!(null))])).expect("allowed");
    assert_eq!(emptied.event.pointer("/user/claims/1/value"), Some(&json!([])));
    case.profile = Profile::named(ProfileName::Wso2);
    let joined = case.apply(&user(), json!([replace("interests", json!(["a", "b"]))])).expect("allowed");
    assert_eq!(joined.event.pointer("/user/claims/1/value"), Some(&json!("a,b")));
    case.profile.null_value = NullValue::Empty;
    let emptied = case.apply(&user(), json!([replace("tier", json!(null))])).expect("allowed");
    assert_eq!(emptied.event.pointer("/user/claims/0/value"), Some(&json!("")));
}

/// The scopes, the audiences and the results that operations lead to.
fn patched(name: ProfileName, operations: Value) -> (Value, Value, Vec<OperationResult>) {
    let mut case = token(name);
    case.profile.enforcement = Enforcement::Drop;
    let applied = case.apply(&token_event(), operations).expect("dropped at worst");
    let claims = applied.event.pointer("/accessToken/claims").and_then(Value::as_array).expect("claims");
    let aud = claims.iter().find(|claim| claim["name"] == "aud").map(|claim| claim["value"].clone());
    (applied.event["accessToken"]["scopes"].clone(), aud.unwrap_or_default(), results(&applied.operations))
}

#[test]
fn indices_mean_what_the_profile_says() {
    use OperationResult::{Applied, Dropped};
    //
    let scope = |op: &str, at: &str, value: &str| {
        let path = format!("/accessToken/scopes/{at}");
        json!({ "op": op, "path": path, "value": value })
    };
    let removes = json!([scope("remove", "0", ""), scope("remove", "1", "")]);
    assert_eq!(patched(ProfileName::Strict, removes.clone()).0, json!(["b"]));
    assert_eq!(patched(ProfileName::Wso2, removes).0, json!(["c"]));
    let replaces = json!([scope("replace", "0", "z"), scope("add", "0", "y"), scope("add", "-", "x")]);
    assert_eq!(patched(ProfileName::Strict, replaces.clone()).0, json!(["y", "z", "b", "c", "x"]));
    assert_eq!(patched(ProfileName::Wso2, replaces).0, json!(["b", "c", "z", "y", "x"]));
    let last = json!([scope("remove", "-", "")]);
    assert_eq!(patched(ProfileName::Strict, last.clone()), (json!(["a", "b", "c"]), json!(["x"]), vec![Dropped]));
    assert_eq!(patched(ProfileName::Wso2, last).0, json!(["a", "b"]));
    let end = json!([scope("add", "3", "z")]);
    assert_eq!(patched(ProfileName::Strict, end.clone()).0, json!(["a", "b", "c", "z"]));
    assert_eq!(patched(ProfileName::Wso2, end).2, [Dropped]);
    for bad in ["4", "01", "+1", "-1", "x", "99999999999999999999999"] {
        assert_eq!(patched(ProfileName::Strict, json!([scope("add", bad, "z")])).2, [Dropped], "{bad}");
    }
    for bad in ["two words", "a\"b", "a", ""] {
        assert_eq!(patched(ProfileName::Strict, json!([scope("add", "-", bad)])).2, [Dropped], "{bad}");
    }
    let twice = json!([scope("remove", "1", ""), scope("remove", "1", "")]);
    assert_eq!(patched(ProfileName::Wso2, twice).2, [Applied, Dropped]);
    let audience = |op: &str, value: &str| json!({ "op": op, "path": "/accessToken/claims/aud/-", "value": value });
    let trap = json!([audience("add", "one.test"), audience("replace", "r.test"), audience("remove", "")]);
    assert_eq!(patched(ProfileName::Wso2, trap).1, json!(["one.test", "r.test"]));
}

#[test]
fn named_values_keep_to_their_kind() {
    //
    let add = |name: &str, value: Value| {
        let value = json!({ "name": name, "value": value });
        json!({ "op": "add", "path": "/accessToken/claims/-", "value": value })
    };
    let at = |op: &str, path: &str, value: Value| {
        let path = format!("/accessToken/claims/{path}");
        json!({ "op": op, "path": path, "value": value })
    };
    for name in [ProfileName::Strict, ProfileName::Wso2] {
        let mut case = token(name);
        case.profile.enforcement = Enforcement::Reject;
        let is_fine = |operations: Value| case.apply(&token_event(), operations).is_ok();
        for good in [
            add("k", json!(true)),
            add("k", json!(["a"])),
            at("replace", "expires_in", json!(900)),
            at("replace", "expires_in", json!("900")),
            at("replace", "groups", json!("one")),
            at("replace", "groups/0", json!("amber")),
            at("add", "groups/-", json!("amber")),
            at("remove", "groups/1", json!(null)),
            at("remove", "groups/", json!(null)),
            at("remove", "groups", json!(null)),
        ] {
            assert!(is_fine(json!([good])), "{good}");
        }
        for bad in [
            add("k", json!(null)),
            add("k", json!({ "a": 1 })),
            add("k", json!([1])),
            add("", json!("a")),
            add("groups", json!("a")),
            add("Scope", json!("a")),
            add("iss", json!("a")),
            at("add", "-", json!({ "name": "k" })),
            at("add", "-", json!({ "name": "k", "value": 1, "more": 1 })),
            at("add", "", json!({ "name": "k", "value": 1 })),
            at("replace", "nickname", json!("Bo")),
            at("replace", "groups", json!({ "a": 1 })),
            at("replace", "groups/0", json!("green")),
            at("replace", "groups/9", json!("amber")),
            at("remove", "groups/-", json!(null)),
            at("remove", "aud/", json!(null)),
            at("remove", "expires_in", json!(null)),
            at("replace", "expires_in", json!(0)),
            at("replace", "expires_in", json!(-1)),
            at("replace", "expires_in", json!(12.5)),
            at("replace", "expires_in", json!("1h")),
            at("replace", "expires_in", json!("")),
            at("replace", "expires_in", json!("99999999999999999999")),
            at("add", "aud/-", json!("urn:a:b")),
            at("add", "aud/-", json!(["a"])),
        ] {
            assert!(!is_fine(json!([bad])), "{bad}");
        }
        let twice = is_fine(json!([add("k", json!("1")), add("k", json!("2"))]));
        assert_eq!(twice, case.profile.indices == Indices::Original);
    }
}

#[test]
fn places_of_further_types_hold_what_they_say() {
    //
    let kind = crate::action::read_type(
        "type: CUSTOM\ntitle: Custom\noperations: [add, replace, remove]\n\
         places:\n  - { path: /data, holds: { kind: value } }\n",
    );
    let kind = kind.expect("a type");
    let allowed = [OperationKind::Add, OperationKind::Replace, OperationKind::Remove].map(|op| AllowedOperation {
        op,
        paths: ["/data", "/data/*", "/data/", "/data/list/", "/data/list/*/a", "/data/list[id=x]"]
            .map(str::to_owned)
            .to_vec(),
    });
    let profile = Profile::named(ProfileName::Strict);
    let claims = ClaimRules::default();
    let rules = ApplyRules {
        kind: &kind,
        allowed: &allowed,
        profile: &profile,
        claims: &claims,
        annotations: &BTreeMap::new(),
    };
    let event = json!({ "data": { "list": [{ "id": "w" }, { "id": "x", "a": 1 }] } });
    let run = |operation: Value| {
        let operation: Operation = serde_json::from_value(operation).expect("an operation");
        apply(&event, &[operation], &rules).map(|applied| applied.event["data"].clone()).map_err(|error| error.code)
    };
    assert_eq!(run(json!({ "op": "replace", "path": "/data", "value": 1 })), Ok(json!(1)));
    assert_eq!(run(json!({ "op": "remove", "path": "/data/list[id=x]" })), Ok(json!({ "list": [{ "id": "w" }] })));
    let replaced = run(json!({ "op": "replace", "path": "/data/list/1/a", "value": null }));
    assert_eq!(replaced, Ok(json!({ "list": [{ "id": "w" }, { "id": "x", "a": null }] })));
    let inserted = run(json!({ "op": "add", "path": "/data/list/0", "value": 0 }));
    assert_eq!(inserted, Ok(json!({ "list": [0, { "id": "w" }, { "id": "x", "a": 1 }] })));
    for bad in [
        json!({ "op": "replace", "path": "/data/list/0/a", "value": 1 }),
        json!({ "op": "replace", "path": "/data/none", "value": 1 }),
        json!({ "op": "remove", "path": "/data" }),
        json!({ "op": "remove", "path": "/data/list/" }),
        json!({ "op": "add", "path": "/data/k" }),
    ] {
        assert_eq!(run(bad.clone()), Err("action.operation-impossible"), "{bad}");
    }
}

#[test]
fn a_type_that_knows_no_operations_applies_none() {
    //
    let kind = crate::action::read_type("type: PRE_UPDATE\ntitle: Before an update\n").expect("a type");
    let operation = Operation::Replace { path: "/user/id".to_owned(), value: Some(json!("x")) };
    let claims = ClaimRules::default();
    let event = json!({ "user": { "id": "u" } });
    for name in [ProfileName::Strict, ProfileName::Wso2] {
        let profile = Profile::named(name);
        let rules =
            ApplyRules { kind: &kind, allowed: &[], profile: &profile, claims: &claims, annotations: &BTreeMap::new() };
        match apply(&event, std::slice::from_ref(&operation), &rules) {
            Ok(applied) => {
                assert_eq!((name, applied.event), (ProfileName::Wso2, event.clone()));
                assert_eq!(results(&applied.operations), [OperationResult::Dropped]);
            }
            Err(refused) => assert_eq!((name, refused.code), (ProfileName::Strict, "action.operation-not-allowed")),
        }
    }
    let entry = AllowedOperation { op: OperationKind::Add, paths: vec!["/a".to_owned()] };
    assert!(check_allowed(&entry, &kind)[0].1.contains("it may have none"));
}
