//! Nothing passes from one invocation to another (P-04, S-06).

use weir_engine::ports::{NoGrantedCalls, Plugins};
use weir_plugins::Allocator;

use crate::guests::Guest;
use crate::host::{HOST, TestHost, event, invocation, roomy, settings};

/// Traps where its memory, global or table is not as at first; then changes all three, and a page that it grew.
fn canary() -> Vec<u8> {
    Guest::default()
        .with("(global $seen (mut i32) (i32.const 0)) (table $t 4 funcref) (elem declare func $realloc)")
        .bytes(8_192, b"data")
        .action(
            r#"(local $at i32)
            (if (global.get $seen) (then unreachable))
            (if (i32.eqz (ref.is_null (table.get $t (i32.const 3)))) (then unreachable))
            (if (i32.ne (i32.load (i32.const 8192)) (i32.const 0x61746164)) (then unreachable))
            (drop (memory.grow (i32.const 8)))
            (local.set $at (i32.const 131072))
            (loop $scan
                (if (i32.load (local.get $at)) (then unreachable))
                (i32.store (local.get $at) (i32.const 0x5ec2e7))
                (local.set $at (i32.add (local.get $at) (i32.const 64)))
                (br_if $scan (i32.lt_u (local.get $at) (i32.const 655360))))
            (global.set $seen (i32.const 1))
            (table.set $t (i32.const 3) (ref.func $realloc))
            (i32.store (i32.const 8192) (i32.const 0))
            (i32.const 1024)"#,
        )
}

/// Traps where any of the memory that it grows is not zero.
fn scanner() -> Vec<u8> {
    Guest::default().action(
        r#"(local $at i32)
        (drop (memory.grow (i32.const 64)))
        (local.set $at (i32.const 131072))
        (loop $scan
            (if (i32.load (local.get $at)) (then unreachable))
            (local.set $at (i32.add (local.get $at) (i32.const 64)))
            (br_if $scan (i32.lt_u (local.get $at) (i32.const 4325376))))
        (i32.const 1024)"#,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_invocation_sees_the_first_state_also_in_a_used_slot() {
    // covers P-04, keeps S-06
    let plugins = [HOST.shelf.put(canary()), HOST.shelf.put(scanner())];
    let tasks = (0..8).map(|task: usize| {
        let invocation = invocation(plugins[task % 2].clone(), roomy());
        tokio::spawn(async move {
            for _ in 0..250 {
                let report = HOST.host.action(&invocation, &event(), &NoGrantedCalls).await;
                assert!(report.outcome.is_ok(), "{:?}", report.outcome);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn dropped_invocations_leave_nothing_behind() {
    // keeps S-04: futures dropped at many points
    let plugin = HOST.shelf.put(canary());
    let invocation = invocation(plugin, roomy());
    let event = event();
    for polls in 0..200 {
        let mut future = HOST.host.action(&invocation, &event, &NoGrantedCalls);
        for _ in 0..polls % 7 {
            if futures::poll!(&mut future).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let report = HOST.host.action(&invocation, &event, &NoGrantedCalls).await;
    assert!(report.outcome.is_ok(), "{:?}", report.outcome);
}

#[tokio::test]
async fn without_a_pool_it_is_the_same() {
    // covers P-04
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.pool.allocator = Allocator::OnDemand;
    let host = TestHost::start(settings);
    let invocation = invocation(host.shelf.put(canary()), roomy());
    for _ in 0..20 {
        let report = host.host.action(&invocation, &event(), &NoGrantedCalls).await;
        assert!(report.outcome.is_ok(), "{:?}", report.outcome);
    }
}
