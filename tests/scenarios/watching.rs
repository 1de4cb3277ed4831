//! Runs that somebody watches, over the real binary, across restarts of the server.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};
use weir_tests::server::Server;

use crate::house::{Api, House};

const ASKS: u64 = 3;

/// One event of a stream.
struct Seen {
    name: String,
    id: Option<u64>,
    data: Value,
}

/// A stream of events that is read one at a time.
struct Stream(BufReader<ureq::BodyReader<'static>>);

impl Stream {
    fn open(api: &Api, run: &str, after: Option<u64>) -> Self {
        let after = after.map(|id| id.to_string());
        let headers: Vec<_> = after.iter().map(|id| ("last-event-id", id.as_str())).collect();
        Self(BufReader::new(api.stream(&format!("/v1/runs/{run}/events"), &headers)))
    }

    /// The next event; none where the stream is over or its server dead.
    fn next(&mut self) -> Option<Seen> {
        let mut seen = Seen { name: String::new(), id: None, data: Value::Null };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("event", name)) => seen.name = name.to_owned(),
                Some(("id", id)) => seen.id = Some(id.parse().unwrap()),
                Some(("data", data)) => seen.data = serde_json::from_str(data).unwrap(),
                Some(_) => {}
                None if seen.name.is_empty() => {}
                None => return Some(seen),
            }
        }
    }

    /// The rest of it, up to the end of the run: the ids of its steps.
    fn rest(mut self) -> Vec<u64> {
        let mut ids = Vec::new();
        while let Some(seen) = self.next() {
            if seen.name == "ended" {
                return ids;
            }
            assert_eq!(seen.data["sequence"].as_u64(), seen.id);
            ids.extend(seen.id);
        }
        panic!("the stream ends before its run");
    }
}

fn put(api: &Api, name: &str, steps: &Value) {
    let flow = json!({ "flow": name, "steps": steps });
    let answer = api.put(&format!("/v1/flows/{name}"), "application/json", flow.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_misses_nothing_and_sees_nothing_twice_across_restarts() {
    // covers F-06, F-07
    let House { folder, mut server, upstream: _upstream, key } = House::empty().await;
    let mut steps = Vec::new();
    for number in 0..ASKS {
        steps.push(json!({ "id": format!("set-{number}"), "set": { "event.n": number } }));
        steps.push(json!({ "id": format!("ask-{number}"), "prompt": { "form": { "type": "object" } } }));
    }
    steps.push(json!({ "id": "done", "claims": [{ "key": "n", "type": "number", "value": "${event.n}" }] }));
    let mut api = Api::new(&server.url, &key);
    put(&api, "asks", &Value::Array(steps));
    let started = api.post("/v1/flows/asks/runs", &json!({ "event": {} })).json();
    let run = started["id"].as_str().unwrap();
    let mut ids: Vec<u64> = Vec::new();
    for _ in 0..ASKS {
        let mut stream = Stream::open(&api, run, ids.last().copied());
        loop {
            let seen = stream.next().unwrap();
            ids.extend(seen.id);
            if seen.data["outcome"].get("suspended").is_some() {
                break;
            }
        }
        server.kill().unwrap();
        assert!(stream.next().is_none(), "the server is dead");
        server = Server::start(folder.path()).unwrap();
        api = Api::new(&server.url, &key);
        let revision = api.get(&format!("/v1/runs/{run}")).json()["revision"].clone();
        let answer = api.post(&format!("/v1/runs/{run}/resume"), &json!({ "revision": revision, "input": {} }));
        assert!((200..300).contains(&answer.status), "{}", answer.text);
    }
    ids.extend(Stream::open(&api, run, ids.last().copied()).rest());
    let journal = api.get(&format!("/v1/runs/{run}/journal")).json();
    let sequences = journal["items"].as_array().unwrap().iter().map(|entry| entry["sequence"].as_u64().unwrap());
    assert_eq!(ids, sequences.collect::<Vec<_>>());
    assert_eq!(ids, (1..=ids.last().copied().unwrap()).collect::<Vec<_>>(), "none lost, none twice, in order");
    assert_eq!(Stream::open(&api, run, Some(2)).rest(), ids[2..]);
}
