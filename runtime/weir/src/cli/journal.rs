//! A run's journal as a person wants to read it: what went in, what each hook changed, what came out, and the time.

mod action; // what an action was asked, and what became of its answer
mod background;
mod context;
mod diagnostics;
mod folded; // JSON on few lines
mod simple; // set, transform, wait, redirect, signatures
mod lifecycle;
mod family; // child runs, compensation, cancelling

use serde_json::Value;
use weir_engine::message::{Failure, Header, Octets, Request, Response};
use weir_engine::ports::{HookError, HookReport, PostResponseDecision, PreCallDecision};
use weir_engine::run::{CallRecord, Ending, HookKind, HookRecord, JournalEntry, StepOutcome, StepRecord};

use crate::output::{self, Colours, Style, printable};

pub(super) use self::background::show_call;
use self::diagnostics::style_of;
use self::folded::folded;

/// Most of a body that is shown, in characters.
const BODY_CHARS_MAX: usize = 2_000;

/// Prints one step.
pub(super) fn show_entry(entry: &JournalEntry) {
    output::line(&Page::of_stdout().entry(entry).text());
}

/// Prints how a run stands or ended.
pub(super) fn show_run(run: &Value) {
    let mut page = Page::of_stdout();
    page.run(run);
    output::line(&page.text());
}

/// Text that grows line by line.
pub(super) struct Page {
    colours: Colours,
    lines: Vec<String>,
    /// With what hooks were given and what a step changed.
    debugs: bool,
}

impl Page {
    /// An empty one.
    pub(super) fn new(colours: Colours) -> Self {
        Self { colours, lines: Vec::new(), debugs: false }
    }

    /// An empty one for standard output.
    pub(super) fn of_stdout() -> Self {
        Self::new(Colours::of_stdout())
    }

    /// The same, with what only somebody wants to see who looks for a fault.
    pub(super) fn debugging(self) -> Self {
        Self { debugs: true, ..self }
    }

    /// All of it.
    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// Adds a text of others.
    pub(super) fn put(&mut self, depth: usize, style: Option<Style>, text: &str) {
        for line in printable(text).lines() {
            let line = style.map_or_else(|| line.to_owned(), |style| self.colours.paint(style, line));
            self.lines.push(format!("{:width$}{line}", "", width = depth * 2));
        }
    }

    /// A step.
    pub(super) fn entry(mut self, entry: &JournalEntry) -> Self {
        let kind = match &entry.record {
            StepRecord::Call(call) => format!("call {}.{}", call.connector, call.function),
            StepRecord::Condition(_) => "condition".to_owned(),
            StepRecord::Action(action) => format!("action {}", action.event.action_type),
            StepRecord::Claims(_) => "claims".to_owned(),
            StepRecord::Set => "set".to_owned(),
            StepRecord::Transform(_) => "transform".to_owned(),
            StepRecord::Wait(_) => "wait".to_owned(),
            StepRecord::Redirect(_) => "redirect".to_owned(),
            StepRecord::Skipped { .. } => "passed over".to_owned(),
            StepRecord::Fail => "fail".to_owned(),
            StepRecord::End => "end".to_owned(),
            StepRecord::Resumed { .. } => "resumed".to_owned(),
            StepRecord::Prompt { answered: false } => "prompt".to_owned(),
            StepRecord::Prompt { answered: true } => "prompt, answered".to_owned(),
            StepRecord::Reminder(reminder) => format!("reminder {}", reminder.index),
            StepRecord::Continued { flow_version: None } => "goes on".to_owned(),
            StepRecord::Continued { flow_version: Some(version) } => format!("goes on with version {version}"),
            StepRecord::Children(_) => "child runs".to_owned(),
            StepRecord::Cancelled { .. } => "cancelled".to_owned(),
            StepRecord::Compensation { .. } => "compensation".to_owned(),
            StepRecord::NotRun => "not run".to_owned(),
        };
        let heading = format!("{}. {}  {kind}  {}", entry.sequence, entry.step, time(entry.elapsed_us));
        self.put(0, Some(Style::Bold), &heading);
        match &entry.record {
            StepRecord::Call(call) => self.call(call),
            StepRecord::Action(action) => self.action(action),
            StepRecord::Condition(branch) => {
                let text =
                    branch.branch.map_or("no branch held".to_owned(), |index| format!("branch {} held", index + 1));
                self.put(1, None, &text);
            }
            StepRecord::Claims(record) => {
                record.claims.iter().for_each(|claim| self.put(1, None, &format!("{} = {}", claim.key, claim.value)));
                self.signed(record.signed.as_ref());
            }
            StepRecord::Transform(transform) => self.transform(transform),
            StepRecord::Wait(wait) => self.wait(wait),
            StepRecord::Redirect(redirect) => self.redirect(redirect),
            StepRecord::Skipped { when } => self.put(1, Some(Style::Dim), &format!("`{when}` does not hold")),
            StepRecord::Resumed { input } => self.put(1, None, &pretty(input)),
            StepRecord::Reminder(reminder) => self.reminder(reminder),
            StepRecord::Children(_) | StepRecord::Cancelled { .. } | StepRecord::Compensation { .. } => {
                self.family(&entry.record);
            }
            StepRecord::Set
            | StepRecord::Fail
            | StepRecord::End
            | StepRecord::Prompt { .. }
            | StepRecord::Continued { .. }
            | StepRecord::NotRun => {}
        }
        if self.debugs {
            self.context(entry);
        }
        self.outcome(&entry.outcome);
        self.diagnostics(entry);
        self
    }

