//! `weir logs`: diagnostic entries, those of a run or those that come.

use std::io::BufReader;
use std::time::Duration;

use serde_json::Value;
use weir_engine::ids::{FlowName, RunId, StepId};

use super::Common;
use super::error::CliError;
use super::watch::next;
use crate::client::Client;
use crate::exit::Exit;
use crate::output::{self, Colours, Format, Style, printable};
use crate::table;
use crate::telemetry::otlp;

/// How often a lost connection is made anew without a single entry in between.
const RECONNECTIONS_MAX: u32 = 5;
/// Most records of one line of OpenTelemetry's.
const OTLP_RECORDS_MAX: usize = 200;
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Show entries as they come, until interrupted; without it, those of a run
    #[arg(long, short, required_unless_present = "run")]
    follow: bool,
    /// Of this run only
    #[arg(long)]
    run: Option<RunId>,
    /// Of this connector only, or of one function: `risk`, `risk.score`
    #[arg(long, value_name = "CONNECTOR[.FUNCTION]", conflicts_with = "plugin")]
    connector: Option<String>,
    /// Of this plugin only, or of one version: `sign`, `sign@1.0.0`
    #[arg(long, value_name = "PLUGIN[@VERSION]")]
    plugin: Option<String>,
    /// Of this flow only
    #[arg(long, requires = "follow")]
    flow: Option<FlowName>,
    /// Of this step only
    #[arg(long)]
    step: Option<StepId>,
    /// At least so loud
    #[arg(long, value_parser = ["debug", "info", "warning", "error"])]
    level: Option<String>,
    /// Only what went wrong
    #[arg(long)]
    failed: bool,
    /// With this text in the message
    #[arg(long)]
    text: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// What entries look like; `otlp` is OpenTelemetry's logs as JSON lines, goes before --output
    #[arg(long, value_enum)]
    format: Option<LogFormat>,
}

/// The less common fields of an entry.
#[derive(Debug, clap::Args)]
struct Fields {
    /// Of this kind only: its actionId, such as `action-failure`
    #[arg(long, value_name = "ACTION_ID")]
    action: Option<String>,
    /// Of this call or invocation only
    #[arg(long, value_name = "REQUEST_ID")]
    request: Option<String>,
    /// Of runs that this request started: the x-request-id of its answer
    #[arg(long, value_name = "TRACE_ID")]
    trace: Option<String>,
    /// The entry of this logId
    #[arg(long, value_name = "LOG_ID", conflicts_with = "follow")]
    log: Option<String>,
    /// Of this version of flows only
    #[arg(long, requires = "follow")]
    flow_version: Option<u32>,
    /// With this text in its configurations, as JSON writes it without spaces
    #[arg(long, value_name = "TEXT")]
    configurations: Option<String>,
    /// With this text in its input, as JSON writes it without spaces
    #[arg(long, value_name = "TEXT")]
    input: Option<String>,
    /// Recorded at this instant or later, such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "INSTANT", conflicts_with = "follow")]
    since: Option<String>,
    /// Recorded before this instant
    #[arg(long, value_name = "INSTANT", conflicts_with = "follow")]
    until: Option<String>,
}

/// What entries look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum LogFormat {
    /// A line for people
    Text,
    /// A JSON object a line
    Jsonl,
    /// OpenTelemetry's LogsData as JSON, one a line
    Otlp,
}

pub(super) fn run(options: &Options, common: &Common) -> Result<Exit, CliError> {
    let client = Client::new(&common.server)?;
    match (options.run, options.follow) {
        (Some(run), false) => stored(&client, run, options, common),
        _ => follow(&client, options, common),
    }
}

