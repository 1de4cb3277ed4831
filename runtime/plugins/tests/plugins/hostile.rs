//! Guests that mean harm. Each ends with its own kind of error, and the next invocation works (P-05, S-03, S-05).

use std::time::{Duration, Instant};

use weir_engine::ports::{ActionDecision, HookErrorKind, Invocation, InvocationLimits, NoGrantedCalls, Plugins};

use crate::guests::{ANSWER, Guest};
use crate::host::{act, check, post_response, pre_call, roomy};

const SPIN: &str = "(func $spin (loop $again (br $again)))";

/// Little time, and more fuel than can be used in it.
fn short() -> InvocationLimits {
    InvocationLimits { time_ms: 100, fuel: u64::MAX, ..InvocationLimits::default() }
}

#[tokio::test]
async fn an_endless_loop_is_stopped_in_every_hook() {
    // covers P-05, P-07; keeps S-03
    let guest = || Guest::default().with(SPIN);
    let spin = "(call $spin) (i32.const 1024)";
    let started = Instant::now();
    let report =
        check(act(guest().action(spin), short()).await, HookErrorKind::TimeExhausted, "longer than 100 ms").await;
    let detail = report.outcome.unwrap_err().detail.unwrap();
    assert!(detail.starts_with("at spin in guest\nat hook in guest\n"), "{detail}");
    assert!(detail.contains("fuel used: "), "{detail}");
    assert!(report.elapsed_us >= 100_000 && report.fuel > 0);
    check(pre_call(guest().pre_call(spin), short()).await, HookErrorKind::TimeExhausted, "hook `pre-call`").await;
    check(post_response(guest().post_response(spin), short()).await, HookErrorKind::TimeExhausted, "`post-response`")
        .await;
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn an_endless_loop_does_not_hold_the_thread() {
    // keeps S-03: on one thread, another task runs while the guest computes
    let spinning = act(Guest::default().with(SPIN).action("(call $spin) (i32.const 1024)"), short());
    let mut ticks = 0;
    let ticking = async {
        loop {
            tokio::task::yield_now().await;
            ticks += 1;
        }
    };
    tokio::select! {
        report = spinning => assert_eq!(report.outcome.unwrap_err().kind, HookErrorKind::TimeExhausted),
        () = ticking => {}
    }
    assert!(ticks >= 3, "{ticks}");
}

#[tokio::test]
async fn a_start_function_is_limited_too() {
    let guest = Guest::default().with(SPIN).with("(start $spin)");
    check(act(guest.action("(i32.const 1024)"), short()).await, HookErrorKind::TimeExhausted, "100 ms").await;
}

#[tokio::test]
async fn fuel_is_exact() {
    // covers P-05
    let used = act(crate::guests::good(), roomy()).await.fuel;
    assert!(used > 0);
    let enough = InvocationLimits { fuel: used, ..roomy() };
    let report = act(crate::guests::good(), enough).await;
    assert_eq!((report.outcome, report.fuel), (Ok(ActionDecision::Success(Vec::new())), used));
    let short = InvocationLimits { fuel: used - 1, ..roomy() };
    check(act(crate::guests::good(), short).await, HookErrorKind::FuelExhausted, "`limits.fuel`").await;
}

#[tokio::test]
async fn deep_recursion_overflows_the_stack() {
    let guest = Guest::default()
        .with("(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))");
    let report = act(guest.action("(call $deep (i32.const 0))"), roomy()).await;
    let report = check(report, HookErrorKind::StackOverflow, "recursion").await;
    let detail = report.outcome.unwrap_err().detail.unwrap();
    assert!(detail.starts_with("at deep in guest\n") && detail.contains("\n…\nfuel used: "), "{detail}");
}

/// Grows until it is refused, then does what a language's allocator does.
const GROW_MEMORY: &str = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";

#[tokio::test]
async fn memory_is_limited_however_it_is_asked_for() {
    let report = act(Guest::default().action(GROW_MEMORY), roomy()).await;
    check(
        report,
        HookErrorKind::MemoryExhausted,
        "more than 67108864 bytes of memory; make it use less, or raise the step's `limits.memory-bytes`",
    )
    .await;
    let large = Guest::default().pages(1_025).action("(i32.const 1024)");
    check(act(large, roomy()).await, HookErrorKind::MemoryExhausted, "67108864").await;
    // Exactly the limit works, and so does a guest that takes no for an answer.
    let exact = Guest::default().pages(1_024).action("(i32.const 1024)");
    assert!(act(exact, roomy()).await.outcome.is_ok());
    let polite = "(drop (memory.grow (i32.const 65000))) (i32.const 1024)";
    assert!(act(Guest::default().action(polite), roomy()).await.outcome.is_ok());
}

#[tokio::test]
async fn no_step_gets_more_than_the_ceiling() {
    let greedy = InvocationLimits { memory_bytes: u64::MAX, ..roomy() };
    let report = act(Guest::default().action(GROW_MEMORY), greedy).await;
    check(report, HookErrorKind::MemoryExhausted, "268435456").await;
}

#[tokio::test]
async fn tables_are_limited() {
    let guest = Guest::default().with("(table $t 1 funcref)");
    let grow = "(loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 999)) (i32.const -1)))) unreachable";
    check(act(guest.action(grow), roomy()).await, HookErrorKind::TableExhausted, "100000 entries").await;
}

#[tokio::test]
async fn traps_say_where() {
    // covers P-07
    for (instructions, words) in [
        ("(call $helper (i32.const 0)) unreachable", "a panic or an abort ends so"),
        ("(i32.div_s (i32.const 1) (call $helper (i32.const 0)))", "integer divide by zero"),
        ("(i32.load (i32.const -1))", "out of bounds memory access"),
        ("(memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000)) (i32.const 1024)", "out of bounds"),
    ] {
        let guest = Guest::default().with("(func $helper (param i32) (result i32) (local.get 0))");
        let report = check(act(guest.action(instructions), roomy()).await, HookErrorKind::Trap, words).await;
        let detail = report.outcome.unwrap_err().detail.unwrap();
        assert!(detail.starts_with("at hook in guest\n"), "{detail}");
    }
}

#[tokio::test]
async fn long_bulk_instructions_end_in_time() {
    // keeps S-03
    let guest = Guest::default().pages(1_024);
    let fill = "(loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 67108864)) (br $again)) unreachable";
    check(act(guest.action(fill), short()).await, HookErrorKind::TimeExhausted, "100 ms").await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_invalid_output() {
    // keeps S-05
    for (what, guest, instructions) in [
        ("no such decision", Guest::default().words(ANSWER, &[0, 9]), "(i32.const 1024)"),
        ("an answer outside of memory", Guest::default(), "(i32.const -8)"),
        ("an answer at an odd address", Guest::default(), "(i32.const 1025)"),
        ("a list outside of memory", Guest::default().words(ANSWER, &[0, 0, 2_048, 1 << 28]), "(i32.const 1024)"),
        (
            "text that is not UTF-8",
            Guest::default().words(ANSWER, &[0, 2, 2_048, 1]).bytes(2_048, b"\xff"),
            "(i32.const 1024)",
        ),
    ] {
        let report = act(guest.action(instructions), roomy()).await;
        assert!(report.outcome.is_err(), "{what}");
        check(report, HookErrorKind::InvalidOutput, "its answer cannot be read").await;
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_before_it_is_copied() {
    // keeps S-05: a failure whose reason has 9 MiB
    let guest = || Guest::default().pages(200).words(ANSWER, &[0, 2, 2_048, 9 << 20]);
    let report = act(guest().action("(i32.const 1024)"), roomy()).await;
    check(report, HookErrorKind::OutputTooLarge, "more than 8388608 bytes").await;
    // A list of a million strings that are one and the same.
    let guest = Guest::default().pages(200).words(ANSWER, &[0, 0, 65_536, 400_000]);
    let report = act(guest.action("(i32.const 1024)"), roomy()).await;
    check(report, HookErrorKind::OutputTooLarge, "8388608").await;
}

#[tokio::test]
async fn a_missing_hook_is_named() {
    let report = pre_call(crate::guests::good(), roomy()).await;
    check(report, HookErrorKind::HookMissing, "only `action`").await;
}

#[tokio::test]
async fn invocations_over_the_number_wait_and_then_are_busy() {
    use crate::host::{TestHost, event, invocation, settings};
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    (settings.invocations_max, settings.queue_time_ms) = (1, 50);
    let host = TestHost::start(settings);
    let slow = host.shelf.put(Guest::default().with(SPIN).action("(call $spin) (i32.const 1024)"));
    let slow = invocation(slow, InvocationLimits { time_ms: 1_500, fuel: u64::MAX, ..roomy() });
    let event = event();
    // Load it first, so that the two meet in the queue.
    let loaded = host.host.action(&slow, &event, &NoGrantedCalls).await;
    assert_eq!(loaded.outcome.unwrap_err().kind, HookErrorKind::TimeExhausted);
    let (one, other) = tokio::join!(
        host.host.action(&slow, &event, &NoGrantedCalls),
        host.host.action(&slow, &event, &NoGrantedCalls)
    );
    assert_eq!(one.outcome.unwrap_err().kind, HookErrorKind::TimeExhausted);
    let error = other.outcome.unwrap_err();
    assert_eq!(error.kind, HookErrorKind::Busy);
    assert!(error.message.contains("all 1 invocations of the host stayed taken for 50 ms"), "{error:?}");
}

/// A guest that spins; a host with four turns, three of them for one tenant, on which it is loaded.
async fn crowd(folder: &std::path::Path, guest: Vec<u8>) -> (crate::host::TestHost, Invocation) {
    use crate::host::{TestHost, event, invocation, settings};
    let mut settings = settings(folder);
    (settings.invocations_max, settings.queue_time_ms) = (4, 50);
    let host = TestHost::start(settings);
    let mut greedy = invocation(host.shelf.put(guest), InvocationLimits { time_ms: 10, fuel: u64::MAX, ..roomy() });
    // Loaded before, so that they begin together.
    let loaded = host.host.action(&greedy, &event(), &NoGrantedCalls).await;
    assert_eq!(loaded.outcome.unwrap_err().kind, HookErrorKind::TimeExhausted);
    greedy.limits.time_ms = 2_000;
    (host, greedy)
}

/// An invocation of another tenant's, loaded.
async fn neighbour(host: &crate::host::TestHost) -> Invocation {
    let guest = Guest::default().with("(table 1 funcref)").action("(i32.const 1024)");
    let mut neighbour = crate::host::invocation(host.shelf.put(guest), roomy());
    neighbour.tenant = "other".parse().unwrap();
    let loaded = host.host.action(&neighbour, &crate::host::event(), &NoGrantedCalls).await;
    assert!(loaded.outcome.is_ok(), "{:?}", loaded.outcome);
    neighbour
}

#[tokio::test]
async fn the_greediest_component_leaves_memories_and_tables_for_others() {
    // keeps S-05
    let folder = tempfile::tempdir().unwrap();
    let guest = Guest::default().with(SPIN).with(&"(table 1 funcref)".repeat(64)).memories(4);
    let (host, greedy) = crowd(folder.path(), guest.action("(call $spin) (i32.const 1024)")).await;
    let neighbour = neighbour(&host).await;
    let event = crate::host::event();
    let act = |invocation| host.host.action(invocation, &event, &NoGrantedCalls);
    let (one, two, three, other) = tokio::join!(act(&greedy), act(&greedy), act(&greedy), act(&neighbour));
    for report in [one, two, three] {
        assert_eq!(report.outcome.unwrap_err().kind, HookErrorKind::TimeExhausted);
    }
    assert!(other.outcome.is_ok(), "{:?}", other.outcome);
}

#[tokio::test]
async fn no_tenant_takes_every_turn() {
    // keeps S-05, S-06
    let folder = tempfile::tempdir().unwrap();
    let guest = Guest::default().with(SPIN).action("(call $spin) (i32.const 1024)");
    let (host, greedy) = crowd(folder.path(), guest).await;
    let neighbour = neighbour(&host).await;
    let event = crate::host::event();
    let act = |invocation| host.host.action(invocation, &event, &NoGrantedCalls);
    let (one, two, three, fourth, other) =
        tokio::join!(act(&greedy), act(&greedy), act(&greedy), act(&greedy), act(&neighbour));
    for report in [one, two, three] {
        assert_eq!(report.outcome.unwrap_err().kind, HookErrorKind::TimeExhausted);
    }
    let error = fourth.outcome.unwrap_err();
    assert_eq!(error.kind, HookErrorKind::Busy);
    assert!(error.message.contains("all 3 invocations of this tenant stayed taken for 50 ms"), "{error:?}");
    assert!(error.message.contains("`plugins.invocations-per-tenant-max`"), "{error:?}");
    assert!(other.outcome.is_ok(), "{:?}", other.outcome);
}
