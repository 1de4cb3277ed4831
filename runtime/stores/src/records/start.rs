//! Starting a run.

use weir_engine::digest::Digest;
use weir_engine::ids::{FlowName, RunId};
use weir_engine::ports::{Lease, NewRun, OwnerId, StoreError};
use weir_engine::run::RunStateKind;
use weir_engine::time::Timestamp;

use super::backend::Prepared;
use super::frame;
use super::keys::{self, RunKey};
use super::rows::{Draft, Row};
use super::standing::{self, Place, Standing};

/// A start, its values prepared.
pub(crate) struct Start {
    run: RunKey,
    flow: FlowName,
    revision: u64,
    state: RunStateKind,
    created_at: Timestamp,
    client_key: Option<Digest>,
    lease: Option<(OwnerId, Timestamp)>,
    parent: Option<RunKey>,
    pub(crate) values: Prepared,
}

/// What a start gave.
pub(crate) enum Begun {
    New(Option<Lease>),
    Existing(RunId),
}

/// The values of the new run's rows, as JSON.
pub(crate) fn values(new: &NewRun) -> Result<Vec<Row>, StoreError> {
    let run = RunKey::new(&new.run.tenant, new.run.id);
    let mut rows = vec![(run.record(), frame::encode("the run's record", &new.run)?)];
    for (key, value) in new.context.iter() {
        rows.push((run.context_value(key), frame::encode("a value of the context", value)?));
    }
    Ok(rows)
}

impl Start {
    pub(crate) fn of(new: NewRun, values: Prepared) -> Self {
        Self {
            run: RunKey::new(&new.run.tenant, new.run.id),
            client_key: new.client_key.map(|key| Digest::of(key.as_bytes())),
            parent: new.run.parent.as_ref().map(|parent| RunKey::new(&new.run.tenant, parent.run)),
            revision: new.run.revision,
            state: new.run.state_kind(),
            flow: new.run.flow,
            created_at: new.run.created_at,
            lease: new.lease,
            values,
        }
    }

    pub(crate) fn apply(self, draft: &mut Draft<'_>) -> Result<Begun, StoreError> {
        let client_key = self.client_key.as_ref().map(|key| keys::client_key(&self.run.tenant, key));
        if let Some(key) = &client_key
            && let Some(run) = frame::record(draft, key)?
        {
            return Ok(Begun::Existing(run));
        }
        if Standing::read(draft, &self.run)?.is_some() {
            return Ok(Begun::Existing(self.run.run));
        }
        if let Some(key) = client_key {
            draft.put_record(key, &self.run.run)?;
        }
        if let Some(parent) = &self.parent {
            draft.put_key(parent.child(self.run.run));
        }
        let has_large = self.values.has_large();
        self.values.put_over_small(draft);
        let (pass, place, owner) = match self.lease {
            _ if self.state != RunStateKind::Ready => (standing::next_turn(draft, &self.run)?, Place::Ended, None),
            Some((owner, until)) => (standing::next_turn(draft, &self.run)?, Place::Leased { until }, Some(owner)),
            None => (standing::take_turn(draft, &self.run)?, Place::Queued { since: self.created_at }, None),
        };
        let fence = u64::from(owner.is_some());
        let standing = Standing {
            revision: self.revision,
            flow: self.flow,
            state: self.state,
            fence,
            owner,
            pass,
            place,
            has_large,
            is_child: self.parent.is_some(),
            signalled: false,
            family: 0,
            ended_at: self.state.is_ended().then_some(self.created_at),
            client_key: self.client_key,
        };
        standing.write(draft, &self.run, None)?;
        Ok(Begun::New(match (standing.owner, standing.place) {
            (Some(owner), Place::Leased { until }) => Some(Lease { owner, fence, until }),
            _ => None,
        }))
    }
}
