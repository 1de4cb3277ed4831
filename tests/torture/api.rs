//! What a client of the API sees: an answer, or nothing, and then nobody knows what became of the request.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

/// A client with the tenant's key.
#[derive(Clone)]
pub(crate) struct Api {
    url: String,
    key: String,
    agent: ureq::Agent,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// No answer came: the server died, before or after it did what it was asked.
#[derive(Debug)]
pub(crate) struct Silence;

impl Api {
    pub(crate) fn new(url: &str, key_file: &Path) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(90))).build().into();
        Self { url: url.to_owned(), key: std::fs::read_to_string(key_file).unwrap().trim().to_owned(), agent }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, Silence> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("authorization", self.bearer());
        read(request.call())
    }

    /// What a route that is no JSON says.
    pub(crate) fn text(&self, path: &str) -> Result<String, Silence> {
        let request = self.agent.get(format!("{}{path}", self.url)).header("authorization", self.bearer());
        request.call().map_err(|_| Silence)?.body_mut().read_to_string().map_err(|_| Silence)
    }

    /// Posts with a client key: it may be repeated.
    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> Result<Answer, Silence> {
        let request = self.agent.post(format!("{}{path}", self.url)).header("authorization", self.bearer());
        let request = request.header("idempotency-key", key).header("content-type", "application/json");
        read(request.send(body.to_string()))
    }

    /// Saves a document.
    pub(crate) fn put(&self, path: &str, document: &str) -> Result<Answer, Silence> {
        let request = self.agent.put(format!("{}{path}", self.url)).header("authorization", self.bearer());
        read(request.header("content-type", "application/yaml").send(document))
    }

    /// Every item of a list that goes on at `next_after`.
    pub(crate) fn items(&self, path: &str) -> Result<Vec<Value>, Silence> {
        let mut items = Vec::new();
        let mut after = 0;
        loop {
            let answer = self.get(&format!("{path}?limit=200&after={after}"))?;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            items.extend(answer.body["items"].as_array().unwrap().iter().cloned());
            match answer.body["next_after"].as_u64() {
                Some(next) => after = next,
                None => return Ok(items),
            }
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }
}

fn read(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, Silence> {
    let mut answer = answer.map_err(|_| Silence)?;
    let text = answer.body_mut().read_to_string().map_err(|_| Silence)?;
    // What is no JSON was cut off: a whole answer of the API is.
    let body = serde_json::from_str(&text).map_err(|_| Silence)?;
    Ok(Answer { status: answer.status().as_u16(), body })
}
