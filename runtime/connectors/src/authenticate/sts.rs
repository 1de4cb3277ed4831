//! The temporary keys of a role: `AssumeRole` of AWS STS, signed with the stored keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;
use weir_engine::connector::AssumeRole;
use weir_engine::ids::TenantId;
use weir_engine::ports::{ConnectorError, ConnectorErrorKind};

use super::aws_sigv4::{self, Scope};
use super::one_line;
use super::stored::AwsKeys;
use super::token_cache::{Granted, use_until};
use crate::error::error;
use crate::mask::Masker;
use crate::send::{Terms, Wire};

/// A request for the keys of a role, not made yet.
pub(super) struct RoleAsk {
    pub(super) role: AssumeRole,
    pub(super) region: String,
    pub(super) keys: AwsKeys,
}

/// How long the keys are to live: the most that every role allows.
const LIFE: Duration = Duration::from_secs(3600);

impl RoleAsk {
    /// Asks STS: under the tenant's egress policy, without redirects, once.
    ///
    /// # Errors
    /// `token`; those of the wire.
    pub(super) async fn ask(
        &self,
        wire: &Wire,
        tenant: &TenantId,
        terms: &Terms,
    ) -> Result<Granted<AwsKeys>, ConnectorError> {
        let asked_at = Instant::now();
        let mut masker = Masker::default();
        let mut outgoing = self.request(tenant)?;
        let scope = Scope { region: &self.region, service: "sts" };
        aws_sigv4::apply(&self.keys, scope, SystemTime::now(), &mut outgoing, &mut masker)?;
        let place =
            |it: ConnectorError| ConnectorError { message: format!("AWS STS: {}", masker.text(&it.message)), ..it };
        let reply = wire.fetch(tenant, outgoing, terms).await.map_err(place)?;
        granted(reply.status, &Zeroizing::new(reply.body), asked_at, &masker)
            .map_err(|it| ConnectorError { message: masker.text(&it.message), ..it })
    }

    fn request(&self, tenant: &TenantId) -> Result<reqwest::Request, ConnectorError> {
        let url = self.role.url.clone().map_or_else(|| endpoint(&self.region), Ok)?;
        let mut form = Serializer::new(String::new());
        form.append_pair("Action", "AssumeRole").append_pair("Version", "2011-06-15");
        form.append_pair("RoleArn", &self.role.role_arn);
        form.append_pair("RoleSessionName", &session_name(tenant));
        form.append_pair("DurationSeconds", &LIFE.as_secs().to_string());
        if let Some(id) = &self.role.external_id {
            form.append_pair("ExternalId", id);
        }
        let mut outgoing = reqwest::Request::new(reqwest::Method::POST, url);
        let headers = outgoing.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        *outgoing.body_mut() = Some(form.finish().into());
        Ok(outgoing)
    }
}

/// The STS endpoint of a region.
fn endpoint(region: &str) -> Result<Url, ConnectorError> {
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://sts.{region}.{suffix}/").parse().map_err(|_| failed(format!("`{region}` is not a region of AWS")))
}

/// What the account's logs show: up to 64 characters of `[\w+=,.@-]`.
fn session_name(tenant: &TenantId) -> String {
    let kept = |it: &char| it.is_ascii_alphanumeric() || "_+=,.@-".contains(*it);
    format!("weir-{tenant}").chars().filter(kept).take(64).collect()
}

/// STS answers in JSON where it is asked to.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    assume_role_response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    assume_role_result: Outcome,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    credentials: Keys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Keys {
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: SecretString,
    /// Seconds since 1970.
    #[serde(default)]
    expiration: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    error: Fault,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
}

/// The longest key identifier and secret: AWS gives 20 and 40 characters, and allows 128 for the first.
const KEY_BYTES_MAX: usize = 128;
/// The longest session token: AWS names no size.
const TOKEN_BYTES_MAX: usize = 16 << 10;

