//! What people are told of a run that somebody stepped into.

use serde_json::Value;

use super::diagnostics::{Diagnostics, Draft};
use crate::ids::RequestId;
use crate::ports::LogLevel;
use crate::run::{DiagnosticEvent, ResultStatus};

impl Diagnostics<'_> {
    /// That somebody stepped into the run, and with what, masked already.
    pub(crate) fn intervened(&self, event: DiagnosticEvent, message: &str, request: RequestId, input: Value) {
        self.push(Draft {
            level: LogLevel::Info,
            status: ResultStatus::Success,
            event,
            request,
            component: self.run.flow.to_string(),
            message: message.to_owned(),
            configurations: Value::Null,
            input: self.cut_json(input),
        });
    }
}
