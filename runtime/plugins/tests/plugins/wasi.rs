//! WASI with nothing behind it (P-06, S-07).

use weir_engine::message::Failure;
use weir_engine::ports::{
    ActionDecision, HookErrorKind, HookReport, InvocationLimits, LogLevel, NoGrantedCalls, Plugins,
};

use crate::guests::{ANSWER, Guest};
use crate::host::{HOST, act, check, event, invocation, roomy};

const RANDOM: &str = r#"
    (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
    (import "wasi:random/insecure@0.2.0" "get-insecure-random-u64" (func $insecure (result i64)))
    (import "wasi:random/insecure-seed@0.2.0" "insecure-seed" (func $seed (param i32)))"#;
const RANDOM_BYTES: &str = r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $bytes (param i64 i32)))"#;
const CLOCKS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $ticks (result i64)))
    (import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))"#;
const SLEEP: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-instant" (func $at (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.ready" (func $ready (param i32) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;
const PRINT: &str = r#"
    (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
        (func $print (param i32 i32 i32 i32)))"#;
const EXIT: &str = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
const ENVIRONMENT: &str = r#"
    (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))"#;

/// Turns eight bytes at 2048 and on into letters, as the reason of a failure.
const SPELL: &str = "(local $at i32)
    (loop $more
        (i32.store8 (i32.add (i32.const 4096) (local.get $at))
            (i32.add (i32.const 97) (i32.and (i32.load8_u (i32.add (i32.const 2048) (local.get $at))) (i32.const 15))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $at) (i32.const 32))))
    (i32.const 1024)";

fn speller(items: &str, instructions: &str) -> Vec<u8> {
    // Locals come before instructions.
    let (locals, spell) = SPELL.split_once('\n').unwrap();
    let guest = Guest::default().with(items).words(ANSWER, &[0, 2, 4_096, 32, 0, 0, 0]);
    guest.wasi(&format!("{locals} {instructions} {spell}"))
}

async fn seeded(component: Vec<u8>, seed: u64) -> HookReport<ActionDecision> {
    let mut invocation = invocation(HOST.shelf.put(component), roomy());
    invocation.seed = seed;
    let mut report = HOST.host.action(&invocation, &event(), &NoGrantedCalls).await;
    report.elapsed_us = 0;
    report
}