fn granted(status: u16, body: &[u8], asked_at: Instant, masker: &Masker) -> Result<Granted<AwsKeys>, ConnectorError> {
    if status != 200 {
        return Err(refused(status, body, masker));
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| failed("AWS STS answered 200 without the JSON of an `AssumeRole` response".to_owned()))?;
    let keys = answer.assume_role_response.assume_role_result.credentials;
    let (secret, token) = (keys.secret_access_key.expose_secret(), keys.session_token.expose_secret());
    let members = [
        ("AccessKeyId", keys.access_key_id.as_str(), KEY_BYTES_MAX),
        ("SecretAccessKey", secret, KEY_BYTES_MAX),
        ("SessionToken", token, TOKEN_BYTES_MAX),
    ];
    for (name, value, most) in members {
        if value.is_empty() || value.len() > most || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(failed(format!(
                "AWS STS gave a `{name}` that nothing can be signed with: 1 to {most} visible ASCII characters can; check the URL in `assume-role`"
            )));
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = keys.expiration.map(|end| Duration::try_from_secs_f64(end - now.as_secs_f64()).unwrap_or_default());
    let it = AwsKeys {
        access_key_id: keys.access_key_id,
        secret_access_key: keys.secret_access_key,
        session_token: Some(keys.session_token),
    };
    Ok(Granted { it, use_until: use_until(asked_at, left.unwrap_or(LIFE).min(LIFE)) })
}

fn refused(status: u16, body: &[u8], masker: &Masker) -> ConnectorError {
    let Fault { code, message } = serde_json::from_slice::<Refusal>(body).unwrap_or_default().error;
    let part = |text: Option<String>| text.as_deref().map(|it| one_line(it, masker));
    let why = match (part(code), part(message)) {
        (Some(code), Some(message)) => format!("`{code}` ({message})"),
        (Some(code), None) => format!("`{code}`"),
        (None, _) => "no error code".to_owned(),
    };
    failed(format!(
        "AWS STS answered {status} with {why}; check the role's ARN, its trust policy and the credential in `authentication`"
    ))
}

fn failed(message: String) -> ConnectorError {
    error(ConnectorErrorKind::Token, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn endpoints_and_names() {
        // covers C-06
        assert_eq!(endpoint("eu-central-1").expect("a URL").as_str(), "https://sts.eu-central-1.amazonaws.com/");
        assert_eq!(endpoint("cn-north-1").expect("a URL").as_str(), "https://sts.cn-north-1.amazonaws.com.cn/");
        let tenant = "acme".parse().expect("a tenant");
        assert_eq!(session_name(&tenant), "weir-acme");
    }

    #[test]
    fn answers() {
        // covers C-06
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs_f64();
        let life = |expiration: Value| {
            let keys = serde_json::json!({"AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expiration});
            let body =
                serde_json::json!({"AssumeRoleResponse": {"AssumeRoleResult": {"Credentials": keys}}}).to_string();
            let asked_at = Instant::now();
            (granted(200, body.as_bytes(), asked_at, &Masker::default()).expect("keys").use_until - asked_at).as_secs()
        };
        assert_eq!((life(Value::Null), life(0.into())), (3570, 0));
        assert!((850..=870).contains(&life((now + 900.0).into())));
        for (status, body, says) in [
            (403, r#"{"Error":{"Code":"AccessDenied","Message":"not\nyou"}}"#, "403 with `AccessDenied` (not you)"),
            (500, "<xml>", "500 with no error code"),
            (500, r#"{"Error":[1]}"#, "500 with no error code"),
            (200, "{}", "200 without"),
        ] {
            let refused = granted(status, body.as_bytes(), Instant::now(), &Masker::default()).err().expect(body);
            assert!(refused.message.contains(says), "{}", refused.message);
        }
    }
    #[test]
    fn keys_at_n_and_n_plus_1() {
        // covers C-06, keeps E-03, K-02
        for (name, most) in [("AccessKeyId", 128), ("SecretAccessKey", 128), ("SessionToken", 16 << 10)] {
            let outcome = |value: String| {
                let mut keys = json!({"AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t"});
                keys[name] = Value::String(value);
                let body = json!({"AssumeRoleResponse": {"AssumeRoleResult": {"Credentials": keys}}}).to_string();
                granted(200, body.as_bytes(), Instant::now(), &Masker::default())
                    .map(|_| ())
                    .map_err(|error| error.message)
            };
            assert_eq!(outcome("x".repeat(most)), Ok(()));
            for faulty in ["x".repeat(most + 1), String::new(), "s3cret\n".to_owned(), "s3cret\u{e9}".to_owned()] {
                let message = outcome(faulty).expect_err(name);
                assert!(message.contains(&format!("a `{name}`")) && !message.contains("s3cret"), "{message}");
            }
        }
    }
}
