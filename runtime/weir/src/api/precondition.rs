//! `If-Match` and `If-None-Match: *` (RFC 9110 section 13). The tag of a definition is its version, as `"3"`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use weir_engine::ports::Expectation;

use super::app::App;
use crate::problem::{Problem, code};

/// What a save expects to find.
pub(super) struct Precondition(pub(super) Expectation);

impl FromRequestParts<Arc<App>> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let expectation = match (parts.headers.get(IF_MATCH), parts.headers.get(IF_NONE_MATCH)) {
            (None, None) => Some(Expectation::Any),
            (Some(tag), None) => tag.to_str().ok().and_then(version).map(Expectation::Version),
            (None, Some(any)) if any == "*" => Some(Expectation::Absent),
            _ => None,
        };
        expectation.map(Self).ok_or_else(|| {
            let detail =
                "Write either `If-Match: \"VERSION\"` with the `ETag` of the last answer, or `If-None-Match: *`.";
            Problem::new(&code::INVALID_HEADER, detail)
        })
    }
}

/// The tag of a version.
pub(super) fn tag(version: u32) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"0\""))
}

fn version(tag: &str) -> Option<u32> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        assert_eq!(version(tag(7).to_str().unwrap()), Some(7));
        for bad in ["7", "\"", "\"\"", "W/\"7\"", "\"x\"", "\"+7\"", "\"99999999999\"", "*"] {
            assert_eq!(version(bad), None, "{bad}");
        }
    }
}
