//! Ends a run that does not complete (F-07): its child runs are cancelled and waited for, then what it did is taken back,
//! the last first, and then it ends as it was going to.
//!
//! Each compensation is a child run. What a completed child did, a run with that child's context takes back, which does
//! nothing but wind down itself: so it goes down the family, whatever its depth.

use super::children::{hand_up, looked_at};
use super::drive::Left;
use super::{Engine, Trouble};
use crate::ids::{RunId, StepId};
use crate::ports::{ClaimedRun, NewRun, StoreError};
use crate::run::{
    Children, ChildrenRecord, Compensated, Compensation, DoneChildren, Ending, Event, Part, Run, RunContext,
    RunStateKind, StepError, StepOutcome, StepRecord,
};
use crate::step::{Outcome, step_error};
use crate::steps::Birth;

impl Engine {
    /// One step towards the end of a run that is about to end.
    pub(super) async fn wind_down(&self, claimed: &mut ClaimedRun, step: &StepId) -> Result<(), Left> {
        self.unless_draining()?;
        if let Err(error) = self.check_claims(claimed) {
            let outcome = self.give_up(claimed, step, error).await?;
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
            return self.rest(claimed, claimed.run.clone(), children, step).await;
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
            let of = compensation.step;
            let mut lease = claimed.lease.clone();
            let next = self.next_undoing(&run, (&of, compensation.children), &claimed.context);
            let next = self.while_held(&claimed.run, &mut lease, next).await;
            claimed.lease = lease;
            let Some(Undoing { born, left }) = next? else { continue };
            run.compensations.extend(left);
            let outcome = match born {
                Err(Trouble::Store(error)) => return Err(Left::Store(error)),
                Err(Trouble::Step(error)) => self.not_taken_back(run, step, of, error),
                Ok(child) => self.take_back(run, step, of, *child),
            };
            return self.commit(claimed, outcome).await;
        }
        let outcome = self.end(run, step);
        self.commit(claimed, outcome).await
    }

    /// What takes back what a step did, or the last of its children that has something to take back.
    async fn next_undoing(
        &self,
        run: &Run,
        (of, done): (&StepId, Option<DoneChildren>),
        context: &RunContext,
    ) -> Result<Option<Undoing>, Left> {
        let Some(done) = done else {
            let born = self.undoing(run, of, context).await.map(Box::new);
            return Ok(Some(Undoing { born, left: None }));
        };
        let Some((index, child)) = self.last_to_undo(run, &done).await? else { return Ok(None) };
        let born = match child {
            Ok(child) => self.undoing_child(run, of, *child).await.map(Box::new),
            Err(error) => Err(Trouble::Step(error)),
        };
        Ok(Some(Undoing { born, left: left_after(of, done, index) }))
    }

    /// The last child that has something to take back, or may have because it cannot be read.
    async fn last_to_undo(&self, run: &Run, done: &DoneChildren) -> Result<Option<ToUndo>, Left> {
        for index in (0..done.left).rev() {
            let id = RunId::child(done.of, done.since, index);
            match self.ports.store.run(&run.tenant, id).await.map_err(Trouble::from) {
                Err(Trouble::Store(error)) => return Err(Left::Store(error)),
                Err(Trouble::Step(error)) => return Ok(Some((index, Err(error)))),
                Ok(Some(child)) if child.state_kind() == RunStateKind::Completed && !child.compensations.is_empty() => {
                    return Ok(Some((index, Ok(Box::new(child)))));
                }
                Ok(_) => {}
            }
        }
        Ok(None)
    }

    /// The run that takes back what a step of this run did.
    async fn undoing(&self, run: &Run, of: &StepId, context: &RunContext) -> Result<NewRun, Trouble> {
        let (flow, step) = self.step_of(run, of).await?;
        let Some(block) = &step.common.compensate else {
            return Err(step_error("flow.unknown", format!("step `{of}` has no compensation any more")).into());
        };
        let birth = self.birth_of_undoing(run, of, flow.compensation_deadline);
        Ok(birth.of_own_flow(0, &block.first, context.clone()))
    }

