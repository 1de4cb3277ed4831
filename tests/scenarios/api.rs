//! The API by plain HTTP.

use std::path::Path;

use serde_json::Value;
use weir_tests::server::Server;

use crate::house::House;

/// A caller with a key.
pub(crate) struct Api {
    url: String,
    key: String,
    agent: ureq::Agent,
}

/// An answer, whatever it is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of a problem; checks that it is one (RFC 9457).
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text);
        let body = self.json();
        assert_eq!(body["status"], self.status);
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        body["code"].as_str().unwrap_or_else(|| panic!("no code: {body}")).to_owned()
    }
}

impl Api {
    pub(crate) fn new(url: &str, key_file: &Path) -> Self {
        Self::with_key(url, std::fs::read_to_string(key_file).unwrap().trim())
    }

    pub(crate) fn with_key(url: &str, key: &str) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true).build();
        Self { url: url.to_owned(), key: key.to_owned(), agent: config.into() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    pub(crate) fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        self.send("PUT", path, &[("content-type", content_type)], body)
    }

    /// The body of an answer that goes on for long.
    pub(crate) fn stream(&self, path: &str, headers: &[(&str, &str)]) -> ureq::BodyReader<'static> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        request = request.header("authorization", format!("Bearer {}", self.key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.call().unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(response.status(), 200, "{path}");
        response.into_body().into_reader()
    }

    /// Sends anything.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        if !self.key.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.key));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let takes_body = !matches!(method, "GET" | "HEAD" | "DELETE" | "OPTIONS");
        let response = if takes_body {
            self.agent.run(request.body(body).unwrap())
        } else {
            self.agent.run(request.body(()).unwrap())
        };
        let mut response = response.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = response.body_mut().read_to_string().unwrap_or_default();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_key_is_served_without_one() {
    // covers F-01, T-05, T-06
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).unwrap();
    let api = Api::with_key(&server.url, "");
    assert_eq!(api.get("/healthz").status, 200);
    assert_eq!(api.get("/readyz").status, 200);
    let openapi = api.get("/openapi.json").json();
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3."));
    for path in ["/v1/flows/{name}", "/v1/runs/{id}", "/v1/plugins/{name}/versions/{version}", "/v1/credentials/{name}"]
    {
        assert!(openapi["paths"].get(path).is_some(), "{path} is not described");
    }
    for schema in ["flow", "connector"] {
        let schema = api.get(&format!("/v1/schemas/{schema}.json")).json();
        assert!(schema["$schema"].is_string() && schema["properties"].is_object());
    }
    assert_eq!(api.get("/metrics").status, 401, "metrics tell about tenants");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_listed_watched_and_read() {
    // covers F-07
    let house = House::demo().await;
    let run = house.run("registration", &crate::house::event());
    let id = run["id"].as_str().unwrap();
    let api = house.api();
    let listed = api.get("/v1/runs?flow=registration&state=completed&limit=1").json();
    assert_eq!(listed["items"][0]["id"], id);
    assert_eq!(api.get("/v1/runs?state=failed").json()["items"], serde_json::json!([]));
    let events = api.get(&format!("/v1/runs/{id}/events"));
    assert_eq!(events.header("content-type"), "text/event-stream");
    let ids: Vec<&str> = events.text.lines().filter_map(|line| line.strip_prefix("id:")).map(str::trim).collect();
    assert_eq!(ids[..5], ["1", "2", "3", "4", "5"]);
    let resumed = api.send("GET", &format!("/v1/runs/{id}/events"), &[("last-event-id", "4")], b"");
    assert_eq!(
        resumed.text.lines().find(|line| line.starts_with("id:")).map(|line| line.replace(' ', "")),
        Some("id:5".to_owned())
    );
    assert!(resumed.text.contains("ended"), "{}", resumed.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_is_the_same_run() {
    // covers F-13, T-05
    let house = House::demo().await;
    let start = |key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let body = serde_json::json!({ "event": crate::house::event() }).to_string();
        house.api().send("POST", "/v1/flows/registration/runs?wait=30s", &headers, body.as_bytes()).json()["id"].clone()
    };
    let first = start("k-1");
    assert_eq!(start("k-1"), first);
    assert_ne!(start("k-2"), first);
    assert_eq!(house.upstream.received().len(), 2);
}