    pub(super) fn call(&mut self, call: &CallRecord) {
        let request = call.bound_request.as_ref();
        request.iter().for_each(|request| self.request("request, as the flow has it", request));
        let mut asked = request;
        for hook in &call.pre_call {
            let before = asked.filter(|_| self.debugs);
            if let Ok(PreCallDecision::Call(request)) = &hook.report.outcome {
                asked = Some(request);
            }
            self.hook(HookKind::PreCall, hook, |decision, page| match (decision, before) {
                (PreCallDecision::Call(request), Some(before)) => page.changed_request(before, request),
                (decision, _) => page.pre_call(decision),
            });
        }
        if !call.mode.is_wait() {
            self.handed_over(call);
        }
        if let Some(exchange) = &call.exchange {
            let key = call.idempotency_key.as_deref().unwrap_or("none");
            let (attempts, took) = (exchange.attempts.len(), time(exchange.elapsed_us));
            let how = match exchange.outcome {
                Err(_) if attempts == 0 => "not sent".to_owned(),
                _ => format!("sent, with the host's credentials; idempotency key {key}; {attempts} attempt(s), {took}"),
            };
            self.put(1, Some(Style::Dim), &how);
            match &exchange.outcome {
                Ok(response) => self.response("response, as it came", response),
                Err(error) => self.put(1, Some(Style::Bad), &format!("{}: {error}", error.kind.code())),
            }
        }
        let mut before = call.exchange.as_ref().and_then(|exchange| exchange.outcome.as_ref().ok());
        for hook in &call.post_response {
            let came = before;
            self.hook(HookKind::PostResponse, hook, |decision, page| match decision {
                PostResponseDecision::Keep(response) => page.changed_response(came, response),
                PostResponseDecision::Fail(failure) => page.failure(failure),
            });
            before = match &hook.report.outcome {
                Ok(PostResponseDecision::Keep(response)) => Some(response),
                _ => before,
            };
        }
    }

