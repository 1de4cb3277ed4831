//! Random verbs against a model that a reader can check by eye. covers F-06, F-07, F-13, C-11; keeps D6

mod calls;
mod suspended;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use weir_engine::ids::RunId;
use weir_engine::ports::{Lease, RunFilter, Started, Store, StoreError};
use weir_engine::run::{Run, RunContext};
use weir_engine::time::Timestamp;
use weir_stores::MemoryStore;

use crate::support::{
    LEASE, advance, at, block_on, change, code, complete, first_page, new_run, open, owner, step, tenant, with_call,
};
use calls::ExpectedCall;
use suspended::suspend;

const TENANTS: [&str; 3] = ["acme", "acm", "globex"];

/// What may happen next. Numbers choose among what there is.
#[derive(Debug, Clone)]
enum Move {
    Start {
        tenant: usize,
        client_key: Option<u8>,
        leased: bool,
    },
    Claim {
        limit: usize,
    },
    Commit {
        run: usize,
        fence_back: u64,
        revision_on: u64,
        ends: bool,
        suspends: Option<u64>,
        keeps: bool,
        bytes: usize,
        hands_over: bool,
    },
    Resume {
        run: usize,
        client_key: Option<u8>,
        revision_on: u64,
        leased: bool,
    },
    ClaimCalls {
        limit: usize,
    },
    SettleCall {
        call: usize,
        fence_back: u64,
        pause: Option<u64>,
        bytes: usize,
    },
    Renew {
        run: usize,
    },
    Wait {
        millis: u64,
    },
    EndLeases,
    Reopen,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (0..3usize, proptest::option::of(0..3u8), any::<bool>())
            .prop_map(|(tenant, client_key, leased)| Move::Start { tenant, client_key, leased }),
        2 => (0..4usize).prop_map(|limit| Move::Claim { limit }),
        6 => (any::<usize>(), prop_oneof![8 => Just(0u64), 1 => Just(1)], prop_oneof![8 => Just(0u64), 1 => 1..3u64],
              proptest::bool::weighted(0.2), proptest::option::weighted(0.3, 1..100_000u64), proptest::bool::weighted(0.8),
              prop_oneof![Just(10usize), Just(5_000)], any::<bool>())
            .prop_map(|(run, fence_back, revision_on, ends, suspends, keeps, bytes, hands_over)| {
                Move::Commit { run, fence_back, revision_on, ends, suspends, keeps, bytes, hands_over }
            }),
        4 => (any::<usize>(), proptest::option::of(0..3u8), prop_oneof![8 => Just(0u64), 1 => 1..3u64], any::<bool>())
            .prop_map(|(run, client_key, revision_on, leased)| Move::Resume { run, client_key, revision_on, leased }),
        3 => (0..4usize).prop_map(|limit| Move::ClaimCalls { limit }),
        3 => (any::<usize>(), prop_oneof![8 => Just(0u64), 1 => Just(1)], proptest::option::of(1..100_000u64),
              prop_oneof![Just(10usize), Just(5_000)])
            .prop_map(|(call, fence_back, pause, bytes)| Move::SettleCall { call, fence_back, pause, bytes }),
        1 => any::<usize>().prop_map(|run| Move::Renew { run }),
        1 => (1..100_000u64).prop_map(|millis| Move::Wait { millis }),
        1 => Just(Move::EndLeases),
        1 => Just(Move::Reopen),
    ];
    proptest::collection::vec(one, 1..40)
}

/// A run as it should be.
struct Expected {
    run: Run,
    context: RunContext,
    lease: Lease,
    /// Whether the lease's owner may commit: nobody else has claimed the run, and it was not given back.
    held: bool,
    /// When anybody may claim the run.
    free_at: Timestamp,
    /// Whether it is suspended, and nobody has claimed it to end it.
    waits: bool,
    /// The client keys that have resumed it.
    resumed_with: BTreeSet<u8>,
}

