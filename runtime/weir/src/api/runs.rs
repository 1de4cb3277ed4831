//! Runs: executions of flows (F-07, F-13).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{HeaderName, LOCATION, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_engine::duration_text;
use weir_engine::engine::{StartError, StartRun};
use weir_engine::ids::{FlowName, RequestId, RunId, TenantId};
use weir_engine::ports::RunFilter;
use weir_engine::run::{JournalEntry, Run, RunStateKind};
use weir_engine::sensitive::SensitiveNames;
use weir_engine::time::Timestamp;

use super::app::App;
use super::body::EventJson;
use super::caller::{Caller, InspectRuns, ReadRuns, StartRuns};
use super::client_result;
use super::masking::masked;
use super::page::{self, Listing};
use super::path::{PathOf, QueryOf};
use super::relatives;
use super::views::RunView;
use crate::auth::Principal;
use crate::problem::{Problem, code};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Most journal entries of one answer.
const ENTRIES_MAX: usize = page::LIMIT_MAX;

/// A run about to begin.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRunBody {
    /// What the flow sees as `event`; null without.
    #[serde(default)]
    #[schema(value_type = Object)]
    event: Value,
    /// The flow's version; the live one without.
    #[serde(default)]
    version: Option<u32>,
}

/// How a start is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StartQuery {
    /// How long to wait for the run's end or its suspension, such as `5s`; not at all without. `Prefer: wait=SECONDS`
    /// does the same.
    wait: Option<String>,
}

/// Which runs to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RunsQuery {
    /// Of this flow only.
    #[param(value_type = Option<String>)]
    flow: Option<FlowName>,
    /// In this state only: `ready`, `suspended`, `waiting`, `paused`, `completed`, `failed`, `error`, `cancelled`.
    #[param(value_type = Option<String>)]
    state: Option<RunStateKind>,
    /// Started at this instant or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Started before this instant.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// The one that was started with this `Idempotency-Key`.
    client_key: Option<String>,
    /// Items of this part: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    cursor: Option<String>,
}

/// Which journal entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct JournalQuery {
    /// Those with a greater sequence number: 0, which is all, by default.
    #[serde(default)]
    after: u64,
    /// Entries of this part: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
}

/// A part of a run's journal.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct JournalView {
    /// What each step did, oldest first.
    #[schema(value_type = Vec<Object>)]
    items: Vec<JournalEntry>,
    /// `after` for the next part; absent where no more is committed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<u64>,
}

/// How long a start waits for the end of its run; zero where nobody asked.
pub(super) struct Wait(pub(super) Duration);

impl FromRequestParts<Arc<App>> for Wait {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let QueryOf(query) = QueryOf::<StartQuery>::from_request_parts(parts, app).await?;
        wait_of(&query, &parts.headers, app.limits.wait).map(Self)
    }
}

/// What makes a start this one and no other.
pub(super) struct Identity {
    /// The value of `Idempotency-Key`, checked by the engine.
    pub(super) client_key: Option<String>,
    /// The request's id.
    pub(super) request_id: Option<RequestId>,
}

impl FromRequestParts<Arc<App>> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let client_key = parts.headers.get(IDEMPOTENCY_KEY).map(|value| value.to_str().map(str::to_owned));
        let client_key = client_key.transpose().map_err(|_| StartError::InvalidClientKey)?;
        Ok(Self { client_key, request_id: parts.extensions.get().cloned() })
    }
}

/// Starts a run. With a wait, answers when the run has ended or is suspended; without one, or when the wait is over,
/// at once.
#[utoipa::path(post, path = "/v1/flows/{name}/runs", tag = "runs", security(("key" = ["runs.start"])),
    params(
        ("name" = String, Path, description = "The flow."),
        ("idempotency-key" = Option<String>, Header, description = "Two starts with the same key are one run: 1 to 255 visible ASCII characters."),
        ("prefer" = Option<String>, Header, description = "`wait=SECONDS` (RFC 7240)."),
        StartQuery
    ),
    request_body = NewRunBody,
    responses(
        (status = 200, body = RunView, description = "The run has ended."),
        (status = 202, body = RunView, description = "The run goes on, or is suspended: `redirect` says where its end user is sent. `Location` is where to look.",
            headers(("location" = String)))
    ))]
