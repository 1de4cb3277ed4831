//! Durable steps per second, through the store alone and through the engine, against the disk itself.
//!
//! A run's life is four commits: its start and three steps. Callers of the closed loop each wait for their run's end
//! before they begin the next; the open loop begins runs at fixed instants and measures from those.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use weir_engine::catalogue::StoredDocument;
use weir_engine::document::{Document, Format};
use weir_engine::engine::{Definitions, Engine, EngineSettings, Ports, StartRun};
use weir_engine::ids::TenantId;
use weir_engine::ports::{Clock as _, DefinitionKind, Expectation, InvocationLimits, NewDefinition, Store as _};
use weir_stores::{SledSettings, SledStore};

use crate::floor;
use crate::nobody::{Nothing, SystemClock};
use crate::report::Report;
use crate::store_alone;

const FLOW: &str = "flow: three\nsteps:\n  - { id: a, claims: [{ key: a, type: number, value: 1 }] }\n  - { id: b, claims: [{ key: b, type: number, value: 2 }] }\n  - { id: c, claims: [{ key: c, type: number, value: 3 }] }\n";

/// Steps of a run.
pub(crate) const STEPS: f64 = 3.0;
/// Steps and the start itself: what becomes durable for one run.
const COMMITS: f64 = 4.0;

/// Other numbers of callers, as a profiler wants: `WEIR_BENCH_CALLERS=64`.
const CALLERS: &str = "WEIR_BENCH_CALLERS";
const CALLERS_USUALLY: &str = "1,16,64,256";

/// How long callers are at it in one round.
pub(crate) const TIME: Duration = Duration::from_millis(1_500);

const ROUNDS: usize = 3;

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
    floor::one_at_a_time(report, folder.path())?;
    let house = House::open(&folder.path().join("store"), SledSettings::default()).await?;
    for callers in callers()? {
        let rounds = Rounds::of(&house, folder.path(), callers).await?;
        rounds.tell(report, callers);
        if callers == 64 {
            open_loop(report, &house, rounds.flows.per_second / 2.0).await?;
        }
    }
    house.close().await;
    Ok(())
}

fn callers() -> anyhow::Result<Vec<usize>> {
    let levels = std::env::var(CALLERS).unwrap_or_else(|_| CALLERS_USUALLY.to_owned());
    Ok(levels.split(',').map(str::parse).collect::<Result<_, _>>()?)
}

/// What each of the three came to. They take turns, so that what disturbs the disk disturbs all of them.
struct Rounds {
    group_commit: f64,
    steps: Summary,
    flows: Summary,
}

impl Rounds {
    async fn of(house: &House, folder: &Path, callers: usize) -> anyhow::Result<Self> {
        let (mut group_commit, mut steps, mut flows) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            group_commit.push(floor::group_commit(folder, callers).await?);
            steps.push(store_alone::drive(&house.store, &house.tenant, callers).await?);
            flows.push(house.drive(callers).await?);
        }
        Ok(Self { group_commit: median(group_commit), steps: Summary::of(steps), flows: Summary::of(flows) })
    }

    fn tell(&self, report: &mut Report, callers: usize) {
        let group_commit = format!("disk: group commit, {callers} callers");
        report.add(group_commit.as_str(), "/s", self.group_commit, Some(floor::ONE_AT_A_TIME));
        let per_flow = format!("disk: group commit / 3 steps, {callers} callers");
        report.add(per_flow.as_str(), "/s", self.group_commit / STEPS, None);

        let steps = format!("durable steps, store alone, {callers} callers");
        report.add(steps.as_str(), "/s", self.steps.per_second, Some(&group_commit));
        report.add(format!("{steps}, for each fdatasync"), "steps", self.steps.for_each_sync, None);
        report.add_latencies(&steps, &self.steps.latencies);
        let per_flow_of_store = format!("durable steps, store alone / 3 steps, {callers} callers");
        report.add(per_flow_of_store.as_str(), "/s", self.steps.per_second / STEPS, None);

        let flows = format!("3-step flows, {callers} callers");
        report.add(flows.as_str(), "/s", self.flows.per_second, Some(&per_flow));
        report.add(format!("{flows}, against the store alone"), "/s", self.flows.per_second, Some(&per_flow_of_store));
        let commits = self.flows.for_each_sync * COMMITS;
        report.add(format!("{flows}, commits for each fdatasync"), "commits", commits, None);
        report.add_latencies(&flows, &self.flows.latencies);
    }
}

/// Half of what the closed loop came to: a machine with some room.
async fn open_loop(report: &mut Report, house: &House, rate: f64) -> anyhow::Result<()> {
    report.add("open loop: 3-step flows offered, half of 64 callers'", "/s", rate, None);
    report.add_latencies("open loop: 3-step flow, from its intended start", &house.offer(rate).await?);
    Ok(())
}

/// What callers came to.
pub(crate) struct Done {
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
    /// Groups of commits, each with one sync, meanwhile.
    pub(crate) groups: u64,
}

