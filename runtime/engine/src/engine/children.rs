//! Looks at the child runs of a step, whenever one of them has ended: begins more, cancels the rest, joins them.
//!
//! A parent waits for its children as long as they take: each of them has the parent's deadline as its own and ends by
//! it. What people and timers move a child's deadline by, they move the parent's by when the child has ended, so that
//! the parent's clock stands still as long as that of the child that rested longest.
//!
//! What is decided is durable before it is done: that the rest is cancelled, and which child decided so, is a commit of
//! its own, and the cancelling can be repeated.

use std::time::Duration;

use super::cancel::Cancelled;
use super::committing::abandon;
use super::drive::{Left, claims};
use super::{Engine, Trouble, Versions};
use crate::flow::{Flow, Step, StepKind};
use crate::ids::{RunId, StepId};
use crate::ports::{ClaimedRun, NewRun, StoreError};
use crate::run::{
    Care, Children, ChildrenRecord, Compensation, DoneChildren, Event, Part, Policy, Run, RunContext, StepError,
    StepOutcome, StepRecord, Taught, Waits,
};
use crate::step::{Outcome, step_error};
use crate::steps;
use crate::time::Timestamp;

/// When somebody looks at a run that waits for its children at the latest, though nothing told of their end.
pub(crate) const LOOK_AT_LATEST: Duration = Duration::from_secs(3600);

/// Why the children of a step are cancelled.
const NEEDED_NO_MORE: &str = "the run that it is a part of needs it no more";

impl Engine {
    /// Does what is to be done about the children of the present step.
    pub(super) async fn look_at_children(
        &self,
        claimed: &mut ClaimedRun,
        before: &Children,
        step: &StepId,
    ) -> Result<(), Left> {
        self.unless_draining()?;
        let now = self.ports.clock.now();
        let looked = async {
            self.check_claims(claimed)?;
            let (flow, step) = self.step_of(&claimed.run, step).await?;
            let policy = steps::policy(&step.kind, before.total);
            let policy = policy.ok_or_else(|| step_error("flow.unknown", "the step has no child runs any more"))?;
            Ok((flow, step, policy, self.ended_of(&claimed.run, before).await?))
        };
        let (flow, step, policy, ended) = match looked.await {
            Ok(looked) => looked,
            Err(Trouble::Store(error)) => return Err(Left::Store(error)),
            Err(Trouble::Step(error)) => return self.commit(claimed, abandon(claimed, step, error, now)).await,
        };
        let mut children = before.clone();
        children.note(&ended);
        let run = self.taught(&claimed.run, &ended).await?;
        match children.care(policy) {
            // What an item rests, its end moves the deadline by: only then is it known.
            Care::Begin(_) if now >= run.deadline && !children.running.is_empty() => {
                self.rest(claimed, run, children, &step.id).await
            }
            Care::Begin(more) => self.begin_more(claimed, run, children, (&step, more, policy)).await,
            Care::Cancel if before.cancelling => {
                self.cancel_all(&claimed.run, &children).await?;
                self.rest(claimed, run, children, &step.id).await
            }
            Care::Cancel => {
                children.cancelling = true;
                let outcome = looked_at(run, &step.id, children, true, now);
                self.commit(claimed, outcome).await
            }
            Care::Join => self.join(claimed, run, children, (&flow, &step)).await,
            Care::Rest => self.rest(claimed, run, children, &step.id).await,
        }
    }

    /// Begins more, as many as may be begun at once.
    async fn begin_more(
        &self,
        claimed: &mut ClaimedRun,
        run: Run,
        mut children: Children,
        (step, more, policy): (&Step, u32, Policy),
    ) -> Result<(), Left> {
        let now = self.ports.clock.now();
        let born = if now >= run.deadline {
            Err(over_deadline(&run))
        } else {
            self.born(&run, &mut children, claimed.context.clone(), (step, more))
        };
        let outcome = match born {
            Ok(born) => {
                let has_more = matches!(children.care(policy), Care::Begin(_));
                Outcome { children: born, ..looked_at(run, &step.id, children, has_more, now) }
            }
            Err(error) => abandon(claimed, &step.id, error, now),
        };
        self.commit(claimed, outcome).await
    }

