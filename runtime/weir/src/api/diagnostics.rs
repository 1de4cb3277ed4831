//! Diagnostic log entries (D-02): of a run, as they are stored, and of the whole tenant, live.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use metrics::counter;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use weir_engine::connector::ResponseMode;
use weir_engine::engine::{DiagnosticReader, Heard};
use weir_engine::ids::{FlowName, RequestId, RunId, StepId, TenantId};
use weir_engine::ports::{Cursor, LogLevel, Page};
use weir_engine::run::{
    BackgroundProgress, DiagnosticEntry, DiagnosticEvent, DiagnosticFilter, JournalEntry, ResultStatus, StepRecord,
};
use weir_engine::time::Timestamp;

use super::app::App;
use super::caller::{Caller, InspectRuns};
use super::page::{self, Listing};
use super::path::{PathOf, QueryOf};
use super::runs;
use crate::auth::Principal;
use crate::problem::{Problem, code};
use crate::telemetry::otlp;

/// JSON lines.
const NDJSON: &str = "application/x-ndjson";
/// Journal entries read at a time.
const STEPS: usize = 20;
/// Most journal entries that one part looks at: a filter that takes nothing must not read a long run at once.
const STEPS_MAX: usize = 500;
/// How often a live view in which nothing happens looks whether its key still holds.
const KEY_CHECK: Duration = Duration::from_secs(2);
/// How often a comment keeps a live view alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Which entries of a run, and how.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunDiagnosticsQuery {
    /// At least so loud: `debug`, `info`, `warning`, `error`.
    #[param(value_type = Option<String>)]
    level: Option<LogLevel>,
    /// Of this step only.
    #[param(value_type = Option<String>)]
    step: Option<StepId>,
    /// Of this component only: `connector.function`, `plugin@version`, or the connector or plugin alone.
    component: Option<String>,
    /// Of this `actionId` only, such as `connector-failure`.
    #[param(value_type = Option<String>)]
    action: Option<DiagnosticEvent>,
    /// With this result only: `Success`, `Failed`.
    #[param(value_type = Option<String>)]
    result_status: Option<ResultStatus>,
    /// Of this call or invocation only.
    #[param(value_type = Option<String>)]
    request: Option<RequestId>,
    /// Of runs that this request started.
    #[param(value_type = Option<String>)]
    trace: Option<RequestId>,
    /// The one of this `logId`.
    log: Option<String>,
    /// With this text in the message.
    text: Option<String>,
    /// With this text in `configurations`, as JSON writes it without spaces.
    configurations: Option<String>,
    /// With this text in `input`, as JSON writes it without spaces.
    input: Option<String>,
    /// Recorded at this instant or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Recorded before this instant.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// `json`; `jsonl` for all entries as JSON lines, which `Accept: application/x-ndjson` gives too; `otlp` for all as
    /// OpenTelemetry logs, a `LogsData` of up to 200 records a line.
    #[param(value_type = Option<String>)]
    format: Option<Format>,
    /// Items of this part: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Json,
    Jsonl,
    Otlp,
}

/// Which entries of the tenant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveQuery {
    /// At least so loud: `debug`, `info`, `warning`, `error`.
    #[param(value_type = Option<String>)]
    level: Option<LogLevel>,
    /// Of this flow only.
    #[param(value_type = Option<String>)]
    flow: Option<FlowName>,
    /// Of this run only.
    #[param(value_type = Option<String>)]
    run: Option<RunId>,
    /// Of this step only.
    #[param(value_type = Option<String>)]
    step: Option<StepId>,
    /// Of this component only: `connector.function`, `plugin@version`, or the connector or plugin alone.
    component: Option<String>,
    /// Of this `actionId` only, such as `connector-failure`.
    #[param(value_type = Option<String>)]
    action: Option<DiagnosticEvent>,
    /// With this result only: `Success`, `Failed`.
    #[param(value_type = Option<String>)]
    result_status: Option<ResultStatus>,
    /// Of this version of flows only.
    flow_version: Option<u32>,
    /// Of this call or invocation only.
    #[param(value_type = Option<String>)]
    request: Option<RequestId>,
    /// Of runs that this request started: the `x-request-id` of its answer.
    #[param(value_type = Option<String>)]
    trace: Option<RequestId>,
    /// With this text in the message.
    text: Option<String>,
    /// With this text in `configurations`, as JSON writes it without spaces.
    configurations: Option<String>,
    /// With this text in `input`, as JSON writes it without spaces.
    input: Option<String>,
}

