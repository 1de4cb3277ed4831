//! `weir run`.

use serde_json::{Value, json};
use weir_engine::duration_text;
use weir_engine::ids::{FlowName, RunId};
use weir_engine::run::JournalEntry;

use super::error::{CliError, read_text};
use super::journal;
use super::watch::watch;
use super::{Common, debug};
use crate::client::{Client, Sent};
use crate::exit::Exit;
use crate::output::{self, Format};
use crate::table;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Start a run; exits with 1 where it is seen to end as failed, error or cancelled, with 0 where it completes or
    /// is not over yet (ready, waiting, suspended, paused)
    Start {
        /// The flow
        flow: FlowName,
        /// The event: JSON text, a file that holds some, or `-` for standard input
        #[arg(long, default_value = "{}", value_name = "JSON|FILE|-")]
        event: String,
        /// Wait so long for the run's end, such as 10s
        #[arg(long, value_parser = duration, value_name = "DURATION")]
        wait: Option<String>,
        /// Show each step as soon as it is committed, with what each hook was given and what changed in the context
        #[arg(long, conflicts_with = "wait")]
        debug: bool,
        /// This version instead of the live one
        #[arg(long)]
        at: Option<u32>,
        /// Two starts with the same key are one run
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Resume a suspended run with what came back; exits with 1 where it is seen to end as failed, error or cancelled,
    /// with 0 where it completes or is not over yet (ready, waiting, suspended, paused)
    Resume {
        /// The run
        id: RunId,
        /// What came back: JSON text, a file that holds some, or `-` for standard input
        #[arg(long, default_value = "{}", value_name = "JSON|FILE|-")]
        input: String,
        /// Wait so long for the run's end or its next suspension, such as 10s
        #[arg(long, value_parser = duration, value_name = "DURATION")]
        wait: Option<String>,
        /// Only where it is suspended at this revision; without one and without a key, where it is suspended now
        #[arg(long)]
        revision: Option<u64>,
        /// Two resumes of the run with the same key are one
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Let a paused run go on, when what made its step fail is mended; exits with 1 where it is seen to end as failed,
    /// error or cancelled, with 0 where it completes or is not over yet (ready, waiting, suspended, paused)
    Continue {
        /// The run
        id: RunId,
        /// With this newer version of its flow, in which its step exists
        #[arg(long, value_name = "N")]
        flow_version: Option<u32>,
        /// Wait so long for the run's end or its next rest, such as 10s
        #[arg(long, value_parser = duration, value_name = "DURATION")]
        wait: Option<String>,
        /// Only where it is paused at this revision
        #[arg(long)]
        revision: Option<u64>,
        /// Two of these in the run with the same key are one
        #[arg(long, value_name = "KEY")]
        idempotency_key: Option<String>,
    },
    /// Cancel a run: its child runs are cancelled too, what it did is taken back, and it ends as cancelled; exits
    /// with 0 where it has, or is still about to, and with 1 where it ends as failed or error
    Cancel {
        /// The run
        id: RunId,
        /// Why, for people: up to 300 characters
        #[arg(long, default_value = "")]
        reason: String,
        /// Only where the run is at this revision
        #[arg(long)]
        revision: Option<u64>,
        /// Wait so long for the run's end, such as 10s
        #[arg(long, value_parser = duration, value_name = "DURATION")]
        wait: Option<String>,
    },
    /// Show a run: each step, its request and response before and after hooks, operations, logs and times
    Show {
        /// The run
        id: RunId,
        /// Also what each hook was given, and what each step changed in the context
        #[arg(long)]
        debug: bool,
    },
    /// Show the calls that a run has handed over to be made in the background, and what has become of each
    Background {
        /// The run
        id: RunId,
    },
    /// List runs, newest first
    #[command(visible_alias = "search")]
    List(Search),
    /// Remove a run that has ended, with all that it held; its idempotency key is free again
    Delete {
        /// The run
        id: RunId,
    },
    /// Show each step as soon as it is committed, until the run has ended; exits with 1 where it ends as failed,
    /// error or cancelled
    Watch {
        /// The run
        id: RunId,
    },
}

/// Which runs.
#[derive(Debug, clap::Args)]
pub(super) struct Search {
    /// Of this flow only
    #[arg(long)]
    flow: Option<FlowName>,
    /// In this state only: ready, suspended, waiting, paused, completed, failed, error, cancelled
    #[arg(long)]
    state: Option<String>,
    /// Started at this instant or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "INSTANT")]
    since: Option<String>,
    /// Started before this instant
    #[arg(long, value_name = "INSTANT")]
    until: Option<String>,
    /// The one that was started with this idempotency key
    #[arg(long, alias = "client-key", value_name = "KEY")]
    idempotency_key: Option<String>,
    /// So many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

fn duration(text: &str) -> Result<String, duration_text::InvalidDuration> {
    duration_text::parse(text).map(|_| text.to_owned())
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    match command {
        Command::Start { flow, event, wait, debug, at, idempotency_key } => {
            let body = json!({ "event": given("event", &event)?, "version": at });
            let path = format!("/v1/flows/{flow}/runs");
            if debug {
                return start_debug(&client, &path, &body, idempotency_key.as_deref(), common);
            }
            post(&client, (&path, wait), &body, idempotency_key.as_deref(), common)
        }
        Command::Resume { id, input, wait, revision, idempotency_key } => {
            let input = given("input", &input)?;
            let revision = match (&revision, &idempotency_key) {
                (None, None) => suspended_at(&client, id)?,
                _ => revision,
            };
            let body = json!({ "input": input, "revision": revision });
            let path = format!("/v1/runs/{id}/resume");
            post(&client, (&path, wait), &body, idempotency_key.as_deref(), common)
        }
        Command::Cancel { id, reason, revision, wait } => {
            let body = json!({ "reason": reason, "revision": revision });
            let path = format!("/v1/runs/{id}/cancel");
            let (run, exit) = shown(&client, (&path, wait), &body, None, common)?;
            // That is what was asked for.
            let is_cancelled = run.get("state").and_then(Value::as_str) == Some("cancelled");
            Ok(if is_cancelled { Exit::Done } else { exit })
        }
        Command::Show { id, debug: true } => debug::done(&client, id, common).map(|_| Exit::Done),
        Command::Show { id, debug: false } => show(&client, id, common),
        Command::Background { id } => background(&client, id, common),
        Command::Delete { id } => {
            client.call("DELETE", &format!("/v1/runs/{id}"), &Sent::default())?;
            output::remark(&format!("run {id} is removed"));
            Ok(Exit::Done)
        }
        Command::Continue { id, flow_version, wait, revision, idempotency_key } => {
            let body = json!({ "flow_version": flow_version, "revision": revision });
            let path = format!("/v1/runs/{id}/continue");
            post(&client, (&path, wait), &body, idempotency_key.as_deref(), common)
        }
        Command::List(search) => list(&client, &search, common),
        Command::Watch { id } => watch(&client, id, common).map(|run| exit_of(&run)),
    }
}

/// At which revision a run waits now, where it does: a run that was resumed before wants to know.
fn suspended_at(client: &Client, id: RunId) -> Result<Option<u64>, CliError> {
    let run = client.get(&format!("/v1/runs/{id}"))?;
    let is_suspended = run.get("state").and_then(Value::as_str) == Some("suspended");
    Ok(run.get("revision").and_then(Value::as_u64).filter(|_| is_suspended))
}

/// A run that has ended and not completed is not what was asked for; one that goes on may be.
fn exit_of(run: &Value) -> Exit {
    match run.get("state").and_then(Value::as_str) {
        Some("failed" | "error" | "cancelled") => Exit::Failed,
        _ => Exit::Done,
    }
}

/// Starts a run in the flow runner.
fn start_debug(
    client: &Client,
    path: &str,
    body: &Value,
    idempotency_key: Option<&str>,
    common: &Common,
) -> Result<Exit, CliError> {
    let run = send(client, path, body, idempotency_key)?;
    let id = table::text(&run, "id").parse();
    let id = id.map_err(|_| CliError::failed("the server started a run without an id; is it of another version?"))?;
    output::remark(&format!("run {id} started"));
    let run = debug::live(client, id, common).map_err(|mut error| {
        if error.exit == Exit::NotPermitted {
            error.message.push_str(&format!(
                "\n  to see its steps a key needs the permission `runs.inspect`; run {id} goes on without being watched"
            ));
        }
        error
    })?;
    Ok(exit_of(&run))
}

fn send(client: &Client, path: &str, body: &Value, idempotency_key: Option<&str>) -> Result<Value, CliError> {
    let body = body.to_string();
    let mut sent = Sent::body("application/json", body.as_bytes());
    sent.headers.extend(idempotency_key.map(|key| ("idempotency-key", key)));
    Ok(client.call("POST", path, &sent)?.1)
}

/// Starts or resumes a run, and shows it.
fn post(
    client: &Client,
    at: (&str, Option<String>),
    body: &Value,
    idempotency_key: Option<&str>,
    common: &Common,
) -> Result<Exit, CliError> {
    shown(client, at, body, idempotency_key, common).map(|(_, exit)| exit)
}

/// The same, with the run.
fn shown(
    client: &Client,
    (path, wait): (&str, Option<String>),
    body: &Value,
    idempotency_key: Option<&str>,
    common: &Common,
) -> Result<(Value, Exit), CliError> {
    let query = wait.map(|wait| format!("?wait={wait}")).unwrap_or_default();
    let run = send(client, &format!("{path}{query}"), body, idempotency_key)?;
    match common.output {
        Format::Json => output::json(&run),
        Format::Table => journal::show_run(&run),
    }
    let exit = exit_of(&run);
    Ok((run, exit))
}

/// The event or input that was given.
fn given(what: &str, given: &str) -> Result<Value, CliError> {
    let is_json = given.trim_start().starts_with(['{', '[', '"']);
    let text = if is_json { given.to_owned() } else { read_text(given)? };
    serde_json::from_str(&text).map_err(|error| CliError::usage(format!("the {what} is not JSON: {error}")))
}

fn show(client: &Client, id: RunId, common: &Common) -> Result<Exit, CliError> {
    let run = client.get(&format!("/v1/runs/{id}"))?;
    let entries = all(client, &format!("/v1/runs/{id}/journal"))?;
    let calls = all(client, &format!("/v1/runs/{id}/background-calls"))?;
    match common.output {
        Format::Json => output::json(&json!({ "run": run, "journal": entries, "background_calls": calls })),
        Format::Table => {
            for entry in entries {
                journal::show_entry(&read_entry(entry)?);
            }
            show_calls(calls)?;
            journal::show_run(&run);
        }
    }
    Ok(Exit::Done)
}

fn background(client: &Client, id: RunId, common: &Common) -> Result<Exit, CliError> {
    let calls = all(client, &format!("/v1/runs/{id}/background-calls"))?;
    match common.output {
        Format::Json => output::json(&Value::Array(calls)),
        Format::Table if calls.is_empty() => {
            output::remark("the run has handed over no calls to be made in the background")
        }
        Format::Table => show_calls(calls)?,
    }
    Ok(Exit::Done)
}

fn show_calls(calls: Vec<Value>) -> Result<(), CliError> {
    for call in calls {
        journal::show_call(&serde_json::from_value(call).map_err(|error| unreadable(&error))?);
    }
    Ok(())
}

/// Every item of a list that goes on after a sequence number.
pub(super) fn all(client: &Client, path: &str) -> Result<Vec<Value>, CliError> {
    let mut entries = Vec::new();
    let mut after = Some(0);
    while let Some(sequence) = after {
        let mut part = client.get(&format!("{path}?after={sequence}&limit=200"))?;
        if let Some(Value::Array(mut more)) = part.get_mut("items").map(Value::take) {
            entries.append(&mut more);
        }
        after = part.get("next_after").and_then(Value::as_u64);
    }
    Ok(entries)
}

/// A journal entry as the API writes it.
pub(super) fn read_entry(value: Value) -> Result<JournalEntry, CliError> {
    serde_json::from_value(value).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> CliError {
    CliError::failed(format!(
        "the journal cannot be read ({error}); is the server of another version than this program?"
    ))
}

fn list(client: &Client, search: &Search, common: &Common) -> Result<Exit, CliError> {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &search.limit.to_string());
    for (name, value) in [
        ("flow", search.flow.as_ref().map(FlowName::as_str)),
        ("state", search.state.as_deref()),
        ("since", search.since.as_deref()),
        ("until", search.until.as_deref()),
        ("client_key", search.idempotency_key.as_deref()),
    ] {
        query.extend_pairs(value.map(|value| (name, value)));
    }
    let part = client.get(&format!("/v1/runs?{}", query.finish()))?;
    let runs = part.get("items").cloned().unwrap_or_default();
    match common.output {
        Format::Json => output::json(&runs),
        Format::Table => {
            let row = |run: &Value| {
                let [id, flow, version, state, steps, created] =
                    ["id", "flow", "flow_version", "state", "revision", "created_at"]
                        .map(|member| table::text(run, member));
                vec![id, format!("{flow}@{version}"), state, steps, created]
            };
            let rows = runs.as_array().into_iter().flatten().map(row).collect();
            table::print(&["RUN", "FLOW", "STATE", "STEPS", "STARTED"], rows);
        }
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_and_did_not_complete_is_a_failure() {
        for (state, exit) in [
            ("completed", Exit::Done),
            ("failed", Exit::Failed),
            ("error", Exit::Failed),
            ("cancelled", Exit::Failed),
            ("suspended", Exit::Done),
            ("waiting", Exit::Done),
            ("paused", Exit::Done),
        ] {
            assert_eq!(exit_of(&json!({ "state": state })), exit, "{state}");
        }
    }

    #[test]
    fn events_are_text_or_files() {
        assert_eq!(given("event", " {\"a\": 1}").unwrap(), json!({ "a": 1 }));
        assert_eq!(given("event", "{").unwrap_err().exit, Exit::Usage);
        assert_eq!(given("event", "/no/such/file").unwrap_err().exit, Exit::Usage);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("event.json");
        std::fs::write(&path, "[1]").unwrap();
        assert_eq!(given("event", path.to_str().unwrap()).unwrap(), json!([1]));
    }
}
