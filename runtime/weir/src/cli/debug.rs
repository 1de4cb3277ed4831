//! `weir run start --debug` and `weir run show --debug`: the flow runner (F-09). Each step as soon as it is committed,
//! with what its hooks were given and what it changed in the context.

use serde_json::Value;
use weir_engine::ids::RunId;
use weir_engine::run::{JournalEntry, StepOutcome};

use super::Common;
use super::error::CliError;
use super::journal::{self, Page};
use super::run::{all, read_entry};
use super::watch::{Going, follow};
use crate::client::Client;
use crate::flow_runner::DebugStep;
use crate::output::{self, Format};

/// Shows a run from its first step on, until it has ended or waits for somebody. The run.
pub(super) fn live(client: &Client, id: RunId, common: &Common) -> Result<Value, CliError> {
    let ended = follow(client, id, |data| {
        let entry = read_entry(data)?;
        let rests = matches!(entry.outcome, StepOutcome::Suspended { .. } | StepOutcome::Paused { .. });
        step(entry, common);
        Ok(if rests { Going::Stop } else { Going::On })
    })?;
    let run = match ended {
        Some(run) => run,
        None => client.get(&format!("/v1/runs/{id}"))?,
    };
    show_run(&run, common);
    Ok(run)
}

/// Shows the steps that a run has done. The run.
pub(super) fn done(client: &Client, id: RunId, common: &Common) -> Result<Value, CliError> {
    let run = client.get(&format!("/v1/runs/{id}"))?;
    for entry in all(client, &format!("/v1/runs/{id}/journal"))? {
        step(read_entry(entry)?, common);
    }
    show_run(&run, common);
    Ok(run)
}

/// One object a line, so that programs can read while it goes on: `{"step": …}` for each step, then `{"run": …}`.
fn step(entry: JournalEntry, common: &Common) {
    match common.output {
        Format::Json => output::line(&serde_json::json!({ "step": DebugStep::of(entry) }).to_string()),
        Format::Table => output::line(&Page::of_stdout().debugging().entry(&entry).text()),
    }
}

fn show_run(run: &Value, common: &Common) {
    match common.output {
        Format::Json => output::line(&serde_json::json!({ "run": run }).to_string()),
        Format::Table => journal::show_run(run),
    }
}