pub(super) async fn start(
    caller: Caller<StartRuns>,
    State(app): State<Arc<App>>,
    PathOf(flow): PathOf<FlowName>,
    Wait(wait): Wait,
    Identity { client_key, request_id }: Identity,
    EventJson(body): EventJson<NewRunBody>,
) -> Result<Response, Problem> {
    let tenant = caller.tenant().clone();
    let start = StartRun { tenant, flow, version: body.version, event: body.event, client_key, request_id };
    let started = app.engine.start(start).await?;
    answer((&app, &caller.principal), started.run, wait, !started.created).await
}

/// What is answered to who began or changed a run: the run once it is settled, or as it is when the wait is over.
pub(super) async fn answer(
    (app, principal): (&App, &Principal),
    run: Run,
    wait: Duration,
    is_replayed: bool,
) -> Result<Response, Problem> {
    let run = settled_within(app, &principal.tenant, run, wait).await?;
    let status = if run.ending().is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let location = format!("/v1/runs/{}", run.id);
    let view = Json(client_result::view(app, &principal.tenant, run, principal.role).await?);
    let replayed = is_replayed.to_string();
    Ok((status, [(LOCATION, location), (IDEMPOTENCY_REPLAYED, replayed)], view).into_response())
}

/// The run once it has ended, is suspended or is paused, or as it is when the wait is over.
pub(super) async fn settled_within(app: &App, tenant: &TenantId, run: Run, wait: Duration) -> Result<Run, Problem> {
    if wait.is_zero() || run.state.is_settled() {
        return Ok(run);
    }
    // A server that is about to stop answers at once: the run goes on after the next start.
    tokio::select! {
        waited = app.engine.wait_since(tenant, run.id, run.revision, wait) => Ok(waited?.unwrap_or(run)),
        () = app.draining() => Ok(run),
    }
}

/// How long to wait, at most `most`. A preference that cannot be read is ignored (RFC 7240 section 2), a query
/// parameter is not.
fn wait_of(query: &StartQuery, headers: &HeaderMap, most: Duration) -> Result<Duration, Problem> {
    let wait = match &query.wait {
        Some(text) => {
            let wait = duration_text::parse(text)
                .map_err(|error| Problem::new(&code::INVALID_QUERY, format!("`wait`: {error}.")))?;
            if wait > most {
                let detail = format!("`wait` is longer than {} (`limits.wait`).", duration_text::to_text(most));
                return Err(Problem::new(&code::INVALID_QUERY, detail));
            }
            wait
        }
        None => preferred_wait(headers).unwrap_or_default().min(most),
    };
    Ok(wait)
}

fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    })?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// A run's state and result.
#[utoipa::path(get, path = "/v1/runs/{id}", tag = "runs", security(("key" = ["runs.read"])),
    params(("id" = String, Path, description = "The run.")),
    responses((status = 200, body = RunView, description = "The run.")))]
pub(super) async fn get(
    caller: Caller<ReadRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<RunView>, Problem> {
    let run = find(&app, caller.tenant(), &id).await?;
    let relatives = relatives::of(&app, &run).await?;
    let view = client_result::view(&app, caller.tenant(), run, caller.principal.role).await?;
    Ok(Json(view.with_relatives(relatives)))
}

/// The tenant's runs, newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", security(("key" = ["runs.read"])), params(RunsQuery),
    responses((status = 200, body = Listing<RunView>, description = "One part of the list.")))]
pub(super) async fn list(
    caller: Caller<ReadRuns>,
    State(app): State<Arc<App>>,
    QueryOf(query): QueryOf<RunsQuery>,
) -> Result<Json<Listing<RunView>>, Problem> {
    let request = page::request(query.limit, query.cursor.as_deref())?;
    let RunsQuery { flow, state, since, until, client_key, .. } = query;
    let filter = RunFilter { flow, state, since, until, client_key };
    let runs = app.store.runs(caller.tenant(), &filter, &request).await?;
    let now = app.clock.now();
    Ok(Json(Listing::of(runs, |run| RunView::of(run, caller.principal.role, now))))
}

/// What each step did, oldest first: requests, responses, hooks, operations, logs, changes.
#[utoipa::path(get, path = "/v1/runs/{id}/journal", tag = "runs", security(("key" = ["runs.inspect"])),
    params(("id" = String, Path, description = "The run."), JournalQuery),
    responses((status = 200, body = JournalView, description = "A part of the journal.")))]