    /// The run that takes back what a child did.
    async fn undoing_child(&self, run: &Run, of: &StepId, child: Run) -> Result<NewRun, Trouble> {
        let last = child.compensations.last().map(|last| last.step.clone());
        let last = last.ok_or_else(|| step_error("flow.unknown", "the child run has nothing to take back any more"))?;
        let context = self.ports.store.run_context(&run.tenant, child.id).await?;
        let context = context.ok_or(StoreError::NotFound("context of a child run"))?;
        let (flow, _) = self.step_of(&child, &last).await?;
        let birth = self.birth_of_undoing(run, of, flow.compensation_deadline);
        let mut born = birth.child(0, (child.flow, child.flow_version), last, context);
        born.run.keep_sensitive(&child.sensitive);
        born.run.compensations = child.compensations;
        born.run.ends_as = Some(Box::new(Ending::Completed { claims: Vec::new() }));
        Ok(born)
    }

    /// Tells that something is not taken back. What else is to be taken back is.
    fn not_taken_back(&self, mut run: Run, step: &StepId, of: StepId, error: StepError) -> Outcome {
        tracing::error!(run = %run.id, step = %of, %error, "what a step did cannot be taken back");
        let id = run.id;
        run.keep_compensated(Compensated { step: of.clone(), run: id, state: RunStateKind::Error });
        let record = StepRecord::Compensation { of, run: None, state: Some(RunStateKind::Error) };
        without(self.goes_on(run, step, record), error)
    }

    /// Goes on without what cannot be done on the way to the end, however often it is tried. A run that did nothing but
    /// take back what another one did has not come to its end then.
    pub(super) async fn give_up(&self, claimed: &ClaimedRun, step: &StepId, error: StepError) -> Result<Outcome, Left> {
        let mut run = claimed.run.clone();
        if let Some(Ending::Completed { .. }) = run.ends_as.as_deref() {
            run.ends_as = Some(Box::new(Ending::Error { step: step.clone(), error: error.clone() }));
        }
        match run.children.take() {
            Some(children) if children.part == Part::Compensation => {
                let id = RunId::child(run.id, children.since, 0);
                tracing::error!(run = %run.id, compensation = %id, %error, "a compensation is not waited for any more");
                run.keep_compensated(Compensated { step: step.clone(), run: id, state: RunStateKind::Error });
                let state = Some(RunStateKind::Error);
                let record = StepRecord::Compensation { of: step.clone(), run: Some(id), state };
                Ok(without(self.goes_on(run, step, record), error))
            }
            // They are cancelled one by one, so that each time more of them are. Then they are left to their deadlines.
            Some(mut children) => {
                let record = StepRecord::Children(ChildrenRecord::of(&children));
                if children.cancelling {
                    tracing::error!(run = %run.id, %error, "its child runs are not waited for any more");
                    hand_up(&mut run, step, &children);
                } else {
                    children.cancelling = true;
                    run.children = Some(children);
                }
                Ok(without(self.goes_on(run, step, record), error))
            }
            None => match run.compensations.pop() {
                Some(Compensation { step: of, children }) => {
                    if let Some(done) = children
                        && let Some((index, _)) = self.last_to_undo(&run, &done).await?
                    {
                        run.compensations.extend(left_after(&of, done, index));
                    }
                    Ok(self.not_taken_back(run, step, of, error))
                }
                None => Ok(self.end(run, step)),
            },
        }
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
            return self.rest(claimed, claimed.run.clone(), before.clone(), step).await;
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

/// What takes something back, or why nothing can, and what is left to be taken back of the same step.
struct Undoing {
    born: Result<Box<NewRun>, Trouble>,
    left: Option<Compensation>,
}

/// A child by its number, or why it cannot be read.
type ToUndo = (u32, Result<Box<Run>, StepError>);

/// What is left of a step's children when this one has been seen to.
fn left_after(of: &StepId, done: DoneChildren, index: u32) -> Option<Compensation> {
    let left = DoneChildren { left: index, ..done };
    (index > 0).then(|| Compensation { step: of.clone(), children: Some(left) })
}

/// The journal says without what the run went on.
fn without(mut outcome: Outcome, error: StepError) -> Outcome {
    if let StepOutcome::Next { caught_error, .. } = &mut outcome.entry.outcome {
        *caught_error = Some(error);
    }
    outcome
}