/// What callers came to in several rounds.
pub(crate) struct Summary {
    /// The median of the rounds.
    pub(crate) per_second: f64,
    pub(crate) for_each_sync: f64,
    pub(crate) latencies: Vec<Duration>,
}

impl Summary {
    pub(crate) fn of(rounds: Vec<Done>) -> Self {
        let rate = |done: &Done| done.latencies.len() as f64 / done.elapsed.as_secs_f64();
        let per_second = median(rounds.iter().map(rate).collect());
        let groups: u64 = rounds.iter().map(|done| done.groups).sum();
        let latencies: Vec<Duration> = rounds.into_iter().flat_map(|done| done.latencies).collect();
        Self { per_second, for_each_sync: latencies.len() as f64 / (groups as f64).max(1.0), latencies }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// An engine over a store on disk, with a tenant that has the flow.
pub(crate) struct House {
    pub(crate) store: Arc<SledStore>,
    pub(crate) tenant: TenantId,
    engine: Arc<Engine>,
    /// Drives the runs that find no free slot when they begin.
    work: tokio::task::JoinHandle<()>,
}

impl House {
    pub(crate) async fn open(folder: &Path, settings: SledSettings) -> anyhow::Result<Self> {
        let store = Arc::new(SledStore::open(folder, settings)?);
        let tenant: TenantId = "bench".parse()?;
        let document = Document::parse(FLOW, Format::Yaml)?.value;
        let body = serde_json::to_value(StoredDocument { source: FLOW.to_owned(), format: Format::Yaml, document })?;
        let (kind, name) = (DefinitionKind::Flow, "three".to_owned());
        let flow = NewDefinition { tenant: tenant.clone(), kind, name, created_at: SystemClock.now(), body };
        store.put_definition(flow, Expectation::Any).await?;
        let ports = Ports {
            plugins: Arc::new(Nothing),
            connectors: Arc::new(Nothing),
            store: store.clone(),
            clock: Arc::new(SystemClock),
            encryption: Arc::new(weir_engine::ports::NoEncryption),
            signer: Arc::new(weir_engine::ports::NoSigner),
            tokens: Arc::new(Nothing),
            definitions: Definitions::new(store.clone(), weir_engine::action::ActionTypes::shipped()),
            limits: InvocationLimits::default(),
        };
        let engine = Engine::new(EngineSettings::default(), ports);
        engine.recover().await?;
        let work = tokio::spawn(Arc::clone(&engine).work());
        Ok(Self { store, tenant, engine, work })
    }

    /// Ends when nothing holds the store any more, so that its folder can go.
    pub(crate) async fn close(self) {
        self.work.abort();
        let _ = self.work.await;
        let store = Arc::downgrade(&self.store);
        drop((self.engine, self.store));
        while store.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Several rounds of [`House::drive`].
    pub(crate) async fn rounds(&self, callers: usize) -> anyhow::Result<Summary> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(self.drive(callers).await?);
        }
        Ok(Summary::of(rounds))
    }

    /// So many callers, each with one run after the other.
    async fn drive(&self, callers: usize) -> anyhow::Result<Done> {
        let (started, groups) = (Instant::now(), self.store.commit_groups());
        let mut tasks = Vec::new();
        for _ in 0..callers {
            let (engine, tenant) = (self.engine.clone(), self.tenant.clone());
            tasks.push(tokio::spawn(async move {
                let mut latencies = Vec::new();
                while started.elapsed() < TIME {
                    let begun = Instant::now();
                    run(&engine, &tenant).await?;
                    latencies.push(begun.elapsed());
                }
                anyhow::Ok(latencies)
            }));
        }
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await??);
        }
        Ok(Done { latencies, elapsed: started.elapsed(), groups: self.store.commit_groups() - groups })
    }

    /// Begins runs at that rate, whether or not the earlier ones have ended. The time of each from the instant at
    /// which it was to begin, so that a stall counts for all that wait behind it.
    async fn offer(&self, rate: f64) -> anyhow::Result<Vec<Duration>> {
        let started = Instant::now();
        let mut tasks = Vec::new();
        for number in 0..(rate * TIME.as_secs_f64()) as u32 {
            let intended = started + Duration::from_secs_f64(f64::from(number) / rate);
            tokio::time::sleep_until(intended.into()).await;
            let (engine, tenant) = (self.engine.clone(), self.tenant.clone());
            tasks.push(tokio::spawn(async move {
                run(&engine, &tenant).await?;
                anyhow::Ok(intended.elapsed())
            }));
        }
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.push(task.await??);
        }
        Ok(latencies)
    }
}

/// One run, from its start to its end.
async fn run(engine: &Arc<Engine>, tenant: &TenantId) -> anyhow::Result<()> {
    let flow = "three".parse()?;
    let event = json!({});
    let start = StartRun { tenant: tenant.clone(), flow, version: None, event, client_key: None, request_id: None };
    let run = engine.start(start).await?.run.id;
    let ended = engine.wait(tenant, run, Duration::from_secs(30)).await?;
    anyhow::ensure!(ended.is_some_and(|run| run.ending().is_some()), "a run did not end");
    Ok(())
}