impl Options {
    fn query(&self) -> String {
        let step = self.step.as_ref().map(StepId::as_str);
        let component = self.connector.as_deref().or(self.plugin.as_deref());
        let failed = self.failed.then_some("Failed");
        let pairs = [
            ("level", self.level.as_deref()),
            ("step", step),
            ("component", component),
            ("result_status", failed),
            ("text", self.text.as_deref()),
            ("action", self.fields.action.as_deref()),
            ("request", self.fields.request.as_deref()),
            ("trace", self.fields.trace.as_deref()),
            ("log", self.fields.log.as_deref()),
            ("configurations", self.fields.configurations.as_deref()),
            ("input", self.fields.input.as_deref()),
            ("since", self.fields.since.as_deref()),
            ("until", self.fields.until.as_deref()),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs.iter().filter_map(|(name, value)| Some((name, (*value)?))));
        if self.follow {
            query.extend_pairs(self.flow.iter().map(|flow| ("flow", flow.as_str())));
            query.extend_pairs(self.run.iter().map(|run| ("run", run.to_string())));
            query.extend_pairs(self.fields.flow_version.iter().map(|version| ("flow_version", version.to_string())));
        }
        query.finish()
    }

    fn format(&self, common: &Common) -> LogFormat {
        self.format.unwrap_or(match common.output {
            Format::Json => LogFormat::Jsonl,
            Format::Table => LogFormat::Text,
        })
    }
}

fn stored(client: &Client, run: RunId, options: &Options, common: &Common) -> Result<Exit, CliError> {
    let entries = client.list(&format!("/v1/runs/{run}/diagnostics?{}", options.query()))?;
    let format = options.format(common);
    let many = if format == LogFormat::Otlp { OTLP_RECORDS_MAX } else { 1 };
    entries.chunks(many).for_each(|entries| show(entries, format));
    Ok(Exit::Done)
}

fn follow(client: &Client, options: &Options, common: &Common) -> Result<Exit, CliError> {
    let path = format!("/v1/diagnostics/stream?{}", options.query());
    let mut lost = 0;
    loop {
        let mut stream = BufReader::new(client.stream(&path, Vec::new())?);
        if lost == 0 {
            output::remark("weir: following; entries appear when their step is committed");
        }
        while let Some(event) = next(&mut stream) {
            lost = 0;
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            match event.name.as_str() {
                "entry" => show(std::slice::from_ref(&data), options.format(common)),
                "missed" => output::remark(&format!(
                    "weir: {} entries came too fast and are missed here",
                    table::text(&data, "missed")
                )),
                _ => {}
            }
        }
        lost += 1;
        if lost > RECONNECTIONS_MAX {
            let message =
                format!("the connection was lost {lost} times in a row; `weir doctor` tells how the server is");
            return Err(CliError::new(Exit::Unavailable, message));
        }
        output::remark("weir: the connection was lost; entries until it is back are missed here");
        std::thread::sleep(PAUSE);
    }
}

fn show(entries: &[Value], format: LogFormat) {
    match format {
        // One object a line, so that programs can read while it goes on.
        LogFormat::Jsonl => entries.iter().for_each(|entry| output::line(&entry.to_string())),
        LogFormat::Text => entries.iter().for_each(|entry| output::line(&line_of(entry, Colours::of_stdout()))),
        LogFormat::Otlp => {
            let read = |entry: &Value| serde_json::from_value(entry.clone()).ok();
            output::line(&otlp::logs_data(&entries.iter().filter_map(read).collect::<Vec<_>>()).to_string());
        }
    }
}

/// An entry in one line: when, how loud, where, who, what.
pub(super) fn line_of(entry: &Value, colours: Colours) -> String {
    let [at, level, flow, run, step, component, action, message] =
        ["recordedAt", "level", "flow", "run", "step", "componentId", "actionId", "resultMessage"]
            .map(|member| printable(&table::text(entry, member)).replace('\n', " ⏎ "));
    let style = match level.as_str() {
        "error" => Style::Bad,
        "warning" => Style::Warning,
        _ => Style::Dim,
    };
    let level = colours.paint(style, &format!("{level:7}"));
    let place = colours.paint(Style::Dim, &format!("{flow}/{step} {run}"));
    format!("{at} {level} {component} {action}: {message}  {place}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_one_line() {
        // covers D-02
        let entry = json!({
            "recordedAt": "2026-01-01T00:00:00.000Z", "level": "warning", "flow": "f", "run": "r", "step": "s",
            "componentId": "risk.score", "actionId": "connector-failure", "resultMessage": "no\nway\u{1b}[2J",
        });
        let line = line_of(&entry, Colours::Off);
        assert_eq!(line, "2026-01-01T00:00:00.000Z warning risk.score connector-failure: no ⏎ way\u{fffd}[2J  f/s r");
    }
}