/// A part of a run's entries.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DiagnosticsView {
    /// Oldest first: `logId`, `recordedAt`, `requestId`, `level`, `resultStatus`, `resultMessage`, `actionId`,
    /// `componentId`, `configurations`, `input`, `tenant`, `flow`, `flowVersion`, `run`, `step`, `traceId`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<DiagnosticEntry>,
    /// Where the next part begins; absent where no more is committed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// The diagnostic entries of a run, step by step, those of a step's call in the background after its own.
#[utoipa::path(get, path = "/v1/runs/{id}/diagnostics", tag = "runs", security(("key" = ["runs.inspect"])),
    params(("id" = String, Path, description = "The run."), RunDiagnosticsQuery),
    responses((status = 200, description = "A part of the entries, or all of them as JSON lines.",
        content((DiagnosticsView = "application/json"), (String = "application/x-ndjson")))))]
pub(super) async fn of_run(
    caller: Caller<InspectRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<RunDiagnosticsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asked = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|value| value.contains(NDJSON));
    let format = query.format.unwrap_or(if asked { Format::Jsonl } else { Format::Json });
    let in_parts = query.limit.is_some() || query.cursor.is_some();
    let request = page::request(query.limit, query.cursor.as_deref())?;
    let filter = DiagnosticFilter {
        level: query.level,
        step: query.step,
        component: query.component,
        event: query.action,
        result_status: query.result_status,
        request: query.request,
        trace: query.trace,
        log: query.log,
        text: query.text,
        configurations: query.configurations,
        input: query.input,
        since: query.since,
        until: query.until,
        ..DiagnosticFilter::default()
    };
    let run = runs::find(&app, caller.tenant(), &id).await?.id;
    if format != Format::Json {
        if in_parts {
            let detail = "An export holds every entry that the filters take; leave `limit` and `cursor` out.";
            return Err(Problem::new(&code::INVALID_QUERY, detail));
        }
        return export(app, (caller.tenant().clone(), run), filter, format);
    }
    let from = request.after.as_ref().map_or(Ok(Place::FIRST), Place::read)?;
    let (items, next) = part(&app, (caller.tenant(), run), &filter, from, request.limit).await?;
    let next = next.map(|place| Cursor(format!("{}.{}", place.sequence, place.index)));
    let Listing { items, next_cursor } = Listing::of(Page { items, next }, |entry| entry);
    Ok(Json(DiagnosticsView { items, next_cursor }).into_response())
}

/// Where among a run's entries: the step, and the entry within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    sequence: u64,
    index: usize,
}

impl Place {
    const FIRST: Self = Self { sequence: 1, index: 0 };

    fn read(Cursor(text): &Cursor) -> Result<Self, Problem> {
        let place = text
            .split_once('.')
            .and_then(|(sequence, index)| Some(Self { sequence: sequence.parse().ok()?, index: index.parse().ok()? }));
        place.ok_or_else(|| Problem::new(&code::INVALID_CURSOR, "The cursor is not one that this list gave."))
    }
}

/// Up to `limit` entries, and where to go on.
async fn part(
    app: &App,
    (tenant, run): (&TenantId, RunId),
    filter: &DiagnosticFilter,
    mut from: Place,
    limit: usize,
) -> Result<(Vec<DiagnosticEntry>, Option<Place>), Problem> {
    let mut items = Vec::new();
    let mut looked_at = 0;
    while looked_at < STEPS_MAX {
        let steps = app.store.journal(tenant, run, from.sequence.saturating_sub(1), STEPS).await?;
        if steps.is_empty() {
            return Ok((items, None));
        }
        looked_at += steps.len();
        let mut calls = calls_of(app, (tenant, run), &steps).await?;
        for step in steps {
            let skip = if step.sequence == from.sequence { from.index } else { 0 };
            let own = step.diagnostics.len();
            // Those that were dropped keep their places: what is added later moves no place that a cursor names.
            let later = calls.remove(&step.sequence).into_iter().flat_map(|call| {
                let dropped = usize::try_from(call.diagnostics_dropped).unwrap_or(usize::MAX);
                (own.saturating_add(dropped)..).zip(call.diagnostics)
            });
            let all = step.diagnostics.into_iter().enumerate().chain(later);
            for (index, entry) in all.skip_while(|(index, _)| *index < skip) {
                if items.len() == limit {
                    return Ok((items, Some(Place { sequence: step.sequence, index })));
                }
                items.extend(filter.takes(&entry).then_some(entry));
            }
            from = Place { sequence: step.sequence.saturating_add(1), index: 0 };
        }
    }
    Ok((items, Some(from)))
}

