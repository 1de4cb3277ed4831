//! A tried call as a person wants to read it: the verdict first, then each step of it, then where the time went.

use serde_json::Value;
use weir_engine::message::{Octets, Request, Response};
use weir_engine::ports::{Attempt, PostResponseDecision, PreCallDecision, Timings};
use weir_engine::run::{HookKind, StepError};

use super::diff::{self, Line};
use super::journal::{Page, pretty, time};
use crate::api::{CallOutcome, TestView};
use crate::output::{self, Style};

/// Most lines of a difference that are shown.
const DIFF_LINES_MAX: usize = 200;

/// Prints it.
pub(super) fn show(view: &TestView) {
    output::line(&page(view, Page::of_stdout()));
}

fn page(view: &TestView, mut page: Page) -> String {
    page.verdict(view);
    page.before_the_call(view);
    page.the_call(view);
    page.after_the_call(view);
    if let Some(result) = &view.result {
        page.put(1, Some(Style::Bold), "result, as the context would have it");
        page.put(2, None, &Page::shortened(&pretty(result)));
    }
    page.text()
}

impl Page {
    fn verdict(&mut self, view: &TestView) {
        let status = view.result.as_ref().and_then(|result| result.get("status")).map(Value::to_string);
        let answered = status.map(|status| format!("  {status}")).unwrap_or_default();
        let (style, word) = match view.outcome {
            CallOutcome::Success => (Style::Good, "success"),
            CallOutcome::Failure => (Style::Warning, "failure"),
            CallOutcome::Error => (Style::Bad, "error"),
        };
        let version = match view.connector_version {
            0 => "not saved".to_owned(),
            version => format!("version {version}"),
        };
        let name = format!("{}.{} ({version})", view.connector, view.function);
        self.put(0, Some(style), &format!("{word}{answered}  {name}  {}", time(view.elapsed_us)));
        view.failure.iter().for_each(|failure| self.failure(failure));
        if let Some(StepError { code, message, detail }) = &view.error {
            self.put(1, Some(Style::Bad), &format!("{code}: {message}"));
            detail.iter().for_each(|detail| self.put(2, Some(Style::Dim), detail));
            self.put(1, Some(Style::Dim), &format!("(`weir explain {code}` tells more)"));
        }
    }

    fn before_the_call(&mut self, view: &TestView) {
        let mut before = view.bound_request.clone();
        if let (Some(request), false) = (&before, view.pre_call.is_empty()) {
            self.request("request, as the function has it", request);
        }
        for hook in &view.pre_call {
            self.hook(HookKind::PreCall, hook, |decision, page| match decision {
                PreCallDecision::Call(after) => {
                    page.difference("request", before.as_ref().map(request_text), &request_text(after));
                }
                PreCallDecision::Respond(response) => page.response("answered by the hook, no call was made", response),
                PreCallDecision::Fail(failure) => page.failure(failure),
            });
            if let Ok(PreCallDecision::Call(after)) = &hook.report.outcome {
                before = Some(after.clone());
            }
        }
    }

    fn the_call(&mut self, view: &TestView) {
        let Some(sent) = &view.sent_request else { return };
        if view.attempts.is_empty() {
            return self.request("request, which was not sent", sent);
        }
        self.request("request, as sent", sent);
        let key = view.idempotency_key.as_deref().unwrap_or("none");
        let authentication = match view.authentication.as_str() {
            "none" => "without authentication".to_owned(),
            kind => format!("the host adds the credential ({kind}), which nobody sees"),
        };
        self.put(2, Some(Style::Dim), &format!("{authentication}; idempotency key {key}"));
        let many = view.attempts.len() > 1;
        for (index, attempt) in view.attempts.iter().enumerate() {
            if many {
                self.attempt(index + 1, attempt);
            }
            attempt.hops.iter().for_each(|hop| {
                self.put(1, Some(Style::Dim), &format!("redirected with {} to {}", hop.status, hop.to));
            });
            self.put(1, Some(Style::Dim), &timing_line(&attempt.timings));
        }
        if let Some(response) = &view.response {
            self.response("response, as it came", response);
        }
    }

