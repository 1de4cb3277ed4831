//! An outside system that answers as a vector says, byte by byte: also with statuses that no server library would send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long anything here waits for the other side.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn json(body: &serde_json::Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status: 200, headers, body: body.to_string() }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// Path and query.
    pub(crate) target: String,
    /// In order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Heard {
    /// Every value of a header, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// The outside system. It listens until the process ends.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    heard: Vec<Heard>,
    held: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Upstream {
    /// Gives these answers in order; the last one again and again.
    pub(crate) fn answering(answers: Vec<Answer>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let upstream = Self { address: listener.local_addr()?, shared: Arc::default() };
        let shared = upstream.shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, answers) = (shared.clone(), answers.clone());
                // A caller that goes away while it is served is the caller's affair.
                std::thread::spawn(move || serve(&stream, &shared, &answers));
            }
        });
        Ok(upstream)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What arrived so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.state().heard.clone()
    }

    /// Waits for so many requests; what arrived by then.
    pub(crate) fn arrived(&self, count: usize) -> Vec<Heard> {
        let waiting = |state: &mut State| state.heard.len() < count;
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), PATIENCE, waiting);
        waited.map_or_else(|_| Vec::new(), |(state, _)| state.heard.clone())
    }

    /// Takes requests, but answers none before the release.
    pub(crate) fn hold(&self) {
        self.shared.state().held = true;
    }

    /// Answers again, also what it held.
    pub(crate) fn release(&self) {
        self.shared.state().held = false;
        self.shared.changed.notify_all();
    }
}

fn serve(stream: &TcpStream, shared: &Shared, answers: &[Answer]) -> Option<()> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let heard = read(stream)?;
    let mut state = shared.state();
    state.heard.push(heard);
    let number = state.heard.len();
    shared.changed.notify_all();
    drop(shared.changed.wait_timeout_while(state, PATIENCE, |state| state.held));
    write(stream, answers.get(number - 1).or(answers.last())?, number)
}

/// Writes an answer; a redirect leads to a place of its number.
pub(crate) fn write(stream: &TcpStream, answer: &Answer, number: usize) -> Option<()> {
    let mut text = format!("HTTP/1.1 {} Vector\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if (300..400).contains(&answer.status) {
        text.push_str(&format!("location: /hop/{number}\r\n"));
    }
    let has_body = answer.status >= 200 && ![204, 304].contains(&answer.status);
    if has_body {
        text.push_str(&format!("content-length: {}\r\n\r\n{}", answer.body.len(), answer.body));
    } else {
        text.push_str("\r\n");
    }
    let mut stream = stream;
    stream.write_all(text.as_bytes()).ok()
}

/// Reads a request.
pub(crate) fn read(stream: &TcpStream) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut heard = Heard { target, headers, body: String::new() };
    let length = heard.values("content-length").first().and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    heard.body = String::from_utf8_lossy(&body).into_owned();
    Some(heard)
}
