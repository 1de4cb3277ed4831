//! How a run stands or ended.

use serde_json::Value;

use super::Page;
use crate::output::Style;
use crate::table;

impl Page {
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
        if let Some(redirect) = run.get("redirect") {
            let [url, until] = ["url", "until"].map(|member| table::text(redirect, member));
            self.put(1, None, &format!("its end user is sent to {url}"));
            self.put(1, Some(Style::Dim), &format!("waits until {until}; `weir run resume {id}` goes on"));
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
