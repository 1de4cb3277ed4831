//! Runs that wait for their end user, in the model.

use std::collections::BTreeSet;

use weir_engine::ids::StepId;
use weir_engine::ports::{Intervened, StoreError};
use weir_engine::run::{Event, RunStateKind};
use weir_engine::time::Timestamp;

use super::World;
use crate::support::suspended::resume;
use crate::support::{LEASE, at, owner};

/// Every key that a move may resume with.
const KEYS: std::ops::Range<u8> = 0..3;

pub(super) fn suspend(until: Timestamp) -> Event {
    let step: StepId = "first".parse().unwrap();
    Event::Suspended { step, redirect: "https://pin.test/".to_owned(), until }
}

impl World {
    pub(super) async fn resume(&mut self, run: usize, client_key: Option<u8>, revision_on: u64, leased: bool) {
        let Some(index) = run.checked_rem(self.runs.len()) else { return };
        let expected = &self.runs[index];
        let mut before = expected.run.clone();
        before.revision += revision_on;
        if before.ending().is_some() {
            return;
        }
        let mut resuming = resume(&before);
        resuming.client_key = client_key.map(|key| key.to_string());
        let until = at(self.now).after(LEASE);
        resuming.lease = leased.then(|| (owner("second"), until));
        let outcome = self.store().intervene(resuming.clone()).await;
        let is_suspended = expected.run.state_kind() == RunStateKind::Suspended;
        if client_key.is_some_and(|key| expected.resumed_with.contains(&key)) {
            assert_eq!(outcome.unwrap(), Intervened::Before);
            return;
        }
        if revision_on > 0 {
            assert!(matches!(outcome, Err(StoreError::RevisionConflict { .. })), "{outcome:?}");
            return;
        }
        if !is_suspended {
            assert!(matches!(outcome, Err(StoreError::UnexpectedState { .. })), "{outcome:?}");
            return;
        }
        let Intervened::Done(lease) = outcome.unwrap() else { panic!("it was not resumed with {client_key:?} before") };
        assert_eq!(lease.is_some(), leased);
        let expected = &mut self.runs[index];
        resuming.changes.iter().for_each(|change| expected.context.apply(change));
        expected.run = resuming.run;
        expected.resumed_with.extend(client_key);
        (expected.held, expected.waits, expected.free_at) = (leased, false, at(0));
        if let Some(lease) = lease {
            assert_eq!(lease.fence, expected.lease.fence + 1);
            expected.free_at = lease.until;
            expected.lease = lease;
        }
    }

    pub(super) async fn check_resumes(&self) {
        for expected in &self.runs {
            let run = &expected.run;
            let mut keys = BTreeSet::new();
            for key in KEYS {
                if self.store().intervened_with(&run.tenant, run.id, &key.to_string()).await.unwrap() {
                    keys.insert(key);
                }
            }
            assert_eq!(keys, expected.resumed_with);
        }
    }
}
