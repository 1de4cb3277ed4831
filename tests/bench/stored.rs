//! The same flows while 100, 10,000 and 1,000,000 runs are stored: the cost of a step must not grow with them.

use std::time::Instant;

use weir_engine::ids::TenantId;
use weir_stores::{SledSettings, SledStore};

use crate::report::Report;
use crate::steps::House;
use crate::store_alone;

/// Fewer or more, for a quicker benchmark: `WEIR_BENCH_STORED=100,10000`.
const STORED: &str = "WEIR_BENCH_STORED";
const STORED_USUALLY: &str = "100,10000,1000000";

/// For the filling alone: big groups, and much memory.
const FILLING: SledSettings =
    SledSettings { cache_bytes: 1 << 30, group_commits_max: 2048, queue_writes_max: 4096, free_bytes_min: 1 << 30 };

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let levels = std::env::var(STORED).unwrap_or_else(|_| STORED_USUALLY.to_owned());
    let levels: Vec<u64> = levels.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let first = levels.first().copied();
    for stored in levels {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR"))?;
        let store = std::sync::Arc::new(SledStore::open(folder.path(), FILLING)?);
        let tenant: TenantId = "bench".parse()?;
        let took = store_alone::fill(&store, &tenant, stored).await?;
        report.add(format!("{stored} stored runs: filling"), "s", took.as_secs_f64(), None);
        drop(store);
        let opened = Instant::now();
        let house = House::open(folder.path(), SledSettings::default()).await?;
        let took = opened.elapsed().as_secs_f64() * 1e3;
        report.add(format!("{stored} stored runs: opening"), "ms", took, None);
        for callers in [1_usize, 64] {
            let name = |stored| format!("{stored} stored runs: 3-step flows, {callers} callers");
            let against = first.filter(|first| *first != stored).map(name);
            let done = house.rounds(callers).await?;
            report.add(name(stored), "/s", done.per_second, against.as_deref());
            report.add_latencies(&name(stored), &done.latencies);
        }
        house.close().await;
    }
    Ok(())
}
