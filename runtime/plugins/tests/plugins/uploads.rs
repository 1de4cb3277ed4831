//! What is accepted, and what is said to the rest (P-01, S-01).

use expect_test::{Expect, expect};
use weir_engine::run::HookKind;
use weir_plugins::{UploadError, validate};

use crate::guests::{self, ACTION, Guest, component, component_of, good};

const BYTES_MAX: u64 = 20 << 20;

/// The code and the message of a refusal.
fn check(bytes: &[u8], expected: Expect) {
    let error = validate(bytes, BYTES_MAX).unwrap_err();
    expected.assert_eq(&format!("{}: {error}", error.code()));
}

/// A component in WAT text.
fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn an_inspection_says_what_the_component_is() {
    // covers P-01, P-02
    let bytes = good();
    let inspection = validate(&bytes, BYTES_MAX).unwrap();
    assert_eq!(inspection.digest, weir_engine::digest::Digest::of(&bytes));
    assert_eq!(inspection.size, bytes.len() as u64);
    assert_eq!(inspection.hooks, [HookKind::Action]);
    assert_eq!(inspection.exports, ["weir:plugin/action@0.1.0"]);
    assert!(inspection.imports.iter().all(|name| name.starts_with("weir:plugin/")), "{:?}", inspection.imports);
    assert_eq!(inspection.wit_version, semver::Version::new(0, 1, 0));
}

#[test]
fn one_component_may_have_several_hooks() {
    let module = Guest::default().module(guests::PRE_CALL, "(i32.const 1024)");
    let second = format!(r#"(export "{}" (func $hook)) (memory"#, guests::POST_RESPONSE);
    let bytes = component("weir:plugin/transform-plugin", &module.replacen("(memory", &second, 1));
    assert_eq!(validate(&bytes, BYTES_MAX).unwrap().hooks, [HookKind::PreCall, HookKind::PostResponse]);
}

#[test]
fn wasi_and_further_exports_are_accepted() {
    let used = r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func (result i64)))"#;
    let inspection = validate(&Guest::default().with(used).wasi("(i32.const 1024)"), BYTES_MAX).unwrap();
    assert_eq!(inspection.imports, ["wasi:random/random@0.2.0", "weir:plugin/types@0.1.0"]);
    let module = Guest::default().module(ACTION, "(i32.const 1024)");
    let module = module.replacen("(memory", r#"(func (export "init")) (memory"#, 1);
    let inspection = validate(&component("test:worlds/extra", &module), BYTES_MAX).unwrap();
    assert_eq!(inspection.exports, ["init", "weir:plugin/action@0.1.0"]);
}

#[test]
fn the_size_limit_is_exact() {
    let bytes = good();
    let size = bytes.len() as u64;
    assert!(validate(&bytes, size).is_ok());
    assert_eq!(validate(&bytes, size - 1), Err(UploadError::TooLarge { size, max: size - 1 }));
}

#[test]
fn what_is_no_component_is_named() {
    check(
        b"",
        expect![
            "plugin.upload.not-wasm: this is not WebAssembly: the file is empty; upload the `.wasm` file that `weir plugin build` makes"
        ],
    );
    check(
        b"hello",
        expect![
            "plugin.upload.not-wasm: this is not WebAssembly: it is text; upload the `.wasm` file that `weir plugin build` makes"
        ],
    );
    check(
        b"  (component)",
        expect![
            "plugin.upload.not-wasm: this is not WebAssembly: it is WAT text, which `wasm-tools parse` turns into a component; upload the `.wasm` file that `weir plugin build` makes"
        ],
    );
    check(
        b"\x89PNG\r\n",
        expect![
            "plugin.upload.not-wasm: this is not WebAssembly: it begins with 89 50 4e 47, a component begins with 00 61 73 6d; upload the `.wasm` file that `weir plugin build` makes"
        ],
    );
    check(
        &wat("(module)"),
        expect![
            "plugin.upload.core-module: this is a core module, not a component; build with `weir plugin build`, or turn it into a component with `wasm-tools component new`"
        ],
    );
    check(
        b"\0as",
        expect![
            "plugin.upload.truncated: the component ends too early, after 3 bytes; the file was cut off, upload it again as a whole"
        ],
    );
    let whole = good();
    check(
        &whole[..200],
        expect![
            "plugin.upload.truncated: the component ends too early, after 200 bytes; the file was cut off, upload it again as a whole"
        ],
    );
    let mut broken = whole;
    broken[9] = 0xff;
    assert_eq!(validate(&broken, BYTES_MAX).unwrap_err().code(), "plugin.upload.invalid");
}