    fn born(
        &self,
        run: &Run,
        children: &mut Children,
        mut context: RunContext,
        (step, more): (&Step, u32),
    ) -> Result<Vec<NewRun>, StepError> {
        let now = self.ports.clock.now();
        let deadline = step.common.deadline.map_or(run.deadline, |own| run.deadline.min(now.after(own)));
        let (since, part) = (children.since, children.part);
        let birth = steps::Birth { parent: run, step: &step.id, since, part, now, deadline };
        let items = context.take_items();
        let numbers = children.begin(more.min(steps::at_once(&context, self.settings.step_bytes_max)));
        match &step.kind {
            StepKind::ForEach(each) => {
                let items = items.ok_or_else(|| step_error("flow.items", "the list of the `for-each` is gone"))?;
                let of = |index: u32| Some((index, items.get(usize::try_from(index).ok()?)?));
                Ok(numbers.filter_map(of).map(|(index, item)| birth.of_item(index, each, item, &context)).collect())
            }
            StepKind::Parallel(parallel) => {
                let of = |index: u32| Some((index, parallel.branches.get(usize::try_from(index).ok()?)?));
                let begun = numbers.filter_map(of);
                Ok(begun.map(|(index, it)| birth.of_own_flow(index, &it.block.first, context.clone())).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The step comes to its end.
    async fn join(
        &self,
        claimed: &mut ClaimedRun,
        run: Run,
        children: Children,
        (flow, step): (&Flow, &Step),
    ) -> Result<(), Left> {
        let mut run = run;
        hand_up(&mut run, &step.id, &children);
        let taught = Taught::between(&claimed.run, &run);
        claimed.run = run;
        let mut lease = claimed.lease.clone();
        let joined = {
            let this = self.attempt_of(claimed, flow, step);
            let join = async { crate::step::join(&this, &children).await.map_err(Left::Store) };
            self.while_held(&claimed.run, &mut lease, join).await
        };
        claimed.lease = lease;
        let mut joined = joined?;
        joined.entry.recorded.taught = taught;
        let outcome = self.within_context_limit(claimed, joined);
        self.commit(claimed, outcome).await
    }

    /// Nothing is to be done before a child ends. What was seen is kept before the run has been claimed so often for it
    /// that it would count as one that brings its process down.
    pub(super) async fn rest(
        &self,
        claimed: &mut ClaimedRun,
        run: Run,
        children: Children,
        step: &StepId,
    ) -> Result<(), Left> {
        let now = self.ports.clock.now();
        let is_resting = claimed.run.rests_until().is_some_and(|until| now < until);
        let may_look_again = claims(claimed).saturating_mul(2) <= self.settings.claims_without_commit_max;
        if is_resting && may_look_again {
            return Err(Left::Rests);
        }
        self.commit(claimed, looked_at(run, step, children, false, now)).await
    }

    /// Cancels every child that runs. Those that are about to end take their time.
    pub(super) async fn cancel_all(&self, run: &Run, children: &Children) -> Result<(), Left> {
        for index in &children.running {
            let child = RunId::child(run.id, children.since, *index);
            match self.cancel_run(&run.tenant, child, NEEDED_NO_MORE, None).await {
                Ok(Cancelled::Now(_) | Cancelled::Before(_) | Cancelled::Gone | Cancelled::TooLate(_)) => {}
                Err(error @ (StoreError::Backend { .. } | StoreError::Full { .. })) => return Err(Left::Store(error)),
                Err(error) => {
                    tracing::error!(run = %child, error = &error as &dyn std::error::Error, "a child run was not cancelled");
                }
            }
        }
        Ok(())
    }

    /// The children that have ended since, in the order of their ends.
    pub(super) async fn ended_of(&self, run: &Run, children: &Children) -> Result<Vec<(u32, Run)>, Trouble> {
        let mut ended = Vec::new();
        for index in &children.running {
            let id = RunId::child(run.id, children.since, *index);
            let child = self.ports.store.run(&run.tenant, id).await?.ok_or(StoreError::NotFound("child run"))?;
            if child.ending().is_some() {
                ended.push((*index, child));
            }
        }
        ended.sort_by_key(|(index, child)| (child.updated_at, *index));
        Ok(ended)
    }

    /// The run with what its children tell it: what is to be hidden, and how long its clock stood still.
    async fn taught(&self, run: &Run, ended: &[(u32, Run)]) -> Result<Run, Left> {
        let mut taught = run.clone();
        for (_, child) in ended {
            taught.keep_sensitive(&child.sensitive);
            let Some(about) = &child.parent else { continue };
            let deadline = match about.part {
                Part::Flow => run.deadline.after(child.deadline.since(about.deadline)),
                // A step's own deadline may have been earlier than the run's.
                _ => run.deadline.max(about.deadline.after(child.deadline.since(about.deadline))),
            };
            taught.deadline = taught.deadline.max(deadline);
            if about.part == Part::Flow {
                let marked = self.marked_of(child).await.map_err(Left::Store)?;
                taught.keep_sensitive(&marked);
            }
        }
        Ok(taught)
    }

    /// What the flow of a called run hides.
    async fn marked_of(&self, child: &Run) -> Result<Vec<String>, StoreError> {
        let definitions = &self.ports.definitions;
        let names = match definitions.flow(&child.tenant, &child.flow, Some(child.flow_version)).await {
            Ok(Some((_, flow))) => definitions.marked_names(&child.tenant, &flow, &Versions::default()).await?,
            Err(error @ (StoreError::Backend { .. } | StoreError::Full { .. })) => return Err(error),
            // What cannot be read marks nothing that could be told apart: everything that is marked anywhere is hidden.
            Ok(None) | Err(_) => definitions.all_marked_names(&child.tenant).await?,
        };
        Ok(names.marks().map(str::to_owned).collect())
    }
}

/// What the children of a step that is over did is taken back with what the run did.
pub(super) fn hand_up(run: &mut Run, step: &StepId, children: &Children) {
    if children.compensates {
        let done = DoneChildren { of: run.id, since: children.since, left: children.begun };
        run.remember(Compensation { step: step.clone(), children: Some(done) });
    }
}

fn over_deadline(run: &Run) -> StepError {
    step_error("run.deadline", format!("the run was not done by its deadline, {}", run.deadline))
}

/// What a look at the children makes durable: the run waits for them, or is ready to be looked at again at once.
pub(super) fn looked_at(run: Run, step: &StepId, children: Children, is_ready: bool, now: Timestamp) -> Outcome {
    let record = StepRecord::Children(ChildrenRecord::of(&children));
    let until = now.after(LOOK_AT_LATEST);
    let (event, outcome) = if is_ready {
        let outcome = StepOutcome::next(step.clone());
        (Event::Continued(step.clone()), outcome)
    } else {
        let event = Event::Waiting { step: step.clone(), on: Waits::Children, until };
        (event, StepOutcome::Waiting { on: Waits::Children, until, error: None })
    };
    let run = Run { children: Some(children), looks: run.looks.saturating_add(1), ..run };
    let attempts = run.attempts;
    let run = Run { attempts, ..run.apply(event, now) };
    Outcome::of_run(run, step, record, outcome)
}