fn reason(report: &HookReport<ActionDecision>) -> String {
    match &report.outcome {
        Ok(ActionDecision::Failed(Failure { reason, .. })) => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn randomness_comes_from_the_seed() {
    // covers P-06
    let guest = || {
        speller(
            RANDOM,
            "(i64.store (i32.const 2048) (call $random)) (i64.store (i32.const 2056) (call $insecure))
             (call $seed (i32.const 2064))",
        )
    };
    let (one, again, other) = (seeded(guest(), 1).await, seeded(guest(), 1).await, seeded(guest(), 2).await);
    assert_eq!(serde_json::to_vec(&one).unwrap(), serde_json::to_vec(&again).unwrap(), "the same bytes");
    let (one, other) = (reason(&one), reason(&other));
    for (from, to) in [(0, 8), (8, 16), (16, 32)] {
        assert_ne!(one[from..to], other[from..to], "every source of randomness is seeded");
    }
    assert_ne!(one[0..8], one[8..16]);
}

#[tokio::test]
async fn random_bytes_are_limited() {
    // keeps S-05
    let guest = |bytes: u32| {
        let call = format!("(call $bytes (i64.const {bytes}) (i32.const 2048)) (i32.const 1024)");
        Guest::default().pages(8).with(RANDOM_BYTES).wasi(&call)
    };
    assert!(act(guest(65_536), roomy()).await.outcome.is_ok());
    check(act(guest(65_537), roomy()).await, HookErrorKind::Trap, "the host refused one of its calls").await;
}

#[tokio::test]
async fn clocks_stand_at_the_start_of_the_invocation() {
    // covers P-06, keeps S-07: 1 700 000 000.123 s
    let guest = Guest::default().with(CLOCKS).wasi(
        "(local $first i64)
         (call $now (i32.const 2048))
         (if (i64.ne (i64.load (i32.const 2048)) (i64.const 1700000000)) (then unreachable))
         (if (i32.ne (i32.load (i32.const 2056)) (i32.const 123000000)) (then unreachable))
         (local.set $first (call $ticks))
         (if (i64.ne (local.get $first) (call $ticks)) (then unreachable))
         (i32.const 1024)",
    );
    let report = act(guest, roomy()).await;
    assert!(report.outcome.is_ok(), "{:?}", report.outcome);
}

#[tokio::test]
async fn sleeping_takes_no_time_and_tells_none() {
    // covers P-06, keeps S-04, S-07: a pollable of the clock is ready from the start, however far away its time is
    for subscribe in ["$after", "$at"] {
        for nanos in ["0", "1000000", "3600000000000", "-1"] {
            let guest = Guest::default().with(SLEEP).wasi(&format!(
                "(local $timer i32)
                 (local.set $timer (call {subscribe} (i64.const {nanos})))
                 (if (i32.eqz (call $ready (local.get $timer))) (then unreachable))
                 (call $block (local.get $timer))
                 (i32.const 1024)"
            ));
            let report = act(guest, roomy()).await;
            assert!(report.outcome.is_ok(), "{subscribe} {nanos}: {:?}", report.outcome);
        }
    }
}

#[tokio::test]
async fn sleeping_without_end_is_stopped() {
    // keeps S-03
    let guest = Guest::default().with(SLEEP).wasi(
        "(local $timer i32) (local.set $timer (call $after (i64.const 1)))
               (loop $again (call $block (local.get $timer)) (br $again)) unreachable",
    );
    let limits = InvocationLimits { time_ms: 100, fuel: u64::MAX, ..InvocationLimits::default() };
    check(act(guest, limits).await, HookErrorKind::TimeExhausted, "longer than 100 ms").await;
}

#[tokio::test]
async fn prints_become_log_lines() {
    // covers D-03
    let guest = Guest::default().with(PRINT).bytes(4_096, b"one\ntwo\nthree").wasi(
        "(call $print (call $stdout) (i32.const 4096) (i32.const 13) (i32.const 2048))
         (call $print (call $stderr) (i32.const 4096) (i32.const 4) (i32.const 2048))
         (i32.const 1024)",
    );
    let report = act(guest, roomy()).await;
    let lines: Vec<_> = report.logs.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(
        lines,
        [(LogLevel::Info, "one"), (LogLevel::Info, "two"), (LogLevel::Warning, "one"), (LogLevel::Info, "three"),]
    );
}

#[tokio::test]
async fn exit_is_a_trap_with_words() {
    let guest = Guest::default().with(EXIT).wasi("(call $exit (i32.const 1)) (i32.const 1024)");
    check(act(guest, roomy()).await, HookErrorKind::Trap, "exit status 1").await;
}

#[tokio::test]
async fn there_is_no_environment() {
    // covers P-06
    let guest = Guest::default().with(ENVIRONMENT).wasi(
        "(call $environment (i32.const 2048)) (call $arguments (i32.const 2056))
         (if (i32.load (i32.const 2052)) (then unreachable))
         (if (i32.load (i32.const 2060)) (then unreachable))
         (i32.const 1024)",
    );
    assert!(act(guest, roomy()).await.outcome.is_ok());
}

#[tokio::test]
async fn resources_are_limited() {
    // keeps S-05
    let guest =
        Guest::default().with(SLEEP).wasi("(loop $more (drop (call $after (i64.const 1))) (br $more)) unreachable");
    check(act(guest, roomy()).await, HookErrorKind::Trap, "the host refused one of its calls").await;
}
