//! `weir action test`: tries one action with an event, and shows every step of it.

use serde_json::{Map, Value, json};
use weir_engine::document::Document;

use super::Common;
use super::connector_test::json_of;
use super::document::{Source, faults_of};
use super::error::{CliError, read_text};
use super::journal::{Page, pretty, time};
use crate::api::{ActionTestView, CallOutcome};
use crate::client::{Client, ClientError, Sent};
use crate::exit::Exit;
use crate::output::{self, Format, Style};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The plugin runs and the service is called for real. No run, journal or context knows of it.

Examples:
  weir action test --file tier-step.yaml --event event.json
  weir action test FLOW_EXTENSION/tier --event event.json --trigger REGISTRATION

tier-step.yaml has the members of a step: action, plugin or service, allowed-operations, input, config, …

Exits with 0 where a run would go on, with 1 after a failure or an error.")]
pub(super) struct Options {
    /// A saved action
    #[arg(value_name = "TYPE/NAME", required_unless_present = "file", conflicts_with = "file")]
    saved: Option<String>,
    /// An action as a step of a flow has it, YAML or JSON, `-` for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// The run's event as JSON: a file, or `-` for standard input. An empty one by default
    #[arg(long, value_name = "FILE")]
    event: Option<String>,
    /// What templates see besides, as JSON: {"connectors": …, "steps": …, "claims": …}
    #[arg(long, value_name = "FILE")]
    context: Option<String>,
    /// What starts the flow, such as REGISTRATION
    #[arg(long, default_value = "")]
    trigger: String,
}

pub(super) fn run(options: &Options, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    let source = options.file.as_deref().map(Source::read).transpose()?;
    let step = match (&source, &options.saved) {
        (Some(source), _) => {
            let read = Document::parse(&source.text, source.format).map_err(|faults| source.faulty(&faults))?;
            read.value
        }
        (None, saved) => {
            let name = saved.as_deref().unwrap_or_default();
            let (kind, name) = name.split_once('/').ok_or_else(|| {
                CliError::usage(format!("`{name}` names no saved action; write TYPE/NAME such as FLOW_EXTENSION/tier"))
            })?;
            json!({ "action": kind, "uses": name })
        }
    };
    let [event, context] = [&options.event, &options.context].map(|file| match file {
        None => Ok(Value::Object(Map::new())),
        Some(file) => json_of(&read_text(file)?, file),
    });
    let body = json!({ "step": step, "event": event?, "context": context?, "trigger": options.trigger }).to_string();
    let answer = client.call("POST", "/v1/action-tests", &Sent::body("application/json", body.as_bytes()));
    let (_, answer) = answer.map_err(|error| match (error, &source) {
        (ClientError::Problem(problem), Some(source)) if problem.code == "action.test-invalid" => {
            faulty(source, problem.errors)
        }
        (error, _) => error.into(),
    })?;
    let view: ActionTestView = serde_json::from_value(answer.clone()).map_err(|error| {
        CliError::failed(format!("the answer cannot be read ({error}); is the server of another version?"))
    })?;
    match common.output {
        Format::Json => output::json(&answer),
        Format::Table => output::line(&page(&view, Page::of_stdout())),
    }
    Ok(if view.outcome == CallOutcome::Success { Exit::Done } else { Exit::Failed })
}

/// The faults with their places in the file, where they can be read; their words at least.
fn faulty(source: &Source, errors: Vec<Value>) -> CliError {
    let words = errors.iter().filter_map(|error| {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        Some(format!("\n  {} {}: {}", text("pointer"), text("code"), error.get("message")?.as_str()?))
    });
    let words: String = words.collect();
    let faults = faults_of(Some(&Value::Array(errors)));
    if faults.0.is_empty() {
        return CliError::failed(format!("`{}` has faults{words}", source.name));
    }
    source.faulty(&faults)
}

fn page(view: &ActionTestView, mut page: Page) -> String {
    let (style, word) = match view.outcome {
        CallOutcome::Success => (Style::Good, "success"),
        CallOutcome::Failure => (Style::Warning, "failure"),
        CallOutcome::Error => (Style::Bad, "error"),
    };
    let kind = &view.record.event.action_type;
    page.put(0, Some(style), &format!("{word}  {kind}  {}", time(view.elapsed_us)));
    view.failure.iter().for_each(|failure| page.failure(failure));
    if let Some(error) = &view.error {
        page.put(1, Some(Style::Bad), &format!("{}: {}", error.code, error.message));
        error.detail.iter().for_each(|detail| page.put(2, Some(Style::Dim), detail));
        page.put(1, Some(Style::Dim), &format!("(`weir explain {}` tells more)", error.code));
    }
    page.action(&view.record);
    if let Some(redirect) = &view.redirect {
        page.put(1, Some(Style::Warning), &format!("a run would wait for its end user, who is sent to {redirect}"));
    }
    page.difference("event", Some(pretty(&view.event_before) + "\n"), &(pretty(&view.event_after) + "\n"));
    page.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Colours;
    use expect_test::expect;

    #[test]
    fn a_tried_action_reads_from_top_to_bottom() {
        // covers A-05, A-06: the author sees what became of each operation
        let replace = |path: &str| json!({ "op": "replace", "path": path, "value": "gold" });
        let view: ActionTestView = serde_json::from_value(json!({
            "outcome": "error",
            "error": { "code": "action.operation-not-allowed", "message": "operation 2 of the answer is refused" },
            "record": {
                "event": {
                    "action_type": "FLOW_EXTENSION", "payload": { "flow": {} },
                    "allowed_operations": [{ "op": "replace", "paths": ["/user/a"] }],
                },
                "service": {
                    "connector": "tier", "connector_version": 2, "function": "decide",
                    "sent_request": { "method": "POST", "uri": "https://a.test/", "headers": [], "body": "{}" },
                    "idempotency_key": "k",
                    "exchanges": [{
                        "outcome": { "Ok": { "status": 200, "headers": [], "body": "{}" } },
                        "attempts": [{ "status": 200, "timings": { "first_byte_us": 1, "total_us": 2 } }],
                        "elapsed_us": 1500,
                    }],
                },
                "answer": { "success": { "operations": [replace("/user/a"), replace("/user/b")] } },
                "operations": [
                    { "operation": replace("/user/a"), "result": "dropped", "reason": "operation 2 is refused" },
                    { "operation": replace("/user/b"), "result": "rejected", "reason": "not allowed" },
                ],
            },
            "event_before": { "user": {} }, "event_after": { "user": {} }, "diagnostics": [], "elapsed_us": 2000,
        }))
        .unwrap();
        expect![[r#"
            error  FLOW_EXTENSION  2.00 ms
              action.operation-not-allowed: operation 2 of the answer is refused
              (`weir explain action.operation-not-allowed` tells more)
              event
                {
                  "flow": {}
                }
                may replace /user/a
              service tier.decide (version 2)
              request, as sent
                POST https://a.test/
                {}
              attempt 1: 200
              1.50 ms in all; idempotency key k
              response, as it came
                200
                {}
              success, 2 operation(s)
              dropped: {"op":"replace","path":"/user/a","value":"gold"} (operation 2 is refused)
              rejected: {"op":"replace","path":"/user/b","value":"gold"} (not allowed)
                left the event as it was"#]]
        .assert_eq(&page(&view, Page::new(Colours::Off)));
    }
}
