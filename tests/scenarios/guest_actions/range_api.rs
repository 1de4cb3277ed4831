//! An API that speaks the range protocol of Have I Been Pwned: `GET /range/PREFIX`, five hex digits of a SHA-1 hash;
//! the endings of all known hashes that begin so come back, each with a colon and how often it was seen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// SHA-1 hashes of passwords that are known, and how often each was seen: of `password`, `qwerty`
/// and `correct horse battery staple`, and some of nobody's to be told from them.
const KNOWN: [(&str, u32); 5] = [
    ("5BAA61D2DA4053E34E76F6576ED1DA63134B5E2A", 2),
    ("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8", 10_434_004),
    ("5BAA6FFFA4053E34E76F6576ED1DA63134B5E2A0", 17),
    ("B1B3773A05C0ED0176787A4F1574FF0075F7521E", 3_912_816),
    ("ABF7AAD6438836DBE526AA231ABDE2D0EEF74D42", 384),
];

/// The API. It stops when it is dropped.
pub(crate) struct RangeApi {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    asked: Vec<String>,
    down: Option<StatusCode>,
}

impl RangeApi {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Mutex<Shared>>::default();
        let router = Router::new().route("/range/{prefix}", get(range)).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The prefixes that were asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }

    /// Answers everything so from now on; as usual again with `None`.
    pub(crate) fn set_down(&self, status: Option<StatusCode>) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).down = status;
    }
}

impl Drop for RangeApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn range(State(shared): State<Arc<Mutex<Shared>>>, Path(prefix): Path<String>, headers: HeaderMap) -> Response {
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    shared.asked.push(prefix.clone());
    if let Some(status) = shared.down {
        return status.into_response();
    }
    if !headers.contains_key("user-agent") {
        return (StatusCode::FORBIDDEN, "a user agent is required").into_response();
    }
    if prefix.len() != 5 || !prefix.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return (StatusCode::BAD_REQUEST, "The hash prefix was not in a valid format").into_response();
    }
    let wanted = prefix.to_ascii_uppercase();
    let known = KNOWN.iter().filter_map(|(hash, count)| Some(format!("{}:{count}", hash.strip_prefix(&wanted)?)));
    let mut lines: Vec<String> = known.collect();
    if headers.get("add-padding").is_some_and(|value| value == "true") {
        // Endings of nobody's password, which were never seen.
        lines.extend((0..800).map(|number| format!("{number:035X}:0")));
    }
    lines.sort();
    lines.join("\r\n").into_response()
}
