//! `weir run watch`: server-sent events (WHATWG HTML, section 9.2), and on after a lost connection.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use serde_json::Value;
use weir_engine::ids::RunId;

use super::error::CliError;
use super::run::read_entry;
use super::{Common, journal};
use crate::client::Client;
use crate::exit::Exit;
use crate::output::{self, Format};

/// How often a lost connection is made anew without a single event in between.
const RECONNECTIONS_MAX: u32 = 30;
const PAUSE: Duration = Duration::from_secs(1);

/// One event of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StreamEvent {
    pub(super) name: String,
    id: Option<String>,
    pub(super) data: String,
}

/// Whether to go on.
pub(super) enum Going {
    /// To the next step.
    On,
    /// Enough is seen.
    Stop,
}

/// Shows each step as soon as it is committed. The run, when it has ended.
pub(super) fn watch(client: &Client, run: RunId, common: &Common) -> Result<Value, CliError> {
    let ended = follow(client, run, |data| show(&data, false, common).map(|()| Going::On))?;
    let ended = ended.unwrap_or_default();
    show(&ended, true, common)?;
    Ok(ended)
}

/// Hands on each journal entry as soon as it is committed. The run, when it has ended; none where it was stopped before.
pub(super) fn follow(
    client: &Client,
    run: RunId,
    mut each: impl FnMut(Value) -> Result<Going, CliError>,
) -> Result<Option<Value>, CliError> {
    let path = format!("/v1/runs/{run}/events");
    let mut last_id: Option<String> = None;
    let (mut lost, mut is_first) = (0, true);
    loop {
        let headers = last_id.as_deref().map(|id| vec![("last-event-id", id)]).unwrap_or_default();
        let stream = match client.stream(&path, headers) {
            Ok(stream) => Some(stream),
            // A server that stops or starts; the first connection says whether there is one at all.
            Err(error) if is_first || error.exit() != Exit::Unavailable => return Err(error.into()),
            Err(_) => None,
        };
        is_first = false;
        let mut stream = stream.map(BufReader::new);
        while let Some(event) = stream.as_mut().and_then(next) {
            lost = 0;
            let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
            if event.name == "ended" {
                return Ok(Some(data));
            }
            if matches!(each(data)?, Going::Stop) {
                return Ok(None);
            }
            last_id = event.id.or(last_id);
        }
        lost += 1;
        if lost > RECONNECTIONS_MAX {
            let message =
                format!("the connection was lost {lost} times in a row; `weir run show {run}` tells how it went");
            return Err(CliError::new(Exit::Unavailable, message));
        }
        std::thread::sleep(PAUSE);
    }
}

fn show(data: &Value, is_end: bool, common: &Common) -> Result<(), CliError> {
    match (common.output, is_end) {
        // One object a line, so that programs can read while it goes on.
        (Format::Json, _) => output::line(&data.to_string()),
        (Format::Table, true) => journal::show_run(data),
        (Format::Table, false) => journal::show_entry(&read_entry(data.clone())?),
    }
    Ok(())
}

/// The next event; none where the stream is over or broken.
pub(super) fn next(stream: &mut BufReader<impl Read>) -> Option<StreamEvent> {
    let mut event = StreamEvent::default();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            if event.data.is_empty() {
                event = StreamEvent::default();
                continue;
            }
            return Some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "data" if event.data.is_empty() => event.data = value.to_owned(),
            "data" => event.data = format!("{}\n{value}", event.data),
            // An empty field name is a comment.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &str) -> Vec<StreamEvent> {
        let mut stream = BufReader::new(text.as_bytes());
        std::iter::from_fn(|| next(&mut stream)).collect()
    }

    #[test]
    fn events_of_a_stream() {
        let found = events(
            ":\n\nevent: step\nid: 1\ndata: {\"a\":\ndata: 1}\n\n: keep\n\nevent:ended\r\ndata:x\r\n\r\nevent: cut\ndata: off",
        );
        let step = StreamEvent { name: "step".to_owned(), id: Some("1".to_owned()), data: "{\"a\":\n1}".to_owned() };
        let ended = StreamEvent { name: "ended".to_owned(), id: None, data: "x".to_owned() };
        assert_eq!(found, [step, ended]);
    }
}