    pub(super) fn attempt(&mut self, number: usize, attempt: &Attempt) {
        let waited = match attempt.waited_us {
            0 => String::new(),
            waited => format!(" after a wait of {}", time(waited)),
        };
        let came = match (&attempt.error, attempt.status) {
            (Some(error), _) => format!("{}: {error}", error.kind.code()),
            (None, Some(status)) => status.to_string(),
            (None, None) => "no answer".to_owned(),
        };
        self.put(1, Some(Style::Bold), &format!("attempt {number}{waited}: {came}"));
    }

    fn after_the_call(&mut self, view: &TestView) {
        let mut before = view.response.clone();
        for hook in &view.post_response {
            self.hook(HookKind::PostResponse, hook, |decision, page| match decision {
                PostResponseDecision::Keep(after) => {
                    page.difference("response", before.as_ref().map(response_text), &response_text(after));
                }
                PostResponseDecision::Fail(failure) => page.failure(failure),
            });
            if let Ok(PostResponseDecision::Keep(after)) = &hook.report.outcome {
                before = Some(after.clone());
            }
        }
    }

    /// What a hook changed; all of it where there was nothing before.
    pub(super) fn difference(&mut self, what: &str, before: Option<String>, after: &str) {
        let lines = diff::lines(&before.unwrap_or_default(), after);
        if lines.is_empty() {
            return self.put(2, Some(Style::Dim), &format!("left the {what} as it was"));
        }
        self.put(2, Some(Style::Dim), &format!("{what}, before and after"));
        for line in lines.iter().take(DIFF_LINES_MAX) {
            match line {
                Line::Same(text) => self.put(2, Some(Style::Dim), &format!("  {text}")),
                Line::Gone(text) => self.put(2, Some(Style::Bad), &format!("- {text}")),
                Line::New(text) => self.put(2, Some(Style::Good), &format!("+ {text}")),
                Line::LeftOut(count) => self.put(2, Some(Style::Dim), &format!("  … {count} line(s)")),
            }
        }
        if lines.len() > DIFF_LINES_MAX {
            self.put(2, Some(Style::Dim), "  … more; `--output json` has all");
        }
    }
}

fn request_text(request: &Request) -> String {
    let mut text = format!("{} {}\n", request.method.as_str(), request.uri);
    request.headers.iter().for_each(|header| text.push_str(&format!("{}: {:?}\n", header.name, header.value)));
    request.body.iter().for_each(|body| text.push_str(&body_text(body)));
    text
}

fn response_text(response: &Response) -> String {
    let mut text = format!("{}\n", response.status);
    response.headers.iter().for_each(|header| text.push_str(&format!("{}: {:?}\n", header.name, header.value)));
    text.push_str(&body_text(&response.body));
    if let Some(data) = &response.transformed_data {
        text.push_str(&format!("transformed_data\n{}\n", pretty(data)));
    }
    text
}

/// JSON is written out, so that lines can be compared.
fn body_text(body: &Octets) -> String {
    let Some(text) = body.as_text() else { return format!("{body:?}\n") };
    let text = serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| pretty(&value));
    if text.is_empty() { text } else { text + "\n" }
}

/// Where the time of an attempt went; what did not happen, because the connection was there already, is left out.
fn timing_line(timings: &Timings) -> String {
    let Timings { dns_us, connect_us, tls_us, first_byte_us, total_us } = timings;
    let parts = [
        ("DNS", *dns_us),
        ("connect", *connect_us),
        ("TLS", *tls_us),
        ("first byte", Some(*first_byte_us).filter(|micros| *micros > 0)),
        ("total", Some(*total_us)),
    ];
    let parts = parts.iter().filter_map(|(name, micros)| Some(format!("{name} {}", millis((*micros)?))));
    parts.collect::<Vec<_>>().join(" · ")
}

