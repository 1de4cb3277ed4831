//! Removing runs that have ended. First a run goes from everything by which it is found, in one write, which leaves a
//! note; then the rows that it held go in pieces, until nothing is left and the note goes too. A crash in the middle
//! leaves the note, and whoever comes next goes on.

use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::{Removal, Retained, RetentionTurn, StoreError};

use super::Records;
use super::backend::Backend;
use super::keys::{self, RunKey};
use super::outbox;
use super::rows::{self, Draft, Rows};
use super::standing::{self, Standing};

/// About how many rows one write removes at most.
const ROWS_MAX: usize = 1024;
/// How many such writes one verb makes at most.
const PIECES_MAX: usize = 16;
/// How many runs of a family one read looks at.
const FAMILY_RUNS_MAX: usize = 64;
/// How many runs that have ended one turn looks at.
const LOOKED_AT_MAX: usize = 256;
/// The tables in which a run has rows of its own, besides those by which it is found.
const TABLES: [u8; 6] = *b"XJCBEG";

/// What a look at a tenant found.
struct Look {
    tenant: TenantId,
    /// The runs to remove, first ended first.
    due: Vec<RunKey>,
    more: bool,
}

/// The next tenant that has runs which have ended, and those of them that are due.
fn look(rows: &dyn Rows, turn: &RetentionTurn) -> Result<Option<Look>, StoreError> {
    let from = turn.after.as_ref().map_or_else(|| keys::ENDED.to_vec(), |tenant| rows::end_of(&keys::ended_of(tenant)));
    let Some((first, _)) = rows.next(&from, &rows::end_of(keys::ENDED))? else { return Ok(None) };
    let tenant = keys::ended_run(&first)?.0.tenant;
    let over = standing::ended_count(rows, &tenant)?.saturating_sub(turn.per_tenant_max);
    let prefix = keys::ended_of(&tenant);
    let mut due = Vec::new();
    let ended = rows::take(rows, &prefix, &prefix, LOOKED_AT_MAX)?;
    let looked_at_all = ended.len() < LOOKED_AT_MAX;
    for (number, (key, _)) in (0_u64..).zip(&ended) {
        let (run, at) = keys::ended_run(key)?;
        if at >= turn.ended_before && number >= over {
            return Ok(Some(Look { tenant, due, more: false }));
        }
        due.push(run);
    }
    Ok(Some(Look { tenant, due, more: !looked_at_all }))
}

/// Whether runs have ended and their calls in the background are done; their children go on the list.
fn may_go(rows: &dyn Rows, family: &mut Vec<RunKey>) -> Result<bool, StoreError> {
    for _ in 0..FAMILY_RUNS_MAX {
        let Some(run) = family.pop() else { break };
        let ended = Standing::read(rows, &run)?.is_none_or(|standing| standing.state.is_ended());
        if !ended || !outbox::all_done(rows, &run)? {
            return Ok(false);
        }
        for (key, _) in rows::take(rows, &run.children(), &run.children(), usize::MAX)? {
            family.extend(keys::child_run(&key).map(|child| RunKey::new(&run.tenant, child)));
        }
    }
    Ok(true)
}

/// The same for a run and all below it. What has ended stays so, and hands no call over: it may be looked at piecewise.
async fn family_may_go<B: Backend>(backend: &B, run: &RunKey) -> Result<bool, StoreError> {
    let mut family = vec![run.clone()];
    while !family.is_empty() {
        let piece = move |rows: &dyn Rows| may_go(rows, &mut family).map(|may| (may, family));
        let (may, rest) = backend.read(piece, |found, _| Ok(found)).await?;
        if !may {
            return Ok(false);
        }
        family = rest;
    }
    Ok(true)
}

/// Takes a run away from everything by which it is found, and notes that it has rows left.
pub(super) fn take_away(draft: &mut Draft<'_>, run: &RunKey) -> Result<(), StoreError> {
    match Standing::read(draft, run) {
        Ok(Some(standing)) => standing.remove(draft, run)?,
        Ok(None) => {}
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(run = %run.run, tenant = %run.tenant, %error, "a damaged run was removed");
            draft.remove(run.standing());
        }
        Err(error) => return Err(error),
    }
    draft.remove(run.record());
    draft.put_key(run.removed());
    Ok(())
}

/// Removes rows of runs that were removed. Whether there may be more.
fn clean(draft: &mut Draft<'_>) -> Result<bool, StoreError> {
    let mut left = ROWS_MAX;
    while left > 0 {
        let Some((note, _)) = draft.next(keys::REMOVED, &rows::end_of(keys::REMOVED))? else { return Ok(false) };
        let Some(run) = super::claim::run_of(draft, &note, keys::REMOVED_SKIP) else { continue };
        for (key, _) in rows::take(draft, &run.children(), &run.children(), left)? {
            if let Some(child) = keys::child_run(&key) {
                take_away(draft, &RunKey::new(&run.tenant, child))?;
            }
            draft.remove(key);
            left = left.saturating_sub(1);
        }
        for table in TABLES {
            let prefix = run.of(table);
            for (key, _) in rows::take(draft, &prefix, &prefix, left)? {
                draft.remove(key);
                left = left.saturating_sub(1);
            }
        }
        if left > 0 {
            draft.remove(note);
            left = left.saturating_sub(1);
        }
    }
    Ok(true)
}

/// Removes rows of runs that were removed, in pieces. Whether there may be more.
async fn clean_up<B: Backend>(backend: &B) -> Result<bool, StoreError> {
    for _ in 0..PIECES_MAX {
        let notes = |rows: &dyn Rows| Ok(rows.next(keys::REMOVED, &rows::end_of(keys::REMOVED))?.is_some());
        if !backend.read(notes, |found, _| Ok(found)).await? || !backend.make_room(clean).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One turn.
pub(super) async fn remove_ended<B: Backend>(store: &Records<B>, turn: RetentionTurn) -> Result<Retained, StoreError> {
    let backend = &store.backend;
    let limit = turn.limit;
    let found = backend.read(move |rows| look(rows, &turn), |found, _| Ok(found)).await?;
    let Some(Look { tenant, due, more }) = found else {
        return Ok(Retained { tenant: None, removed: 0, more: clean_up(backend).await? });
    };
    let mut going = Vec::new();
    let mut stopped = false;
    for run in due {
        if going.len() == limit {
            stopped = true;
            break;
        }
        if family_may_go(backend, &run).await? {
            going.push(run);
        }
    }
    let removed = going.len();
    if removed > 0 {
        backend.make_room(move |draft| going.iter().try_for_each(|run| take_away(draft, run))).await?;
    }
    let unclean = clean_up(backend).await?;
    Ok(Retained { tenant: Some(tenant), removed, more: stopped || (more && removed > 0) || unclean })
}

/// One run.
pub(super) async fn remove_run<B: Backend>(
    store: &Records<B>,
    tenant: &TenantId,
    run: RunId,
) -> Result<Removal, StoreError> {
    let key = RunKey::new(tenant, run);
    let found = key.clone();
    match store.backend.read(move |rows| Standing::read(rows, &found), |found, _| Ok(found)).await? {
        None => return Ok(Removal::Unknown),
        Some(standing) if standing.is_child => return Ok(Removal::Unknown),
        Some(standing) if !standing.state.is_ended() => return Ok(Removal::NotEnded(standing.state)),
        Some(_) => {}
    }
    if !family_may_go(&store.backend, &key).await? {
        return Ok(Removal::Held);
    }
    store.backend.make_room(move |draft| take_away(draft, &key)).await?;
    clean_up(&store.backend).await?;
    Ok(Removal::Removed)
}
