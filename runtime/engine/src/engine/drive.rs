//! Drives runs: step, commit, next step, until the run ends, the process drains, or another process takes over.

use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

use super::committing::abandon;
use super::scope::scope_of;
use super::slots::Slot;
use super::visits::within_visits;
use super::{Driver, Engine, Trouble};
use crate::flow::{Flow, Step};
use crate::ids::{RunId, StepId};
use crate::outside::Outside;
use crate::ports::{ClaimedRun, StoreError};
use crate::run::{Run, RunState, StepError, Waits};
use crate::step::{Attempt, Outcome, attempt, step_error};
use crate::steps::Diagnostics;

/// Why a run is not driven on by this process.
pub(super) enum Left {
    /// It rests: it waits for its end user, an instant, its child runs, or somebody who lets it go on.
    Rests,
    /// It has ended.
    Ended,
    /// The process drains; the next start goes on.
    Draining,
    /// Somebody changed the run from outside; what was under way is in vain.
    Changed,
    /// The store failed, or another process owns the run now.
    Store(StoreError),
}

impl Engine {
    /// Claims and drives runs until the process drains.
    pub(super) async fn work_on_runs(self: &Arc<Self>) {
        let mut draining = self.draining.subscribe();
        loop {
            tokio::select! {
                _ = draining.wait_for(|draining| *draining) => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.settings.claim_interval) => {}
            }
            if let Err(error) = self.claim().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    code = error.code(),
                    "no runs could be claimed"
                );
            }
        }
    }

    /// Claims as many runs as there are free slots, and drives them. The number of runs claimed.
    pub(super) async fn claim(self: &Arc<Self>) -> Result<usize, StoreError> {
        let mut claimed = 0;
        loop {
            let room = self.slots.room();
            let free = room.calls;
            if free == 0 || *self.draining.borrow() {
                self.queued.store(free == 0, Ordering::Relaxed);
                return Ok(claimed);
            }
            let now = self.ports.clock.now();
            let runs = self.ports.store.claim_runs_within(&self.owner, now, self.settings.lease, room).await?;
            if runs.is_empty() {
                // What waits behind its tenant's bound finds none free either when it starts.
                self.queued.store(false, Ordering::Relaxed);
                return Ok(claimed);
            }
            claimed += runs.len();
            for run in runs {
                let Some(slot) = self.slots.take(&run.run.tenant).await else { return Ok(claimed) };
                self.spawn(run, slot);
            }
        }
    }

    /// Drives a run in a task of its own.
    pub(super) fn spawn(self: &Arc<Self>, claimed: ClaimedRun, slot: Slot) {
        let id = claimed.run.id;
        match self.driven.lock().unwrap_or_else(PoisonError::into_inner).entry(id) {
            Entry::Vacant(entry) => {
                let tenant = claimed.run.tenant.clone();
                entry.insert(Driver { tenant, claimed: None, changed_at: watch::Sender::new(0) });
            }
            // Its lease ran out under this very process, or it is resumed while its driver still takes leave: the
            // driver goes on with this.
            Entry::Occupied(mut entry) => {
                entry.get_mut().claimed = Some(claimed);
                return;
            }
        }
        let engine = self.clone();
        tokio::spawn(async move {
            // However the drive ends, a panic included, the run is free again for the next claim.
            let mut driven = Driven { engine: &engine, run: id, slot: Some(slot), is_over: false };
            let mut next = Some(claimed);
            while let Some(claimed) = next {
                engine.drive(claimed).await;
                next = driven.claimed_since();
            }
        });
    }

    async fn drive(&self, mut claimed: ClaimedRun) {
        let begun_at = claimed.run.revision;
        let left = loop {
            match self.advance(&mut claimed).await {
                Ok(()) if claimed.run.rests_until().is_some() => break Left::Rests,
                Ok(()) => {}
                Err(left) => break left,
            }
        };
        let run = claimed.run.id;
        if matches!(left, Left::Rests) && claimed.run.revision == begun_at {
            self.release(&claimed).await;
        }
        match left {
            Left::Ended => tracing::debug!(%run, state = ?claimed.run.state_kind(), "run ended"),
            Left::Rests => tracing::debug!(%run, state = claimed.run.state_kind().as_str(), "run rests"),
            Left::Changed => tracing::debug!(%run, "run changed from outside"),
            Left::Draining => tracing::info!(%run, "run set aside; the next start goes on with it"),
            Left::Store(error) => {
                tracing::warn!(%run, error = &error as &dyn std::error::Error, code = error.code(), "run left to the next claim");
            }
        }
    }

    /// Gives back a run for which there was nothing to do. Where that fails, its lease runs out by itself.
    async fn release(&self, claimed: &ClaimedRun) {
        if let Err(error) = self.ports.store.release_run(&claimed.run, &claimed.lease).await {
            let run = claimed.run.id;
            tracing::warn!(%run, error = &error as &dyn std::error::Error, code = error.code(), "run not given back");
        }
    }

    /// One step and its commit.
    async fn advance(&self, claimed: &mut ClaimedRun) -> Result<(), Left> {
        let about = claimed.run.state.step().cloned();
        if let (Some(step), Some(_)) = (&about, &claimed.run.ends_as) {
            return self.wind_down(claimed, step).await;
        }
        if let (Some(step), Some(children)) = (&about, claimed.run.children.clone()) {
            return self.look_at_children(claimed, &children, step).await;
        }
        let step = match &claimed.run.state {
            RunState::Ready { step } => step.clone(),
            RunState::Waiting { step, on: Waits::Timer | Waits::Retry, until } if self.ports.clock.now() >= *until => {
                step.clone()
            }
            RunState::Suspended { .. } => return self.look_at_suspended(claimed).await,
            RunState::Paused { .. } => return self.look_at_paused(claimed).await,
            RunState::Waiting { .. } => return Err(Left::Rests),
            RunState::Ended { .. } => return Err(Left::Ended),
        };
        self.unless_draining()?;
        let outcome = match self.position(claimed, &step).await {
            Ok((flow, step)) => self.attempt(claimed, &flow, &step).await?,
            Err(Trouble::Store(error)) => return Err(Left::Store(error)),
            Err(Trouble::Step(error)) => abandon(claimed, &step, error, self.ports.clock.now()),
        };
        let outcome = self.within_context_limit(claimed, outcome);
        self.commit(claimed, outcome).await
    }

    pub(super) fn unless_draining(&self) -> Result<(), Left> {
        if *self.draining.borrow() { Err(Left::Draining) } else { Ok(()) }
    }

    /// The flow of a run and its present step; an error where the run cannot go on at all.
    async fn position(&self, claimed: &ClaimedRun, step: &StepId) -> Result<(Arc<Flow>, Arc<Step>), Trouble> {
        let run = &claimed.run;
        self.check_claims(claimed)?;
        if run.steps_taken() >= self.settings.steps_max {
            let message = format!("the run has taken {} steps, the most that a run may take", run.steps_taken());
            return Err(step_error("run.too-many-steps", message).into());
        }
        let now = self.ports.clock.now();
        let deadline = run.deadline_at(now);
        if now >= deadline {
            let message = format!("the run was not done by its deadline, {deadline}");
            return Err(step_error("run.deadline", message).into());
        }
        let (flow, step) = self.step_of(run, step).await?;
        within_visits(run, &step)?;
        Ok((flow, step))
    }

    /// Refuses a run that may be what brings its process down.
    pub(super) fn check_claims(&self, claimed: &ClaimedRun) -> Result<(), StepError> {
        let claims = claims(claimed);
        if claims <= self.settings.claims_without_commit_max {
            return Ok(());
        }
        let message = format!(
            "the run was begun again {claims} times without coming to the end of this step; it may be what brings its \
             process down"
        );
        Err(step_error("run.abandoned", message))
    }

    /// The flow of a run, and a step of it.
    pub(super) async fn step_of(&self, run: &Run, step: &StepId) -> Result<(Arc<Flow>, Arc<Step>), Trouble> {
        let found = self.ports.definitions.flow(&run.tenant, &run.flow, Some(run.flow_version)).await?;
        let flow = found.map(|(_, flow)| flow);
        let position = flow.and_then(|flow| flow.step(step).cloned().map(|step| (flow, step)));
        Ok(position.ok_or_else(|| {
            step_error(
                "flow.unknown",
                format!("flow `{}` version {} or its step `{step}` is gone", run.flow, run.flow_version),
            )
        })?)
    }

    /// Everything that a step may use.
    pub(super) fn attempt_of<'a>(&'a self, claimed: &'a ClaimedRun, flow: &'a Flow, step: &'a Step) -> Attempt<'a> {
        let now = self.ports.clock.now();
        let budget = claimed.run.deadline_at(now).since(now);
        Attempt {
            ports: &self.ports,
            outside: Outside::live(&*self.ports.clock),
            flow,
            step,
            run: &claimed.run,
            context: &claimed.context,
            scope: scope_of(&claimed.run, &claimed.context),
            until: Instant::now() + step.common.deadline.map_or(budget, |deadline| deadline.min(budget)),
            bytes_left: AtomicUsize::new(self.settings.step_bytes_max),
            tried: None,
            diagnostics: Diagnostics::new(&claimed.run, &step.id, &*self.ports.clock, &self.settings.diagnostics),
            sensitive_names: &self.settings.diagnostics.sensitive_names,
            suspensions: self.settings.suspensions(),
            calls: self.settings.calls(),
            shown: OnceCell::new(),
            reminder: None,
        }
    }

    /// Runs a step, and keeps the lease alive while it takes.
    async fn attempt(&self, claimed: &mut ClaimedRun, flow: &Flow, step: &Step) -> Result<Outcome, Left> {
        let this = self.attempt_of(claimed, flow, step);
        let mut lease = claimed.lease.clone();
        let attempt = async { attempt(&this).await.map_err(Left::Store) };
        let outcome = self.while_held(&claimed.run, &mut lease, attempt).await;
        claimed.lease = lease;
        outcome
    }
}

/// How often a run was claimed since its last commit.
pub(super) fn claims(claimed: &ClaimedRun) -> u64 {
    claimed.lease.fence.saturating_sub(claimed.run.fence)
}

/// A run that this process drives, and the slot that it takes.
struct Driven<'a> {
    engine: &'a Arc<Engine>,
    run: RunId,
    slot: Option<Slot>,
    /// The run is nobody's here any more; it may have another driver already.
    is_over: bool,
}

impl Driven<'_> {
    /// What was claimed of the run meanwhile; none where its driver may go, and then the next claim has another one.
    fn claimed_since(&mut self) -> Option<ClaimedRun> {
        let mut driven = self.engine.driven.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed = driven
            .get_mut(&self.run)
            .and_then(|driver| driver.claimed.take())
            .filter(|_| !*self.engine.draining.borrow());
        if claimed.is_none() {
            driven.remove(&self.run);
            self.is_over = true;
        }
        claimed
    }
}

impl Drop for Driven<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.engine.driven.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.run);
        }
        self.engine.progress.over(self.run);
        // Free again before anybody is told so.
        drop(self.slot.take());
        self.engine.wake.notify_one();
    }
}
