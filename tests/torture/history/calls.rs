//! Calls: one key for each, the same whenever it is made again; recorded answers are answers that were given.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Findings, History, Kept, Served, Stage};
use crate::outside::SERIAL;

/// The key of an entry's call, where it made one.
fn key(entry: &Value) -> Option<&str> {
    let record = &entry["record"];
    record["idempotency_key"].as_str().or_else(|| record["service"]["idempotency_key"].as_str())
}

/// What came of a call last.
fn last_exchange(record: &Value) -> &Value {
    match record["service"]["exchanges"].as_array().and_then(|exchanges| exchanges.last()) {
        Some(last) => last,
        None => &record["exchange"],
    }
}

/// The status of an exchange, and the number that the outside system gave its answer.
fn answer(exchange: &Value) -> Option<(u64, usize)> {
    let response = &exchange["outcome"]["Ok"];
    let headers = response["headers"].as_array()?.iter();
    let serial = headers.filter(|header| header["name"] == SERIAL).find_map(|header| header["value"].as_str());
    Some((response["status"].as_u64()?, serial?.parse().ok()?))
}

pub(super) fn check(run: &str, kept: &Kept, served: &[Arc<Served>], stage: Stage, findings: &mut Findings) {
    let mut handed_over = 0;
    for entry in &kept.journal {
        let Some(key) = key(entry) else { continue };
        let place = format!("{run}: entry {} (`{}`)", entry["sequence"], entry["step"].as_str().unwrap_or_default());
        if entry["record"]["mode"] != "background" {
            was_given(&place, key, last_exchange(&entry["record"]), served, findings);
            continue;
        }
        handed_over += 1;
        let mut calls = kept.background.iter().filter(|call| call["sequence"] == entry["sequence"]);
        match (calls.next(), calls.next()) {
            (Some(call), None) => background(&place, key, call, served, stage, findings),
            (None, _) => findings.add("lost", format!("{place}: the call that it handed over is not there")),
            _ => findings.add("twice", format!("{place}: the call that it handed over is there twice")),
        }
    }
    if kept.background.len() > handed_over {
        findings.add("order", format!("{run} has a call in the background that no step handed over"));
    }
}

fn was_given(place: &str, key: &str, exchange: &Value, served: &[Arc<Served>], findings: &mut Findings) {
    let Some((status, serial)) = answer(exchange) else {
        return findings.add("outcome", format!("{place}: no answer is recorded: {exchange}"));
    };
    match served.get(serial) {
        Some(given) if given.key == key && u64::from(given.status) == status => {}
        given => findings.add("outcome", format!("{place}: {status} with number {serial} for {key}, given: {given:?}")),
    }
}

fn background(place: &str, key: &str, call: &Value, served: &[Arc<Served>], stage: Stage, findings: &mut Findings) {
    if call["idempotency_key"] != key {
        findings.add("key", format!("{place}: {key} in the journal, {} handed over", call["idempotency_key"]));
    }
    match call["state"].as_str() {
        Some("pending") if stage == Stage::Midway => {}
        Some("succeeded") => was_given(place, key, &call["exchange"], served, findings),
        other => findings.add("unended", format!("{place}: the call in the background is {other:?} at the end")),
    }
}

/// Across runs, once everything has ended.
pub(super) fn check_all(history: &History, findings: &mut Findings) {
    let mut owners = BTreeMap::new();
    for (run, kept) in &history.kept {
        for entry in &kept.journal {
            let Some(key) = key(entry) else { continue };
            let owner = format!("{run}, entry {}", entry["sequence"]);
            if let Some(other) = owners.insert(key, owner.clone()) {
                findings.add("key", format!("{key} is the key of two calls: {other}, and {owner}"));
            }
        }
    }
    let mut first = BTreeMap::new();
    for served in &history.served {
        let asked = (served.whose.as_str(), served.place.as_str());
        if *first.entry(&served.key).or_insert(asked) != asked {
            findings.add("key", format!("{} came with requests of two calls: {served:?}", served.key));
        }
        if !owners.contains_key(served.key.as_str()) {
            // A repetition with another key leaves the first one without a step.
            findings.add("key", format!("no step has the call that came with {}: {served:?}", served.key));
        }
    }
}
