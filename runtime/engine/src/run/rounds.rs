//! How often a run comes to its steps (F-03), and what of a step's work its result keeps.

use super::journal::StepRecord;
use super::record::Run;
use super::state::{RunState, Waits};
use super::step_records::RedirectRecord;
use crate::ids::StepId;
use crate::time::Timestamp;

impl Run {
    /// Whether its present step has done something already: it was resumed, waited, or has child runs. Its condition
    /// is not asked again then, and its visit has been counted.
    pub fn has_begun_step(&self) -> bool {
        let rested = matches!(&self.state, RunState::Waiting { on: Waits::Timer | Waits::Children, .. });
        rested || self.resumptions > 0 || self.children.is_some()
    }

    /// How often it has come to a step that bounds that.
    pub fn visits_of(&self, step: &StepId) -> u32 {
        self.visits.get(step).copied().unwrap_or(0)
    }

    /// Counts one more, unless this is the same visit as before.
    pub(crate) fn count_visit(&mut self, before: &Self, step: &StepId) {
        if !before.has_begun_step() && before.attempts == 0 {
            let visits = self.visits.entry(step.clone()).or_default();
            *visits = visits.saturating_add(1);
        }
    }

    /// When its deadline passes, seen from `now`: it stands still while the run rests.
    pub fn deadline_at(&self, now: Timestamp) -> Timestamp {
        if self.state.is_still() { self.deadline.after(now.since(self.updated_at)) } else { self.deadline }
    }

    /// Keeps what the run's result has of a step that is done.
    pub(crate) fn keep_result(&mut self, record: &StepRecord) {
        match record {
            StepRecord::Claims(claims) => {
                self.jwt = claims.signed.as_ref().map(|it| it.jwt.clone()).or(self.jwt.take())
            }
            StepRecord::Redirect(RedirectRecord { url: Some(url), ends: true }) => self.redirect = Some(url.clone()),
            _ => {}
        }
    }
}
