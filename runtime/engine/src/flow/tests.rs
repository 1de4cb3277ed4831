//! Flows as their authors write them, and everything that can be wrong with one.

use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::json;

use super::{check, json_schema};
use crate::catalogue::{Catalogue, PluginDefinition};
use crate::connector::{Connector, ConnectorDocument};
use crate::digest::Digest;
use crate::document::{Document, Format, read};
use crate::run::HookKind;

const DEMO_FLOW: &str = include_str!("../../../../tests/demo/flow.yaml");
const DEMO_CONNECTOR: &str = include_str!("../../../../tests/demo/connector.yaml");

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let document = Document::parse(DEMO_CONNECTOR, Format::Yaml).expect("yaml");
    let mut faults = crate::document::Faults::default();
    let document: ConnectorDocument =
        read(&document, "", "connector.shape", &mut faults).unwrap_or_else(|| panic!("{faults:?}"));
    catalogue.add_connector(Arc::new(Connector { version: 1, document }));
    for (name, version, hook, disabled) in [
        ("correlate", "1.0.0", HookKind::PreCall, false),
        ("normalise", "1.2.0", HookKind::PostResponse, false),
        ("tier", "1.0.0", HookKind::Action, false),
        ("tier", "2.0.0", HookKind::Action, true),
    ] {
        catalogue.add_plugin(PluginDefinition {
            name: name.parse().expect(name),
            version: version.parse().expect(version),
            digest: Digest::of(name.as_bytes()),
            size: 1,
            hooks: vec![hook],
            imports: Vec::new(),
            disabled,
        });
    }
    catalogue
}

/// The faults of a flow with these steps, a line each.
#[track_caller]
fn faults_of(steps: &str, expected: &Expect) {
    let text = format!("flow: f\nsteps:\n{steps}");
    let faults = match check(&text, Format::Yaml, &catalogue()) {
        Ok((_, _, warnings)) => warnings,
        Err(faults) => faults,
    };
    let lines: String = faults
        .0
        .iter()
        .map(|it| {
            let help = it.help.as_deref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!(
                "{}:{} {} [{}] {}{help}\n",
                it.line,
                it.column,
                it.code,
                it.step.as_deref().unwrap_or("-"),
                it.message
            )
        })
        .collect();
    expected.assert_eq(&lines);
}

