//! Guests that mean harm, through the whole product: each upload is refused in words or fails its own step with its
//! own code, and the next run works. The plugin host's own tests go deeper.

use serde_json::{Value, json};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::house::House;

/// An action's hook as a core module exports it.
const HOOK: &str = "weir:plugin/action@0.1.0#handle";

/// An answer of zeros is `ok(success([]))`.
pub(crate) const GOOD: &str = "(i32.const 1024)";

/// A component for a world, from the items of its module and the instructions of its hook.
fn component(world: &str, export: &str, items: &str, instructions: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_dir(weir_tests::paths::root().join("wit")).unwrap();
    let packages: Vec<_> = resolve.packages.iter().map(|(id, _)| id).collect();
    let world = resolve.select_world(&packages, Some(world)).unwrap();
    let text = format!(
        r#"(module $guest
            (import "weir:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))
            (memory (export "memory") 2)
            {items}
            (global $next (mut i32) (i32.const 65536))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
            (func (export "{export}") (param i32) (result i32) {instructions}))"#
    );
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

pub(crate) fn action(items: &str, instructions: &str) -> Vec<u8> {
    component("weir:plugin/action-plugin", HOOK, items, instructions)
}

const FLOW: &str = "flow: f\nsteps:\n  - id: act\n    action: FLOW_EXTENSION\n    plugin: guest@1\n    limits: { time-ms: 300, log-lines: 8 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_ends_its_own_step_with_its_own_code_and_the_next_run_works() {
    // covers P-05; keeps S-03, S-05
    let house = House::empty().await;
    let grow = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let grow_table =
        "(loop $l (br_if $l (i32.ne (table.grow (ref.null func) (i32.const 999)) (i32.const -1)))) unreachable";
    let recurse = "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))";
    // `ok(failed({reason: 1 GiB, …}))` claims more than there is memory; `ok(failed({reason: 120 KiB}))` is too long.
    let long = "(i32.store8 (i32.const 1028) (i32.const 2)) (i32.store (i32.const 1032) (i32.const 0)) (i32.store (i32.const 1036) (i32.const 120000)) (i32.const 1024)";
    let wild = "(i32.store8 (i32.const 1028) (i32.const 2)) (i32.store (i32.const 1032) (i32.const 0)) (i32.store (i32.const 1036) (i32.const 1073741824)) (i32.const 1024)";
    let chatter = "(local $n i32) (loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 4096) (i32.const 0) (i32.const 0)) (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $l (i32.lt_u (local.get $n) (i32.const 1000)))) (i32.const 1024)";
    let cases = [
        ("endless loop", action("", "(loop $l (br $l)) unreachable"), "plugin.time-exhausted"),
        ("recursion", action(recurse, "(call $deep (i32.const 0))"), "plugin.stack-overflow"),
        ("memory growth", action("", grow), "plugin.memory-exhausted"),
        ("table growth", action("(table 1 funcref)", grow_table), "plugin.table-exhausted"),
        ("trap", action("", "unreachable"), "plugin.trap"),
        ("huge output", action("", long), "plugin.invalid-output"),
        ("output out of memory", action("", wild), "plugin.invalid-output"),
        ("huge log", action("", chatter), ""),
    ];
    for (index, (what, bytes, code)) in cases.into_iter().enumerate() {
        upload(&house, index, &bytes);
        let run = house.run("f", &json!({}));
        let journal = house.journal(&run);
        let report = &journal[0]["record"]["hook"]["report"];
        if code.is_empty() {
            assert_eq!(run["state"], "completed", "{what}: {run:#}");
            assert_eq!(report["logs"].as_array().map(Vec::len), Some(8), "{what}");
            assert_eq!(report["logs_dropped"], 992, "{what}");
        } else {
            assert_eq!(run["state"], "error", "{what}: {run:#}");
            let outcome = journal[0]["outcome"].to_string();
            assert!(outcome.contains(&format!("\"{code}\"")), "{what}: {outcome}");
        }
        upload(&house, index + 100, &action("", GOOD));
        assert_eq!(house.run("f", &json!({}))["state"], "completed", "after {what}");
    }
}

/// Uploads the next version and makes the flow use it.
fn upload(house: &House, patch: usize, bytes: &[u8]) {
    let path = format!("/v1/plugins/guest/versions/1.{patch}.0");
    let answer = house.api().put(&path, "application/wasm", bytes);
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    let flow = FLOW.replace("guest@1", &format!("guest@1.{patch}.0"));
    let answer = house.api().put("/v1/flows/f", "application/yaml", flow.as_bytes());
    assert!((200..300).contains(&answer.status), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_no_plugin_is_refused_in_words() {
    // covers P-01; keeps S-01
    let house = House::empty().await;
    let good = action("", GOOD);
    let unknown_import =
        wat::parse_str(r#"(component (import "evil:host/shell@1.0.0" (instance (export "run" (func)))))"#).unwrap();
    let no_hook = wat::parse_str("(component)").unwrap();
    let core = wat::parse_str("(module (func (export \"action\")))").unwrap();
    let cases: [(&str, Vec<u8>, &[&str]); 6] = [
        ("not a component", b"#!/bin/sh\n".to_vec(), &["not WebAssembly", "weir plugin build"]),
        ("a core module", core, &["core module", "component"]),
        ("a truncated file", good[..good.len() / 2].to_vec(), &["cut off"]),
        ("an unknown import", unknown_import, &["evil:host/shell@1.0.0"]),
        ("no hook", no_hook, &["pre-call", "post-response", "action"]),
        ("nothing", Vec::new(), &["empty"]),
    ];
    for (what, bytes, words) in cases {
        let answer = house.api().put("/v1/plugins/bad/versions/1.0.0", "application/wasm", &bytes);
        let code = answer.problem();
        assert_eq!(answer.status, 422, "{what}: {}", answer.text);
        assert!(code.starts_with("plugin.upload."), "{what}: {code}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        for word in words {
            assert!(detail.contains(word), "{what}: {detail}");
        }
    }
    let listed: Value = house.api().get("/v1/plugins").json();
    assert_eq!(listed["items"], json!([]), "nothing is half-saved");
}
