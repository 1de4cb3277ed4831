//! Serves uploaded action plugins to systems that call external action services: the same contract, with its
//! statuses and bodies. What went wrong inside is in the log and in the tenant's live view, never in an answer.

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use metrics::{counter, histogram};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use weir_engine::action::{ActionAnswer, read_action_request};
use weir_engine::engine::{ServeAction, ServeActionError};
use weir_engine::flow::PluginRequirement;
use weir_engine::ids::RequestId;
use weir_engine::run::StepError;

use super::app::App;
use super::body::ActionText;
use super::edge::OwnBody;
use super::path::QueryOf;
use crate::auth::{ApiKey, Permission, Principal, Refusal};
use crate::problem::{Problem, ProblemBody};

/// The header of the contract for keys.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The longest `errorMessage` and `errorDescription` that every caller takes, in characters.
const MESSAGE_CHARS_MAX: usize = 100;
const DESCRIPTION_CHARS_MAX: usize = 300;

/// Punctuation that every caller takes, besides letters, digits and white space.
const PUNCTUATION: &str = "-_.!?;:'()[]";

/// Settings of the plugin, for callers that know nothing but a URL.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ServiceQuery {
    /// What the plugin sees besides the event: JSON whose texts are templates over `event`, or a template alone.
    input: Option<String>,
    /// The plugin's settings: JSON.
    config: Option<String>,
}

/// The contract's answer where an action could not be done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct ServiceError {
    /// Always `ERROR`.
    action_status: &'static str,
    /// What went wrong: up to 100 characters.
    error_message: String,
    /// More of it: up to 300 characters.
    error_description: String,
}

/// A caller whose key may ask this tenant's plugins.
pub(super) struct ServiceCaller {
    principal: Principal,
    plugin: String,
    /// One of the tenant's places.
    _place: OwnedSemaphorePermit,
}

impl FromRequestParts<Arc<App>> for ServiceCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let Ok(Path((tenant, plugin))) = Path::<(String, String)>::from_request_parts(parts, app).await else {
            return Err(refused("The path must name a tenant and a plugin"));
        };
        // Whatever is wrong with the key: the same answer, so that nobody learns which tenants and keys there are.
        let key = key_of(&parts.headers).ok_or_else(unauthorized)?;
        let principal = app.keys.principal(&key).await.map_err(|refusal| match refusal {
            Refusal::Invalid | Refusal::TenantDisabled => unauthorized(),
            Refusal::Store(error) => {
                tracing::error!(%error, "a key could not be looked up");
                failed("The service failed")
            }
        })?;
        if principal.tenant.as_str() != tenant || !principal.role.may(Permission::ServeActions) {
            return Err(unauthorized());
        }
        tracing::Span::current().record("tenant", principal.tenant.as_str()).record("key", principal.key.as_str());
        let place = app.tenant_requests.take(&principal.tenant);
        let place = place.ok_or_else(|| failed("The tenant has as many requests in hand as it may at once"))?;
        Ok(Self { principal, plugin, _place: place })
    }
}

/// The only key that the request brings.
fn key_of(headers: &HeaderMap) -> Option<ApiKey> {
    let in_authorization = headers.get_all(AUTHORIZATION).iter().map(of_authorization);
    let in_header = headers.get_all(API_KEY).iter().map(|value| value.to_str().ok()?.trim().parse().ok());
    let mut given = in_authorization.chain(in_header);
    let key = given.next()??;
    // Of two, nobody could say which one counts.
    given.next().is_none().then_some(key)
}

/// `Bearer KEY` (RFC 6750), or `Basic` (RFC 7617) with the key as the password. A key says itself whose it is: the user
/// name says nothing.
fn of_authorization(value: &HeaderValue) -> Option<ApiKey> {
    let (scheme, credential) = value.to_str().ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return credential.trim().parse().ok();
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = Zeroizing::new(BASE64_STANDARD.decode(credential.trim()).ok()?);
    let (_, password) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    password.parse().ok()
}

