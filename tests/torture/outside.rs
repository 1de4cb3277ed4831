//! The outside system: counts every request, says what it answered, and is slow and moody by the request's key.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::history::Served;

/// Where the answer's number is.
pub(crate) const SERIAL: &str = "x-serial";

/// The service, on a thread of its own, until it is dropped.
pub(crate) struct Outside {
    pub(crate) url: String,
    log: Arc<Mutex<Log>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Log {
    served: Vec<Arc<Served>>,
    by_key: BTreeMap<String, u64>,
    /// The key of the first question about a run.
    first_questions: BTreeMap<String, String>,
}

impl Outside {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let log = Arc::new(Mutex::new(Log::default()));
        let listener = runtime.block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(axum::routing::any(answer)).with_state(Arc::clone(&log));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, log, _runtime: runtime }
    }

    /// Every request so far, in order.
    pub(crate) fn served(&self) -> Vec<Arc<Served>> {
        self.log.lock().unwrap().served.clone()
    }
}

/// A number that a key always has.
fn mood(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

async fn answer(State(log): State<Arc<Mutex<Log>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let key = key.trim_matches('"').to_owned();
    let mood = mood(&key);
    let (status, serial, answer) = log.lock().unwrap().take(uri.path(), &key, mood, &body);
    // Some calls are under way for a while, so that kills find them so.
    if mood.is_multiple_of(2) {
        tokio::time::sleep(Duration::from_millis(mood % 100)).await;
    }
    (status, [(SERIAL, serial.to_string())], Json(answer))
}

impl Log {
    fn take(&mut self, path: &str, key: &str, mood: u64, body: &Value) -> (StatusCode, usize, Value) {
        let before = self.by_key.entry(key.to_owned()).or_default();
        let is_first = *before == 0;
        *before += 1;
        let serial = self.served.len();
        let run = body["flowId"].as_str();
        let whose = run.or(body["ticket"].as_str()).unwrap_or_default().to_owned();
        let (status, answer) = match (path, run) {
            _ if is_first && mood % 8 == 1 => (StatusCode::SERVICE_UNAVAILABLE, json!({})),
            ("/refuse", _) => (StatusCode::UNPROCESSABLE_ENTITY, json!({ "serial": serial })),
            ("/check", Some(run)) => {
                let first = self.first_questions.entry(run.to_owned()).or_insert_with(|| key.to_owned());
                (StatusCode::OK, if first == key { away() } else { json!({ "actionStatus": "SUCCESS" }) })
            }
            // As large as the request, so that answers are rows and files too.
            _ => (StatusCode::OK, json!({ "serial": serial, "text": body["text"] })),
        };
        let served = Served { key: key.to_owned(), whose, place: path.to_owned(), status: status.as_u16() };
        self.served.push(Arc::new(served));
        (status, serial, answer)
    }
}

fn away() -> Value {
    let away = json!({ "op": "redirect", "url": "https://pin.test/enter" });
    json!({ "actionStatus": "INCOMPLETE", "operations": [away] })
}