/// What has become of the calls that these steps have handed over (C-11), by the steps' sequence numbers.
async fn calls_of(
    app: &App,
    (tenant, run): (&TenantId, RunId),
    steps: &[JournalEntry],
) -> Result<HashMap<u64, BackgroundProgress>, Problem> {
    let handed_over =
        |step: &&JournalEntry| matches!(&step.record, StepRecord::Call(call) if call.mode == ResponseMode::Background);
    let mut wanted = steps.iter().filter(handed_over);
    let Some(first) = wanted.next() else { return Ok(HashMap::new()) };
    // Not every such step has handed a call over: then some of later steps are read as well.
    let limit = wanted.count().saturating_add(1);
    let calls = app.store.background_calls(tenant, run, first.sequence.saturating_sub(1), limit).await?;
    Ok(calls.into_iter().map(|call| (call.entry.sequence, call.progress)).collect())
}

/// Every entry that the filter takes, one JSON object a line; OpenTelemetry's many a line.
fn export(
    app: Arc<App>,
    (tenant, run): (TenantId, RunId),
    filter: DiagnosticFilter,
    format: Format,
) -> Result<Response, Problem> {
    // It may take as long as a live view.
    let place = place(&app, &tenant)?;
    let lines = stream::try_unfold((Some(Place::FIRST), place), move |(from, place)| {
        let (app, tenant, filter) = (Arc::clone(&app), tenant.clone(), filter.clone());
        async move {
            let Some(from) = from else { return Ok(None) };
            let (items, next) =
                part(&app, (&tenant, run), &filter, from, page::LIMIT_MAX).await.map_err(|problem| {
                    // The status is out: only a broken body says that something is missing.
                    std::io::Error::other(problem.code().to_owned())
                })?;
            let mut text = String::new();
            let mut line = |value: Result<String, serde_json::Error>| {
                text.push_str(&value.unwrap_or_default());
                text.push('\n');
            };
            match format {
                Format::Otlp if items.is_empty() => {}
                Format::Otlp => line(serde_json::to_string(&otlp::logs_data(&items))),
                Format::Json | Format::Jsonl => items.iter().for_each(|entry| line(serde_json::to_string(entry))),
            }
            Ok::<_, std::io::Error>(Some((Bytes::from(text), (next, place))))
        }
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
}

fn place(app: &App, tenant: &TenantId) -> Result<OwnedSemaphorePermit, Problem> {
    app.event_streams.take(tenant).ok_or_else(|| {
        let detail =
            "The tenant has as many live streams and exports as it may (`limits.event-streams`). Close one, or wait.";
        Problem::new(&code::TOO_MANY_STREAMS, detail).with_header(RETRY_AFTER, "10")
    })
}

/// The tenant's diagnostic entries, live: events `entry`, and `missed` with a number where the reader was too slow.
#[utoipa::path(get, path = "/v1/diagnostics/stream", tag = "runs", security(("key" = ["runs.inspect"])),
    params(LiveQuery),
    responses((status = 200, body = String, content_type = "text/event-stream", description = "The events.")))]
pub(super) async fn live(
    caller: Caller<InspectRuns>,
    State(app): State<Arc<App>>,
    QueryOf(query): QueryOf<LiveQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = place(&app, caller.tenant())?;
    let filter = DiagnosticFilter {
        level: query.level,
        flow: query.flow,
        run: query.run,
        step: query.step,
        component: query.component,
        event: query.action,
        result_status: query.result_status,
        flow_version: query.flow_version,
        request: query.request,
        trace: query.trace,
        text: query.text,
        configurations: query.configurations,
        input: query.input,
        ..DiagnosticFilter::default()
    };
    let entries = app.engine.follow_diagnostics(caller.tenant(), filter);
    let live = Live { app, principal: caller.principal, entries, _place: place };
    let events = stream::unfold(live, Live::next).flat_map(stream::iter).map(Ok);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct Live {
    app: Arc<App>,
    principal: Principal,
    entries: DiagnosticReader,
    _place: OwnedSemaphorePermit,
}

impl Live {
    /// What comes next; none when the server stops, or the key does not hold any more.
    async fn next(mut self) -> Option<(Vec<Event>, Self)> {
        let app = Arc::clone(&self.app);
        let heard = loop {
            let heard = tokio::select! {
                () = app.draining() => return None,
                heard = self.entries.next() => Some(heard?),
                () = tokio::time::sleep(KEY_CHECK) => None,
            };
            // Before anything is told.
            if !app.keys.still_holds(&self.principal).await.ok()? {
                return None;
            }
            if let Some(heard) = heard {
                break heard;
            }
        };
        let Heard { missed, entry } = heard;
        let mut events = Vec::new();
        if missed > 0 {
            counter!("weir_diagnostic_entries_missed_total").increment(missed);
            events.push(Event::default().event("missed").data(json!({ "missed": missed }).to_string()));
        }
        let entry = entry.map(|entry| serde_json::to_string(&*entry).unwrap_or_default());
        events.extend(entry.map(|entry| Event::default().event("entry").data(entry)));
        Some((events, self))
    }
}