/// Asks a plugin as an external action service: the request and the answers of the service contract. The key comes as
/// `Authorization: Bearer KEY`, as the password of `Authorization: Basic`, or in `X-API-Key`.
#[utoipa::path(post, path = "/v1/action-services/{tenant}/{plugin}", tag = "actions", operation_id = "serve",
    security(("key" = ["actions.serve"])),
    params(
        ("tenant" = String, Path, description = "The key's tenant."),
        ("plugin" = String, Path, description = "`NAME` or `NAME@RANGE`."),
        ServiceQuery
    ),
    request_body(content = Object, description = "`flowId`, `requestId`, `actionType`, `event`, `allowedOperations`."),
    responses(
        (status = 200, body = Object, description = "SUCCESS, FAILED or INCOMPLETE."),
        (status = 400, body = ServiceError, description = "ERROR: the request cannot be served."),
        (status = 401, body = ServiceError, description = "ERROR: no valid key of this tenant that may do this.",
            headers(("www-authenticate" = String))),
        (status = 500, body = ServiceError, description = "ERROR: the plugin could not do its work."),
        (status = "default", body = ProblemBody, content_type = "application/problem+json",
            description = "A problem: the request did not get as far as the service, such as 429.")
    ))]
pub(super) async fn serve(
    caller: ServiceCaller,
    State(app): State<Arc<App>>,
    id: Option<Extension<RequestId>>,
    query: Result<QueryOf<ServiceQuery>, Problem>,
    text: Result<ActionText, Problem>,
) -> Response {
    let started = Instant::now();
    let call = match call_of(&caller, &app, query, text) {
        Ok(call) => ServeAction { trace: id.map(|Extension(id)| id), ..call },
        Err(response) => {
            count("refused", started);
            return *response;
        }
    };
    let (action_type, asked) = (call.request.action_type.clone(), call.request.request_id.clone());
    let outcome = app.engine.serve_action(call).await;
    let (name, response) = answer_of(&outcome);
    count(name, started);
    if let Err(error) = &outcome {
        let StepError { code, .. } = error.error();
        // Not the message: a plugin chooses its words, and may put personal data in them. The live view has it.
        tracing::warn!(
            tenant = %caller.principal.tenant,
            key = caller.principal.key.as_str(),
            plugin = caller.plugin,
            action_type,
            asked,
            code,
            "an action could not be served"
        );
    }
    response
}

fn count(outcome: &'static str, started: Instant) {
    counter!("weir_action_services_total", "outcome" => outcome).increment(1);
    histogram!("weir_action_service_seconds").record(started.elapsed().as_secs_f64());
}

/// What is asked of which plugin.
fn call_of(
    caller: &ServiceCaller,
    app: &App,
    query: Result<QueryOf<ServiceQuery>, Problem>,
    text: Result<ActionText, Problem>,
) -> Result<ServeAction, Box<Response>> {
    let QueryOf(ServiceQuery { input, config }) = query.map_err(|problem| Box::new(refused(problem.detail())))?;
    // Without a range every version will do: the newest enabled one serves.
    let wanted = &caller.plugin;
    let plugin: Result<PluginRequirement, _> =
        if wanted.contains('@') { wanted.parse() } else { format!("{wanted}@*").parse() };
    let plugin = plugin.map_err(|_| Box::new(refused("The path must name a plugin as NAME or NAME@RANGE")))?;
    let config = config.map(|text| serde_json::from_str(&text)).transpose();
    let config = config.map_err(|_| Box::new(refused("The query parameter config must be JSON")))?;
    // Text that is no JSON is a template alone.
    let input = input.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    let ActionText(text) = text.map_err(|problem| Box::new(refused(problem.detail())))?;
    let request = read_action_request(&text).map_err(|error| Box::new(refused(&error.to_string())))?;
    Ok(ServeAction {
        tenant: caller.principal.tenant.clone(),
        plugin,
        input: input.unwrap_or_default(),
        config: config.unwrap_or_default(),
        request,
        within: app.limits.action_service_time,
        trace: None,
    })
}

