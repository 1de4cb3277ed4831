//! Reading runs: first the rows, at one instant, then the large values, without holding writes up.

use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{RunFilter, StoreError};
use weir_engine::run::{JournalEntry, Run, RunContext};

use super::backend::{Blobs, Prepared, value};
use super::frame::{self, Payload, damaged};
use super::keys::{self, RunKey, STATES};
use super::rows::{self, Rows};
use super::standing::Standing;

/// What a read of one kind of thing found: its rows, not decoded yet.
pub(crate) type Found = Option<Payload>;

pub(crate) fn find_run(rows: &dyn Rows, run: &RunKey) -> Result<Found, StoreError> {
    frame::payload(rows, &run.record())
}

pub(crate) fn run(blobs: &dyn Blobs, key: &RunKey, found: &Payload) -> Result<Run, StoreError> {
    value(blobs, &key.record(), found)
}

pub(crate) fn find_context(rows: &dyn Rows, run: &RunKey) -> Result<Prepared, StoreError> {
    let prefix = run.context();
    let found = rows::take(rows, &prefix, &prefix, usize::MAX)?;
    found.into_iter().map(|(key, framed)| frame::open(&key, &framed).map(|payload| (key, payload))).collect()
}

pub(crate) fn context(blobs: &dyn Blobs, run: &RunKey, found: Prepared) -> Result<RunContext, StoreError> {
    let before = run.context().len();
    let entry = |(key, payload): (Vec<u8>, Payload)| {
        let name = key.get(before..).and_then(|name| std::str::from_utf8(name).ok()?.parse().ok());
        let name = name.ok_or_else(|| damaged(&key, "the key names no value of a context; restore from a backup"))?;
        Ok((name, value(blobs, &key, &payload)?))
    };
    found.into_iter().map(entry).collect()
}

pub(crate) fn find_journal(rows: &dyn Rows, run: &RunKey, after: u64, limit: usize) -> Result<Prepared, StoreError> {
    let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
    let found = rows::take(rows, &run.journal(), &run.journal_entry(first), limit)?;
    found.into_iter().map(|(key, framed)| frame::open(&key, &framed).map(|payload| (key, payload))).collect()
}

pub(crate) fn journal(blobs: &dyn Blobs, found: &Prepared) -> Result<Vec<JournalEntry>, StoreError> {
    found.iter().map(|(key, payload)| value(blobs, key, payload)).collect()
}

/// The run that a client key began, where the rest of the filter lets it pass.
fn of_client_key(rows: &dyn Rows, tenant: &TenantId, filter: &RunFilter) -> Result<Option<RunId>, StoreError> {
    let Some(client_key) = &filter.client_key else { return Ok(None) };
    let Some(run) = frame::record::<RunId>(rows, &keys::client_key(tenant, client_key))? else { return Ok(None) };
    let Some(standing) = Standing::read(rows, &RunKey::new(tenant, run))? else { return Ok(None) };
    let passes = filter.flow.as_ref().is_none_or(|flow| *flow == standing.flow)
        && filter.state.is_none_or(|state| state == standing.state)
        && filter.since.is_none_or(|since| run >= RunId::first_of(since))
        && filter.until.is_none_or(|until| run < RunId::first_of(until));
    Ok(passes.then_some(run))
}

/// The ids of up to `limit` runs after `after`, newest first. Reads one row for each, and one more for each state.
pub(crate) fn list(
    rows: &dyn Rows,
    tenant: &TenantId,
    filter: &RunFilter,
    after: Option<RunId>,
    limit: usize,
) -> Result<Vec<RunId>, StoreError> {
    if filter.client_key.is_some() {
        let found = of_client_key(rows, tenant, filter)?;
        return Ok(found.into_iter().filter(|run| after.is_none_or(|after| *run < after)).collect());
    }
    let states: &[_] = filter.state.as_ref().map_or(&STATES, std::slice::from_ref);
    let before = filter.until.map(RunId::first_of);
    let mut streams = Vec::new();
    for state in states {
        let prefix = match &filter.flow {
            Some(flow) => keys::runs_by_flow(tenant, flow, *state),
            None => keys::runs_by_state(tenant, *state),
        };
        let mut from = prefix.clone();
        match (after, before) {
            (Some(after), before) if before.is_none_or(|before| after < before) => {
                from.extend(keys::newest_first(after));
                from = rows::after(&from);
            }
            // Whatever was started at that instant sorts before it.
            (_, Some(before)) => {
                from.extend(keys::newest_first(before));
                from = rows::after(&from);
            }
            (_, None) => {}
        }
        let end = match filter.since {
            Some(since) => {
                let mut last = prefix.clone();
                last.extend(keys::newest_first(RunId::first_of(since)));
                rows::after(&last)
            }
            None => rows::end_of(&prefix),
        };
        let head = if from < end { rows.next(&from, &end)? } else { None };
        streams.push((end, head));
    }
    let mut listed = Vec::new();
    while listed.len() < limit {
        let heads = streams.iter_mut().filter_map(|(end, head)| {
            let run = keys::listed_run(&head.as_ref()?.0);
            Some((run, end, head))
        });
        // Ids sort by start, so the newest is the greatest; a key that names no run is met first and ends the listing.
        let Some((run, end, head)) =
            heads.max_by_key(|(run, ..)| run.as_ref().map_or((true, None), |run| (false, Some(*run))))
        else {
            break;
        };
        listed.push(run?);
        let next = head.take().map(|(key, _)| rows::after(&key)).unwrap_or_default();
        *head = if next < *end { rows.next(&next, end)? } else { None };
    }
    Ok(listed)
}
