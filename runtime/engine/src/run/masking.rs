//! What a journal shows: everything but what is marked as sensitive (D-04). The journal itself keeps it, because the
//! run needs it.

use serde_json::Value;

use super::background::BackgroundCall;
use super::call_records::{ActionRecord, CallRecord, HookRecord};
use super::context::ContextChange;
use super::journal::{JournalEntry, StepOutcome, StepRecord};
use super::record::Claim;
use super::state::Ending;
use crate::action::{ActionAnswer, Operation};
use crate::ports::{ActionDecision, PostResponseDecision, PreCallDecision};
use crate::sensitive::{MASK, SensitiveNames};

impl JournalEntry {
    /// Masks what stands under a sensitive name. Its diagnostic entries have been masked when they were made.
    pub fn mask(&mut self, names: &SensitiveNames) {
        // Plaintext of what came encrypted: a replay needs it, nobody else does.
        self.recorded.given.clear();
        if names.is_empty() {
            return;
        }
        self.recorded.replaced.iter_mut().for_each(|before| mask_change(before, names));
        self.changes.iter_mut().for_each(|change| mask_change(change, names));
        match &mut self.record {
            StepRecord::Call(call) => call.mask(names),
            StepRecord::Action(action) => mask_action(action, names),
            StepRecord::Claims(record) => {
                mask_claims(&mut record.claims, names);
                // Whoever has it can show it, and its payload can be read.
                record.signed.iter_mut().for_each(|signed| MASK.clone_into(&mut signed.jwt));
            }
            StepRecord::Transform(transform) => transform.hook.iter_mut().for_each(|hook| {
                mask_hook(hook, names, |decision| match decision {
                    PostResponseDecision::Keep(response) => names.mask_response(response),
                    PostResponseDecision::Fail(_) => {}
                });
            }),
            StepRecord::Resumed { input } => names.mask_json(input),
            StepRecord::Reminder(reminder) => reminder.call.iter_mut().for_each(|call| call.mask(names)),
            StepRecord::Condition(_)
            | StepRecord::Set
            | StepRecord::Wait(_)
            | StepRecord::Redirect(_)
            | StepRecord::Skipped { .. }
            | StepRecord::Fail
            | StepRecord::End
            | StepRecord::Prompt { .. }
            | StepRecord::Continued { .. }
            | StepRecord::Children(_)
            | StepRecord::Cancelled { .. }
            | StepRecord::Compensation { .. }
            | StepRecord::NotRun => {}
        }
        if let StepOutcome::End(Ending::Completed { claims }) = &mut self.outcome {
            mask_claims(claims, names);
        }
    }
}

impl CallRecord {
    /// Masks what stands under a sensitive name.
    pub(crate) fn mask(&mut self, names: &SensitiveNames) {
        names.mask_json(&mut self.arguments);
        let requests = self.bound_request.iter_mut().chain(&mut self.sent_request);
        requests.for_each(|request| names.mask_request(request));
        for hook in &mut self.pre_call {
            mask_hook(hook, names, |decision| match decision {
                PreCallDecision::Call(request) => names.mask_request(request),
                PreCallDecision::Respond(response) => names.mask_response(response),
                PreCallDecision::Fail(_) => {}
            });
        }
        for hook in &mut self.post_response {
            mask_hook(hook, names, |decision| match decision {
                PostResponseDecision::Keep(response) => names.mask_response(response),
                PostResponseDecision::Fail(_) => {}
            });
        }
        let came = self.exchange.iter_mut().filter_map(|exchange| exchange.outcome.as_mut().ok());
        came.chain(&mut self.final_response).for_each(|response| names.mask_response(response));
    }
}

impl BackgroundCall {
    /// Masks what stands under a sensitive name.
    pub fn mask(&mut self, names: &SensitiveNames) {
        names.mask_request(&mut self.entry.request);
        let came = self.progress.exchange.iter_mut().filter_map(|exchange| exchange.outcome.as_mut().ok());
        came.for_each(|response| names.mask_response(response));
    }
}

fn mask_change(change: &mut ContextChange, names: &SensitiveNames) {
    match change.key.parts() {
        // Names that people gave to connectors and steps, not to values.
        ("connectors" | "steps", _) | (_, None) => names.mask_json(&mut change.value),
        (_, Some(name)) => mask_named(name, &mut change.value, names),
    }
}

fn mask_claims(claims: &mut [Claim], names: &SensitiveNames) {
    claims.iter_mut().for_each(|claim| mask_named(&claim.key, &mut claim.value, names));
}

fn mask_named(name: &str, value: &mut Value, names: &SensitiveNames) {
    let mut member = serde_json::json!({ name: value.take() });
    names.mask_json(&mut member);
    *value = member.get_mut(name).map(Value::take).unwrap_or_default();
}

impl ActionRecord {
    /// Masks what stands under a sensitive name.
    pub(crate) fn mask(&mut self, names: &SensitiveNames) {
        mask_action(self, names);
    }
}

fn mask_action(action: &mut ActionRecord, names: &SensitiveNames) {
    names.mask_json(&mut action.event.payload);
    if let Some(hook) = &mut action.hook {
        mask_hook(hook, names, |decision| match decision {
            ActionDecision::Success(operations) | ActionDecision::Incomplete(operations) => {
                operations.iter_mut().for_each(|operation| mask_operation(operation, names));
            }
            ActionDecision::Failed(_) => {}
        });
    }
    if let Some(service) = &mut action.service {
        service.sent_request.iter_mut().for_each(|request| names.mask_request(request));
        let came = service.exchanges.iter_mut().filter_map(|exchange| exchange.outcome.as_mut().ok());
        came.for_each(|response| names.mask_response(response));
    }
    match &mut action.answer {
        Some(ActionAnswer::Success { operations, data }) => {
            operations.iter_mut().for_each(|operation| mask_operation(operation, names));
            data.iter_mut().for_each(|data| names.mask_json(data));
        }
        Some(ActionAnswer::Incomplete { operations }) => {
            operations.iter_mut().for_each(|operation| mask_operation(operation, names));
        }
        Some(ActionAnswer::Failed(_) | ActionAnswer::Error(_)) | None => {}
    }
    action.operations.iter_mut().for_each(|record| mask_operation(&mut record.operation, names));
}

fn mask_operation(operation: &mut Operation, names: &SensitiveNames) {
    if let Operation::Add { path, value: Some(value) } | Operation::Replace { path, value: Some(value) } = operation {
        mask_named(path, value, names);
    }
}

fn mask_hook<D>(hook: &mut HookRecord<D>, names: &SensitiveNames, decision: impl FnOnce(&mut D)) {
    names.mask_json(&mut hook.invocation.input);
    names.mask_json(&mut hook.invocation.config);
    if let Ok(decided) = &mut hook.report.outcome {
        decision(decided);
    }
    for (name, value) in hook.report.logs.iter_mut().flat_map(|line| &mut line.fields) {
        let mut text = Value::String(std::mem::take(value));
        mask_named(name, &mut text, names);
        text.as_str().unwrap_or_default().clone_into(value);
    }
    for call in &mut hook.granted_calls {
        names.mask_json(&mut call.arguments);
        call.sent_request.iter_mut().for_each(|request| names.mask_request(request));
        let came = call.exchange.iter_mut().filter_map(|exchange| exchange.outcome.as_mut().ok());
        came.for_each(|response| names.mask_response(response));
        if let Ok(response) = &mut call.outcome {
            names.mask_response(response);
        }
    }
}
