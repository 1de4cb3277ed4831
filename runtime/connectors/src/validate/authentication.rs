//! The faults of `authentication` (C-06).

use std::time::Duration;

use url::Url;
use weir_engine::connector::{ApiKeyPlace, Assertion, AssumeRole, Authentication, TokenRequest, check_header};
use weir_engine::message::Header;

use crate::authenticate::parse_signed;
use crate::fault::{Fault, codes};

/// Every fault of an authentication.
pub(super) fn authentication(authentication: &Authentication) -> Vec<Fault> {
    let mut faults = Vec::new();
    match authentication {
        Authentication::None
        | Authentication::Basic { .. }
        | Authentication::Bearer { .. }
        | Authentication::Digest { .. } => {}
        Authentication::ApiKey { place: ApiKeyPlace::Header, name, .. } => {
            faults.extend(header_name("/authentication/name", name));
        }
        Authentication::ApiKey { place: ApiKeyPlace::Query, name, .. } => {
            if !is_text(name) {
                faults.push(fault("/name", format!("the query parameter's name must be {TEXT}")));
            }
        }
        Authentication::Oauth2ClientCredentials { token, .. } => token_request(token, true, &mut faults),
        Authentication::Oauth2Password { client, token, .. } => token_request(token, client.is_some(), &mut faults),
        Authentication::Oauth2JwtBearer { assertion, token, .. } => {
            token_request(token, false, &mut faults);
            self::assertion(assertion, &mut faults);
        }
        Authentication::AwsSigv4 { region, service, assume_role, .. } => {
            faults.extend(assume_role.iter().flat_map(role));
            for (name, value) in [("region", region), ("service", service)] {
                if !is_aws_name(value) {
                    let message = format!(
                        "`{name}` must be 1 to 64 letters, digits, `-`, `_` and `.`, such as `eu-central-1` and `execute-api`"
                    );
                    faults.push(fault(&format!("/{name}"), message));
                }
            }
        }
        Authentication::Hmac { header, prefix, signed, timestamp_header, .. } => {
            hmac(header, prefix, timestamp_header.as_deref(), &mut faults);
            signed_text(signed, &mut faults);
        }
    }
    faults
}

fn fault(below: &str, message: impl Into<String>) -> Fault {
    Fault::new(format!("/authentication{below}"), codes::AUTHENTICATION, message)
}

fn header_name(pointer: &str, name: &str) -> Option<Fault> {
    check_header(&Header::new(name, "")).err().map(|why| Fault::new(pointer, codes::HEADER, why.to_string()))
}

/// The longest name or value that documents have here, in bytes.
const TEXT_BYTES_MAX: usize = 1024;
const TEXT: &str = "1 to 1024 bytes without control characters";

/// The most bytes of the claims of an assertion, and of a signed text.
const LONG_TEXT_BYTES_MAX: usize = 8 << 10;

fn is_text(text: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
}

fn is_aws_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it))
}

fn role(role: &AssumeRole) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !(role.role_arn.starts_with("arn:") && is_text(&role.role_arn)) {
        let message = "`role-arn` must be the ARN of a role, such as `arn:aws:iam::123456789012:role/weir`";
        faults.push(fault("/assume-role/role-arn", message));
    }
    if role.external_id.as_ref().is_some_and(|id| !is_text(id)) {
        faults.push(fault("/assume-role/external-id", format!("`external-id` must be {TEXT}")));
    }
    if let Some(url) = &role.url {
        faults.extend(token_url(url).map(|message| fault("/assume-role/url", message)));
    }
    faults
}

/// Most scopes and most parameters of a token request.
const LISTED_MAX: usize = 64;

/// What the host puts into a token request itself.
const OWN_PARAMETERS: [&str; 8] = [
    "grant_type",
    "scope",
    "username",
    "password",
    "assertion",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

fn token_request(token: &TokenRequest, has_client: bool, faults: &mut Vec<Fault>) {
    faults.extend(token_url(&token.url).map(|message| fault("/token/url", message)));
    for (name, count) in [("scopes", token.scopes.len()), ("parameters", token.parameters.len())] {
        if count > LISTED_MAX {
            let message = format!("there are {count} of these; a token request has at most {LISTED_MAX}");
            faults.push(Fault::new(format!("/authentication/token/{name}"), codes::COUNT, message));
        }
    }
    for (index, scope) in token.scopes.iter().enumerate() {
        if !is_scope(scope) {
            let message = "a scope is 1 to 1024 visible ASCII characters without `\"` and `\\` (RFC 6749 section 3.3); give each scope an entry of its own";
            faults.push(fault(&format!("/token/scopes/{index}"), message));
        }
    }
    for (name, value) in &token.parameters {
        let at = format!("/token/parameters/{}", name.replace('~', "~0").replace('/', "~1"));
        if !is_text(name) || !(value.is_empty() || is_text(value)) {
            faults.push(fault(&at, format!("a parameter's name and value must be {TEXT}")));
        } else if OWN_PARAMETERS.contains(&name.as_str()) || (has_client && name == "client_id") {
            faults.push(fault(
                &at,
                format!("`{name}` is set by the host; leave it out, and keep secrets in credentials"),
            ));
        }
    }
}

fn token_url(url: &Url) -> impl Iterator<Item = &'static str> {
    let wrong = [
        (!matches!(url.scheme(), "http" | "https"), "this URL must be an `https` or `http` URL"),
        (url.fragment().is_some(), "this URL has a fragment, which is never sent; leave it out"),
        (
            !url.username().is_empty() || url.password().is_some(),
            "this URL holds a user name or a password; store a credential and name it in `authentication`",
        ),
    ];
    wrong.into_iter().filter_map(|(is_wrong, message)| is_wrong.then_some(message))
}

