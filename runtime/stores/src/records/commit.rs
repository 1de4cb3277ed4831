//! Committing a step, and prolonging or giving back a lease.

use weir_engine::ports::{CommitStep, Lease, NewRun, StoreError};
use weir_engine::run::{ContextChange, JournalEntry, Part, Run, RunStateKind};
use weir_engine::time::Timestamp;

use super::backend::Prepared;
use super::frame;
use super::keys::RunKey;
use super::outbox::{self, CallKey};
use super::rows::{Draft, Row};
use super::standing::{self, Place, Standing};
use super::start::Start;

/// A commit, its values prepared.
pub(crate) struct Commit {
    run: RunKey,
    revision: u64,
    state: RunStateKind,
    /// How long a run that rests now does.
    rests_until: Option<Timestamp>,
    updated_at: Timestamp,
    lease: Lease,
    keep_until: Option<Timestamp>,
    /// The call that the step hands over, and when it did.
    handed_over: Option<(CallKey, Timestamp)>,
    /// The run that is told when this one has ended.
    parent: Option<RunKey>,
    /// The child runs that the step begins.
    children: Vec<Start>,
    /// The run at the top, how many more are below it, and how many may be.
    family: (RunKey, u64, u64),
    values: Prepared,
}

/// The values of the rows of whatever brings a run to its next revision, as JSON.
pub(super) fn values_of(run: &Run, entry: &JournalEntry, changes: &[ContextChange]) -> Result<Vec<Row>, StoreError> {
    let key = RunKey::new(&run.tenant, run.id);
    let mut rows = vec![
        (key.record(), frame::encode("the run's record", run)?),
        (key.journal_entry(entry.sequence), frame::encode("the journal entry", entry)?),
    ];
    for change in changes {
        rows.push((key.context_value(&change.key), frame::encode("a value of the context", &change.value)?));
    }
    Ok(rows)
}

/// Refuses an entry that is not the one of the record's revision: it would leave a gap in the journal.
pub(super) fn check(run: &Run, entry: &JournalEntry) -> Result<(), StoreError> {
    if entry.sequence == run.revision {
        return Ok(());
    }
    Err(StoreError::RevisionConflict { run: run.id, stored: entry.sequence, expected: run.revision })
}

/// The values of the step's rows, as JSON.
pub(crate) fn values(commit: &CommitStep) -> Result<Vec<Row>, StoreError> {
    let mut rows = values_of(&commit.run, &commit.entry, &commit.changes)?;
    if let Some(entry) = &commit.outbox {
        let run = RunKey::new(&commit.run.tenant, commit.run.id);
        let call = CallKey::new(run, commit.entry.sequence);
        rows.push((call.entry(), frame::encode("the call in the background", entry)?));
    }
    Ok(rows)
}

impl Commit {
    pub(crate) fn of(commit: CommitStep, values: Prepared, children: Vec<Start>) -> Self {
        let run = RunKey::new(&commit.run.tenant, commit.run.id);
        let counts = |child: &&NewRun| child.run.parent.as_ref().is_some_and(|it| it.part != Part::Compensation);
        let more = u64::try_from(commit.children.iter().filter(counts).count()).unwrap_or(u64::MAX);
        // What was done can be taken back, also where that takes runs and the family has as many as it may have.
        let undoes = commit.run.parent.as_ref().is_some_and(|parent| parent.undoes);
        let most = commit.family_runs_max.saturating_mul(if undoes { 2 } else { 1 });
        let top = RunKey::new(&commit.run.tenant, commit.run.top());
        let call = |created_at| (CallKey::new(run.clone(), commit.entry.sequence), created_at);
        Self {
            handed_over: commit.outbox.map(|entry| call(entry.created_at)),
            family: (top, more, most),
            run,
            revision: commit.run.revision,
            state: commit.run.state_kind(),
            rests_until: commit.run.rests_until(),
            parent: commit.run.parent.as_ref().map(|parent| RunKey::new(&commit.run.tenant, parent.run)),
            children,
            updated_at: commit.run.updated_at,
            lease: commit.lease,
            keep_until: commit.keep_until,
            values,
        }
    }

    pub(crate) fn apply(self, draft: &mut Draft<'_>) -> Result<(), StoreError> {
        let before = Standing::read(draft, &self.run)?.ok_or(StoreError::NotFound("run"))?;
        before.check_lease(&self.run, &self.lease)?;
        if before.revision.checked_add(1) != Some(self.revision) {
            let expected = self.revision.saturating_sub(1);
            return Err(StoreError::RevisionConflict { run: self.run.run, stored: before.revision, expected });
        }
        let (top, more, most) = &self.family;
        let before = if *more > 0 {
            standing::count_family(draft, top, *more, *most)?;
            Standing::read(draft, &self.run)?.ok_or(StoreError::NotFound("run"))?
        } else {
            before
        };
        let mut after = Standing { revision: self.revision, state: self.state, ..before.clone() };
        after.put_values(draft, self.values);
        if let Some((call, created_at)) = &self.handed_over {
            outbox::hand_over(draft, call, *created_at)?;
        }
        after.place = match (self.rests_until, self.keep_until) {
            (Some(until), _) if !before.signalled => Place::Resting { until },
            _ if self.state.is_ended() => Place::Ended,
            (None, Some(until)) => Place::Leased { until },
            (Some(_), _) | (None, None) => {
                // It queues where its tenant would be served next, not behind all that its tenant has queued since.
                after.pass = standing::next_pass(before.pass, standing::served_pass(draft)?);
                Place::Queued { since: self.updated_at }
            }
        };
        if !matches!(after.place, Place::Leased { .. }) {
            after.owner = None;
            after.signalled = false;
        }
        if self.state.is_ended() {
            after.ended_at = Some(self.updated_at);
        }
        after.write(draft, &self.run, Some(&before))?;
        for child in self.children {
            child.apply(draft)?;
        }
        match &self.parent {
            Some(parent) if self.state.is_ended() => standing::signal(draft, parent, self.updated_at),
            _ => Ok(()),
        }
    }
}

/// Prolongs a lease.
pub(crate) fn renew(draft: &mut Draft<'_>, run: &RunKey, lease: Lease, until: Timestamp) -> Result<Lease, StoreError> {
    let before = Standing::read(draft, run)?.ok_or(StoreError::NotFound("run"))?;
    before.check_lease(run, &lease)?;
    let after = Standing { place: Place::Leased { until }, ..before.clone() };
    after.write(draft, run, Some(&before))?;
    Ok(Lease { until, ..lease })
}

/// Gives back the lease of a run that has nothing to do before `until`.
pub(crate) fn release(
    draft: &mut Draft<'_>,
    run: &RunKey,
    lease: &Lease,
    (now, until): (Timestamp, Option<Timestamp>),
) -> Result<(), StoreError> {
    let before = Standing::read(draft, run)?.ok_or(StoreError::NotFound("run"))?;
    before.check_lease(run, lease)?;
    let place = match until {
        Some(until) if !before.signalled => Place::Resting { until },
        _ => Place::Queued { since: now },
    };
    let pass = standing::next_pass(before.pass, standing::served_pass(draft)?);
    let after = Standing { place, pass, owner: None, signalled: false, ..before.clone() };
    after.write(draft, run, Some(&before))
}
