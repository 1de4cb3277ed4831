//! Which headers an authentication sets: nobody else may.

use weir_engine::connector::{ApiKeyPlace, Authentication};
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::api_key;
use crate::error::error;

/// Whether the authentication sets the header of that name. Names are compared without regard to case.
pub(crate) fn sets_header(authentication: &Authentication, name: &str) -> bool {
    let is = |own: &str| own.eq_ignore_ascii_case(name);
    match authentication {
        Authentication::None => false,
        Authentication::ApiKey { place: ApiKeyPlace::Query, .. } => false,
        Authentication::ApiKey { place: ApiKeyPlace::Header, name: own, .. } => is(own),
        Authentication::Hmac { header, timestamp_header, .. } => {
            is(header) || timestamp_header.as_deref().is_some_and(is)
        }
        // Others of that family say what is asked for, such as `x-amz-target`, and are signed with the rest.
        Authentication::AwsSigv4 { .. } => AWS_HEADERS.into_iter().any(is),
        Authentication::Basic { .. }
        | Authentication::Bearer { .. }
        | Authentication::Digest { .. }
        | Authentication::Oauth2ClientCredentials { .. }
        | Authentication::Oauth2Password { .. }
        | Authentication::Oauth2JwtBearer { .. } => is("authorization"),
    }
}

const AWS_HEADERS: [&str; 4] = ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

/// Refuses a request in which a hook or the document has set what the authentication sets.
///
/// # Errors
/// `request-not-permitted`.
pub(super) fn check(authentication: &Authentication, outgoing: &reqwest::Request) -> Result<(), ConnectorError> {
    if let Some(taken) = outgoing.headers().keys().find(|name| sets_header(authentication, name.as_str())) {
        let message = format!(
            "the request has a header `{taken}`, but the connector's `authentication` sets it; leave one of the two out"
        );
        return Err(error(ConnectorErrorKind::RequestNotPermitted, message));
    }
    match authentication {
        Authentication::ApiKey { place: ApiKeyPlace::Query, name, .. } => api_key::check_query(name, outgoing),
        _ => Ok(()),
    }
}