    pub(super) fn hook<D>(&mut self, kind: HookKind, hook: &HookRecord<D>, decision: impl FnOnce(&D, &mut Self)) {
        let plugin = &hook.invocation.plugin;
        let HookReport { outcome, logs, logs_dropped, fuel, elapsed_us } = &hook.report;
        let of_most = match self.debugs {
            true => format!(" of {}", hook.invocation.limits.fuel),
            false => String::new(),
        };
        let took = time(*elapsed_us);
        let heading = format!("{} {}@{}  {took}  {fuel}{of_most} fuel", kind.as_str(), plugin.name, plugin.version);
        self.put(1, Some(Style::Bold), &heading);
        if self.debugs {
            let invocation = &hook.invocation;
            let given = [("input", &invocation.input), ("config", &invocation.config)];
            for (name, value) in given.into_iter().filter(|(_, value)| !value.is_null()) {
                self.put(2, Some(Style::Dim), &format!("{name} {}", Self::shortened(&folded(value))));
            }
        }
        for log in logs {
            let fields: String = log.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            self.put(2, Some(style_of(log.level)), &format!("log: {}{fields}", log.message));
        }
        if *logs_dropped > 0 {
            self.put(2, Some(Style::Warning), &format!("{logs_dropped} log line(s) were over the limit"));
        }
        for call in &hook.granted_calls {
            let outcome =
                call.outcome.as_ref().map_or_else(ToString::to_string, |response| response.status.to_string());
            self.put(2, Some(Style::Dim), &format!("called {}.{}: {outcome}", call.connector, call.function));
            if self.debugs {
                call.sent_request.iter().for_each(|request| self.request("request of the plugin's call", request));
                let came = call.exchange.iter().filter_map(|exchange| exchange.outcome.as_ref().ok());
                came.for_each(|response| self.response("response to it", response));
            }
        }
        match outcome {
            Ok(decided) => decision(decided, self),
            Err(HookError { kind, message, detail }) => {
                self.put(2, Some(Style::Bad), &format!("{}: {message}", kind.code()));
                detail.iter().for_each(|detail| self.put(3, Some(Style::Dim), detail));
            }
        }
    }

    pub(super) fn request(&mut self, title: &str, request: &Request) {
        self.put(1, Some(Style::Dim), title);
        self.put(2, None, &format!("{} {}", request.method.as_str(), request.uri));
        self.headers(&request.headers);
        request.body.iter().for_each(|body| self.body(body));
    }

    pub(super) fn response(&mut self, title: &str, response: &Response) {
        self.put(1, Some(Style::Dim), title);
        self.status(response.status);
        self.headers(&response.headers);
        self.body(&response.body);
        self.transformed_data(response);
    }

    /// What a hook left of a response: only what differs from what it got.
    fn changed_response(&mut self, before: Option<&Response>, after: &Response) {
        let Some(before) = before else { return self.response("response, after the hook", after) };
        self.put(1, Some(Style::Dim), "response, after the hook");
        if before.status != after.status {
            self.status(after.status);
        }
        if before.headers != after.headers {
            self.headers(&after.headers);
        }
        if before.body == after.body {
            self.put(2, Some(Style::Dim), "the same body");
        } else {
            self.body(&after.body);
        }
        self.transformed_data(after);
    }

    fn status(&mut self, status: u16) {
        let style = if (200..300).contains(&status) { Style::Good } else { Style::Warning };
        self.put(2, Some(style), &status.to_string());
    }

    fn transformed_data(&mut self, response: &Response) {
        if let Some(data) = &response.transformed_data {
            self.put(2, Some(Style::Dim), "transformed_data");
            self.put(3, None, &self.json(data));
        }
    }

    fn headers(&mut self, headers: &[Header]) {
        for Header { name, value } in headers {
            let value = value.as_text().map_or_else(|| format!("{value:?}"), str::to_owned);
            self.put(2, Some(Style::Dim), &format!("{name}: {value}"));
        }
    }

