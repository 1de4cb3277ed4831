//! Calls in the background (C-11): what a step hands over, and what becomes of it.

use serde::{Deserialize, Serialize};

use super::diagnostic::DiagnosticEntry;
use super::journal::StepError;
use crate::ids::{ConnectorName, FunctionName, RunId, StepId, TenantId};
use crate::message::Request;
use crate::ports::Exchange;
use crate::time::Timestamp;

/// A call as its step handed it over: durable with the step's commit, and never changed afterwards. Holds no
/// credential: the host adds one whenever the call is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Whose.
    pub tenant: TenantId,
    /// The run.
    pub run: RunId,
    /// The sequence number of the journal entry that has the step: with the run, the call's id.
    pub sequence: u64,
    /// The step.
    pub step: StepId,
    /// The connector.
    pub connector: ConnectorName,
    /// Its version at the time: the call is sent as that one says.
    pub connector_version: u32,
    /// The function.
    pub function: FunctionName,
    /// What is sent, as the last pre-call hook left it; checked again before it is.
    pub request: Request,
    /// Sent as `Idempotency-Key`: the same whenever the call is sent (F-06).
    pub idempotency_key: String,
    /// When the step handed it over.
    pub created_at: Timestamp,
    /// When it is given up.
    pub expires_at: Timestamp,
}

/// Whether a call in the background is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum BackgroundState {
    /// It is still to be sent, or to be sent again.
    Pending {
        /// Not before then.
        next_at: Timestamp,
    },
    /// The outside system took it.
    Succeeded {
        /// When.
        finished_at: Timestamp,
    },
    /// It is given up.
    Failed {
        /// When.
        finished_at: Timestamp,
        /// Why.
        error: StepError,
    },
}

/// What has become of a call in the background so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackgroundProgress {
    /// How often it was sent with an outcome, each time with the attempts of the function's `retry`.
    pub sends: u64,
    /// Whether it is done.
    #[serde(flatten)]
    pub state: BackgroundState,
    /// What came of the last time that it was sent; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
    /// How many bytes at the end of the response's body were not kept.
    #[serde(default, skip_serializing_if = "crate::left_out::is_zero")]
    pub body_bytes_left_out: u64,
    /// The diagnostic entries of its sends, oldest first, masked (C-10): the newest ones, see
    /// [`BackgroundProgress::tell`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<DiagnosticEntry>,
    /// How many entries before these were dropped.
    #[serde(default, skip_serializing_if = "crate::left_out::is_zero")]
    pub diagnostics_dropped: u64,
}

/// The most bytes of entries that are kept with a call: they are written anew whenever it was sent.
const DIAGNOSTIC_BYTES_MAX: usize = 256 << 10;

impl BackgroundProgress {
    /// Of a call that was just handed over.
    pub fn new(created_at: Timestamp) -> Self {
        let state = BackgroundState::Pending { next_at: created_at };
        Self {
            sends: 0,
            state,
            exchange: None,
            body_bytes_left_out: 0,
            diagnostics: Vec::new(),
            diagnostics_dropped: 0,
        }
    }

    /// Adds the entries of a send, and `dropped` that could not be made. Where there are more than `entries_max` then,
    /// or more than 256 KiB of them, the oldest are dropped: what became of the call last is what is asked for.
    pub(crate) fn tell(&mut self, entries: Vec<DiagnosticEntry>, dropped: u32, entries_max: usize) {
        self.diagnostics.extend(entries);
        let (mut keep, mut bytes) = (0, 0_usize);
        for entry in self.diagnostics.iter().rev().take(entries_max) {
            bytes = bytes.saturating_add(entry.bytes());
            if bytes > DIAGNOSTIC_BYTES_MAX {
                break;
            }
            keep += 1;
        }
        let gone = self.diagnostics.len() - keep;
        self.diagnostics.drain(..gone);
        self.diagnostics_dropped =
            self.diagnostics_dropped.saturating_add(u64::from(dropped)).saturating_add(gone as u64);
    }
}

/// A call in the background with what has become of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackgroundCall {
    /// What was handed over.
    #[serde(flatten)]
    pub entry: OutboxEntry,
    /// What has become of it.
    #[serde(flatten)]
    pub progress: BackgroundProgress,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Header, Method};

    #[test]
    fn a_background_call_is_one_flat_object_that_reads_back() {
        let instant = Timestamp::from_millis(1_000);
        let request = Request {
            method: Method::Post,
            uri: "https://a.test/x".parse().unwrap(),
            headers: vec![Header::new("a", "b")],
            body: Some(vec![0xff, 0].into()),
        };
        let entry = OutboxEntry {
            tenant: "acme".parse().unwrap(),
            run: RunId::generate(),
            sequence: u64::MAX,
            step: "s".parse().unwrap(),
            connector: "c".parse().unwrap(),
            connector_version: 2,
            function: "f".parse().unwrap(),
            request,
            idempotency_key: "k".to_owned(),
            created_at: instant,
            expires_at: instant,
        };
        let exchange = Exchange { outcome: Ok(response()), attempts: Vec::new(), elapsed_us: u64::MAX };
        let progress = BackgroundProgress { exchange: Some(exchange), ..BackgroundProgress::new(instant) };
        let call = BackgroundCall { entry, progress };
        let json = serde_json::to_value(&call).unwrap();
        assert_eq!((&json["state"], &json["step"], &json["sends"]), (&"pending".into(), &"s".into(), &0.into()));
        assert_eq!(serde_json::from_value::<BackgroundCall>(json).unwrap(), call);
    }

    fn response() -> crate::message::Response {
        crate::message::Response { status: 503, headers: Vec::new(), body: "x".into(), transformed_data: None }
    }
}
