//! How often a run comes to its steps (F-03), and what of a step's work its result keeps.

use super::journal::{JournalEntry, StepOutcome, StepRecord};
use super::record::Run;
use super::state::{Event, RunState, Waits};
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

    /// How often it has come to a step before: 0 in the first visit. A visit goes on through retries, resumes and
    /// crashes, until the run goes on from the step.
    pub fn visits_before(&self, step: &StepId) -> u32 {
        self.visits.get(step).copied().unwrap_or(0)
    }

    /// Counts a visit that is over.
    pub(crate) fn leave(&mut self, step: &StepId) {
        let visits = self.visits.entry(step.clone()).or_default();
        *visits = visits.saturating_add(1);
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

impl StepOutcome {
    /// What it is to the run of the step.
    pub(crate) fn event(&self, step: &StepId) -> Event {
        let step = step.clone();
        match self {
            Self::Next { step, .. } => Event::Advanced(step.clone()),
            Self::Suspended { awaits, remind, until } => {
                Event::Suspended { step, awaits: awaits.clone(), remind: *remind, until: *until }
            }
            Self::Waiting { on, until, .. } => Event::Waiting { step, on: *on, until: *until },
            Self::Paused { error, until } => Event::Paused { step, error: error.clone(), until: *until },
            Self::End(ending) => Event::Ended(ending.clone()),
        }
    }
}

impl JournalEntry {
    /// What it was to its run.
    pub(crate) fn event(&self) -> Event {
        match (&self.record, &self.outcome) {
            (StepRecord::Resumed { .. }, StepOutcome::Next { step, .. }) => Event::Resumed(step.clone()),
            (StepRecord::Continued { .. } | StepRecord::Compensation { .. }, StepOutcome::Next { step, .. }) => {
                Event::Continued(step.clone())
            }
            // A look at child runs leaves the run at its step.
            (StepRecord::Children(children), StepOutcome::Next { step, caught_failure: None, caught_error: None })
                if !children.joined && *step == self.step =>
            {
                Event::Continued(step.clone())
            }
            (StepRecord::Reminder(_), StepOutcome::Suspended { remind, .. }) => Event::Reminded { remind: *remind },
            (_, outcome) => outcome.event(&self.step),
        }
    }

    /// Whether the run went on by it, from the entry's step to one that begins anew.
    pub(crate) fn leaves_step(&self) -> bool {
        matches!(self.event(), Event::Advanced(_))
    }
}
