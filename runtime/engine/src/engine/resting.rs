//! What becomes of a run that rests when its time comes: a suspended one reminds somebody or expires, a paused one ends.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::committing::abandon;
use super::drive::Left;
use super::scope::scope_of;
use super::{Engine, Trouble, told};
use crate::connector::ResponseMode;
use crate::expression::PROMPT_ROOT;
use crate::flow::{Flow, PromptCall, Step, StepKind, Target};
use crate::ids::StepId;
use crate::ports::{ClaimedRun, PromptRef, PromptToken, StoreError};
use crate::run::{
    Awaits, ContextChange, ContextKey, DiagnosticEntry, Ending, Event, JournalEntry, Reminder, ReminderRecord, Run,
    RunState, StepError, StepOutcome, StepRecord,
};
use crate::step::{Attempt, Outcome, Way, micros, step_error};
use crate::steps::{Called, make_call};
use crate::time::Timestamp;

/// The code of a run that nobody resumed in time.
pub const SUSPENSION_EXPIRED: &str = "run.suspension-expired";

/// What a reminder came to.
struct Reminded {
    record: ReminderRecord,
    diagnostics: (Vec<DiagnosticEntry>, u32),
    started_at: Timestamp,
    elapsed: Duration,
    next: Option<Reminder>,
}

impl Engine {
    /// Ends a paused run whose time is over, with the error that paused it. Where it is not, there is nothing to do.
    pub(super) async fn look_at_paused(&self, claimed: &mut ClaimedRun) -> Result<(), Left> {
        let RunState::Paused { step, error, until } = &claimed.run.state else { return Err(Left::Rests) };
        let now = self.ports.clock.now();
        if now < *until {
            return Err(Left::Rests);
        }
        let outcome = abandon(claimed, step, error.clone(), now);
        self.commit(claimed, outcome).await
    }

    /// Reminds somebody of a suspended run, or lets it expire, where it is time to.
    pub(super) async fn look_at_suspended(&self, claimed: &mut ClaimedRun) -> Result<(), Left> {
        let RunState::Suspended { step, remind, until, .. } = &claimed.run.state else { return Err(Left::Rests) };
        let (step, remind, until, now) = (step.clone(), *remind, *until, self.ports.clock.now());
        if now >= until {
            return self.expire(claimed, &step, until).await;
        }
        match remind {
            Some(reminder) if now >= reminder.at => self.remind(claimed, &step, reminder).await,
            _ => Err(Left::Rests),
        }
    }

    async fn expire(&self, claimed: &mut ClaimedRun, step: &StepId, until: Timestamp) -> Result<(), Left> {
        let message =
            format!("nobody resumed the run until {until}; `time-to-live` of the step says how long it waits");
        let error = step_error(SUSPENSION_EXPIRED, message);
        let on_expiry = match self.step_of(&claimed.run, step).await {
            Ok((flow, step)) => step.transitions.on_expiry.clone().map(|target| (flow, target)),
            Err(Trouble::Step(_) | Trouble::Store(StoreError::Unreadable { .. })) => None,
            Err(Trouble::Store(error)) => return Err(Left::Store(error)),
        };
        let now = self.ports.clock.now();
        let outcome = match on_expiry {
            Some((flow, target)) => {
                let mut outcome = go_on(claimed, step, (target, error), now);
                if flow.may_come_again(step) {
                    outcome.run.leave(step);
                }
                outcome
            }
            None => abandon(claimed, step, error, now),
        };
        self.commit(claimed, outcome).await
    }

    /// Makes a call that tells somebody of the prompt. Whatever comes of it, the run stays suspended.
    async fn remind(&self, claimed: &mut ClaimedRun, step: &StepId, reminder: Reminder) -> Result<(), Left> {
        self.unless_draining()?;
        if let Err(error) = self.check_claims(claimed) {
            return self.commit(claimed, abandon(claimed, step, error, self.ports.clock.now())).await;
        }
        let started = (self.ports.clock.now(), Instant::now());
        let reminded = match self.step_of(&claimed.run, step).await {
            Ok((flow, step)) => self.make_reminder(claimed, (&flow, &step), reminder).await?,
            Err(Trouble::Step(error)) => failed(reminder, error, started),
            Err(Trouble::Store(error)) => return Err(Left::Store(error)),
        };
        let outcome = outcome_of(&claimed.run, step, reminded, self.ports.clock.now());
        self.commit(claimed, outcome).await
    }

