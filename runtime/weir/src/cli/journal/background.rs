//! Calls in the background, and what has become of each (C-11).

use weir_engine::run::{BackgroundCall, BackgroundState, CallRecord};

use super::{Page, time};
use crate::output::{self, Style};

/// Prints one call.
pub(in crate::cli) fn show_call(call: &BackgroundCall) {
    let page = Page::of_stdout();
    output::line(&page.background_call(call).lines.join("\n"));
}

impl Page {
    /// What a step says of a call that it has handed over.
    pub(super) fn handed_over(&mut self, call: &CallRecord) {
        let key = call.idempotency_key.as_deref().unwrap_or("none");
        self.put(1, Some(Style::Dim), &format!("handed over, to be made in the background; idempotency key {key}"));
    }

    fn background_call(mut self, call: &BackgroundCall) -> Self {
        let (entry, progress) = (&call.entry, &call.progress);
        let heading =
            format!("{}. {}  background call {}.{}", entry.sequence, entry.step, entry.connector, entry.function);
        self.put(0, Some(Style::Bold), &heading);
        self.request("request", &entry.request);
        if let Some(exchange) = &progress.exchange {
            let (sends, attempts) = (progress.sends, exchange.attempts.len());
            let key = &entry.idempotency_key;
            let how = format!(
                "sent {sends} time(s), with the host's credentials; idempotency key {key}; the last time {attempts} attempt(s), {}",
                time(exchange.elapsed_us)
            );
            self.put(1, Some(Style::Dim), &how);
            match &exchange.outcome {
                Ok(response) => self.response("response", response),
                Err(error) => self.put(1, Some(Style::Bad), &format!("{}: {error}", error.kind.code())),
            }
            if progress.body_bytes_left_out > 0 {
                let text = format!("{} byte(s) of the body were not kept", progress.body_bytes_left_out);
                self.put(2, Some(Style::Dim), &text);
            }
        }
        match &progress.state {
            BackgroundState::Pending { next_at } => {
                let text = format!("→ pending, not before {next_at}; given up at {}", entry.expires_at);
                self.put(1, Some(Style::Warning), &text);
            }
            BackgroundState::Succeeded { finished_at } => {
                self.put(1, Some(Style::Good), &format!("→ succeeded at {finished_at}"));
            }
            BackgroundState::Failed { finished_at, error } => {
                self.put(1, Some(Style::Bad), &format!("→ failed at {finished_at}, {}: {error}", error.code));
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Colours;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_background_call_reads_from_top_to_bottom() {
        // covers C-11
        let call: BackgroundCall = serde_json::from_value(json!({
            "tenant": "acme", "run": "01890000-0000-7000-8000-000000000000", "sequence": 2, "step": "notify",
            "connector": "mail", "connector_version": 1, "function": "send",
            "request": { "method": "POST", "uri": "https://mail.test/send", "headers": [], "body": "{\"to\":1}" },
            "idempotency_key": "k", "created_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-02T00:00:00.000Z",
            "sends": 3, "state": "pending", "next_at": "2026-01-01T00:00:09.000Z",
            "exchange": {
                "outcome": { "Ok": { "status": 503, "headers": [], "body": "busy" } }, "attempts": [], "elapsed_us": 1500
            },
            "body_bytes_left_out": 7
        }))
        .unwrap();
        let page = Page::new(Colours::Off).background_call(&call);
        expect![[r#"
            2. notify  background call mail.send
              request
                POST https://mail.test/send
                {
                  "to": 1
                }
              sent 3 time(s), with the host's credentials; idempotency key k; the last time 0 attempt(s), 1.50 ms
              response
                503
                busy
                7 byte(s) of the body were not kept
              → pending, not before 2026-01-01T00:00:09.000Z; given up at 2026-01-02T00:00:00.000Z"#]]
        .assert_eq(&page.lines.join("\n"));
    }
}
