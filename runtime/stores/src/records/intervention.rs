//! Changing a run from outside, and waking those that rest and whose time is over.

use weir_engine::ports::{Intervened, Intervention, Lease, OwnerId, StoreError};
use weir_engine::run::RunStateKind;
use weir_engine::time::Timestamp;

use super::backend::Prepared;
use super::claim::{RUNS_MAX, run_of};
use super::frame;
use super::keys::{self, RunKey};
use super::rows::{self, Draft};
use super::standing::{self, Place, Standing};

/// An intervention, its values prepared.
pub(crate) struct Change {
    run: RunKey,
    revision: u64,
    updated_at: Timestamp,
    client_key: Option<Vec<u8>>,
    lease: Option<(OwnerId, Timestamp)>,
    from: Vec<RunStateKind>,
    values: Prepared,
}

impl Change {
    pub(crate) fn of(intervention: Intervention, values: Prepared) -> Self {
        let run = RunKey::new(&intervention.run.tenant, intervention.run.id);
        Self {
            client_key: intervention.client_key.map(|key| run.intervened_with(&key)),
            run,
            revision: intervention.run.revision,
            updated_at: intervention.run.updated_at,
            lease: intervention.lease,
            from: intervention.from,
            values,
        }
    }

    pub(crate) fn apply(self, draft: &mut Draft<'_>) -> Result<Intervened, StoreError> {
        let before = Standing::read(draft, &self.run)?.ok_or(StoreError::NotFound("run"))?;
        if let Some(key) = &self.client_key
            && frame::record::<u64>(draft, key)?.is_some()
        {
            return Ok(Intervened::Before);
        }
        if before.revision.checked_add(1) != Some(self.revision) {
            let expected = self.revision.saturating_sub(1);
            return Err(StoreError::RevisionConflict { run: self.run.run, stored: before.revision, expected });
        }
        if before.state.is_ended() || !self.from.contains(&before.state) {
            return Err(StoreError::UnexpectedState { run: self.run.run, state: before.state });
        }
        if let Some(key) = self.client_key {
            draft.put_record(key, &self.revision)?;
        }
        // Somebody may work on the run: with another fence, or without an owner, that one is too late.
        let (pass, place, owner) = match self.lease {
            Some((owner, until)) => (before.pass, Place::Leased { until }, Some(owner)),
            None => (standing::take_turn(draft, &self.run)?, Place::Queued { since: self.updated_at }, None),
        };
        let mut after = Standing {
            revision: self.revision,
            state: RunStateKind::Ready,
            fence: before.fence.saturating_add(u64::from(owner.is_some())),
            owner,
            pass,
            place,
            signalled: false,
            ..before.clone()
        };
        after.put_values(draft, self.values);
        after.write(draft, &self.run, Some(&before))?;
        Ok(Intervened::Done(match (after.owner, after.place) {
            (Some(owner), Place::Leased { until }) => Some(Lease { owner, fence: after.fence, until }),
            _ => None,
        }))
    }
}

/// Queues the runs that rest and whose time is over at `now`, so that somebody claims them. Says how many it looked at:
/// [`RUNS_MAX`] where there may be more.
pub(crate) fn wake(draft: &mut Draft<'_>, now: Timestamp) -> Result<usize, StoreError> {
    let end = keys::resting_until(Timestamp::from_millis(now.as_millis().saturating_add(1)));
    let due = rows::take_until(draft, keys::RESTING, &end, RUNS_MAX)?;
    let looked_at = due.len();
    for (key, _) in due {
        let Some(run) = run_of(draft, &key, keys::RESTING_SKIP) else { continue };
        let since = keys::lease_end(&key);
        match Standing::read(draft, &run) {
            Ok(Some(before)) if before.place_key(&run).as_ref() == Some(&key) => {
                let pass = standing::take_turn(draft, &run)?;
                let after = Standing { place: Place::Queued { since }, pass, ..before.clone() };
                after.write(draft, &run, Some(&before))?;
            }
            Ok(_) => {
                tracing::error!(run = %run.run, tenant = %run.tenant, "a row of a resting run that does not rest was removed");
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
    Ok(looked_at)
}