    async fn make_reminder(
        &self,
        claimed: &mut ClaimedRun,
        (flow, step): (&Flow, &Step),
        reminder: Reminder,
    ) -> Result<Reminded, Left> {
        let started = (self.ports.clock.now(), Instant::now());
        let missing =
            |what: &str| step_error("flow.unknown", format!("step `{}` has no such {what} any more", step.id));
        let StepKind::Prompt(prompt) = &step.kind else { return Ok(failed(reminder, missing("prompt"), started)) };
        let found = usize::try_from(reminder.index).ok().and_then(|index| prompt.calls.get(index));
        let Some(call) = found else { return Ok(failed(reminder, missing("reminder"), started)) };
        let Some(token) = self.prompt_token(&claimed.run) else { return Err(Left::Rests) };
        let (called, diagnostics) = self.make_prompt_call(claimed, (flow, step), (call, reminder), &token).await?;
        let Called { record, way, .. } = called;
        let error = match way {
            Way::Later(error) => return Err(Left::Store(error)),
            Way::Error(error) => Some(told::error(error)),
            Way::Failure(_) => Some(told::error(step_error("prompt.call-refused", String::new()))),
            _ if record.mode == ResponseMode::Background => {
                Some(step_error("flow.prompt-call", "the function is made in the background now; nothing was sent"))
            }
            _ => None,
        };
        let until = claimed.run.suspension().map_or(reminder.at, |suspension| suspension.until);
        let (entries, dropped) = diagnostics;
        let record = ReminderRecord { index: reminder.index, call: Some(told::call(record)), error };
        Ok(Reminded {
            record,
            diagnostics: (told::diagnostics(entries), dropped),
            started_at: started.0,
            elapsed: started.1.elapsed(),
            next: prompt.reminder_after(reminder, until),
        })
    }

    /// The call, as long as nobody answers meanwhile.
    async fn make_prompt_call(
        &self,
        claimed: &mut ClaimedRun,
        (flow, step): (&Flow, &Step),
        (call, reminder): (&PromptCall, Reminder),
        token: &PromptToken,
    ) -> Result<(Called, (Vec<DiagnosticEntry>, u32)), Left> {
        let run = &claimed.run;
        let suspension = run.suspension().ok_or(Left::Rests)?;
        let text = suspension.prompt().and_then(|prompt| prompt.text.clone());
        let about = json!({ "token": token.token, "url": token.url, "until": suspension.until, "text": text });
        let longest = step.common.deadline.unwrap_or(self.settings.background_send_max);
        let this = Attempt {
            scope: scope_of(run, &claimed.context).with(PROMPT_ROOT, about),
            until: Instant::now() + longest.min(suspension.until.since(self.ports.clock.now())),
            reminder: Some(format!("{}.reminder.{}", suspension.id, reminder.index)),
            ..self.attempt_of(claimed, flow, step)
        };
        let mut lease = claimed.lease.clone();
        let mut commits = self.watch(run.id);
        let answered = StoreError::StaleLease { run: run.id, fence: lease.fence };
        let called = tokio::select! {
            called = make_call(&this, &call.call) => Ok((called, this.take_diagnostics())),
            error = self.keep_lease(run, &mut lease) => Err(Left::Store(error)),
            Ok(_) = commits.wait_for(|latest| latest.as_ref().is_some_and(|it| it.revision > run.revision)) => Err(Left::Store(answered)),
        };
        claimed.lease = lease;
        called
    }

    /// The token of the prompt that a run waits for, where it does.
    pub fn prompt_token(&self, run: &Run) -> Option<PromptToken> {
        let suspension = run.suspension()?;
        suspension.prompt()?;
        let (tenant, until) = (run.tenant.clone(), suspension.until);
        Some(self.ports.tokens.issue(&PromptRef { tenant, run: run.id, suspension: suspension.id, until }))
    }
}

/// A reminder for which no call could be made. It is the last one.
fn failed(reminder: Reminder, error: StepError, (started_at, began): (Timestamp, Instant)) -> Reminded {
    let record = ReminderRecord { index: reminder.index, call: None, error: Some(error) };
    Reminded { record, diagnostics: (Vec::new(), 0), started_at, elapsed: began.elapsed(), next: None }
}

/// The run with one reminder more.
fn outcome_of(run: &Run, step: &StepId, reminded: Reminded, now: Timestamp) -> Outcome {
    let Reminded { record, diagnostics: (diagnostics, diagnostics_dropped), started_at, elapsed, next } = reminded;
    let (awaits, until) = match run.suspension() {
        Some(suspension) => (suspension.awaits.clone(), suspension.until),
        None => (Awaits::Redirect(String::new()), now),
    };
    let run = run.clone().apply(Event::Reminded { remind: next }, now);
    let record = StepRecord::Reminder(Box::new(record));
    let outcome = StepOutcome::Suspended { awaits, remind: next, until };
    let entry = JournalEntry {
        started_at,
        elapsed_us: micros(elapsed),
        diagnostics,
        diagnostics_dropped,
        ..JournalEntry::of_run(&run, step, record, outcome)
    };
    Outcome::from((run, entry))
}

/// The run goes on where its step leads when nobody resumes it in time.
fn go_on(claimed: &ClaimedRun, step: &StepId, (target, error): (Target, StepError), now: Timestamp) -> Outcome {
    let left = json!({ "error": { "code": error.code, "message": error.message } });
    let changes = vec![ContextChange { key: ContextKey::step(step), value: left }];
    let (event, outcome) = match target {
        Target::Step(next) => {
            let outcome = StepOutcome::Next { step: next.clone(), caught_failure: None, caught_error: Some(error) };
            (Event::Advanced(next), outcome)
        }
        Target::End => {
            let ending = Ending::Completed { claims: claimed.context.claims() };
            (Event::Ended(ending.clone()), StepOutcome::End(ending))
        }
    };
    let run = claimed.run.clone().apply(event, now);
    let entry = JournalEntry { changes, ..JournalEntry::of_run(&run, step, StepRecord::NotRun, outcome) };
    Outcome::from((run, entry))
}
