//! Ends a run that does not complete (F-07): its child runs are cancelled and waited for, then what it did is taken back,
//! the last first, and then it ends as it was going to.
//!
//! Each compensation is a child run. What a completed child did, a run with that child's context takes back, which does
//! nothing but wind down itself: so it goes down the family, whatever its depth.

use super::children::{hand_up, looked_at};
use super::drive::{Left, abandon};
use super::{Engine, Trouble};
use crate::ids::{RunId, StepId};
use crate::ports::{ClaimedRun, NewRun, StoreError};
use crate::run::{
    Children, ChildrenRecord, Compensated, Compensation, DoneChildren, Ending, Event, Part, Run, RunContext,
    RunStateKind, StepOutcome, StepRecord,
};
use crate::step::{Outcome, step_error};
use crate::steps::Birth;

impl Engine {
    /// One step towards the end of a run that is about to end.
    pub(super) async fn wind_down(&self, claimed: &mut ClaimedRun, step: &StepId) -> Result<(), Left> {
        self.unless_draining()?;
        // That one rests was looked at again and again says nothing.
        let is_ready = claimed.run.rests_until().is_none();
        if let (true, Err(error)) = (is_ready, self.check_claims(claimed)) {
            let outcome = abandon(claimed, step, error, self.ports.clock.now());
            return self.commit(claimed, outcome).await;
        }
        match claimed.run.children.clone() {
            Some(children) if children.part == Part::Compensation => {
                self.look_at_compensation(claimed, &children, step).await
            }
            Some(children) => self.end_children(claimed, &children, step).await,
            None => self.take_back_next(claimed, step).await,
        }
    }

    /// The children of the present step, but those that cannot be read: they are looked after by nobody any more.
    async fn ended_or_gone(&self, run: &Run, before: &Children) -> Result<Children, Left> {
        let mut children = before.clone();
        for index in &before.running {
            let one = Children { running: vec![*index], ..before.clone() };
            match self.ended_of(run, &one).await {
                Ok(ended) => children.note(&ended),
                Err(Trouble::Store(error)) => return Err(Left::Store(error)),
                Err(Trouble::Step(error)) => {
                    tracing::error!(run = %run.id, child = index, %error, "a child run cannot be read; its parent does not wait for it");
                    children.running.retain(|running| running != index);
                }
            }
        }
        Ok(children)
    }

    /// Cancels the children of the present step, and waits for their ends.
    async fn end_children(&self, claimed: &mut ClaimedRun, before: &Children, step: &StepId) -> Result<(), Left> {
        let children = self.ended_or_gone(&claimed.run, before).await?;
        if !children.running.is_empty() {
            self.cancel_all(&claimed.run, &children).await?;
            return self.rest(claimed, step).await;
        }
        let mut run = claimed.run.clone();
        hand_up(&mut run, step, &children);
        let record = StepRecord::Children(ChildrenRecord::of(&children));
        let outcome = self.goes_on(Run { children: None, ..run }, step, record);
        self.commit(claimed, outcome).await
    }

    /// Begins the next compensation, or ends the run.
    async fn take_back_next(&self, claimed: &mut ClaimedRun, step: &StepId) -> Result<(), Left> {
        let mut run = claimed.run.clone();
        while let Some(compensation) = run.compensations.pop() {
            let born = match &compensation.children {
                None => self.undoing(&run, &compensation.step, &claimed.context).await,
                Some(done) => self.undoing_child(&run, &compensation.step, done).await,
            };
            match born {
                Err(Trouble::Store(error)) => return Err(Left::Store(error)),
                Ok(None) => {}
                Ok(Some((child, left))) => {
                    run.compensations.extend(left);
                    let outcome = self.take_back(run, step, compensation.step, child);
                    return self.commit(claimed, outcome).await;
                }
                Err(Trouble::Step(error)) => {
                    tracing::error!(run = %run.id, step = %compensation.step, %error, "what a step did cannot be taken back");
                    let (of, id) = (compensation.step, run.id);
                    run.keep_compensated(Compensated { step: of.clone(), run: id, state: RunStateKind::Error });
                    let record = StepRecord::Compensation { of, run: None, state: Some(RunStateKind::Error) };
                    let outcome = self.goes_on(run, step, record);
                    return self.commit(claimed, outcome).await;
                }
            }
        }
        let outcome = self.end(run, step);
        self.commit(claimed, outcome).await
    }

    /// The run that takes back what a step of this run did.
    async fn undoing(
        &self,
        run: &Run,
        of: &StepId,
        context: &RunContext,
    ) -> Result<Option<(NewRun, Option<Compensation>)>, Trouble> {
        let (flow, step) = self.step_of(run, of).await?;
        let Some(block) = &step.common.compensate else {
            return Err(step_error("flow.unknown", format!("step `{of}` has no compensation any more")).into());
        };
        let birth = self.birth_of_undoing(run, of, flow.compensation_deadline);
        Ok(Some((birth.of_own_flow(0, &block.first, context.clone()), None)))
    }

