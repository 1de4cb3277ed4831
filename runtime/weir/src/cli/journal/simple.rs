//! The simple kinds of steps, and the run as a whole.

use serde_json::Value;
use weir_engine::ports::PostResponseDecision;
use weir_engine::run::{HookKind, RedirectRecord, SignedRecord, TransformRecord, WaitRecord};

use super::Page;
use crate::output::Style;
use crate::table;

impl Page {
    pub(super) fn signed(&mut self, signed: Option<&SignedRecord>) {
        if let Some(SignedRecord { key, algorithm, .. }) = signed {
            self.put(1, Some(Style::Dim), &format!("signed with identity {key}, {}", algorithm.as_str()));
        }
    }

    pub(super) fn transform(&mut self, transform: &TransformRecord) {
        let Some(hook) = &transform.hook else { return };
        self.hook(HookKind::PostResponse, hook, |decision, page| match decision {
            PostResponseDecision::Keep(response) => page.response("what it made", response),
            PostResponseDecision::Fail(failure) => page.failure(failure),
        });
    }

    pub(super) fn wait(&mut self, wait: &WaitRecord) {
        if let WaitRecord { until: Some(until), over: true } = wait {
            self.put(1, None, &format!("waited until {until}"));
        }
    }

    pub(super) fn redirect(&mut self, redirect: &RedirectRecord) {
        if let RedirectRecord { url: Some(url), ends: true } = redirect {
            self.put(1, None, &format!("the end user is sent to {url}"));
        }
    }

    pub(super) fn run(&mut self, run: &Value) {
        let state = table::text(run, "state");
        let style = match state.as_str() {
            "completed" => Style::Good,
            "failed" => Style::Warning,
            "error" => Style::Bad,
            _ => Style::Bold,
        };
        let [id, flow, version] = ["id", "flow", "flow_version"].map(|member| table::text(run, member));
        self.put(0, Some(style), &format!("run {id} of {flow}@{version}: {state}"));
        self.prompt_of(run);
        if let Some(redirect) = run.get("redirect") {
            let [url, until] = ["url", "until"].map(|member| table::text(redirect, member));
            self.put(1, None, &format!("its end user is sent to {url}"));
            if !until.is_empty() {
                self.put(1, Some(Style::Dim), &format!("waits until {until}; `weir run resume {id}` goes on"));
            }
        }
        if let Some(jwt) = run.get("jwt").and_then(Value::as_str) {
            self.put(1, None, &format!("jwt = {jwt}"));
        }
        let claims = run.get("claims").and_then(Value::as_array);
        for claim in claims.into_iter().flatten() {
            let value = claim.get("value").cloned().unwrap_or_default();
            self.put(1, None, &format!("{} = {value}", table::text(claim, "key")));
        }
        for (member, names) in [("failure", ["step", "reason", "description"]), ("error", ["step", "code", "message"])]
        {
            let Some(why) = run.get(member) else { continue };
            for name in names {
                let text = table::text(why, name);
                if !text.is_empty() {
                    self.put(1, None, &format!("{name}: {text}"));
                }
            }
        }
        if let Some(result) = run.get("client_result") {
            let [endpoint, status] = ["endpoint", "status"].map(|member| table::text(result, member));
            let body = result.get("body").unwrap_or(&Value::Null);
            self.put(1, None, &format!("a client of `{endpoint}` gets {status} {body}"));
        }
    }
}