pub(super) async fn journal(
    caller: Caller<InspectRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
    QueryOf(query): QueryOf<JournalQuery>,
) -> Result<Json<JournalView>, Problem> {
    let (names, items, next_after) = entries(&app, caller.tenant(), &id, &query).await?;
    let items = masked(names, items, |items, names| items.iter_mut().for_each(|entry| entry.mask(names))).await?;
    Ok(Json(JournalView { items, next_after }))
}

/// A part of a journal as it is stored, with the names that nobody is shown of it and where it goes on.
pub(super) async fn entries(
    app: &App,
    tenant: &TenantId,
    id: &str,
    query: &JournalQuery,
) -> Result<(SensitiveNames, Vec<JournalEntry>, Option<u64>), Problem> {
    let limit = page::request(query.limit, None)?.limit.min(ENTRIES_MAX);
    let run = find(app, tenant, id).await?;
    let entries = app.store.journal(tenant, run.id, query.after, limit).await?;
    let names = app.engine.hidden_names(&run).await?;
    let last = entries.last().map(|entry| entry.sequence);
    let next_after = last.filter(|last| *last < run.revision);
    Ok((names, entries, next_after))
}

/// What a run knows: `{event, connectors, steps, claims}`.
#[utoipa::path(get, path = "/v1/runs/{id}/context", tag = "runs", security(("key" = ["runs.inspect"])),
    params(("id" = String, Path, description = "The run.")),
    responses((status = 200, body = Object, description = "The context.")))]
pub(super) async fn context(
    caller: Caller<InspectRuns>,
    State(app): State<Arc<App>>,
    PathOf(id): PathOf<String>,
) -> Result<Json<Value>, Problem> {
    let run = find(&app, caller.tenant(), &id).await?;
    let context = app.store.run_context(caller.tenant(), run.id).await?.ok_or_else(|| Problem::not_found("run"))?;
    let names = app.engine.hidden_names(&run).await?;
    masked(names, context.to_json(), |context, names| names.mask_context(context)).await.map(Json)
}

/// The tenant's run of that id.
pub(super) async fn find(app: &App, tenant: &TenantId, id: &str) -> Result<Run, Problem> {
    let id: RunId = id.parse()?;
    app.store.run(tenant, id).await?.ok_or_else(|| Problem::not_found("run"))
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        let name = error.code();
        let detail = format!("{error}.");
        match error {
            StartError::UnknownFlow { .. } => Self::named(&code::NOT_FOUND, name, detail),
            StartError::InvalidEvent { violations, .. } => {
                let errors =
                    violations.into_iter().map(|(pointer, message)| json!({ "pointer": pointer, "message": message }));
                Self::named(&code::INVALID_EVENT, name, detail).with_errors(errors.collect())
            }
            StartError::EventTooLarge { .. } => Self::named(&code::EVENT_TOO_LARGE, name, detail),
            StartError::InvalidClientKey => Self::named(&code::INVALID_HEADER, name, detail),
            StartError::ClientKeyTaken(_) => Self::named(&code::EXISTS, name, detail),
            StartError::Draining => Self::new(&code::DRAINING, detail).with_header(RETRY_AFTER, "5"),
            StartError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        // covers F-07
        let most = Duration::from_secs(60);
        let headers = |value: &str| HeaderMap::from_iter([(PREFER, value.parse().unwrap())]);
        let query = |wait: Option<&str>| StartQuery { wait: wait.map(str::to_owned) };
        let seconds = |value: Result<Duration, Problem>| value.ok().map(|wait| wait.as_secs());
        assert_eq!(seconds(wait_of(&query(None), &HeaderMap::new(), most)), Some(0));
        assert_eq!(seconds(wait_of(&query(Some("60s")), &HeaderMap::new(), most)), Some(60));
        assert_eq!(seconds(wait_of(&query(Some("60001ms")), &HeaderMap::new(), most)), None);
        assert_eq!(seconds(wait_of(&query(Some("soon")), &HeaderMap::new(), most)), None);
        assert_eq!(seconds(wait_of(&query(None), &headers("respond-async, Wait=5"), most)), Some(5));
        assert_eq!(seconds(wait_of(&query(None), &headers("wait=500"), most)), Some(60));
        assert_eq!(seconds(wait_of(&query(None), &headers("wait=x"), most)), Some(0));
    }
}
