//! The child process and the cache (P-03, S-02).

use std::sync::Arc;

use bytes::Bytes;
use weir_engine::ports::{HookErrorKind, NoGrantedCalls, Plugins};
use weir_plugins::{CompileError, CompileProgram, HostSettings, PluginHost, PrepareError};

use crate::guests::{Guest, good};
use crate::host::{Shelf, TestHost, event, invocation, plugin, roomy, settings};

/// The compiling process of the other tests: they start this binary with this test's name.
#[test]
#[ignore = "other tests start it as a process of its own"]
fn compile_child() {
    std::process::exit(i32::from(weir_plugins::compile_child()));
}

async fn prepare(host: &TestHost, component: Vec<u8>) -> Result<(), PrepareError> {
    host.host.prepare(Bytes::from(component)).await.map(drop)
}

fn compile_error(prepared: Result<(), PrepareError>) -> CompileError {
    match prepared {
        Err(PrepareError::Compile(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// A guest with much to compile: one function of many blocks, each of which changes a local.
fn bomb(blocks: usize) -> Vec<u8> {
    let block = "(if (local.get $args) (then (local.set $a (i32.add (local.get $a) (i32.mul (local.get $b) (i32.const 3)))) (local.set $b (i32.xor (local.get $a) (local.get $args)))))";
    let instructions = format!("(local $a i32) (local $b i32) {} (local.get $a)", block.repeat(blocks));
    Guest::default().action(&instructions)
}

#[tokio::test]
async fn compiles_once_keeps_the_result_and_heals_a_damaged_file() {
    // covers P-03
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(settings(folder.path()));
    let plugin = host.shelf.put(good());
    let invoke = async |host: &TestHost| {
        let report = host.host.action(&invocation(plugin.clone(), roomy()), &event(), &NoGrantedCalls).await;
        assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    };
    invoke(&host).await;
    let file = only_file(folder.path());
    let written = std::fs::metadata(&file).unwrap().len();
    // Another start finds it: without a compiler it could not run.
    let missing = CompileProgram { path: "/nowhere".into(), arguments: Vec::new() };
    let start = || PluginHost::start_with(settings(folder.path()), Arc::clone(&host.shelf) as _, missing.clone());
    let warm = TestHost { host: start().unwrap(), shelf: Arc::clone(&host.shelf) };
    invoke(&warm).await;
    // Damaged, it is compiled anew.
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let cold = TestHost { host: start().unwrap(), shelf: Arc::clone(&host.shelf) };
    let report = cold.host.action(&invocation(plugin.clone(), roomy()), &event(), &NoGrantedCalls).await;
    assert_eq!(report.outcome.unwrap_err().kind, HookErrorKind::Unloadable);
    assert!(!file.exists());
    invoke(&TestHost::start_on(settings(folder.path()), &host.shelf)).await;
    assert_eq!(std::fs::metadata(&file).unwrap().len(), written);
}

fn only_file(root: &std::path::Path) -> std::path::PathBuf {
    let engine = std::fs::read_dir(root).unwrap().next().unwrap().unwrap().path();
    let files: Vec<_> = std::fs::read_dir(engine).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[tokio::test]
async fn many_who_ask_at_once_share_one_compilation() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(settings(folder.path()));
    let plugin = host.shelf.put(good());
    let invocation = invocation(plugin, roomy());
    let event = event();
    let asks = (0..16).map(|_| host.host.action(&invocation, &event, &NoGrantedCalls));
    for report in futures::future::join_all(asks).await {
        assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    }
    only_file(folder.path());
}

#[tokio::test]
async fn processor_time_is_limited() {
    // keeps S-02
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.compile.cpu_seconds = 1;
    let host = TestHost::start(settings);
    let error = compile_error(prepare(&host, bomb(30_000)).await);
    assert_eq!(error, CompileError::Time { limit: "1 s of processor time".to_owned() });
    assert_eq!(error.code(), "plugin.compile.time");
    assert!(prepare(&host, good()).await.is_ok(), "the next component compiles");
}

#[tokio::test]
async fn wall_time_is_limited_and_the_child_is_killed() {
    // keeps S-02
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.compile.time_ms = 200;
    // A compiler that does not come back.
    let program = CompileProgram { path: "/bin/sleep".into(), arguments: vec!["600".into()] };
    let host = PluginHost::start_with(settings, Arc::new(Shelf::default()), program).unwrap();
    let error = compile_error(host.prepare(Bytes::from(good())).await.map(drop));
    assert_eq!(error, CompileError::Time { limit: "200ms".to_owned() });
}

#[tokio::test]
async fn memory_is_limited() {
    // keeps S-02
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.compile.memory_bytes = 128 << 20;
    let host = TestHost::start(settings);
    let error = compile_error(prepare(&host, bomb(30_000)).await);
    assert_eq!(error, CompileError::Memory { bytes: 128 << 20 });
}

#[tokio::test]
async fn a_compiler_that_panics_is_not_asked_again() {
    // keeps S-02: 101 is the status of a Rust program that panicked
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs");
    let script = format!("echo run >> '{}'; exit 101", runs.display());
    let program = CompileProgram { path: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
    let settings = settings(&folder.path().join("cache"));
    let host = PluginHost::start_with(settings, Arc::new(Shelf::default()), program).unwrap();
    for _ in 0..3 {
        let error = compile_error(host.prepare(Bytes::from(good())).await.map(drop));
        assert_eq!(error, CompileError::Crash { how: "status 101".to_owned(), words: String::new() });
    }
    assert_eq!(std::fs::read_to_string(&runs).unwrap(), "run\n");
}

#[tokio::test]
async fn debug_information_is_dropped() {
    // keeps S-08: what a guest says of its sources is parsed nowhere in the server
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(settings(folder.path()));
    let sections = [".debug_info", ".debug_abbrev", ".debug_line", ".debug_str"]
        .map(|name| format!("(@custom \"{name}\" \"what the guest says of itself\")"));
    let guest = Guest::default().with(&sections.concat()).action("(i32.const 1024)");
    let has_words = |bytes: &[u8]| bytes.windows(14).any(|part| part == b"what the guest");
    assert!(has_words(&guest), "the component carries them");
    assert!(prepare(&host, guest).await.is_ok());
    assert!(!has_words(&std::fs::read(only_file(folder.path())).unwrap()));
}

#[tokio::test]
async fn the_size_of_the_compiled_file_is_limited() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.compile.artifact_bytes_max = 1_000;
    let error = compile_error(prepare(&TestHost::start(settings), good()).await);
    assert_eq!(error.code(), "plugin.compile.refused");
    assert!(error.to_string().contains("at most 1000 are kept"), "{error}");
}

#[tokio::test]
async fn a_crash_of_the_compiler_is_its_own_error() {
    let folder = tempfile::tempdir().unwrap();
    for (script, code) in
        [("kill -SEGV $$", "plugin.compile.crash"), ("echo oops >&2; exit 70", "plugin.compile.unavailable")]
    {
        let program = CompileProgram { path: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
        let host = PluginHost::start_with(settings(folder.path()), Arc::new(Shelf::default()), program).unwrap();
        let error = compile_error(host.prepare(Bytes::from(good())).await.map(drop));
        assert_eq!(error.code(), code, "{error}");
    }
    let program = CompileProgram { path: "/nowhere".into(), arguments: Vec::new() };
    let host = PluginHost::start_with(settings(folder.path()), Arc::new(Shelf::default()), program).unwrap();
    let error = compile_error(host.prepare(Bytes::from(good())).await.map(drop));
    assert!(error.to_string().contains("`/nowhere` did not start"), "{error}");
}

#[tokio::test]
async fn a_component_that_is_not_there_or_not_its_digest_is_unloadable() {
    // covers P-02
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(settings(folder.path()));
    let digest = weir_engine::digest::Digest::of(b"never uploaded");
    let report = host.host.action(&invocation(plugin(digest), roomy()), &event(), &NoGrantedCalls).await;
    let error = report.outcome.unwrap_err();
    assert_eq!(error.kind, HookErrorKind::Unloadable);
    assert!(error.message.contains("upload it again"), "{error:?}");
    host.shelf.put_as(digest, good());
    let report = host.host.action(&invocation(plugin(digest), roomy()), &event(), &NoGrantedCalls).await;
    assert!(report.outcome.unwrap_err().message.contains("is damaged"));
}

#[tokio::test]
async fn fewer_slots_than_components_still_work() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(HostSettings { loaded_max: 1, ..settings(folder.path()) });
    let plugins = [host.shelf.put(good()), host.shelf.put(Guest::default().action("(nop) (i32.const 1024)"))];
    for _ in 0..3 {
        for plugin in &plugins {
            let report = host.host.action(&invocation(plugin.clone(), roomy()), &event(), &NoGrantedCalls).await;
            assert!(report.outcome.is_ok(), "{:?}", report.outcome);
        }
    }
}

#[tokio::test]
async fn a_component_with_too_many_memories_cannot_be_linked() {
    let folder = tempfile::tempdir().unwrap();
    let host = TestHost::start(settings(folder.path()));
    let guest = |memories| Guest::default().memories(memories).action("(i32.const 1024)");
    assert!(prepare(&host, guest(4)).await.is_ok());
    let Err(error) = prepare(&host, guest(5)).await else { panic!("it was accepted") };
    assert_eq!(error.code(), "plugin.upload.unlinkable", "{error}");
}

#[test]
fn the_program_is_this_executable() {
    let this = CompileProgram::this().unwrap();
    assert_eq!(this.path.canonicalize().unwrap(), std::env::current_exe().unwrap().canonicalize().unwrap());
    assert_eq!(this.arguments, [weir_plugins::COMPILE_VERB]);
}
