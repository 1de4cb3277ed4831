//! An action as a person wants to read it: what it was asked, who answered what, what became of each operation.

use weir_engine::action::ActionAnswer;
use weir_engine::ports::ActionDecision;
use weir_engine::run::{ActionRecord, HookKind, OperationResult, ServiceRecord, Skipped};

use super::{Page, time};
use crate::output::Style;

impl Page {
    /// All of it.
    pub(in crate::cli) fn action(&mut self, action: &ActionRecord) {
        if let Some(saved) = &action.saved {
            self.put(1, Some(Style::Dim), &format!("saved as {} (version {})", saved.name, saved.version));
        }
        if let Some(skipped) = action.skipped {
            let why = match skipped {
                Skipped::ConditionNotMet => "its condition does not hold",
                Skipped::SwitchedOff => "it is switched off, and the step lets it be passed over",
                Skipped::NoProvider => "nobody serves it, and the step lets it be passed over",
            };
            return self.put(1, Some(Style::Warning), &format!("passed over: {why}"));
        }
        self.put(1, Some(Style::Dim), "event");
        let payload = self.json(&action.event.payload);
        self.put(2, None, &Self::shortened(&payload));
        for allowed in &action.event.allowed_operations {
            let text = format!("may {} {}", allowed.op.as_str(), allowed.paths.join(", "));
            self.put(2, Some(Style::Dim), text.trim_end());
        }
        if let Some(hook) = &action.hook {
            self.hook(HookKind::Action, hook, |decision, page| match decision {
                ActionDecision::Success(operations) => {
                    page.put(2, None, &format!("success, {} operation(s)", operations.len()));
                }
                ActionDecision::Incomplete(_) => page.put(2, None, "incomplete: it asks for a redirect"),
                ActionDecision::Failed(failure) => page.failure(failure),
            });
        }
        if let Some(service) = &action.service {
            self.service(service);
            action.answer.iter().for_each(|answer| self.answer(answer));
        }
        self.operations(action);
    }

    fn service(&mut self, service: &ServiceRecord) {
        let name =
            format!("service {}.{} (version {})", service.connector, service.function, service.connector_version);
        self.put(1, Some(Style::Bold), &name);
        match &service.sent_request {
            None => self.put(1, Some(Style::Dim), "nothing was sent"),
            Some(request) => self.request("request, as sent", request),
        }
        let attempts = service.exchanges.iter().flat_map(|exchange| &exchange.attempts);
        for (index, attempt) in attempts.enumerate() {
            self.attempt(index + 1, attempt);
        }
        let took = service.exchanges.iter().map(|exchange| exchange.elapsed_us).sum();
        let key = service.idempotency_key.as_deref().unwrap_or("none");
        self.put(1, Some(Style::Dim), &format!("{} in all; idempotency key {key}", time(took)));
        match service.exchanges.last().map(|exchange| &exchange.outcome) {
            None => {}
            Some(Ok(response)) => self.response("response, as it came", response),
            Some(Err(error)) => self.put(1, Some(Style::Bad), &format!("{}: {error}", error.kind.code())),
        }
    }

    fn answer(&mut self, answer: &ActionAnswer) {
        match answer {
            ActionAnswer::Success { operations, data } => {
                let data = if data.is_some() { " and data" } else { "" };
                self.put(1, None, &format!("success, {} operation(s){data}", operations.len()));
            }
            ActionAnswer::Incomplete { .. } => self.put(1, None, "incomplete: it asks for a redirect"),
            ActionAnswer::Failed(failure) => self.failure(failure),
            ActionAnswer::Error(error) => {
                let more = error.description.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                self.put(1, Some(Style::Bad), &format!("its own error: {}{more}", error.message));
            }
        }
    }

    fn operations(&mut self, action: &ActionRecord) {
        for record in &action.operations {
            let (style, word) = match record.result {
                OperationResult::Applied => (Style::Good, "applied"),
                OperationResult::Dropped => (Style::Warning, "dropped"),
                OperationResult::Rejected => (Style::Bad, "rejected"),
            };
            let operation = serde_json::to_string(&record.operation).unwrap_or_default();
            let reason = record.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            self.put(1, Some(style), &format!("{word}: {operation}{reason}"));
        }
    }
}
