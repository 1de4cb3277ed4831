//! Diagnostic entries over the real binary: live by HTTP and by the command line, stored, in the server's own log.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use weir_tests::paths;
use weir_tests::upstream::TOKEN;

use crate::house::{Api, House, until};

const FLOW: &str = "flow: look-up\nsteps:\n  - id: person\n    call: people.person\n    arguments: { seed: '${event.seed}', pin: '${event.pin}' }\n  - id: done\n    end: {}\n";
const PIN: &str = "c4nary-4711";

/// A tenant that logs all three events of its calls.
async fn house() -> House {
    let house = House::empty().await;
    let connector = json!({
        "connector": "people",
        "base-url": house.upstream.url(),
        "authentication": { "type": "bearer", "credential": "people" },
        "sensitive": ["pin"],
        "functions": [{
            "name": "person",
            "method": "POST",
            "arguments": [{ "name": "seed", "type": "string" }, { "name": "pin", "type": "string" }],
            "endpoint": "/api?seed=${args.seed}&session_token=${args.pin}",
            "body": { "pin": "${args.pin}", "shown": "yes" },
            "log": { "request": "info", "success": "info", "failure": "error" },
            "retry": { "attempts-max": 1 },
        }],
    });
    let api = house.api();
    let token = json!({ "type": "bearer", "token": TOKEN }).to_string();
    for (path, kind, body) in [
        ("/v1/credentials/people", "application/json", token),
        ("/v1/connectors/people", "application/json", connector.to_string()),
        ("/v1/flows/look-up", "application/yaml", FLOW.to_owned()),
    ] {
        let answer = api.put(path, kind, body.as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    house
}

fn event() -> Value {
    json!({ "seed": "ada", "pin": PIN })
}

/// `weir logs --follow`, once it listens; killed when it is dropped.
struct Follower {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Follower {
    fn start(house: &House, arguments: &[&str]) -> Self {
        let mut child = Command::new(paths::weir())
            .args(["logs", "--follow"])
            .args(arguments)
            .env("WEIR_URL", &house.server.url)
            .env("WEIR_API_KEY_FILE", &house.key)
            .env_remove("WEIR_API_KEY")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
        assert!(said.starts_with("weir: following"), "{said}");
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The live view as any HTTP client sees it, from the first line after its headers.
pub(crate) fn follow(url: &str, key: &std::path::Path) -> BufReader<TcpStream> {
    let address = url.strip_prefix("http://").unwrap();
    let key = std::fs::read_to_string(key).unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let request =
        format!("GET /v1/diagnostics/stream HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while lines.read_line(&mut head).unwrap() > 2 {}
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
    lines
}

/// The next entry of a live view.
pub(crate) fn next_entry(stream: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_seen_live_and_afterwards_and_hold_no_secret() {
    // covers C-10, D-01, D-02, D-04; keeps K-01
    let house = house().await;
    let mut stream = follow(&house.server.url, &house.key);
    let mut theirs = follow(&house.server.url, &house.server.tenant("other", "admin").unwrap());
    let mut json_lines = Follower::start(&house, &["--connector", "people", "-o", "json"]);
    let mut failures = Follower::start(&house, &["--level", "error", "--flow", "look-up"]);

    let run = house.run("look-up", &event());
    let id = run["id"].as_str().unwrap();
    let entries = [next_entry(&mut stream), next_entry(&mut stream)];
    let kinds = entries.each_ref().map(|entry| entry["actionId"].as_str().unwrap().to_owned());
    assert_eq!(kinds, ["connector-request", "connector-response"]);
    let lines: [Value; 2] = std::array::from_fn(|_| serde_json::from_str(&json_lines.line()).unwrap());
    assert_eq!(lines, entries, "the command line shows the same");
    assert_eq!(entries[0]["input"]["headers"].as_array().map(Vec::len), Some(1), "the host adds the rest");

    house.upstream.answer_next((axum::http::StatusCode::NOT_FOUND, "nobody"));
    let second = house.run("look-up", &event());
    let line = failures.line();
    assert!(line.contains("people.person connector-failure: status 404"), "{line}");
    assert!(line.contains(second["id"].as_str().unwrap()), "{line}");

    let stored = house.server.cli(&house.key, &["logs", "--run", id]).unwrap();
    assert_eq!(stored.lines().count(), 2, "{stored}");
    let shown = house.server.cli(&house.key, &["run", "show", id]).unwrap();
    assert!(shown.contains("log: people.person: request POST"), "{shown}");
    let lines = house.api().get(&format!("/v1/runs/{id}/diagnostics?format=jsonl")).text;
    assert_eq!(lines.lines().count(), 2, "{lines}");

    // What the outside system got, and what nobody else did.
    assert_eq!(house.upstream.received()[0].json()["pin"], PIN);
    let log = house.server.log_with("weir::diagnostics");
    assert!(log.contains("people.person"), "{log}");
    let metrics = Api::new(&house.server.url, &house.server.operator_key()).get("/metrics").text;
    assert!(metrics.contains("weir_diagnostic_entries_total{level=\"info\"}"), "{metrics}");
    let journal = Value::from(house.journal(&run)).to_string();
    assert!(journal.contains("shown") && !log.contains("shown"), "bodies are the tenant's");
    let all = [format!("{entries:?}"), line, stored, shown, lines, log, metrics, journal];
    for text in all {
        assert!(!text.contains(PIN) && !text.contains(TOKEN), "{text}");
    }

    // The other tenant has heard nothing: the first that it hears is its own.
    let other = Api::new(&house.server.url, &house.server.tenant("other", "admin").unwrap());
    let connector =
        "connector: none\nbase-url: http://127.0.0.1:9\nfunctions:\n  - name: get\n    log: { failure: error }\n";
    let flow = "flow: mine\nsteps:\n  - id: a\n    call: none.get\n";
    assert_eq!(other.put("/v1/connectors/none", "application/yaml", connector.as_bytes()).status, 201);
    assert_eq!(other.put("/v1/flows/mine", "application/yaml", flow.as_bytes()).status, 201);
    other.post("/v1/flows/mine/runs?wait=30s", &json!({}));
    assert_eq!(next_entry(&mut theirs)["tenant"], "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_outlive_the_server_and_a_live_view_ends_with_it() {
    // covers D-02
    let house = house().await;
    let mut stream = follow(&house.server.url, &house.key);
    let run = house.run("look-up", &event());
    let before = next_entry(&mut stream);
    let (folder, key, upstream) = (house.folder, house.key, house.upstream);
    assert_eq!(house.server.stop().unwrap(), Some(0), "a live view holds no stop up");
    let server = weir_tests::server::Server::start(folder.path()).unwrap();
    let api = Api::new(&server.url, &key);
    let path = format!("/v1/runs/{}/diagnostics", run["id"].as_str().unwrap());
    let stored = until("the entries", || Some(api.get(&path)).filter(|answer| answer.status == 200)).await.json();
    assert_eq!(stored["items"][0], before);
    drop(upstream);
}
