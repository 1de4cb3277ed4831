//! Answers to errors: problem details (RFC 9457). One table turns each error into status and sentence; what is inside
//! (causes, paths, frames) goes to the log and never into an answer.

pub(crate) mod code;

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use weir_engine::ids::InvalidName;
use weir_engine::ports::StoreError;

pub(crate) use self::code::Code;

/// What went wrong with a request. Becomes [`ProblemBody`] at the edge, where the request's id is known.
#[derive(Debug, Clone)]
pub(crate) struct Problem(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    status: StatusCode,
    code: Cow<'static, str>,
    title: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<serde_json::Value>,
    header: Option<(HeaderName, HeaderValue)>,
    reference_code: Option<&'static str>,
}

/// The problem as clients see it, of type `application/problem+json`.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct ProblemBody {
    /// `urn:weir:problem:CODE`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The same for every problem of this code.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened here, and how to mend it.
    pub(crate) detail: String,
    /// The path of the request.
    pub(crate) instance: String,
    /// The stable code; `weir explain CODE` tells more.
    pub(crate) code: String,
    /// Names the request in the server's log.
    pub(crate) request_id: String,
    /// Every single fault, where there can be several, such as those of a document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub(crate) errors: Vec<serde_json::Value>,
    /// The code that programs know which speak the reference's management API of actions, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference_code: Option<String>,
}

impl Problem {
    /// A problem of that code.
    pub(crate) fn new(code: &Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::named(code, code.name, detail)
    }

    /// A problem with the status and title of `code`, under the code of another crate.
    pub(crate) fn named(code: &Code, name: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Details {
            status: StatusCode::from_u16(code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: name.into(),
            title: code.title,
            detail: detail.into(),
            errors: Vec::new(),
            header: None,
            reference_code: None,
        }))
    }

    /// Something broke inside. The cause is logged, the answer says nothing of it.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let chain: Vec<String> =
            std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
        tracing::error!(error = chain.join(": "), "internal error");
        Self::without_cause()
    }

    /// Something broke inside, and somebody else has logged it.
    pub(crate) fn without_cause() -> Self {
        let detail = "The server failed. The operator finds the cause in its log under the request id.";
        Self::new(&code::INTERNAL, detail)
    }

    /// There is no such object, or it is another tenant's: the same answer (A1).
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(&code::NOT_FOUND, format!("There is no such {what} in this tenant."))
    }

    /// With every single fault.
    pub(crate) fn with_errors(mut self, errors: Vec<serde_json::Value>) -> Self {
        self.0.errors = errors;
        self
    }

    /// With the code that the reference has for it.
    pub(crate) fn with_reference_code(mut self, code: &'static str) -> Self {
        self.0.reference_code = Some(code);
        self
    }

    /// With one header field.
    pub(crate) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.header = Some((name, HeaderValue::from_static(value)));
        self
    }

    /// What an answer of that status means, which no handler of ours made.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => {
                Self::new(&code::NO_ROUTE, "There is nothing at this path; `/openapi.json` lists every path.")
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(&code::METHOD_NOT_ALLOWED, "Use one of the methods that the `Allow` header lists.")
            }
            status if status.is_client_error() => {
                Self::new(&code::MALFORMED, "The request cannot be understood; `/openapi.json` says what is taken.")
            }
            _ => Self::without_cause(),
        }
    }

    /// What happened, for callers who take no problems.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The code, for metrics.
    pub(crate) fn code(&self) -> &str {
        &self.0.code
    }

    /// The answer's body for a request.
    pub(crate) fn body(&self, instance: &str, request_id: &str) -> ProblemBody {
        let Details { status, code, title, detail, errors, reference_code, .. } = self.0.as_ref();
        ProblemBody {
            kind: format!("urn:weir:problem:{code}"),
            title: (*title).to_owned(),
            status: status.as_u16(),
            detail: detail.clone().into_owned(),
            instance: instance.to_owned(),
            code: code.clone().into_owned(),
            request_id: request_id.to_owned(),
            errors: errors.clone(),
            reference_code: reference_code.map(str::to_owned),
        }
    }
}

impl IntoResponse for Problem {
    /// The status, and the problem itself as an extension; the outermost layer writes the body.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        if let Some((name, value)) = self.0.header.clone() {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::InvalidCursor => Self::new(&code::INVALID_CURSOR, error.to_string()),
            StoreError::VersionConflict { stored } => {
                let stored = stored.map_or("no version is stored".to_owned(), |version| {
                    format!("the newest stored version is {version}")
                });
                Self::new(&code::PRECONDITION, format!("Nothing was saved: {stored}. Read it again and decide."))
            }
            StoreError::InvalidName { .. } => Self::new(&code::INVALID_NAME, error.to_string()),
            StoreError::TooDeep { .. } => Self::new(&code::JSON_TOO_DEEP, error.to_string()),
            StoreError::Full { .. } => {
                tracing::error!(%error, "the store takes no writes");
                Self::new(&code::STORE_FULL, "The store takes no writes for want of space. Reads go on.")
                    .with_header(header::RETRY_AFTER, "30")
            }
            StoreError::Unreadable { code, .. } => {
                tracing::warn!(%error, "a stored document cannot be read");
                Self::named(&code::UNREADABLE, code, error.to_string())
            }
            error => Self::internal(&error),
        }
    }
}

impl From<InvalidName> for Problem {
    fn from(error: InvalidName) -> Self {
        Self::new(&code::INVALID_NAME, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_engine::ids::RunId;

    #[test]
    fn an_internal_error_says_nothing_of_its_cause() {
        // keeps the promise of issue 2: no stack trace, no detail in a 5xx
        let error = StoreError::Corrupt { place: "/var/secret".to_owned(), what: "bad checksum".to_owned() };
        let body = Problem::from(error).body("/v1/runs", "id-1");
        assert_eq!((body.status, body.code.as_str()), (500, "server.internal"));
        assert!(!serde_json::to_string(&body).unwrap().contains("secret"));
        let stale = Problem::from(StoreError::StaleLease { run: RunId::generate(), fence: 1 });
        assert_eq!(stale.code(), "server.internal");
    }

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut names: Vec<_> = code::ALL.iter().map(|code| code.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), code::ALL.len());
        for code in code::ALL {
            assert!((400..600).contains(&code.status), "{}", code.name);
            let plain =
                |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b"-8".contains(&b));
            assert!(code.name.split_once('.').is_some_and(|(area, rest)| plain(area) && plain(rest)), "{}", code.name);
        }
    }
}
