//! A run, live: server-sent events (WHATWG HTML, section 9.2). One event for each journal entry, with its sequence
//! number as id; then `ended`. A client that lost the connection goes on after `Last-Event-ID`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::HeaderName;
use axum::http::header::RETRY_AFTER;
use axum::http::request::Parts;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use weir_engine::engine::LatestCommit;
use weir_engine::ids::RunId;
use weir_engine::run::JournalEntry;
use weir_engine::sensitive::SensitiveNames;

use super::app::App;
use super::caller::{Caller, InspectRuns};
use super::client_result;
use super::masking::masked;
use super::path::PathOf;
use super::runs;
use crate::auth::Principal;
use crate::problem::{Problem, code};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Entries read at a time.
const ENTRIES: usize = 20;
/// A run that another process drives makes no signal here: it is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often a comment keeps the connection alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The sequence number of the last entry that the client has; 0 without.
pub(super) struct LastEventId(u64);

impl FromRequestParts<Arc<App>> for LastEventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(LAST_EVENT_ID) else { return Ok(Self(0)) };
        let id = value.to_str().ok().and_then(|text| text.parse().ok());
        id.map(Self).ok_or_else(|| {
            Problem::new(&code::INVALID_HEADER, "`Last-Event-ID` must be the id of an event of this stream.")
        })
    }
}

/// A run, live. Events `step` hold journal entries, the last event `ended` the run.
#[utoipa::path(get, path = "/v1/runs/{id}/events", tag = "runs", security(("key" = ["runs.inspect"])),
    params(
        ("id" = String, Path, description = "The run."),
        ("last-event-id" = Option<u64>, Header, description = "Go on after this event.")
    ),
    responses((status = 200, body = String, content_type = "text/event-stream", description = "The events.")))]
pub(super) async fn events(
    caller: Caller<InspectRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    LastEventId(after): LastEventId,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let run = runs::find(&app, caller.tenant(), &id).await?;
    let place = app.event_streams.take(caller.tenant()).ok_or_else(|| {
        let detail =
            "The tenant has as many live streams as it may (`limits.event-streams`). Close one, or poll the journal.";
        Problem::new(&code::TOO_MANY_STREAMS, detail).with_header(RETRY_AFTER, "10")
    })?;
    let changes = app.engine.watch(run.id);
    let hidden = Hidden { names: app.engine.hidden_names(&run).await?, learnt: run.sensitive.len() };
    let principal = caller.principal.clone();
    let live = Live { app, principal, run: run.id, hidden, after, changes, is_over: false, _place: place };
    let events = stream::unfold(live, Live::next).flat_map(stream::iter).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// A stream and how far it has come.
struct Live {
    app: Arc<App>,
    principal: Principal,
    run: RunId,
    hidden: Hidden,
    after: u64,
    changes: watch::Receiver<LatestCommit>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// What nobody is shown of a run.
struct Hidden {
    names: SensitiveNames,
    /// How many of them the run itself had learnt then. It learns more as it goes on, and forgets none.
    learnt: usize,
}

impl Live {
    /// The names as of entries that are read already: what an entry makes sensitive is committed with it.
    async fn names(&mut self) -> Option<SensitiveNames> {
        let run = self.app.store.run(&self.principal.tenant, self.run).await.ok()??;
        if run.sensitive.len() != self.hidden.learnt {
            let names = self.app.engine.hidden_names(&run).await.ok()?;
            self.hidden = Hidden { names, learnt: run.sensitive.len() };
        }
        Some(self.hidden.names.clone())
    }

    /// The next events, as soon as there are some. `None` when the run has ended, the server stops, or the store fails:
    /// the client comes again with `Last-Event-ID`.
    async fn next(mut self) -> Option<(Vec<Event>, Self)> {
        while !self.is_over {
            // A stream goes on for long: a key that is revoked meanwhile sees no more of it.
            if !self.app.keys.still_holds(&self.principal).await.ok()? {
                return None;
            }
            // Before the look, so that a change during it is not missed.
            self.changes.mark_unchanged();
            let entries = self.app.store.journal(&self.principal.tenant, self.run, self.after, ENTRIES).await.ok()?;
            if let Some(last) = entries.last() {
                self.after = last.sequence;
                let mask = |entries: &mut Vec<JournalEntry>, names: &SensitiveNames| {
                    entries.iter_mut().for_each(|entry| entry.mask(names));
                };
                let entries = masked(self.names().await?, entries, mask).await.ok()?;
                return Some((entries.iter().map(step).collect(), self));
            }
            let run = self.app.store.run(&self.principal.tenant, self.run).await.ok()??;
            // An entry may have been committed between the two reads.
            if run.ending().is_some() && run.revision <= self.after {
                self.is_over = true;
                let Principal { tenant, role, .. } = &self.principal;
                let view = client_result::view(&self.app, tenant, run, *role).await.ok()?;
                return Some((vec![event("ended", &view)], self));
            }
            let app = Arc::clone(&self.app);
            tokio::select! {
                () = app.draining() => return None,
                () = self.changed() => {}
            }
        }
        None
    }

    async fn changed(&mut self) {
        // A closed channel means that this process does not drive the run: only looking again tells.
        let closed = matches!(tokio::time::timeout(LOOK_AGAIN, self.changes.changed()).await, Ok(Err(_)));
        if closed {
            tokio::time::sleep(LOOK_AGAIN).await;
            // A suspended run is driven again once it is resumed.
            self.changes = self.app.engine.watch(self.run);
        }
    }
}

fn step(entry: &JournalEntry) -> Event {
    event("step", entry).id(entry.sequence.to_string())
}

fn event(name: &str, data: &impl serde::Serialize) -> Event {
    // JSON text has no line ends, which is all that an event could choke on.
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}