    fn body(&mut self, body: &Octets) {
        let Some(text) = body.as_text() else { return self.put(2, Some(Style::Dim), &format!("{body:?}")) };
        let text = serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| self.json(&value));
        self.put(2, None, &Self::shortened(&text));
    }

    /// The beginning of a long text.
    pub(super) fn shortened(text: &str) -> String {
        let mut shown: String = text.chars().take(BODY_CHARS_MAX).collect();
        if shown.len() < text.len() {
            shown.push_str(&format!("\n… {} bytes in all; `--output json` has them", text.len()));
        }
        shown
    }

    pub(super) fn failure(&mut self, Failure { reason, description }: &Failure) {
        let description = description.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        self.put(2, Some(Style::Warning), &format!("failure: {reason}{description}"));
    }

    fn outcome(&mut self, outcome: &StepOutcome) {
        match outcome {
            StepOutcome::Next { step, caught_failure, caught_error } => {
                caught_failure.iter().for_each(|failure| self.failure(failure));
                if let Some(error) = caught_error {
                    self.put(1, Some(Style::Warning), &format!("caught {}: {error}", error.code));
                }
                self.put(1, Some(Style::Dim), &format!("→ {step}"));
            }
            StepOutcome::Suspended { .. } | StepOutcome::Waiting { .. } | StepOutcome::Paused { .. } => {
                self.rests(outcome);
            }
            StepOutcome::End(Ending::Completed { .. }) => self.put(1, Some(Style::Good), "→ completed"),
            StepOutcome::End(Ending::Failed { failure, .. }) => self.failure(failure),
            StepOutcome::End(Ending::Cancelled { reason, .. }) => {
                self.put(1, Some(Style::Warning), &format!("cancelled: {reason}"));
            }
            StepOutcome::End(Ending::Error { error, .. }) => {
                self.put(1, Some(Style::Bad), &format!("{}: {error}", error.code));
                error.detail.iter().for_each(|detail| self.put(2, Some(Style::Dim), detail));
            }
        }
    }
}

/// JSON, written out.
pub(super) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

/// A time in the unit that suits it.
pub(super) fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10),
        _ => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_call_reads_from_top_to_bottom() {
        let invocation = json!({
            "plugin": { "name": "correlate", "version": "1.0.0", "digest": format!("sha256:{}", "0".repeat(64)) },
            "tenant": "acme", "flow": "f", "flow_version": 1, "run": "01890000-0000-7000-8000-000000000000",
            "step": "person", "request_id": "r", "started_at": "2026-01-01T00:00:00.000Z", "seed": 1,
            "input": null, "config": null, "limits": {}
        });
        let request = |uri: &str| json!({ "method": "GET", "uri": uri, "headers": [], "body": null });
        let response =
            json!({ "status": 200, "headers": [{ "name": "a", "value": "\u{1b}[2J" }], "body": "{\"x\":1}" });
        let entry: JournalEntry = serde_json::from_value(json!({
            "sequence": 1, "step": "person", "started_at": "2026-01-01T00:00:00.000Z", "elapsed_us": 12345,
            "record": {
                "kind": "call", "connector": "random-user", "connector_version": 1, "function": "lookup", "arguments": {},
                "bound_request": request("http://localhost/api"),
                "pre_call": [{
                    "invocation": invocation,
                    "report": {
                        "outcome": { "Ok": { "call": request("http://localhost/api?locale=de") } },
                        "logs": [{ "level": "info", "message": "hello", "fields": [["a", "b"]] }],
                        "logs_dropped": 0, "fuel": 1234, "elapsed_us": 99
                    }
                }],
                "sent_request": request("http://localhost/api?locale=de"), "idempotency_key": "k",
                "exchange": { "outcome": { "Ok": response }, "attempts": [], "elapsed_us": 2000000 }
            },
            "outcome": { "next": { "step": "adult" } }, "changes": []
        }))
        .unwrap();
        let page = Page::new(Colours::Off).entry(&entry);
        expect![[r#"
            1. person  call random-user.lookup  12.34 ms
              request, as the flow has it
                GET http://localhost/api
              pre-call correlate@1.0.0  99 µs  1234 fuel
                log: hello a=b
              request, after the hook
                GET http://localhost/api?locale=de
              sent, with the host's credentials; idempotency key k; 0 attempt(s), 2.00 s
              response, as it came
                200
                a: �[2J
                {
                  "x": 1
                }
              → adult"#]]
        .assert_eq(&page.text());
    }

    #[test]
    fn times() {
        for (micros, text) in [(7, "7 µs"), (1_234, "1.23 ms"), (2_050_000, "2.05 s")] {
            assert_eq!(time(micros), text);
        }
    }
}
