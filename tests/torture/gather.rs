//! What the server has at the end, and what it has of some runs midway.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::api::{Api, Silence};
use crate::history::Kept;
use crate::mix;

/// How long runs and calls in the background may take to end once nothing is killed any more, without one of them
/// ending.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many read at a time.
const READERS: usize = 4;

/// A run as the server has it: the view first, so that nothing that is read later is older.
pub(crate) fn kept(api: &Api, run: &str) -> Result<Kept, Silence> {
    let view = api.get(&format!("/v1/runs/{run}"))?;
    let state = |body: &serde_json::Value| body["state"].as_str().unwrap_or("nowhere to be found").to_owned();
    let kind = view.body["flow"].as_str().map(mix::kind_of);
    let mut kept = Kept {
        first: kind.map(|kind| kind.first).unwrap_or_default().to_owned(),
        goes: kind.map_or(1, |kind| kind.goes),
        state: state(&view.body),
        revision: view.body["revision"].as_u64().unwrap_or_default(),
        ..Kept::default()
    };
    if kind.is_none() {
        return Ok(kept);
    }
    kept.journal = api.items(&format!("/v1/runs/{run}/journal"))?;
    kept.background = api.items(&format!("/v1/runs/{run}/background-calls"))?;
    kept.context = api.get(&format!("/v1/runs/{run}/context"))?.body;
    Ok(kept)
}

/// The same of a run that may be at work meanwhile: none where it went on between the parts.
pub(crate) fn kept_midway(api: &Api, run: &str) -> Result<Option<Kept>, Silence> {
    let kept = kept(api, run)?;
    let after = api.get(&format!("/v1/runs/{run}"))?;
    Ok((after.body["revision"] == kept.revision).then_some(kept))
}

/// Every run of the tenant, also those that no client knows.
pub(crate) fn runs(api: &Api, state: &str) -> Vec<String> {
    let mut runs = Vec::new();
    let mut cursor = String::new();
    loop {
        let part = api.get(&format!("/v1/runs?limit=200{state}{cursor}")).unwrap();
        assert_eq!(part.status, 200, "{}", part.body);
        runs.extend(part.body["items"].as_array().unwrap().iter().map(|run| run["id"].as_str().unwrap().to_owned()));
        match part.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return runs,
        }
    }
}

/// Waits until no run and no call in the background is left to be done, or until none has ended for a while: then the
/// checker says which.
pub(crate) fn settle(api: &Api, operator: &Api) {
    let mut left = usize::MAX;
    let mut patient_until = Instant::now() + PATIENCE;
    while Instant::now() < patient_until {
        let open = ["ready", "suspended", "waiting"].map(|state| runs(api, &format!("&state={state}")).len());
        let now = open.iter().sum::<usize>() + pending(operator);
        if now == 0 {
            return;
        }
        if now < left {
            patient_until = Instant::now() + PATIENCE;
        }
        left = now;
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn pending(operator: &Api) -> usize {
    let metrics = operator.text("/metrics").unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("weir_background_pending "));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

/// The child runs that a run names: in what its steps left behind, and where it took back what they did.
fn children(kept: &Kept) -> Vec<String> {
    let mut found = Vec::new();
    named(&kept.context["steps"], &mut found);
    let records = kept.journal.iter().map(|entry| &entry["record"]);
    let taken_back = records.filter(|record| record["kind"] == "compensation" && !record["state"].is_null());
    found.extend(taken_back.filter_map(|record| record["run"].as_str()).map(str::to_owned));
    found
}

fn named(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| named(item, found)),
        serde_json::Value::Object(members) => {
            if let (Some(run), Some(_)) = (members.get("run").and_then(|run| run.as_str()), members.get("state")) {
                found.push(run.to_owned());
            }
            members.values().for_each(|member| named(member, found));
        }
        _ => {}
    }
}

/// A run with its family.
fn with_children(api: &Api, run: &str) -> Vec<(String, Kept)> {
    let mut family = Vec::new();
    let mut left = vec![run.to_owned()];
    while let Some(run) = left.pop() {
        if family.iter().any(|(known, _)| *known == run) {
            continue;
        }
        let mut kept = kept(api, &run).unwrap();
        if !family.is_empty() {
            kept.is_child = true;
            // It begins with the first step of its list, whatever flow that is in.
            kept.first = kept
                .journal
                .first()
                .map(|entry| entry["step"].as_str().unwrap_or_default().to_owned())
                .unwrap_or_default();
        }
        left.extend(children(&kept));
        family.push((run, kept));
    }
    family
}

/// Everything, child runs too, which no listing has.
pub(crate) fn everything(api: &Api) -> BTreeMap<String, Kept> {
    let runs = runs(api, "");
    let parts = runs.chunks(runs.len().div_ceil(READERS).max(1));
    std::thread::scope(|scope| {
        let read = |part: &[String]| -> Vec<_> { part.iter().flat_map(|run| with_children(api, run)).collect() };
        let readers: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    })
}