/// `scope-token` of RFC 6749 section 3.3.
fn is_scope(scope: &str) -> bool {
    (1..=TEXT_BYTES_MAX).contains(&scope.len())
        && scope.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\')
}

/// The claims that the host sets.
const OWN_CLAIMS: [&str; 5] = ["iss", "sub", "aud", "exp", "iat"];
/// The longest life of an assertion.
const LIFETIME_MAX: Duration = Duration::from_secs(3600);

fn assertion(assertion: &Assertion, faults: &mut Vec<Fault>) {
    if !(Duration::from_secs(1)..=LIFETIME_MAX).contains(&assertion.lifetime) {
        let message =
            "`lifetime` must be at least 1s and at most 1h: whoever gets hold of an assertion may use it so long";
        faults.push(fault("/assertion/lifetime", message));
    }
    for (name, value) in [
        ("issuer", Some(&assertion.issuer)),
        ("subject", assertion.subject.as_ref()),
        ("audience", assertion.audience.as_ref()),
        ("key-id", assertion.key_id.as_ref()),
    ] {
        if value.is_some_and(|value| !is_text(value)) {
            faults.push(fault(&format!("/assertion/{name}"), format!("`{name}` must be {TEXT}")));
        }
    }
    let bytes = serde_json::to_string(&assertion.claims).map_or(usize::MAX, |claims| claims.len());
    if bytes > LONG_TEXT_BYTES_MAX {
        let message = format!("the claims have {bytes} bytes as JSON; they may have {LONG_TEXT_BYTES_MAX}");
        faults.push(fault("/assertion/claims", message));
    }
    for name in assertion.claims.keys().filter(|name| OWN_CLAIMS.contains(&name.as_str())) {
        let message = format!(
            "the claim `{name}` is set by the host; use `issuer`, `subject`, `audience` and `lifetime` of the assertion"
        );
        faults.push(fault(&format!("/assertion/claims/{name}"), message));
    }
}

fn hmac(header: &str, prefix: &str, timestamp_header: Option<&str>, faults: &mut Vec<Fault>) {
    faults.extend(header_name("/authentication/header", header));
    if let Some(name) = timestamp_header {
        faults.extend(header_name("/authentication/timestamp-header", name));
        if name.eq_ignore_ascii_case(header) {
            faults.push(fault("/timestamp-header", "the signature goes into this header; give the timestamp another"));
        }
    }
    let stands_in_a_header = prefix.is_empty() || (is_text(prefix) && prefix.is_ascii());
    if !stands_in_a_header {
        let message = "`prefix` must be at most 1024 ASCII characters, none a control character";
        faults.push(fault("/prefix", message));
    }
}

/// What `request` has.
const MEMBERS: [&str; 7] = ["method", "uri", "path", "query", "headers", "body", "timestamp"];

fn signed_text(signed: &str, faults: &mut Vec<Fault>) {
    const AT: &str = "/authentication/signed";
    if signed.len() > LONG_TEXT_BYTES_MAX {
        let message = format!("the signed text has {} bytes; it may have {LONG_TEXT_BYTES_MAX}", signed.len());
        faults.push(fault("/signed", message));
        return;
    }
    let template = match parse_signed(signed) {
        Ok(template) => template,
        Err(why) => {
            let message = format!("{} (at byte {})", why.message, why.offset);
            faults.push(Fault::new(AT, codes::TEMPLATE, message));
            return;
        }
    };
    if template.expressions().next().is_none() {
        faults.push(fault(
            "/signed",
            "the signed text reads nothing of the request, so that every request has one signature",
        ));
    }
    for path in template.expressions().flat_map(|expression| expression.paths()) {
        if let [_, member, ..] = path.as_slice()
            && !MEMBERS.contains(&member.as_str())
        {
            let known = MEMBERS.join("`, `");
            let message = format!("`request` has no `{member}`; it has `{known}`");
            faults.push(Fault::new(AT, codes::TEMPLATE, message));
        }
    }
}
