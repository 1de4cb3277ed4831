//! Small guests. Each is a core module in WAT with the canonical ABI's names, made into a component for one world.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The hooks' functions as a core module exports them.
pub(crate) const ACTION: &str = "weir:plugin/action@0.1.0#handle";
pub(crate) const PRE_CALL: &str = "weir:plugin/pre-call@0.1.0#transform";
pub(crate) const POST_RESPONSE: &str = "weir:plugin/post-response@0.1.0#transform";

/// Where guests put their answer. Zeros there are `ok(success([]))` for `action`.
pub(crate) const ANSWER: u32 = 1_024;

/// As much of WASI 0.2 as the tests use.
const WASI: [(&str, &str); 4] = [
    (
        "io.wit",
        "package wasi:io@0.2.0;
         interface error { resource error; }
         interface poll { resource pollable { ready: func() -> bool; block: func(); } }
         interface streams {
            use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
         }",
    ),
    (
        "clocks.wit",
        "package wasi:clocks@0.2.0;
         interface monotonic-clock {
            use wasi:io/poll@0.2.0.{pollable};
            now: func() -> u64;
            subscribe-duration: func(when: u64) -> pollable;
            subscribe-instant: func(when: u64) -> pollable;
         }
         interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }",
    ),
    (
        "random.wit",
        "package wasi:random@0.2.0;
         interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
         interface insecure { get-insecure-random-u64: func() -> u64; }
         interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }",
    ),
    (
        "cli.wit",
        "package wasi:cli@0.2.0;
         interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
         interface stderr { use wasi:io/streams@0.2.0.{output-stream}; get-stderr: func() -> output-stream; }
         interface exit { exit: func(status: result); }
         interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
         }",
    ),
];

/// The worlds that tests use besides those of `wit/`.
const WORLDS: &str = "package test:worlds;
    world wasi-action {
        include weir:plugin/action-plugin@0.1.0;
        import wasi:io/poll@0.2.0;
        import wasi:io/streams@0.2.0;
        import wasi:clocks/monotonic-clock@0.2.0;
        import wasi:clocks/wall-clock@0.2.0;
        import wasi:random/random@0.2.0;
        import wasi:random/insecure@0.2.0;
        import wasi:random/insecure-seed@0.2.0;
        import wasi:cli/stdout@0.2.0;
        import wasi:cli/stderr@0.2.0;
        import wasi:cli/exit@0.2.0;
        import wasi:cli/environment@0.2.0;
    }
    world extra { include weir:plugin/action-plugin@0.1.0; export init: func(); }";

/// Makes a component from a core module.
pub(crate) fn component(world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    for (name, text) in WASI {
        resolve.push_str(name, text).unwrap();
    }
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    resolve.push_str("worlds.wit", WORLDS).unwrap();
    encode(&resolve, world, module)
}

/// Makes a component for a world of a contract of its own.
pub(crate) fn component_of(wit: &str, world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    resolve.push_str("own.wit", wit).unwrap();
    encode(&resolve, world, module)
}

fn encode(resolve: &Resolve, world: &str, module: &str) -> Vec<u8> {
    let packages: Vec<_> = resolve.packages.iter().map(|(id, _)| id).collect();
    let world = resolve.select_world(&packages, Some(world)).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// A guest: its hook's instructions, and what else its module holds.
#[derive(Default)]
pub(crate) struct Guest {
    /// Imports, functions, globals, tables.
    pub(crate) items: String,
    /// Data segments.
    pub(crate) data: String,
    /// Pages of memory, at least 2.
    pub(crate) pages: u32,
}

impl Guest {
    /// A module with `memory`, a bump allocator, and the hook, whose instructions leave the address of the answer.
    pub(crate) fn module(&self, hook: &str, instructions: &str) -> String {
        let pages = self.pages.max(2);
        format!(
            r#"(module $guest
                {items}
                (memory (export "memory") {pages})
                {data}
                (global $next (mut i32) (i32.const 65536))
                (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                    (global.set $next (i32.add (local.get $at) (local.get 3)))
                    (local.get $at))
                (func $hook (export "{hook}") (param $args i32) (result i32) {instructions}))"#,
            items = self.items,
            data = self.data,
        )
    }

    /// An `action` plugin.
    pub(crate) fn action(&self, instructions: &str) -> Vec<u8> {
        component("weir:plugin/action-plugin", &self.module(ACTION, instructions))
    }

    /// A `pre-call` plugin.
    pub(crate) fn pre_call(&self, instructions: &str) -> Vec<u8> {
        component("weir:plugin/pre-call-plugin", &self.module(PRE_CALL, instructions))
    }

    /// A `post-response` plugin.
    pub(crate) fn post_response(&self, instructions: &str) -> Vec<u8> {
        component("weir:plugin/post-response-plugin", &self.module(POST_RESPONSE, instructions))
    }

    /// An `action` plugin that uses WASI.
    pub(crate) fn wasi(&self, instructions: &str) -> Vec<u8> {
        component("test:worlds/wasi-action", &self.module(ACTION, instructions))
    }

    /// Adds items.
    pub(crate) fn with(mut self, items: &str) -> Self {
        self.items.push_str(items);
        self
    }

    /// Adds bytes at an address.
    pub(crate) fn bytes(mut self, at: u32, bytes: &[u8]) -> Self {
        let escaped = bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        });
        writeln!(self.data, r#"(data (i32.const {at}) "{escaped}")"#).unwrap();
        self
    }

    /// Adds little-endian words at an address.
    pub(crate) fn words(self, at: u32, words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(at, &bytes)
    }

    /// So many memories in all.
    pub(crate) fn memories(mut self, count: usize) -> Self {
        self.data.push_str(&"(memory 1)".repeat(count.saturating_sub(1)));
        self
    }

    /// Sets the memory.
    pub(crate) fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }
}

/// An `action` plugin that answers success without operations.
pub(crate) fn good() -> Vec<u8> {
    Guest::default().action("(i32.const 1024)")
}

/// The import `log.write` as `$log`.
pub(crate) const LOG: &str = r#"(import "weir:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32 i32 i32)))"#;

/// The import `connectors.call` as `$call`.
pub(crate) const CALL: &str =
    r#"(import "weir:plugin/connectors@0.1.0" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32)))"#;
