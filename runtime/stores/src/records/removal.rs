//! Removing runs that have ended. First a run goes from everything by which it is found, in one write, which leaves a
//! note; then the rows that it held go in pieces, until nothing is left and the note goes too. A crash in the middle
//! leaves the note, and whoever comes next goes on.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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

/// How many runs of families one turn looks at, about.
const FAMILIES_RUNS_MAX: usize = 1024;

/// How far the looking at the runs of each tenant has come: those that are held must stand before nobody. A crash
/// forgets it, and the next look begins at the front.
#[derive(Debug, Default)]
pub(crate) struct Walks(Mutex<HashMap<TenantId, Walk>>);

#[derive(Debug, Default)]
struct Walk {
    /// The row that is next; the first one where it is empty.
    from: Vec<u8>,
    /// How many runs before it are held.
    held: u64,
    /// A run whose family is too large for one turn, and what is still to be looked at of it.
    family: Option<(RunKey, Vec<RunKey>)>,
}

impl Walks {
    fn take(&self, tenant: &TenantId) -> Walk {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant).unwrap_or_default()
    }

    fn keep(&self, tenant: TenantId, walk: Walk) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant, walk);
    }
}

/// What a look at a tenant found.
struct Look {
    /// The rows of the runs to remove, first ended first.
    due: Vec<(Vec<u8>, RunKey)>,
    more: bool,
}

/// The next tenant that has runs which have ended.
fn next_tenant(rows: &dyn Rows, after: Option<&TenantId>) -> Result<Option<TenantId>, StoreError> {
    let from = after.map_or_else(|| keys::ENDED.to_vec(), |tenant| rows::end_of(&keys::ended_of(tenant)));
    let first = rows.next(&from, &rows::end_of(keys::ENDED))?;
    first.map(|(key, _)| keys::ended_run(&key).map(|(run, _)| run.tenant)).transpose()
}

/// The runs of a tenant that are due, from a row on behind so many that are held.
fn look(
    rows: &dyn Rows,
    tenant: &TenantId,
    (from, held): (&[u8], u64),
    turn: &RetentionTurn,
) -> Result<Look, StoreError> {
    let over = standing::ended_count(rows, tenant)?.saturating_sub(turn.per_tenant_max);
    let ended = rows::take(rows, &keys::ended_of(tenant), from, LOOKED_AT_MAX)?;
    let more = ended.len() == LOOKED_AT_MAX;
    let mut due = Vec::new();
    for (number, (key, _)) in (held..).zip(ended) {
        let (run, at) = keys::ended_run(&key)?;
        if at >= turn.ended_before && number >= over {
            return Ok(Look { due, more: false });
        }
        due.push((key, run));
    }
    Ok(Look { due, more })
}

/// Whether runs have ended and their calls in the background are done; their children go on the list.
fn may_go(rows: &dyn Rows, family: &mut Vec<RunKey>) -> Result<bool, StoreError> {
    for _ in 0..FAMILY_RUNS_MAX {
        let Some(run) = family.pop() else { break };
        if !is_over(rows, &run)? {
            return Ok(false);
        }
        for (key, _) in rows::take(rows, &run.children(), &run.children(), usize::MAX)? {
            family.extend(keys::child_run(&key).map(|child| RunKey::new(&run.tenant, child)));
        }
    }
    Ok(true)
}

/// Whether a run has ended and its calls in the background are done. One whose rows are damaged is held, and stands in no
/// other's way.
fn is_over(rows: &dyn Rows, run: &RunKey) -> Result<bool, StoreError> {
    let ended = Standing::read(rows, run).map(|standing| standing.is_none_or(|standing| standing.state.is_ended()));
    match ended.and_then(|ended| Ok(ended && outbox::all_done(rows, run)?)) {
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(run = %run.run, tenant = %run.tenant, %error, "a damaged run is not removed");
            Ok(false)
        }
        looked => looked,
    }
}

/// What a look at a family came to.
enum Family {
    MayGo,
    Held,
    /// These are still to be looked at.
    Unfinished(Vec<RunKey>),
}

/// Looks at a run and all below it, for as long as `left` lasts. What has ended stays so, and hands no call over: it
/// may be looked at piecewise.
async fn look_at_family<B: Backend>(
    backend: &B,
    mut family: Vec<RunKey>,
    left: &mut usize,
) -> Result<Family, StoreError> {
    while !family.is_empty() {
        if *left == 0 {
            return Ok(Family::Unfinished(family));
        }
        *left = left.saturating_sub(family.len().min(FAMILY_RUNS_MAX));
        let piece = move |rows: &dyn Rows| may_go(rows, &mut family).map(|may| (may, family));
        let (may, rest) = backend.read(piece, |found, _| Ok(found)).await?;
        if !may {
            return Ok(Family::Held);
        }
        family = rest;
    }
    Ok(Family::MayGo)
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
    let after = turn.after.clone();
    let tenant = backend.read(move |rows| next_tenant(rows, after.as_ref()), |found, _| Ok(found)).await?;
    let Some(tenant) = tenant else {
        return Ok(Retained { tenant: None, removed: 0, more: clean_up(backend).await? });
    };
    let (going, more) = walk_on(store, &tenant, turn).await?;
    let removed = going.len();
    if removed > 0 {
        backend.make_room(move |draft| going.iter().try_for_each(|run| take_away(draft, run))).await?;
    }
    let unclean = clean_up(backend).await?;
    Ok(Retained { tenant: Some(tenant), removed, more: more || unclean })
}

/// The next runs of a tenant to remove, and whether there may be more behind them.
async fn walk_on<B: Backend>(
    store: &Records<B>,
    tenant: &TenantId,
    turn: RetentionTurn,
) -> Result<(Vec<RunKey>, bool), StoreError> {
    let mut walk = store.walks.take(tenant);
    let (whose, from, held, limit) = (tenant.clone(), walk.from.clone(), walk.held, turn.limit);
    let looking = move |rows: &dyn Rows| look(rows, &whose, (&from, held), &turn);
    let Look { due, mut more } = store.backend.read(looking, |found, _| Ok(found)).await?;
    let (mut going, mut left) = (Vec::new(), FAMILIES_RUNS_MAX);
    for (key, run) in due {
        if going.len() == limit || left == 0 {
            more = true;
            break;
        }
        let begun = walk.family.take().filter(|(of, _)| *of == run);
        let family = begun.map_or_else(|| vec![run.clone()], |(_, rest)| rest);
        match look_at_family(&store.backend, family, &mut left).await? {
            Family::MayGo => going.push(run),
            Family::Held => walk.held += 1,
            Family::Unfinished(rest) => {
                walk.family = Some((run, rest));
                walk.from = key;
                more = true;
                break;
            }
        }
        walk.from = rows::after(&key);
    }
    if more {
        store.walks.keep(tenant.clone(), walk);
    }
    Ok((going, more))
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
    let mut all = usize::MAX;
    let family = look_at_family(&store.backend, vec![key.clone()], &mut all).await?;
    if !matches!(family, Family::MayGo) {
        return Ok(Removal::Held);
    }
    store.backend.make_room(move |draft| take_away(draft, &key)).await?;
    clean_up(&store.backend).await?;
    Ok(Removal::Removed)
}
