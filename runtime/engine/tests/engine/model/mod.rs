//! Random flows, whose outside system fails at random and whose process dies at random writes, against a walk over the
//! same tree that a reader can check by eye. covers F-02, F-05, F-06, F-10; keeps D2, D6

mod flow;
mod reference;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use weir_engine::action::ActionTypes;
use weir_engine::engine::{Definitions, Engine, EngineSettings, Ports, StartRun};
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{Clock, DefinitionKind, Expectation, InvocationLimits, NewDefinition, Store};
use weir_engine::run::{Ending, Run};
use weir_stores::MemoryStore;

use self::flow::{Node, document, lists};
use self::world::{LongClock, Upstream};
use super::dying_store::DyingStore;
use super::encrypted_actions::Mirror;
use super::house::{CONNECTOR, OpenTokens, Script, stored};
use super::signed_claims::Clerk;

/// Longer than any flow of a trial takes, in the clock's time.
const PATIENCE: Duration = Duration::from_secs(20 * 86_400);

/// Where a process dies: after how many of its writes, and whether the one that it dies at is made.
#[derive(Debug, Clone, Copy)]
struct Crash {
    write: usize,
    is_durable: bool,
}

struct Trial {
    store: Arc<MemoryStore>,
    upstream: Arc<Upstream>,
    clock: Arc<LongClock>,
    tenant: TenantId,
}

fn process() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

impl Trial {
    async fn new(nodes: &[Node]) -> Self {
        let upstream = Arc::new(Upstream::of(nodes));
        let clock = Arc::new(LongClock::new());
        let trial = Self { store: Arc::default(), upstream, clock, tenant: "acme".parse().unwrap() };
        let flow = document(nodes).to_string();
        for (kind, name, source) in
            [(DefinitionKind::Connector, "sys", CONNECTOR), (DefinitionKind::Flow, "f", flow.as_str())]
        {
            let (tenant, name, created_at) = (trial.tenant.clone(), name.to_owned(), trial.clock.now());
            let new = NewDefinition { tenant, kind, name, created_at, body: stored(source) };
            trial.store.put_definition(new, Expectation::Any).await.unwrap();
        }
        trial
    }

    fn engine(&self, store: Arc<DyingStore>) -> Arc<Engine> {
        let ports = Ports {
            plugins: Arc::new(Script::default()),
            connectors: self.upstream.clone(),
            clock: self.clock.clone(),
            encryption: Arc::new(Mirror),
            signer: Arc::new(Clerk),
            tokens: Arc::new(OpenTokens),
            definitions: Definitions::new(store.clone(), ActionTypes::shipped()),
            store,
            limits: InvocationLimits::default(),
        };
        let claims_without_commit_max = 1_000;
        Engine::new(EngineSettings { claims_without_commit_max, ..EngineSettings::default() }, ports)
    }

    /// One process: until the run has ended, or it dies. The run, where it has ended.
    async fn live(&self, crash: Option<Crash>) -> Option<Run> {
        let (writes, is_durable) = crash.map_or((usize::MAX, false), |crash| (crash.write, crash.is_durable));
        let store = Arc::new(DyingStore::new(self.store.clone(), writes, is_durable));
        let engine = self.engine(store.clone());
        let work = async {
            engine.recover().await.ok()?;
            tokio::spawn(engine.clone().work());
            let start = StartRun {
                tenant: self.tenant.clone(),
                flow: "f".parse().unwrap(),
                version: None,
                event: json!({}),
                client_key: Some("the-only-one".to_owned()),
                request_id: None,
            };
            let run = engine.start(start).await.ok()?.run.id;
            while !store.is_dead() {
                let run = self.store.run(&self.tenant, run).await.unwrap().expect("it is there");
                if run.ending().is_some() {
                    return Some(run);
                }
                // The clock goes on only where nothing else does.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        };
        let ended = tokio::time::timeout(PATIENCE, work).await.expect("every run ends");
        assert!(ended.is_some() || store.is_dead());
        self.clock.stop();
        ended
    }

    /// The run after so many crashes.
    fn run(nodes: &[Node], crashes: &[Crash]) -> (Self, Run) {
        let first = process();
        let trial = first.block_on(Self::new(nodes));
        let mut next = first;
        for crash in crashes.iter().copied().map(Some).chain([None]) {
            let ended = next.block_on(async {
                trial.clock.go_on();
                trial.live(crash).await
            });
            // Every task of the process is gone, as with kill -9.
            next.shutdown_background();
            if let Some(run) = ended {
                return (trial, run);
            }
            next = process();
        }
        panic!("the last process does not die");
    }
}

fn check(nodes: &[Node], crashes: &[Crash]) {
    let (endings, effects) = reference::run(nodes);
    let (trial, run) = Trial::run(nodes, crashes);
    let about = format!("{:#}\nended as {:?}", document(nodes), run.ending());
    assert!(endings.contains(&run.state_kind()), "{about}\nshould end as one of {endings:?}");
    if let Some(Ending::Completed { claims }) = run.ending() {
        let claims: BTreeMap<String, i64> =
            claims.iter().map(|claim| (claim.key.clone(), claim.value.as_i64().unwrap())).collect();
        let certain: BTreeMap<String, i64> =
            claims.into_iter().filter(|(key, _)| !effects.may_claim.contains(key)).collect();
        assert_eq!(certain, effects.claims, "{about}");
    }
    let callers = trial.upstream.callers();
    for (step, runs) in &effects.must {
        let called = callers.get(step).map_or(0, BTreeSet::len);
        let may = effects.may.contains(step);
        assert!(called == *runs || (may && called > *runs), "{about}\n{step}: {called} runs called, not {runs}");
    }
    for step in callers.keys() {
        assert!(effects.must.contains_key(step) || effects.may.contains(step), "{about}\n{step} is called");
    }
    let runs: BTreeSet<&String> = callers.values().flatten().collect();
    process().block_on(async {
        for id in runs {
            let id: RunId = id.parse().unwrap();
            let found = trial.store.run(&trial.tenant, id).await.unwrap().expect("who called is there");
            assert!(found.ending().is_some(), "{about}\n{id} runs on: {:?}", found.state);
            let journal = trial.store.journal(&trial.tenant, id, 0, 10_000).await.unwrap();
            let sequences: Vec<u64> = journal.iter().map(|entry| entry.sequence).collect();
            assert_eq!(sequences, (1..=found.revision).collect::<Vec<_>>(), "{about}\n{id} has a gap");
        }
    });
}

fn crashes() -> impl Strategy<Value = Vec<Crash>> {
    let crash = (0..12usize, any::<bool>()).prop_map(|(write, is_durable)| Crash { write, is_durable });
    proptest::collection::vec(crash, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_flow_comes_to_what_its_tree_says_whatever_fails_and_whenever_its_process_dies(
        nodes in lists(),
        crashes in crashes(),
    ) {
        check(&nodes, &crashes);
    }
}
