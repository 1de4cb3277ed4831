//! Makes what was done to a run durable, or ends the run where that can never be.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Engine;
use super::drive::Left;
use crate::ids::StepId;
use crate::ports::{ClaimedRun, CommitStep, StoreError};
use crate::run::{
    Children, ContextChange, ContextKey, Ending, Event, Run, RunContext, RunState, StepError, StepOutcome, StepRecord,
    Taught,
};
use crate::step::{Outcome, step_error};
use crate::time::Timestamp;

impl Engine {
    /// An outcome whose changes would make the context too large becomes an error of its step.
    pub(super) fn within_context_limit(&self, claimed: &ClaimedRun, outcome: Outcome) -> Outcome {
        let Err(error) = self.weigh(&claimed.context, &outcome.changes) else { return outcome };
        let mut over = abandon(claimed, &outcome.entry.step, error, self.ports.clock.now());
        // The journal keeps what the step did.
        over.entry.record = outcome.entry.record;
        over.entry.recorded = outcome.entry.recorded;
        over.entry.started_at = outcome.entry.started_at;
        over.entry.diagnostics = outcome.entry.diagnostics;
        over.entry.diagnostics_dropped = outcome.entry.diagnostics_dropped;
        over
    }

    /// Whether a context may have these changes.
    pub(super) fn weigh(&self, context: &RunContext, changes: &[ContextChange]) -> Result<(), StepError> {
        if changes.is_empty() {
            return Ok(());
        }
        let changed = changes.iter().map(|change| (&change.key, &change.value));
        let mut context: BTreeMap<_, _> = context.iter().chain(changed).collect();
        // What a step may keep bounds it.
        context.remove(&ContextKey::items());
        let bytes: usize = context.values().map(|value| value.to_string().len()).sum();
        let most = self.settings.context_bytes_max;
        if bytes <= most {
            return Ok(());
        }
        let message = format!("the run's context would have {bytes} bytes; at most {most} are allowed");
        Err(step_error("run.context-too-large", message))
    }

    /// Makes an outcome durable. Where the store can never take it, it will not at the next try either: the run ends, or
    /// goes on to its end without what cannot be done.
    pub(super) async fn commit(&self, claimed: &mut ClaimedRun, outcome: Outcome) -> Result<(), Left> {
        let step = outcome.entry.step.clone();
        let error = match self.commit_as_is(claimed, outcome).await {
            Err(Left::Store(error @ StoreError::TooDeep { .. })) => step_error("run.context-too-deep", error),
            Err(Left::Store(error @ StoreError::FamilyTooLarge { .. })) => step_error("flow.family-too-large", error),
            committed => return committed,
        };
        let outcome = match claimed.run.ends_as {
            Some(_) => self.give_up(claimed, &step, error).await?,
            None => abandon(claimed, &step, error, self.ports.clock.now()),
        };
        self.commit_as_is(claimed, outcome).await
    }

    async fn commit_as_is(&self, claimed: &mut ClaimedRun, outcome: Outcome) -> Result<(), Left> {
        if let Some(newer) = self.newer_lease(&claimed.run) {
            claimed.lease = newer;
        }
        let Outcome { run, mut entry, mut changes, children } = outcome;
        entry.recorded.replaced = claimed.context.replaced_by(&entry.changes);
        if matches!(entry.record, StepRecord::Children(_)) && entry.recorded.taught.is_none() {
            entry.recorded.taught = Taught::between(&claimed.run, &run);
        }
        if claimed.context.has_items() && !run.children.as_ref().is_some_and(Children::needs_items) {
            changes.push(ContextChange { key: ContextKey::items(), value: Value::Null });
        }
        let mut run = Run { fence: claimed.lease.fence, ..run };
        if let StepRecord::Action(action) = &entry.record {
            run.keep_sensitive(&action.encrypted_names);
        }
        let goes_on = matches!(run.state, RunState::Ready { .. });
        let keep_until = goes_on.then(|| self.kept_until(claimed.lease.until));
        let diagnostics = entry.diagnostics.clone();
        let outbox = self.handed_over(&run, &entry);
        let hands_over = outbox.is_some();
        let (lease, changed) = (claimed.lease.clone(), changes.clone());
        let begins = !children.is_empty();
        let commit = CommitStep {
            run: run.clone(),
            lease,
            changes: changed,
            entry,
            outbox,
            children,
            family_runs_max: self.settings.family_runs_max,
            keep_until,
        };
        self.ports.store.commit_step(commit).await.map_err(Left::Store)?;
        if hands_over {
            self.outbound.wake();
        }
        // Its children wait in the store, or its parent does, or it has somebody to tell at once.
        let is_due = run.rests_until().is_some_and(|until| until <= self.ports.clock.now());
        if begins || is_due || run.parent.is_some() {
            self.wake.notify_one();
        }
        changes.iter().for_each(|change| claimed.context.apply(change));
        if let Some(until) = keep_until {
            claimed.lease.until = until;
        }
        // Before those who wait for the run: when it is over for them, all of it has been told.
        self.feed.committed(&run.tenant, &diagnostics);
        self.progress.committed(&run);
        claimed.run = run;
        Ok(())
    }
}

impl Engine {
    /// Until when the next step may take its time. A lease that is almost new stays as it is, which spares the store
    /// two rows at each step of a quick flow; what is left of it is twice what [`Engine::keep_lease`] waits.
    fn kept_until(&self, until: Timestamp) -> Timestamp {
        let now = self.ports.clock.now();
        if until >= now.after(self.settings.lease * 2 / 3) { until } else { now.after(self.settings.lease) }
    }
}

/// Ends a run that cannot go on.
pub(super) fn abandon(claimed: &ClaimedRun, step: &StepId, error: StepError, now: Timestamp) -> Outcome {
    let ending = Ending::Error { step: step.clone(), error };
    let run = claimed.run.clone().apply(Event::Ended(ending.clone()), now);
    Outcome::of_run(run, step, StepRecord::NotRun, StepOutcome::End(ending))
}