struct World {
    store: Option<Box<dyn Store>>,
    dir: Option<TempDir>,
    now: u64,
    runs: Vec<Expected>,
    calls: Vec<ExpectedCall>,
    client_keys: BTreeMap<(usize, u8), RunId>,
}

impl World {
    fn new(dir: Option<TempDir>) -> Self {
        let mut world =
            Self { store: None, dir, now: 1_000, runs: Vec::new(), calls: Vec::new(), client_keys: BTreeMap::new() };
        world.reopen();
        world
    }

    fn reopen(&mut self) {
        match &self.dir {
            Some(dir) => {
                self.store = None;
                self.store = Some(Box::new(open(dir.path())));
            }
            None if self.store.is_none() => self.store = Some(Box::new(MemoryStore::default())),
            None => {}
        }
    }

    fn store(&self) -> &dyn Store {
        &**self.store.as_ref().unwrap()
    }

    async fn play(&mut self, next: Move) {
        match next {
            Move::Start { tenant, client_key, leased } => self.start(tenant, client_key, leased).await,
            Move::Claim { limit } => self.claim(limit).await,
            Move::Commit { .. } => self.commit(next).await,
            Move::Resume { run, client_key, revision_on, leased } => {
                self.resume(run, client_key, revision_on, leased).await;
            }
            Move::ClaimCalls { limit } => self.claim_calls(limit).await,
            Move::SettleCall { call, fence_back, pause, bytes } => {
                self.settle_call(call, fence_back, pause, bytes).await;
            }
            Move::Renew { run } => self.renew(run).await,
            Move::Wait { millis } => self.now += millis,
            Move::EndLeases => {
                self.store().end_orphaned_leases().await.unwrap();
                self.runs.iter_mut().filter(|run| !run.waits).for_each(|run| run.free_at = at(0));
                self.calls.iter_mut().for_each(ExpectedCall::end_lease);
            }
            Move::Reopen => self.reopen(),
        }
    }

    async fn start(&mut self, tenant: usize, client_key: Option<u8>, leased: bool) {
        let mut new = new_run(TENANTS[tenant], ["signup", "login"][usize::from(leased)]);
        new.client_key = client_key.map(|key| key.to_string());
        let until = at(self.now).after(LEASE);
        new.lease = leased.then(|| (owner("starter"), until));
        let existing = client_key.and_then(|key| self.client_keys.get(&(tenant, key)).copied());
        match (self.store().start_run(new.clone()).await.unwrap(), existing) {
            (Started::Existing(run), Some(existing)) => assert_eq!(run.id, existing),
            (Started::New(lease), None) => {
                assert_eq!(lease.is_some(), leased);
                let lease = lease.unwrap_or(Lease { owner: owner("nobody"), fence: 0, until: at(0) });
                if let Some(key) = client_key {
                    self.client_keys.insert((tenant, key), new.run.id);
                }
                let free_at = lease.until;
                let (run, context, resumed_with) = (new.run, new.context, BTreeSet::new());
                self.runs.push(Expected { run, context, lease, held: leased, free_at, waits: false, resumed_with });
            }
            other => panic!("{other:?}"),
        }
    }

    async fn claim(&mut self, limit: usize) {
        let now = at(self.now);
        let claimed = self.store().claim_runs(&owner("worker"), now, LEASE, limit).await.unwrap();
        let mut claimable = 0;
        for expected in &mut self.runs {
            let free = expected.run.ending().is_none() && expected.free_at <= now;
            claimable += usize::from(free);
            let Some(claimed) = claimed.iter().find(|claimed| claimed.run.id == expected.run.id) else { continue };
            assert!(free, "{:?} was not to be claimed", expected.run);
            assert_eq!((&claimed.run, &claimed.context), (&expected.run, &expected.context));
            assert!(claimed.lease.fence > expected.lease.fence);
            expected.lease = claimed.lease.clone();
            (expected.held, expected.waits) = (true, false);
            expected.free_at = claimed.lease.until;
        }
        assert_eq!(claimed.len(), limit.min(claimable));
    }