#[test]
fn the_demo_flow_is_good_in_yaml_and_json() {
    // covers F-01
    let (flow, document, warnings) =
        check(DEMO_FLOW, Format::Yaml, &catalogue()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(warnings.0, []);
    assert_eq!(flow.steps.len(), 7);
    let (again, ..) =
        check(&document.value.to_string(), Format::Json, &catalogue()).unwrap_or_else(|faults| panic!("{faults:#?}"));
    assert_eq!(again.steps.len(), 7);
}

#[test]
fn the_published_schema_takes_the_demo_flow() {
    // covers F-01
    let document = Document::parse(DEMO_FLOW, Format::Yaml).expect("yaml");
    let schema = json_schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let errors: Vec<String> =
        validator.iter_errors(&document.value).map(|error| format!("{} {error}", error.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert!(!validator.is_valid(&json!({"flow": "f", "steps": [{"id": "a", "call": "x.y", "cal": 1}]})));
}

#[test]
fn every_fault_of_a_flow_is_found_at_once() {
    // covers F-03
    faults_of(
        "  - id: a\n    call: nobody.there\n    pre-call: [{ plugin: ghost@^1 }, { plugin: tier@^1 }, { plugin: tier@^2 }]\n    next: nowhere\n  - id: b\n    condition:\n      - when: event.x = 1\n        next: c\n  - id: c\n    claims: [{ key: k, type: text, value: 1 }]\n",
        &expect![[r#"
            4:11 flow.unknown-connector [a] there is no connector `nobody` (there are `random-user`; save another with `weir connector apply FILE`)
            5:26 flow.unknown-plugin [a] there is no plugin `ghost` (upload it with `weir plugin push ghost@VERSION FILE`)
            5:48 flow.missing-hook [a] plugin `tier@1.0.0` has no `pre-call` hook (it has `action`)
            5:69 flow.unknown-plugin-version [a] no enabled version of plugin `tier` is in `tier@^2` (there are `1.0.0`, `2.0.0 (disabled)`)
            6:11 flow.unknown-step [a] there is no step `nowhere` (write one of `a`, `b`, `c`, or `end`)
            9:7 flow.missing-otherwise [b] no branch holds in every case (end the list with `- otherwise: STEP`)
            9:23 flow.expression [b] this is not a CEL expression: Syntax error: token recognition error at: '= ' (at `= 1`)
            12:30 flow.shape [c] "text" is not one of "string", "number" or 4 other candidates
        "#]],
    );
}

#[test]
fn calls_are_held_against_their_function() {
    // covers F-03, C-02
    faults_of(
        "  - id: a\n    call: random-user.lookup\n    arguments: { seed: 5, sead: x }\n  - id: b\n    call: random-user.find\n",
        &expect![[r#"
            4:11 flow.missing-argument [a] `random-user.lookup` needs the argument `profile`
            5:24 flow.argument-type [a] `seed` must be a string
            5:33 flow.unknown-argument [a] `random-user.lookup` takes no argument `sead` (it takes `seed`, `profile`)
            7:11 flow.unknown-function [b] connector `random-user` has no function `find` (it has `lookup`)
        "#]],
    );
}

#[test]
fn the_graph_of_steps_is_checked() {
    // covers F-03
    faults_of(
        "  - id: a\n    end: {}\n  - id: b\n    end: {}\n  - id: a\n    end: {}\n  - id: end\n    end: {}\n",
        &expect![[r#"
            5:9 flow.unreachable-step [b] no step leads to `b` (name it in a `next`, or remove it)
            7:9 flow.duplicate-step [a] there is a step `a` already
            9:9 flow.reserved-step [end] `end` names the end of a run; give the step another id
            9:9 flow.unreachable-step [end] no step leads to `end` (name it in a `next`, or remove it)
        "#]],
    );
    faults_of(
        "  - id: a\n    claims: [{ key: k, type: number, value: 1 }]\n  - id: b\n    condition: [{ when: 'true', next: a }, { otherwise: end }, { when: 'true', next: end }]\n",
        &expect![[r#"
            3:9 flow.cycle [a] the steps go round without a wait or a bound: `a` → `b` → `a` (let one of them lead on, or to `end`; or give one a `visits-max`, or let the run wait on the way)
            6:64 flow.unreachable-branch [b] this branch stands behind `otherwise` and is never tried
        "#]],
    );
}

#[test]
fn what_simple_steps_cannot_do() {
    // covers F-02, F-03, F-08
    faults_of(
        "  - id: a\n    set: { event: 1, claims.x: 2, event.a: 3, event.a.b: 4 }\n  - id: b\n    wait: { for: 0s }\n  - id: c\n    wait: { for: 1s, until: x }\n  - id: d\n    redirect: { url: x, time-to-live: 0s }\n  - id: e\n    claims: []\n    sign: { key: k, algorithm: ES256, expires-in: 0s, type: '', header: { kid: x } }\n  - id: f\n    transform: { plugin: correlate@1, input: 1, context-key: event }\n  - id: g\n    visits-max: 0\n    end: {}\n",
        &expect![[r#"
            4:19 flow.set-path [a] `event` names all of it; write a path below `event`, `connectors.NAME` or `steps.ID`
            4:32 flow.set-path [a] nothing is set below `claims`; write a path below `event`, `connectors.NAME` or `steps.ID`, or a bare name
            4:58 flow.set-clash [a] `event.a` and `event.a.b` are parts of one another; which comes first? (assign the whole of it once, or in two steps)
            6:18 flow.shape [b] a wait takes some time; leave out one that takes none
            8:11 flow.shape [c] a wait has `for` or `until`, one of them
            10:22 flow.redirect-url [d] the URL of the redirect is refused: it must be absolute and begin with `https://` or `http://`
            10:39 flow.shape [d] with no time at all nobody could come back
            13:51 flow.signing [e] a JWT holds from 1 second to 366 days
            13:61 flow.signing [e] the type of a JWT has 1 to 128 visible ASCII characters, such as `at+jwt`
            13:80 flow.signing [e] `kid` is what the server says of the signature; leave it out
            15:62 flow.context-key [f] `event` is not a place for a result; write `steps.ID` or `connectors.NAME`
            17:17 flow.shape [g] a run comes to a step 1 to 10000 times
        "#]],
    );
    faults_of(
        "  - id: a\n    claims: [{ key: sub, type: string, value: x }]\n    sign: { key: k, algorithm: ES256 }\n",
        &expect![[r#"
            4:21 flow.registered-claim [a] `sub` is a claim that the signature sets itself; this one is left out (name it in `registered-from-claims: [sub]` of `sign`)
        "#]],
    );
    // Neither a wait that is passed over nor one that fails to begin bounds what goes round.
    faults_of(
        "  - id: a\n    when: event.x\n    wait: { for: 1s }\n    next: a\n",
        &expect![[r#"
            3:9 flow.cycle [a] the steps go round without a wait or a bound: `a` → `a` (let one of them lead on, or to `end`; or give one a `visits-max`, or let the run wait on the way)
        "#]],
    );
    faults_of("  - id: a\n    wait: { for: 1s }\n    next: a\n", &expect![""]);
}

#[test]
fn steps_have_one_kind_and_known_fields() {
    faults_of(
        "  - id: a\n  - id: b\n    end: {}\n    fail: { reason: x }\n  - id: C\n    end: {}\n    colour: red\n  - 7\n",
        &expect![[r#"
            3:5 flow.step-kind [a] this step has no kind (give it one of `call`, `condition`, `action`, `claims`, `set`, `transform`, `wait`, `redirect`, `prompt`, `parallel`, `for-each`, `call-flow`, `fail`, `end`)
            4:5 flow.step-kind [b] this step has more than one kind: `fail`, `end` (give it one of `call`, `condition`, `action`, `claims`, `set`, `transform`, `wait`, `redirect`, `prompt`, `parallel`, `for-each`, `call-flow`, `fail`, `end`)
            7:9 flow.shape [C] "C" does not match "^[a-z][a-z0-9_-]{0,63}$"
            9:5 flow.shape [C] `colour` is not known here (known are `description`, `end`, `id`, `when`, `otherwise`, `deadline`, `retry`, `compensate`, `visits-max`)
            10:5 flow.shape [-] a step must be an object with `id` and a kind
        "#]],
    );
    faults_of(
        "  - id: a\n    action: PRE_LUNCH\n    plugin: tier\n    allowed-operations: [{ op: add, paths: [x] }, { op: replace }]\n",
        &expect![[r#"
            5:13 flow.shape [a] `tier` is not a plugin with its version; write `NAME@RANGE`, such as `sign@^1` or `sign@1.4.0`
        "#]],
    );
    faults_of(
        "  - id: a\n    action: FLOW_EXTENSION\n    plugin: tier@^1\n    allowed-operations: [{ op: add, paths: [x] }, { op: replace }]\n",
        &expect![[r#"
            6:32 flow.allowed-operation [a] `add` is not for `FLOW_EXTENSION`; it may have `replace`, `redirect`
            6:45 flow.allowed-operation [a] `x` is not a path: it must begin with `/`
            6:51 flow.allowed-operation [a] it lists no path, so it allows nothing
        "#]],
    );
}

#[test]
fn expressions_and_context_reads_are_checked() {
    // covers F-03, F-04
    faults_of(
        "  - id: a\n    claims:\n      - { key: k, type: string, value: '${connectors.nope.body}' }\n      - { key: l, type: string, value: 'x ${user.id}' }\n      - { key: m, type: string, value: 'x ${event.a' }\n",
        &expect![[r#"
            6:45 flow.expression [a] `user` is not known here; an expression sees `event`, `connectors`, `steps`, `claims`, `args`, `run`, `item` (at `user.id}`)
            7:43 flow.expression [a] this `${` has no matching `}`; write `$${` where the characters are meant (at `${event.a`)
        "#]],
    );
    faults_of(
        "  - id: a\n    claims: [{ key: k, type: string, value: '${connectors.nope.body}' }]\n",
        &expect![[r#"
            4:45 flow.unwritten-context [a] no step writes `connectors.nope`
        "#]],
    );
}

#[test]
fn an_event_schema_must_be_one() {
    // keeps S-10
    let text = |schema: &str| format!("flow: f\ninput: {{ schema: {schema} }}\nsteps: [{{ id: a, end: {{}} }}]\n");
    let code =
        |schema: &str| check(&text(schema), Format::Yaml, &catalogue()).err().map(|faults| faults.0[0].code.clone());
    assert_eq!(code("{ type: object }"), None);
    assert_eq!(code("{ type: thing }").as_deref(), Some("flow.input-schema"));
    assert_eq!(code("{ $ref: 'http://example.org/schema.json' }").as_deref(), Some("flow.input-schema"));
    assert_eq!(code("{ properties: { a: { $ref: '#' } } }").as_deref(), Some("flow.input-schema"));
    assert_eq!(code("{ $defs: { n: { type: number } }, properties: { a: { $ref: '#/$defs/n' } } }"), None);
    let doubling: Vec<String> = (0..40)
        .map(|level| {
            let next = format!("{{ $ref: '#/$defs/d{}' }}", level + 1);
            format!("d{level}: {{ allOf: [{next}, {next}] }}")
        })
        .collect();
    let doubling = format!("{{ $ref: '#/$defs/d0', $defs: {{ {}, d40: {{}} }} }}", doubling.join(", "));
    assert_eq!(code(&doubling).as_deref(), Some("flow.input-schema"));
    assert_eq!(code("{ pattern: '(a+)\\1' }").as_deref(), Some("flow.input-schema"));
    assert_eq!(code(&format!("{{ description: '{}' }}", "x".repeat(70_000))).as_deref(), Some("flow.input-schema"));
}

proptest::proptest! {
    /// Any mutation of a good flow is taken or refused in words.
    #[test]
    fn a_mutated_flow_never_panics(at in 0..DEMO_FLOW.len(), length in 0_usize..20, insert in "[ a-z:\\[\\]{}$\n-]{0,8}") {
        let end = (at + length).min(DEMO_FLOW.len());
        if let (Some(head), Some(tail)) = (DEMO_FLOW.get(..at), DEMO_FLOW.get(end..)) {
            let _ = check(&format!("{head}{insert}{tail}"), Format::Yaml, &catalogue());
        }
    }
}

#[test]
fn nobody_waits_for_a_call_in_the_background() {
    // covers C-11, F-03
    let connector = "connector: mail\nbase-url: https://mail.test/\nfunctions:\n  - name: send\n    mode: background\n  - name: ask\n";
    let document = Document::parse(connector, Format::Yaml).expect("yaml");
    let mut faults = crate::document::Faults::default();
    let document: ConnectorDocument =
        read(&document, "", "connector.shape", &mut faults).unwrap_or_else(|| panic!("{faults:?}"));
    let mut catalogue = catalogue();
    catalogue.add_connector(Arc::new(Connector { version: 1, document }));
    let check_steps = |steps: &str| {
        let faults = match check(&format!("flow: f\nsteps:\n{steps}"), Format::Yaml, &catalogue) {
            Ok((_, _, warnings)) => warnings,
            Err(faults) => faults,
        };
        let line = |it: &crate::document::Fault| format!("{}:{} {} {}\n", it.line, it.column, it.code, it.message);
        faults.0.iter().map(line).collect::<String>()
    };
    let read = "    claims: [{ key: k, type: dynamic, value: '${connectors.s.body.id}' }]\n";
    expect![[r#"
        5:20 flow.background-hook `mail.send` is called in the background: no hook sees its response
        7:46 flow.background-read `connectors.s.body` is always empty: the call is made in the background
    "#]]
    .assert_eq(&check_steps(&format!(
        "  - id: s\n    call: mail.send\n    post-response: [{{ plugin: normalise@^1 }}]\n  - id: b\n{read}"
    )));
    // A function that waits, alone or at the same place of the context, is another matter.
    let waits =
        format!("  - id: s\n    call: mail.ask\n    post-response: [{{ plugin: normalise@^1 }}]\n  - id: b\n{read}");
    assert_eq!(check_steps(&waits), "");
    let both = format!("  - id: t\n    call: mail.send\n    context-key: connectors.s\n{waits}");
    assert_eq!(check_steps(&both), "");
}

#[test]
fn a_fault_stands_at_its_value_and_says_what_is_known_there() {
    // covers F-03
    faults_of(
        "  - id: a\n    wait: { for: 5m }\n    retry: { attempts: 3, backof: 2s, exhausted: never }\n    whem: x\n  - id: b\n    wait: { for: soon, til: 1 }\n  - id: c\n    claims: []\n    sign: { key: k, algorithm: HS256 }\n  - id: d\n    prompt: { form: {}, text: 1 }\n",
        &expect![[r#"
            5:27 flow.shape [a] `backof` is not known here (known are `attempts`, `backoff`, `backoff-max`, `codes`, `exhausted`)
            5:50 flow.shape [a] this must be one of `error`, `pause`
            6:5 flow.shape [a] `whem` is not known here (known are `description`, `id`, `next`, `on-error`, `wait`, `when`, `otherwise`, `deadline`, `retry`, `compensate`, `visits-max`)
            8:24 flow.shape [b] `til` is not known here (known are `for`, `until`)
            11:32 flow.shape [c] "HS256" is not one of "RS256", "ES256" or "EdDSA"
            13:31 flow.shape [d] 1 is not of types "null", "string"
        "#]],
    );
    faults_of(
        "  - id: a\n    wait: { for: soon }\n    deadline: 5\n  - id: b\n    set: { x: 1 }\n    retry: { attempts: 2, backoff: 1 second }\n    deadline: late\n",
        &expect![[r#"
            4:18 flow.shape [a] `soon` is not a duration; write a whole number and a unit: `500ms`, `5s`, `2m`, `1h` or `7d`
            5:15 flow.shape [a] 5 is not of types "null", "string"
            9:15 flow.shape [b] `late` is not a duration; write a whole number and a unit: `500ms`, `5s`, `2m`, `1h` or `7d`
        "#]],
    );
    let head = check("flow: f\ndeadline: soon\nsteps: []\n", Format::Yaml, &catalogue()).expect_err("no duration");
    assert_eq!((head.0[0].line, head.0[0].pointer.as_str()), (2, "/deadline"));
}

#[test]
fn what_can_only_go_wrong_is_told_at_the_save() {
    // covers F-03, F-10
    faults_of(
        "  - id: a\n    redirect: { url: /login }\n    retry: { attempts: 2, backoff: 10m }\n  - id: b\n    redirect: { url: 'https://a.test/${event.id}' }\n    retry: { attempts: 2, backoff: 10s, backoff-max: 5s }\n  - id: d\n    parallel: { branches: [{ branch: x, steps: [{ id: x, set: { a: 1 } }] }, { branch: y, steps: [{ id: y, set: { b: 1 } }] }] }\n    retry: { attempts: 2 }\n  - id: c\n    end: {}\n    retry: { attempts: 2 }\n",
        &expect![[r#"
            4:22 flow.redirect-url [a] the URL of the redirect is refused: it must be absolute and begin with `https://` or `http://`
            5:36 flow.shape [a] no pause is longer than `backoff-max`, 5m, and the first would be 10m
            8:54 flow.shape [b] no pause is longer than `backoff-max`, 5s, and the first would be 10s
            11:12 flow.retry-of-runs [d] this begins all of its runs anew, also those that were done, each call with a new key; a `retry` of the steps inside repeats only what went wrong
            14:12 flow.needless-retry [c] this step ends the run; nothing in it is tried again
        "#]],
    );
}
