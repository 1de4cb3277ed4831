//! Starts a run (F-07, F-13).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::Engine;
use crate::digest::Digest;
use crate::flow::Flow;
use crate::ids::{FlowName, RequestId, RunId, TenantId};
use crate::ports::{ClaimedRun, NewRun, Started, StoreError};
use crate::run::{Run, RunContext};

/// Longest client key, in bytes.
const CLIENT_KEY_BYTES_MAX: usize = 255;

/// What a caller asks for.
#[derive(Debug, Clone)]
pub struct StartRun {
    /// Whose.
    pub tenant: TenantId,
    /// The flow.
    pub flow: FlowName,
    /// The version; the live one without.
    pub version: Option<u32>,
    /// What the flow sees as `event`.
    pub event: Value,
    /// Two starts with the same key are one run. 1 to 255 visible ASCII characters.
    pub client_key: Option<String>,
    /// The request that asks for it; its id is the trace id of the run's diagnostic entries.
    pub request_id: Option<RequestId>,
}

/// What a start gave.
#[derive(Debug, Clone)]
pub struct StartedRun {
    /// The run.
    pub run: Run,
    /// `false` where an earlier start with the same client key made it.
    pub created: bool,
}

/// Why no run was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The tenant has no such flow, or not in this version.
    #[error("there is no flow `{flow}`{}", version.map(|version| format!(" in version {version}")).unwrap_or_default())]
    UnknownFlow {
        /// The flow.
        flow: FlowName,
        /// The version that was asked for.
        version: Option<u32>,
    },
    /// The event does not match the flow's schema.
    #[error("the event does not match the input schema of flow `{flow}`")]
    InvalidEvent {
        /// The flow.
        flow: FlowName,
        /// Pointer into the event and what is wrong there.
        violations: Vec<(String, String)>,
    },
    /// The event is too large.
    #[error("the event has {bytes} bytes; at most {most} are allowed")]
    EventTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit, `engine.event-bytes-max`.
        most: usize,
    },
    /// The client key is not one.
    #[error("the client key must be 1 to 255 visible ASCII characters")]
    InvalidClientKey,
    /// The client key belongs to a run of another flow, or with another event.
    #[error("the client key belongs to run {0}, which is of another flow or has another event; use a new key")]
    ClientKeyTaken(RunId),
    /// The process is about to stop.
    #[error("the server is about to stop and starts no runs; try again in a moment")]
    Draining,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StartError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownFlow { .. } => "flow.unknown",
            Self::InvalidEvent { .. } => "run.invalid-event",
            Self::EventTooLarge { .. } => "run.event-too-large",
            Self::InvalidClientKey => "run.invalid-client-key",
            Self::ClientKeyTaken(_) => "run.client-key-taken",
            Self::Draining => "server.draining",
            Self::Store(error) => error.code(),
        }
    }
}

impl Engine {
    /// Starts a run and returns when it is durable; somebody drives it from then on.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing was started then.
    pub async fn start(self: &Arc<Self>, start: StartRun) -> Result<StartedRun, StartError> {
        if *self.draining.borrow() {
            return Err(StartError::Draining);
        }
        check_client_key(start.client_key.as_deref())?;
        let bytes = start.event.to_string().len();
        if bytes > self.settings.event_bytes_max {
            return Err(StartError::EventTooLarge { bytes, most: self.settings.event_bytes_max });
        }
        let found = self.ports.definitions.flow(&start.tenant, &start.flow, start.version).await?;
        let Some((version, flow)) = found else {
            return Err(StartError::UnknownFlow { flow: start.flow, version: start.version });
        };
        check_event(&flow, &start.event)?;
        // A caller that goes away must not leave a durable run behind that nobody drives.
        let engine = self.clone();
        let begun = tokio::spawn(async move { engine.begin(start, version, &flow).await });
        begun.await.unwrap_or(Err(StartError::Draining))
    }

    async fn begin(
        self: &Arc<Self>,
        start: StartRun,
        flow_version: u32,
        flow: &Flow,
    ) -> Result<StartedRun, StartError> {
        let now = self.ports.clock.now();
        let deadline = now.after(flow.deadline.min(self.settings.run_deadline_max));
        let pinned = (start.flow, flow_version);
        let run = Run::new(start.tenant, RunId::generate(), pinned, flow.main.first.clone(), now, deadline);
        let event_digest = start.client_key.as_ref().map(|_| digest_of(&start.event));
        let run = Run { trace_id: start.request_id, event_digest, ..run };
        let context = RunContext::of_event(start.event);
        // Without a free slot the run waits in the store until the claim loop finds one; while others wait, so does
        // this one: the store knows whose turn it is.
        let waits = self.queued.load(Ordering::Relaxed);
        let slot = if waits { None } else { self.slots.clone().try_acquire_owned().ok() };
        let lease = slot.is_some().then(|| (self.owner.clone(), now.after(self.settings.lease)));
        let new = NewRun { run: run.clone(), context: context.clone(), client_key: start.client_key, lease };
        match self.ports.store.start_run(new).await? {
            Started::Existing(existing) if !is_same_start(&existing, &run) => {
                Err(StartError::ClientKeyTaken(existing.id))
            }
            Started::Existing(existing) => Ok(StartedRun { run: *existing, created: false }),
            Started::New(lease) => {
                match (slot, lease) {
                    (Some(slot), Some(lease)) => self.spawn(ClaimedRun { run: run.clone(), context, lease }, slot),
                    _ => {
                        self.queued.store(true, Ordering::Relaxed);
                        self.wake.notify_one();
                    }
                }
                Ok(StartedRun { run, created: true })
            }
        }
    }
}

/// Whether a start means the run that an earlier one with its client key began.
fn is_same_start(existing: &Run, new: &Run) -> bool {
    // Runs of before digests were kept have none.
    let is_same_event = existing.event_digest.is_none_or(|digest| Some(digest) == new.event_digest);
    existing.flow == new.flow && is_same_event
}

/// The digest of an event. The order of members does not matter.
fn digest_of(event: &Value) -> Digest {
    fn write(value: &Value, text: &mut String) {
        match value {
            Value::Object(members) => {
                let mut members: Vec<(&String, &Value)> = members.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                text.push('{');
                for (name, value) in members {
                    text.push_str(&Value::String(name.clone()).to_string());
                    text.push(':');
                    write(value, text);
                    text.push(',');
                }
                text.push('}');
            }
            Value::Array(items) => {
                text.push('[');
                for item in items {
                    write(item, text);
                    text.push(',');
                }
                text.push(']');
            }
            scalar => text.push_str(&scalar.to_string()),
        }
    }
    let mut text = String::new();
    write(event, &mut text);
    Digest::of(text.as_bytes())
}

fn check_client_key(key: Option<&str>) -> Result<(), StartError> {
    if key.is_none_or(is_client_key) { Ok(()) } else { Err(StartError::InvalidClientKey) }
}

/// Whether a text can be a client key.
pub(super) fn is_client_key(key: &str) -> bool {
    (1..=CLIENT_KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_event(flow: &Flow, event: &Value) -> Result<(), StartError> {
    let Some(schema) = &flow.input else { return Ok(()) };
    let violations: Vec<(String, String)> =
        schema.violations(event).into_iter().map(|it| (it.pointer, it.problem)).collect();
    if violations.is_empty() {
        return Ok(());
    }
    Err(StartError::InvalidEvent { flow: flow.name.clone(), violations })
}