/// The answer of the contract, and its name in the metrics.
fn answer_of(outcome: &Result<ActionAnswer, ServeActionError>) -> (&'static str, Response) {
    match outcome {
        Ok(ActionAnswer::Success { operations, .. }) if operations.is_empty() => {
            ("success", answer(StatusCode::OK, &json!({ "actionStatus": "SUCCESS" })))
        }
        Ok(ActionAnswer::Success { operations, .. }) => {
            ("success", answer(StatusCode::OK, &json!({ "actionStatus": "SUCCESS", "operations": operations })))
        }
        Ok(ActionAnswer::Incomplete { operations }) => {
            ("incomplete", answer(StatusCode::OK, &json!({ "actionStatus": "INCOMPLETE", "operations": operations })))
        }
        Ok(ActionAnswer::Failed(failure)) => {
            let mut body = json!({ "actionStatus": "FAILED", "failureReason": failure.reason });
            if let (Value::Object(body), Some(description)) = (&mut body, &failure.description) {
                body.insert("failureDescription".to_owned(), json!(description));
            }
            ("failed", answer(StatusCode::OK, &body))
        }
        Ok(ActionAnswer::Error(_)) => ("error", failed("The action could not do its work")),
        Err(ServeActionError::Refused(error)) => ("refused", refused(&error.message)),
        Err(ServeActionError::Failed(error)) => ("error", failed(of_code(&error.code))),
    }
}

/// What a caller may know of an error: its kind, in words that tell nothing of the inside.
fn of_code(code: &str) -> &'static str {
    match code {
        "plugin.time-exhausted" | "action.service-timeout" => "The action took longer than it may",
        "plugin.fuel-exhausted" | "plugin.memory-exhausted" | "plugin.table-exhausted" | "plugin.stack-overflow" => {
            "The action used up more than it may"
        }
        "action.operation-not-allowed" => "The action asked for an operation that the request does not allow",
        "plugin.busy" => "The service has its hands full",
        _ => "The action could not do its work",
    }
}

fn unauthorized() -> Response {
    let why = "Send one valid key of this tenant as a bearer token; as the password of basic authentication; \
               or in the header X-API-Key.";
    let mut response = error(StatusCode::UNAUTHORIZED, "The request is not authorized", why);
    let headers = response.headers_mut();
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"weir\", charset=\"UTF-8\""));
    response
}

fn refused(why: &str) -> Response {
    error(StatusCode::BAD_REQUEST, "The request cannot be served", why)
}

fn failed(why: &'static str) -> Response {
    let more = "The owner of the action finds the cause under the request id of this answer: \
                see the header x-request-id.";
    error(StatusCode::INTERNAL_SERVER_ERROR, why, more)
}

fn error(status: StatusCode, message: &str, description: &str) -> Response {
    let body = ServiceError {
        action_status: "ERROR",
        error_message: plain(message, MESSAGE_CHARS_MAX),
        error_description: plain(description, DESCRIPTION_CHARS_MAX),
    };
    answer(status, &json!(body))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(CONTENT_TYPE, json)], body.to_string()).into_response();
    response.extensions_mut().insert(OwnBody);
    response
}

/// The text in characters that every caller takes.
fn plain(text: &str, most: usize) -> String {
    let taken = |character: char| match character {
        '`' | '"' => '\'',
        ',' => ';',
        _ if character.is_ascii_alphanumeric() || PUNCTUATION.contains(character) => character,
        _ => ' ',
    };
    text.chars().map(taken).take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_key_comes_in_one_of_three_ways_and_alone() {
        // covers A-10, T-02
        let text = ApiKey::generate("acme".parse().unwrap()).unwrap().reveal().to_string();
        let basic = |pair: String| format!("basic {}", BASE64_STANDARD.encode(pair));
        let bearer = format!("Bearer {text}");
        for given in [
            headers(&[("authorization", &bearer)]),
            headers(&[("authorization", &basic(format!("anybody:{text}")))]),
            headers(&[("authorization", &basic(format!(":{text}")))]),
            headers(&[("x-api-key", &text)]),
        ] {
            assert_eq!(key_of(&given).map(|key| key.reveal().to_string()), Some(text.clone()), "{given:?}");
        }
        let twice: HeaderMap =
            [(AUTHORIZATION, bearer.parse().unwrap()), (API_KEY, text.parse().unwrap())].into_iter().collect();
        let no_colon = basic(text);
        for given in [twice, headers(&[]), headers(&[("authorization", &no_colon)]), headers(&[("x-api-key", "k")])] {
            assert!(key_of(&given).is_none(), "{given:?}");
        }
    }

    #[test]
    fn texts_fit_every_caller() {
        //
        let all = plain("`a`, \"b\" {é/∑}\n…", 100);
        assert!(all.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ' || PUNCTUATION.contains(c)), "{all}");
        assert_eq!(plain(&"x".repeat(400), 300).len(), 300);
    }
}
