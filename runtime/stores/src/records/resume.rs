//! Suspended runs: going on with one, and waking those whose time is over.

use weir_engine::ports::{Lease, OwnerId, ResumeRun, Resumed, StoreError};
use weir_engine::run::RunStateKind;
use weir_engine::time::Timestamp;

use super::backend::Prepared;
use super::claim::{RUNS_MAX, run_of};
use super::frame;
use super::keys::{self, RunKey};
use super::rows::{self, Draft, Row};
use super::standing::{self, Place, Standing};

/// A resume, its values prepared.
pub(crate) struct Resume {
    run: RunKey,
    revision: u64,
    updated_at: Timestamp,
    client_key: Option<Vec<u8>>,
    lease: Option<(OwnerId, Timestamp)>,
    values: Prepared,
}

/// The values of its rows, as JSON.
pub(crate) fn values(resume: &ResumeRun) -> Result<Vec<Row>, StoreError> {
    let run = RunKey::new(&resume.run.tenant, resume.run.id);
    let mut rows = vec![
        (run.record(), frame::encode("the run's record", &resume.run)?),
        (run.journal_entry(resume.entry.sequence), frame::encode("the journal entry", &resume.entry)?),
    ];
    for change in &resume.changes {
        rows.push((run.context_value(&change.key), frame::encode("a value of the context", &change.value)?));
    }
    Ok(rows)
}

impl Resume {
    /// Refuses an entry that is not the one of the record's revision: it would leave a gap in the journal.
    pub(crate) fn check(resume: &ResumeRun) -> Result<(), StoreError> {
        if resume.entry.sequence == resume.run.revision {
            return Ok(());
        }
        let (stored, expected) = (resume.entry.sequence, resume.run.revision);
        Err(StoreError::RevisionConflict { run: resume.run.id, stored, expected })
    }

    pub(crate) fn of(resume: ResumeRun, values: Prepared) -> Self {
        let run = RunKey::new(&resume.run.tenant, resume.run.id);
        Self {
            client_key: resume.client_key.map(|key| run.resumed_with(&key)),
            run,
            revision: resume.run.revision,
            updated_at: resume.run.updated_at,
            lease: resume.lease,
            values,
        }
    }

    pub(crate) fn apply(self, draft: &mut Draft<'_>) -> Result<Resumed, StoreError> {
        let before = Standing::read(draft, &self.run)?.ok_or(StoreError::NotFound("run"))?;
        if let Some(key) = &self.client_key
            && frame::record::<u64>(draft, key)?.is_some()
        {
            return Ok(Resumed::Before);
        }
        if before.revision.checked_add(1) != Some(self.revision) {
            let expected = self.revision.saturating_sub(1);
            return Err(StoreError::RevisionConflict { run: self.run.run, stored: before.revision, expected });
        }
        if before.state != RunStateKind::Suspended {
            return Err(StoreError::NotSuspended { run: self.run.run });
        }
        for (key, value) in self.values {
            draft.put(key, &value);
        }
        if let Some(key) = self.client_key {
            draft.put_record(key, &self.revision)?;
        }
        // Somebody may have claimed the run to end it: with another fence, or without an owner, that one is too late.
        let (place, owner) = match self.lease {
            Some((owner, until)) => (Place::Leased { until }, Some(owner)),
            None => (Place::Queued { since: self.updated_at }, None),
        };
        let after = Standing {
            revision: self.revision,
            state: RunStateKind::Ready,
            fence: before.fence.saturating_add(u64::from(owner.is_some())),
            owner,
            pass: standing::next_pass(before.pass, standing::served_pass(draft)?),
            place,
            ..before.clone()
        };
        after.write(draft, &self.run, Some(&before))?;
        Ok(Resumed::New(match (after.owner, after.place) {
            (Some(owner), Place::Leased { until }) => Some(Lease { owner, fence: after.fence, until }),
            _ => None,
        }))
    }
}

/// Queues the suspended runs whose time is over at `now`, so that somebody claims and ends them.
pub(crate) fn wake(draft: &mut Draft<'_>, now: Timestamp) -> Result<(), StoreError> {
    let end = keys::suspended_until(Timestamp::from_millis(now.as_millis().saturating_add(1)));
    for (key, _) in rows::take_until(draft, keys::SUSPENDED, &end, RUNS_MAX)? {
        let Some(run) = run_of(draft, &key, keys::SUSPENDED_SKIP) else { continue };
        let since = keys::lease_end(&key);
        match Standing::read(draft, &run) {
            Ok(Some(before)) if before.place_key(&run).as_ref() == Some(&key) => {
                let pass = standing::next_pass(before.pass, standing::served_pass(draft)?);
                let after = Standing { place: Place::Queued { since }, pass, ..before.clone() };
                after.write(draft, &run, Some(&before))?;
            }
            Ok(_) => {
                tracing::error!(run = %run.run, tenant = %run.tenant, "a row of a suspended run that is not suspended was removed");
                draft.remove(key);
            }
            Err(StoreError::Corrupt { .. }) => {
                // The claim says so and sets it aside.
                draft.remove(key);
                draft.put_key(run.queued(0, since));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
