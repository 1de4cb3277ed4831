//! Reading runs: first the rows, at one instant, then the large values, without holding writes up.

use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{RunFilter, StoreError};
use weir_engine::run::{JournalEntry, Run, RunContext};

use super::backend::{Blobs, Found as Values, value};
use super::frame::{self, Payload, damaged};
use super::keys::{self, RunKey, STATES};
use super::rows::{self, Rows};

/// What a read of one kind of thing found: its rows, not decoded yet.
pub(crate) type Found = Option<Payload>;

pub(crate) fn find_run(rows: &dyn Rows, run: &RunKey) -> Result<Found, StoreError> {
    frame::payload(rows, &run.record())
}

pub(crate) fn run(blobs: &dyn Blobs, key: &RunKey, found: &Payload) -> Result<Run, StoreError> {
    value(blobs, &key.record(), found)
}

pub(crate) fn find_context(rows: &dyn Rows, run: &RunKey) -> Result<Values, StoreError> {
    let prefix = run.context();
    let found = rows::take(rows, &prefix, &prefix, usize::MAX)?;
    found.into_iter().map(|(key, framed)| frame::open(&key, &framed).map(|payload| (key, payload))).collect()
}

pub(crate) fn context(blobs: &dyn Blobs, run: &RunKey, found: Values) -> Result<RunContext, StoreError> {
    let before = run.context().len();
    let entry = |(key, payload): (Vec<u8>, Payload)| {
        let name = key.get(before..).and_then(|name| std::str::from_utf8(name).ok()?.parse().ok());
        let name = name.ok_or_else(|| damaged(&key, "the key names no value of a context; restore from a backup"))?;
        Ok((name, value(blobs, &key, &payload)?))
    };
    found.into_iter().map(entry).collect()
}

pub(crate) fn find_journal(rows: &dyn Rows, run: &RunKey, after: u64, limit: usize) -> Result<Values, StoreError> {
    let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
    // Of a run that was removed there may be rows left.
    if rows.get(&run.record())?.is_none() {
        return Ok(Vec::new());
    }
    let found = rows::take(rows, &run.journal(), &run.journal_entry(first), limit)?;
    found.into_iter().map(|(key, framed)| frame::open(&key, &framed).map(|payload| (key, payload))).collect()
}

pub(crate) fn journal(blobs: &dyn Blobs, found: &Values) -> Result<Vec<JournalEntry>, StoreError> {
    found.iter().map(|(key, payload)| value(blobs, key, payload)).collect()
}

/// The ids of up to `limit` runs after `after`, newest first. Reads one row for each, and one more for each state.
pub(crate) fn list(
    rows: &dyn Rows,
    tenant: &TenantId,
    filter: &RunFilter,
    after: Option<RunId>,
    limit: usize,
) -> Result<Vec<RunId>, StoreError> {
    let states: &[_] = filter.state.as_ref().map_or(&STATES, std::slice::from_ref);
    let mut streams = Vec::new();
    for state in states {
        let prefix = match &filter.flow {
            Some(flow) => keys::runs_by_flow(tenant, flow, *state),
            None => keys::runs_by_state(tenant, *state),
        };
        let mut from = prefix.clone();
        if let Some(after) = after {
            from.extend(keys::newest_first(after));
            from = rows::after(&from);
        }
        let head = rows.next(&from, &rows::end_of(&prefix))?;
        streams.push((prefix, head));
    }
    let mut listed = Vec::new();
    while listed.len() < limit {
        let heads = streams.iter_mut().filter_map(|(prefix, head)| {
            let run = keys::listed_run(&head.as_ref()?.0);
            Some((run, prefix, head))
        });
        // Ids sort by start, so the newest is the greatest; a key that names no run is met first and ends the listing.
        let Some((run, prefix, head)) =
            heads.max_by_key(|(run, ..)| run.as_ref().map_or((true, None), |run| (false, Some(*run))))
        else {
            break;
        };
        listed.push(run?);
        let next = head.take().map(|(key, _)| rows::after(&key)).unwrap_or_default();
        *head = rows.next(&next, &rows::end_of(prefix))?;
    }
    Ok(listed)
}