    async fn commit(&mut self, next: Move) {
        let Move::Commit { run, fence_back, revision_on, ends, suspends, keeps, bytes, hands_over } = next else {
            return;
        };
        let Some(index) = run.checked_rem(self.runs.len()) else { return };
        let expected = &self.runs[index];
        let mut lease = expected.lease.clone();
        lease.fence -= fence_back.min(lease.fence);
        let changes = vec![change("connectors.body", json!("x".repeat(bytes)))];
        let mut before = expected.run.clone();
        before.revision += revision_on;
        let until = suspends.map(|millis| at(self.now + millis)).filter(|_| !ends);
        let event = match until {
            Some(until) => suspend(until),
            None if ends => complete(),
            None => advance(),
        };
        let mut commit = step(&before, &lease, event, changes.clone());
        commit.keep_until = keeps.then_some(lease.until);
        if hands_over {
            commit = with_call(commit, self.now, bytes);
        }
        let call = commit.outbox.clone();
        let after = commit.run.clone();
        let outcome = self.store().commit_step(commit).await;
        let held = expected.held && lease == expected.lease;
        if !held {
            assert!(matches!(outcome, Err(StoreError::StaleLease { .. })), "{outcome:?}");
        } else if revision_on > 0 {
            assert_eq!(code(outcome), "store.revision-conflict");
        } else {
            outcome.unwrap();
            let expected = &mut self.runs[index];
            changes.iter().for_each(|change| expected.context.apply(change));
            expected.held = keeps && !ends && until.is_none();
            expected.free_at = until.unwrap_or(if keeps { lease.until } else { at(0) });
            expected.waits = until.is_some();
            expected.run = after;
            self.calls.extend(call.map(ExpectedCall::of));
        }
    }

    async fn renew(&mut self, run: usize) {
        let Some(index) = run.checked_rem(self.runs.len()) else { return };
        let until = at(self.now).after(LEASE);
        let expected = &self.runs[index];
        let held = expected.held;
        let outcome = self.store().renew_lease(&expected.run.tenant, expected.run.id, &expected.lease, until).await;
        assert_eq!(outcome.is_ok(), held, "{outcome:?}");
        if let Ok(lease) = outcome {
            self.runs[index].free_at = lease.until;
            self.runs[index].lease = lease;
        }
    }

    async fn check(&self) {
        for name in TENANTS {
            let listed = self.store().runs(&tenant(name), &RunFilter::default(), &first_page(100)).await.unwrap();
            let mut expected: Vec<_> =
                self.runs.iter().map(|run| &run.run).filter(|run| run.tenant == tenant(name)).collect();
            expected.sort_by_key(|run| std::cmp::Reverse(run.id));
            assert_eq!(listed.items.iter().collect::<Vec<_>>(), expected);
        }
        for Expected { run, context, .. } in &self.runs {
            assert_eq!(self.store().run_context(&run.tenant, run.id).await.unwrap().as_ref(), Some(context));
            let journal = self.store().journal(&run.tenant, run.id, 0, 100).await.unwrap();
            let sequences: Vec<u64> = journal.iter().map(|entry| entry.sequence).collect();
            assert_eq!(sequences, (1..=run.revision).collect::<Vec<_>>());
        }
        self.check_calls().await;
        self.check_resumes().await;
    }
}

fn play(dir: Option<TempDir>, moves: Vec<Move>) {
    let mut world = World::new(dir);
    block_on(async {
        for next in moves {
            world.play(next).await;
        }
        world.check().await;
        world.reopen();
        world.check().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn memory_does_as_the_model(moves in moves()) {
        play(None, moves);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn sled_does_as_the_model(moves in moves()) {
        play(Some(tempfile::tempdir().unwrap()), moves);
    }
}
