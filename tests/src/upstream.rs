//! An HTTP service that answers like the random-user API, remembers what it was sent, and can be made to misbehave.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The token that callers must bring.
pub const TOKEN: &str = "demo-token-that-no-plugin-sees";

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Upper case.
    pub method: String,
    /// Path and query.
    pub uri: String,
    /// In the order in which they came; values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of that lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// The service. It stops when it is dropped.
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    received: watch::Sender<Vec<Received>>,
    scripted: Mutex<VecDeque<Response>>,
    open: watch::Sender<bool>,
}

impl Upstream {
    /// Starts it on a free loopback port.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            received: watch::Sender::new(Vec::new()),
            scripted: Mutex::new(VecDeque::new()),
            open: watch::Sender::new(true),
        });
        let router = Router::new().fallback(any(answer)).with_state(shared.clone());
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has arrived so far, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// Waits until so many requests have arrived.
    pub async fn arrived(&self, count: usize) -> Vec<Received> {
        let mut receiver = self.shared.received.subscribe();
        match receiver.wait_for(|received| received.len() >= count).await {
            Ok(received) => received.clone(),
            Err(_) => Vec::new(),
        }
    }

    /// Answers the next request so, instead of with a person.
    pub fn answer_next(&self, answer: impl IntoResponse) {
        self.shared.scripted.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer.into_response());
    }

    /// Takes requests in, but answers none until [`Upstream::release`].
    pub fn hold(&self) {
        self.shared.open.send_replace(false);
    }

    /// Answers again, also what it held.
    pub fn release(&self) {
        self.shared.open.send_replace(true);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: axum::http::Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let received = Received {
        method: method.to_string(),
        uri: uri.to_string(),
        headers: headers
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: body.to_vec(),
    };
    let authorized = received.header("authorization") == Some(&format!("Bearer {TOKEN}"));
    shared.received.send_modify(|all| all.push(received));
    let _ = shared.open.subscribe().wait_for(|open| *open).await;
    let scripted = shared.scripted.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    match scripted {
        Some(answer) => answer,
        None if !authorized => {
            (StatusCode::UNAUTHORIZED, axum::Json(json!({ "error": "no such token" }))).into_response()
        }
        None => axum::Json(person(&uri)).into_response(),
    }
}

/// The same seed gives the same person.
fn person(uri: &Uri) -> Value {
    let seed =
        uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("seed="))).unwrap_or("none");
    let age = if seed.contains("young") { 16 } else { 35 };
    json!({
        "results": [{
            "gender": "female",
            "name": { "title": "Ms", "first": "Ada", "last": "Lovelace" },
            "location": { "city": "Zürich", "state": "Zürich", "country": "Switzerland", "postcode": 8001 },
            "email": "Ada.Lovelace@Example.org",
            "dob": { "date": "1990-12-10T08:15:00.000Z", "age": age },
            "phone": "079 000 00 00",
            "cell": "078 000 00 00",
            "nat": "CH"
        }],
        "info": { "seed": seed, "results": 1, "page": 1, "version": "1.4" }
    })
}
