//! The command line's way to a server: plain, blocking, one request at a time. Follows no redirects, so that a key is
//! never sent elsewhere.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};
use url::Url;

use crate::exit::Exit;
use crate::problem::ProblemBody;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole call: compiling a large component takes a while.
const CALL_TIMEOUT: Duration = Duration::from_secs(180);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Which server, and with which key.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServerOptions {
    /// The server
    #[arg(
        long,
        global = true,
        env = "WEIR_URL",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        help_heading = "Server"
    )]
    pub(crate) url: Url,

    /// A file that holds the API key; without it, WEIR_API_KEY does
    #[arg(long, global = true, env = "WEIR_API_KEY_FILE", value_name = "FILE", help_heading = "Server")]
    pub(crate) key_file: Option<PathBuf>,
}

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// There is no key.
    #[error("there is no API key; set WEIR_API_KEY, or name a file with --key-file")]
    NoKey,
    /// The key file cannot be read.
    #[error("the key file `{path}` cannot be read")]
    KeyFile {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nobody answered.
    #[error("the server at {url} cannot be reached; is it running? `weir serve` starts one, `--url` names another")]
    Unreachable {
        /// Where.
        url: Url,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The server refused.
    #[error("{}", render(.0))]
    Problem(Box<ProblemBody>),
    /// Somebody else answered, or half an answer came.
    #[error("{url} answered {status} with something that is not Weir's; does `--url` name a Weir server?")]
    NotWeir {
        /// Where.
        url: Url,
        /// The status.
        status: u16,
    },
}

fn render(problem: &ProblemBody) -> String {
    let mut text = format!("{} [{}]\n  {}", problem.title, problem.code, problem.detail);
    for error in &problem.errors {
        let member = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        let place = Some(member("pointer")).filter(|pointer| !pointer.is_empty()).unwrap_or("the whole");
        text.push_str(&format!("\n  {place}: {}", member("message")));
    }
    text.push_str(&format!("\n  (`weir explain {}` tells more; request {})", problem.code, problem.request_id));
    text
}

impl ClientError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NoKey | Self::KeyFile { .. } => Exit::Usage,
            Self::Unreachable { .. } | Self::NotWeir { .. } => Exit::Unavailable,
            Self::Problem(problem) => match problem.status {
                401 | 403 => Exit::NotPermitted,
                503 => Exit::Unavailable,
                _ => Exit::Failed,
            },
        }
    }
}

/// What is sent besides the path.
#[derive(Debug, Default)]
pub(crate) struct Sent<'a> {
    /// The body with its content type.
    pub(crate) body: Option<(&'a str, &'a [u8])>,
    /// Header fields.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
}

impl<'a> Sent<'a> {
    /// A body and no further header fields.
    pub(crate) fn body(kind: &'a str, bytes: &'a [u8]) -> Self {
        Self { body: Some((kind, bytes)), headers: Vec::new() }
    }
}

/// A server and a key.
pub(crate) struct Client {
    agent: Agent,
    url: Url,
    key: Option<SecretString>,
}

impl Client {
    /// With the key that is configured.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn new(options: &ServerOptions) -> Result<Self, ClientError> {
        let client = Self::with_key_if_any(options)?;
        if client.has_key() { Ok(client) } else { Err(ClientError::NoKey) }
    }

    /// With the key that is configured, if one is.
    ///
    /// # Errors
    /// The key file cannot be read.
    pub(crate) fn with_key_if_any(options: &ServerOptions) -> Result<Self, ClientError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_send_body(Some(CALL_TIMEOUT))
            .timeout_recv_response(Some(CALL_TIMEOUT))
            .build();
        Ok(Self { agent: config.new_agent(), url: options.url.clone(), key: key(options.key_file.as_deref())? })
    }

    /// Whether a key is configured.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Which server.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// `GET`, a JSON answer.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.call("GET", path, &Sent::default()).map(|(_, value)| value)
    }

    /// Every item of a list, part by part.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
            let mut part = self.get(&format!("{path}{separator}limit=200{after}"))?;
            if let Some(Value::Array(mut more)) = part.get_mut("items").map(Value::take) {
                items.append(&mut more);
            }
            cursor = part.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// Any call with a JSON answer; null where there is no content.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) fn call(&self, method: &str, path: &str, sent: &Sent<'_>) -> Result<(StatusCode, Value), ClientError> {
        let mut response = self.send(method, path, sent)?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            return Ok((status, Value::Null));
        }
        let not_weir = || ClientError::NotWeir { url: self.url.clone(), status: status.as_u16() };
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(|_| not_weir())?;
        Ok((status, serde_json::from_slice(&text).map_err(|_| not_weir())?))
    }

    /// Why the server takes no work; nothing where it does.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) fn readiness(&self) -> Result<Vec<String>, ClientError> {
        let mut response = self.unchecked("GET", "/readyz", &Sent::default())?;
        let status = response.status().as_u16();
        let not_weir = || ClientError::NotWeir { url: self.url.clone(), status };
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(|_| not_weir())?;
        let body: Value = serde_json::from_slice(&body).map_err(|_| not_weir())?;
        let reasons = body.get("reasons").and_then(Value::as_array).ok_or_else(not_weir)?;
        Ok(reasons.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Any call whose answer is read bit by bit, for as long as it goes on.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub(crate) fn stream(&self, path: &str, headers: Vec<(&str, &str)>) -> Result<impl Read + use<>, ClientError> {
        let response = self.send("GET", path, &Sent { body: None, headers })?;
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    fn send(&self, method: &str, path: &str, sent: &Sent<'_>) -> Result<Response<Body>, ClientError> {
        self.checked(self.unchecked(method, path, sent)?)
    }

    fn unchecked(&self, method: &str, path: &str, sent: &Sent<'_>) -> Result<Response<Body>, ClientError> {
        let base = self.url.as_str().trim_end_matches('/');
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{base}{path}"));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", key.expose_secret()));
        }
        for (name, value) in &sent.headers {
            request = request.header(*name, *value);
        }
        let unreachable =
            |source: ureq::Error| ClientError::Unreachable { url: self.url.clone(), source: Box::new(source) };
        let response = match sent.body {
            Some((kind, bytes)) => {
                let request = request.header("content-type", kind).body(bytes);
                self.agent.run(request.map_err(|error| unreachable(error.into()))?)
            }
            None => self.agent.run(request.body(()).map_err(|error| unreachable(error.into()))?),
        };
        response.map_err(unreachable)
    }

    fn checked(&self, mut response: Response<Body>) -> Result<Response<Body>, ClientError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().unwrap_or_default();
        Err(match serde_json::from_slice::<ProblemBody>(&body) {
            Ok(problem) => ClientError::Problem(Box::new(problem)),
            Err(_) => ClientError::NotWeir { url: self.url.clone(), status: status.as_u16() },
        })
    }
}

fn key(file: Option<&Path>) -> Result<Option<SecretString>, ClientError> {
    let text = match file {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            Some(read.map_err(|source| ClientError::KeyFile { path: path.to_owned(), source })?)
        }
        None => std::env::var("WEIR_API_KEY").ok(),
    };
    let text = text.map(Zeroizing::new);
    Ok(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).map(SecretString::from))
}