    /// The run that takes back what the last child did that has something to take back, and what is left after it.
    async fn undoing_child(
        &self,
        run: &Run,
        of: &StepId,
        done: &DoneChildren,
    ) -> Result<Option<(NewRun, Option<Compensation>)>, Trouble> {
        for index in (0..done.left).rev() {
            let id = RunId::child(done.of, done.since, index);
            let Some(child) = self.ports.store.run(&run.tenant, id).await? else { continue };
            let Some(last) = child.compensations.last().filter(|_| child.state_kind() == RunStateKind::Completed)
            else {
                continue;
            };
            let context = self.ports.store.run_context(&run.tenant, id).await?;
            let context = context.ok_or(StoreError::NotFound("context of a child run"))?;
            let (flow, _) = self.step_of(&child, &last.step).await?;
            let birth = self.birth_of_undoing(run, of, flow.compensation_deadline);
            let pinned = (child.flow.clone(), child.flow_version);
            let mut born = birth.child(0, pinned, last.step.clone(), context);
            born.run.keep_sensitive(&child.sensitive);
            born.run.compensations = child.compensations;
            born.run.ends_as = Some(Box::new(Ending::Completed { claims: Vec::new() }));
            let left = DoneChildren { left: index, ..done.clone() };
            let left = (index > 0).then(|| Compensation { step: of.clone(), children: Some(left) });
            return Ok(Some((born, left)));
        }
        Ok(None)
    }

    fn birth_of_undoing<'a>(&self, run: &'a Run, step: &'a StepId, deadline: std::time::Duration) -> Birth<'a> {
        let now = self.ports.clock.now();
        let deadline = now.after(deadline.min(self.settings.run_deadline_max));
        Birth { parent: run, step, since: run.revision.saturating_add(1), part: Part::Compensation, now, deadline }
    }

    fn take_back(&self, run: Run, step: &StepId, of: StepId, child: NewRun) -> Outcome {
        let mut children = Children::of(Part::Compensation, run.revision.saturating_add(1), 1);
        children.begin(1);
        let id = child.run.id;
        let outcome = looked_at(run, step, children, false, self.ports.clock.now());
        let mut outcome = Outcome { children: vec![child], ..outcome };
        outcome.entry.record = StepRecord::Compensation { of, run: Some(id), state: None };
        outcome
    }

    /// Takes notice of a compensation that has ended, however it did: the others go on.
    async fn look_at_compensation(
        &self,
        claimed: &mut ClaimedRun,
        before: &Children,
        step: &StepId,
    ) -> Result<(), Left> {
        let id = RunId::child(claimed.run.id, before.since, 0);
        let found = match self.ports.store.run(&claimed.run.tenant, id).await {
            Err(error @ (StoreError::Backend { .. } | StoreError::Full { .. })) => return Err(Left::Store(error)),
            Err(error) => {
                tracing::error!(run = %id, %error, "a compensation cannot be read; it counts as not completed");
                None
            }
            Ok(found) => found,
        };
        if found.as_ref().is_some_and(|child| child.ending().is_none()) {
            return self.rest(claimed, step).await;
        }
        let mut run = Run { children: None, ..claimed.run.clone() };
        let state = found.as_ref().map_or(RunStateKind::Error, Run::state_kind);
        let of = found.and_then(|child| child.parent).map_or_else(|| step.clone(), |parent| parent.step);
        run.keep_compensated(Compensated { step: of.clone(), run: id, state });
        let record = StepRecord::Compensation { of, run: Some(id), state: Some(state) };
        let outcome = self.goes_on(run, step, record);
        self.commit(claimed, outcome).await
    }

    fn goes_on(&self, run: Run, step: &StepId, record: StepRecord) -> Outcome {
        let now = self.ports.clock.now();
        let run = Run { looks: run.looks.saturating_add(1), ..run }.apply(Event::Continued(step.clone()), now);
        let outcome = StepOutcome::next(step.clone());
        Outcome::of_run(run, step, record, outcome)
    }

    /// Nothing is left to be done. A run that did nothing but take back what another one did says whether it could.
    fn end(&self, run: Run, step: &StepId) -> Outcome {
        let now = self.ports.clock.now();
        let failed = run.compensated.iter().find(|it| it.state != RunStateKind::Completed);
        let ending = match (run.ends_as.as_deref(), failed) {
            (Some(Ending::Completed { .. }) | None, Some(failed)) => {
                let message = format!("what step `{}` did was not taken back; see run {}", failed.step, failed.run);
                Ending::Error { step: step.clone(), error: step_error("run.compensation-failed", message) }
            }
            (Some(ending), _) => ending.clone(),
            (None, None) => Ending::Completed { claims: Vec::new() },
        };
        let run = Run { ends_as: Some(Box::new(ending.clone())), looks: run.looks.saturating_add(1), ..run };
        let run = run.apply(Event::Ended(ending.clone()), now);
        Outcome::of_run(run, step, StepRecord::NotRun, StepOutcome::End(ending))
    }
}