/// Milliseconds with one digit, and whole ones from 10 on.
fn millis(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        _ => format!("{} ms", micros / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Colours;
    use expect_test::expect;
    use serde_json::json;

    fn view() -> TestView {
        let invocation = |plugin: &str| {
            json!({
                "plugin": { "name": plugin, "version": "1.0.0", "digest": format!("sha256:{}", "0".repeat(64)) },
                "tenant": "acme", "flow": "connector-test", "flow_version": 0,
                "run": "01890000-0000-7000-8000-000000000000", "step": "connector-test", "request_id": "r",
                "started_at": "2026-01-01T00:00:00.000Z", "seed": 1, "input": null, "config": null, "limits": {}
            })
        };
        let report = |decision: Value| json!({ "outcome": { "Ok": decision }, "logs": [], "logs_dropped": 0, "fuel": 12, "elapsed_us": 99 });
        let request = |query: &str| json!({ "method": "POST", "uri": format!("http://localhost/api{query}"), "headers": [], "body": "{\"a\":1,\"b\":2}" });
        let response =
            json!({ "status": 200, "headers": [{ "name": "a", "value": "\u{1b}[2J" }], "body": "{\"x\":1}" });
        let kept = json!({ "status": 200, "headers": [{ "name": "a", "value": "\u{1b}[2J" }], "body": "{\"x\":1}", "transformed_data": 7 });
        serde_json::from_value(json!({
            "outcome": "success", "connector": "people", "connector_version": 3, "function": "find",
            "authentication": "bearer", "arguments": {}, "bound_request": request(""),
            "pre_call": [{ "invocation": invocation("mark"), "report": report(json!({ "call": request("?q=1") })) }],
            "sent_request": request("?q=1"), "idempotency_key": "k",
            "attempts": [
                { "waited_us": 0, "status": 503, "timings": {
                    "dns_us": 1_234, "connect_us": 3_000, "tls_us": 8_010, "first_byte_us": 40_000, "total_us": 41_999 } },
                { "waited_us": 100_000, "status": 200, "hops": [{ "status": 302, "to": "http://localhost/b" }],
                    "timings": { "first_byte_us": 900, "total_us": 950 } },
            ],
            "response": response,
            "post_response": [{ "invocation": invocation("tidy"), "report": report(json!({ "keep": kept })) }],
            "result": { "status": 200 }, "call_us": 150_000, "elapsed_us": 160_000
        }))
        .unwrap()
    }

    fn text(view: &TestView) -> String {
        page(view, Page::new(Colours::Off))
    }

    #[test]
    fn a_tried_call_reads_from_top_to_bottom() {
        // covers C-16
        expect![[r#"
            success  200  people.find (version 3)  160.00 ms
              request, as the function has it
                POST http://localhost/api
                {
                  "a": 1,
                  "b": 2
                }
              pre-call mark@1.0.0  99 µs  12 fuel
                request, before and after
                - POST http://localhost/api
                + POST http://localhost/api?q=1
                  {
                    "a": 1,
                  … 2 line(s)
              request, as sent
                POST http://localhost/api?q=1
                {
                  "a": 1,
                  "b": 2
                }
                the host adds the credential (bearer), which nobody sees; idempotency key k
              attempt 1: 503
              DNS 1.2 ms · connect 3.0 ms · TLS 8.0 ms · first byte 40 ms · total 41 ms
              attempt 2 after a wait of 100.00 ms: 200
              redirected with 302 to http://localhost/b
              first byte 0.9 ms · total 0.9 ms
              response, as it came
                200
                a: �[2J
                {
                  "x": 1
                }
              post-response tidy@1.0.0  99 µs  12 fuel
                response, before and after
                  … 3 line(s)
                    "x": 1
                  }
                + transformed_data
                + 7
              result, as the context would have it
                {
                  "status": 200
                }"#]]
        .assert_eq(&text(&view()));
    }

    #[test]
    fn an_error_says_where_to_read_more() {
        let mut view = view();
        view.outcome = CallOutcome::Error;
        view.error = Some(StepError {
            code: "connector.connect".to_owned(),
            message: "no way".to_owned(),
            detail: Some("frame".to_owned()),
        });
        (view.pre_call, view.post_response, view.attempts) = (Vec::new(), Vec::new(), Vec::new());
        (view.sent_request, view.response, view.result, view.connector_version) = (None, None, None, 0);
        expect![[r#"
            error  people.find (not saved)  160.00 ms
              connector.connect: no way
                frame
              (`weir explain connector.connect` tells more)"#]]
        .assert_eq(&text(&view));
    }
}