#[test]
fn compiled_code_is_refused() {
    // covers P-03
    let engine = wasmtime::Engine::default();
    for compiled in [engine.precompile_component(&good()).unwrap(), engine.precompile_module(&wat("(module)")).unwrap()]
    {
        assert_eq!(validate(&compiled, BYTES_MAX), Err(UploadError::Compiled));
    }
}

#[test]
fn an_import_outside_the_worlds_is_named() {
    check(
        &wat(r#"(component (import "acme:db/sql@1.0.0" (instance (export "query" (func)))))"#),
        expect![
            "plugin.upload.unknown-import: the component imports `acme:db/sql@1.0.0`, which the host does not offer. A plugin may import `weir:plugin/log@0.1.0`, `weir:plugin/connectors@0.1.0` and the WASI 0.2 interfaces of cli, clocks, filesystem, io, random and sockets (with nothing behind them). Remove the import, or link its implementation into the component."
        ],
    );
    for (import, words) in [
        (r#""wasi:http/outgoing-handler@0.2.0" (instance)"#, "call a connector function"),
        (r#""wasi:random/random@0.3.0" (instance)"#, "Build for WASI 0.2"),
        (r#""wasi:cli/run@0.2.0" (instance)"#, "Build for WASI 0.2"),
        (r#""wasi:random/random@0.2.0-rc-2023-11-10" (instance)"#, "Build for WASI 0.2"),
        (r#""run" (func)"#, "outside an interface"),
        (r#""weir:plugin/secrets@0.1.0" (instance)"#, "weir:plugin/secrets@0.1.0"),
    ] {
        let error = validate(&wat(&format!("(component (import {import}))")), BYTES_MAX).unwrap_err();
        assert_eq!(error.code(), "plugin.upload.unknown-import");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn an_import_of_another_type_is_shown() {
    check(
        &wat(
            r#"(component (import "weir:plugin/log@0.1.0" (instance (export "write" (func (param "text" string))))))"#,
        ),
        expect![[r#"
            plugin.upload.wrong-type: the import `weir:plugin/log@0.1.0` has another type than the contract: function: expected 3 parameters, found 1 parameters
              expected: write: func(level: level, message: string, fields: list<tuple<string, string>>)
              found:    write: func(text: string)"#]],
    );
    check(
        &wat(r#"(component (import "weir:plugin/log@0.1.0" (instance (export "flush" (func)))))"#),
        expect![[r#"
            plugin.upload.wrong-type: the import `weir:plugin/log@0.1.0` has another type than the contract: function `flush`: expected no function of that name, found this function
              expected: nothing
              found:    flush: func()"#]],
    );
}

#[test]
fn a_component_without_a_hook_hears_which_there_are() {
    check(
        &wat("(component)"),
        expect![
            "plugin.upload.no-hook: the component exports no hook; export at least one of `weir:plugin/pre-call@0.1.0`, `weir:plugin/post-response@0.1.0`, `weir:plugin/action@0.1.0`. It exports nothing."
        ],
    );
    let other = wat(r#"(component (core module $m (func (export "run"))) (core instance $i (instantiate $m))
            (func (export "run") (canon lift (core func $i "run"))))"#);
    let error = validate(&other, BYTES_MAX).unwrap_err().to_string();
    assert!(error.ends_with("It exports `run`."), "{error}");
}

/// A contract that is not quite ours.
fn own_action(version: &str, types: &str, result: &str) -> Vec<u8> {
    let wit = format!(
        "package weir:plugin@{version};
         interface action {{ {types} handle: func(invocation: string, event: string) -> {result}; }}
         world mine {{ export action; }}"
    );
    let hook = format!("weir:plugin/action@{version}#handle");
    let module = Guest::default().module(&hook, "(i32.const 1024)");
    let module = module.replacen("(param $args i32)", "(param i32 i32 i32 i32)", 1);
    component_of(&wit, &format!("weir:plugin/mine@{version}"), &module)
}

#[test]
fn a_hook_of_another_type_is_shown_in_wit() {
    check(
        &own_action("0.1.0", "record verdict { good: bool, why: string }", "result<verdict, string>"),
        expect![[r#"
            plugin.upload.wrong-type: the hook `weir:plugin/action@0.1.0` has another type than the contract: parameter `invocation`: expected invocation, found string
              expected: handle: func(invocation: invocation, event: event) -> result<decision, fault>
              found:    handle: func(invocation: string, event: string) -> result<verdict, string>"#]],
    );
}

/// The contract's text with one thing changed, and a plugin for it.
fn changed(from: &str, to: &str) -> UploadError {
    let wit: String = ["types", "worlds", "log", "connectors", "pre-call", "post-response", "action"]
        .iter()
        .map(|file| std::fs::read_to_string(format!("{}/../../wit/{file}.wit", env!("CARGO_MANIFEST_DIR"))).unwrap())
        .collect();
    assert!(wit.contains(from), "wit/ has no `{from}`");
    let bytes = component_of(
        &wit.replace(from, to),
        "weir:plugin/pre-call-plugin",
        &Guest::default().module(guests::PRE_CALL, "(i32.const 1024)"),
    );
    validate(&bytes, BYTES_MAX).unwrap_err()
}

#[test]
fn the_first_difference_is_found_however_deep_it_lies() {
    for (from, to, expected) in [
        (
            "body: option<list<u8>>,",
            "body: list<u8>,",
            "parameter `request`, field `body`: expected option<list<u8>>, found list<u8>",
        ),
        ("method: string,", "verb: string,", "parameter `request`: expected field `method`, found field `verb`"),
        (
            "flow-version: u32,",
            "flow-version: u64,",
            "parameter `invocation`, field `flow-version`: expected u32, found u64",
        ),
        (
            "uri: string,",
            "uri: string, fragment: string,",
            "parameter `request`: expected field `headers`, found field `fragment`",
        ),
    ] {
        let error = changed(from, to);
        let UploadError::WrongType(mismatch) = &error else { panic!("{error}") };
        let difference = format!("{}: expected {}, found {}", mismatch.place, mismatch.expected, mismatch.found);
        assert_eq!(difference, expected);
    }
}

#[test]
fn another_version_of_the_contract_is_named() {
    // covers P-09
    for version in ["0.2.0", "1.0.0", "0.1.1", "0.1.0-rc", "0.1.0-rc.1"] {
        let error = validate(&own_action(version, "", "result<string, string>"), BYTES_MAX).unwrap_err();
        let UploadError::WrongVersion { name, found, served } = &error else { panic!("{error}") };
        assert_eq!(
            (name.as_str(), found.as_str(), served.as_str()),
            (format!("weir:plugin/action@{version}").as_str(), version, "0.1.0")
        );
    }
    let import = wat(r#"(component (import "weir:plugin/log@0.3.0" (instance)))"#);
    assert_eq!(validate(&import, BYTES_MAX).unwrap_err().code(), "plugin.upload.wrong-version");
}

#[test]
fn endless_types_make_a_short_message() {
    // keeps S-01: every type doubles the one before
    let doubling: String = (1..16)
        .fold("type t0 = string;".to_owned(), |text, at| format!("{text} type t{at} = tuple<t{0}, t{0}>;", at - 1));
    let error = validate(&own_action("0.1.0", &doubling, "t12"), BYTES_MAX).unwrap_err();
    assert!(error.to_string().len() < 4_000, "{}", error.to_string().len());
}
