//! The real binary with one tenant. Started when the first vector needs it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use weir_tests::server::Server;

use crate::profile;
use crate::upstream::{Heard, Upstream};

/// The step, and so the key, of the call in every flow here.
pub(crate) const STEP: &str = "call";

/// What the vectors run against.
#[derive(Default)]
pub(crate) struct World(Option<Running>);

/// The binary, serving.
pub(crate) struct Running {
    server: Server,
    key_file: PathBuf,
    key: String,
    agent: ureq::Agent,
    /// Of the actions that were saved since somebody looked.
    profiles: RefCell<BTreeSet<String>>,
    _folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    /// `completed`, `failed` or `error`.
    pub(crate) state: String,
    /// As the API shows it.
    pub(crate) run: Value,
    /// What its steps put into the context, by key.
    pub(crate) context: Value,
    /// The steps that ran, in order.
    pub(crate) steps: Vec<String>,
}

impl Ran {
    /// What the call put into the context; null where nothing.
    pub(crate) fn call(&self) -> &Value {
        self.context.get(format!("connectors.{STEP}")).unwrap_or(&Value::Null)
    }

    /// The claims of the result.
    pub(crate) fn claims(&self) -> Value {
        let claims = self.run.get("claims").and_then(Value::as_array).into_iter().flatten();
        let pair = |claim: &Value| Some((claim.get("key")?.as_str()?.to_owned(), claim.get("value")?.clone()));
        Value::Object(claims.filter_map(pair).collect())
    }
}

impl World {
    /// The binary.
    pub(crate) fn weir(&mut self) -> anyhow::Result<&Running> {
        let running = match self.0.take() {
            Some(running) => running,
            None => Running::start()?,
        };
        Ok(self.0.insert(running))
    }

    /// The profiles of the actions that were saved since this was asked last.
    pub(crate) fn profiles(&self) -> BTreeSet<String> {
        self.0.as_ref().map(|running| running.profiles.take()).unwrap_or_default()
    }
}

/// A connector of one function `f` at a base URL.
pub(crate) fn connector(name: &str, base_url: &str, mut function: Value) -> Value {
    if let Value::Object(function) = &mut function {
        function.insert("name".to_owned(), json!("f"));
    }
    json!({ "connector": name, "base-url": base_url, "functions": [function] })
}

/// A flow that calls that function once.
pub(crate) fn one_call(name: &str, arguments: &Value) -> Value {
    json!({ "flow": name, "steps": [{ "id": STEP, "call": format!("{name}.f"), "arguments": arguments }] })
}

impl Running {
    fn start() -> anyhow::Result<Self> {
        Self::start_with("")
    }

    /// A binary of its own, with further lines of configuration.
    pub(crate) fn start_with(config: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let server = Server::start_with(folder.path(), config)?;
        let key_file = server.tenant("vectors", "admin")?;
        let key = std::fs::read_to_string(&key_file)?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Ok(Self { server, key_file, key, agent, profiles: RefCell::default(), _folder: folder })
    }

    /// Saves a connector; the faults where it is refused.
    pub(crate) fn save(&self, document: &Value) -> anyhow::Result<Result<(), String>> {
        let name = document.get("connector").and_then(Value::as_str).unwrap_or_default();
        self.put(&format!("/v1/connectors/{name}"), document)
    }

    /// Saves a credential or any other thing; what the server says where it is refused.
    pub(crate) fn put(&self, path: &str, body: &Value) -> anyhow::Result<Result<(), String>> {
        self.profiles.borrow_mut().extend(profile::of_document(body));
        let (status, text) = self.send("PUT", path, body)?;
        match status {
            200..300 => Ok(Ok(())),
            400..500 => Ok(Err(text)),
            _ => bail!("PUT {path} answered {status}: {text}"),
        }
    }

    /// Reads something of the API.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.text(path)?)?)
    }

    /// The same, byte by byte.
    pub(crate) fn text(&self, path: &str) -> anyhow::Result<String> {
        self.text_with(path, &self.key)
    }

    /// The same, with a key that may start runs and see how they end, and nothing else.
    pub(crate) fn text_for_caller(&self, path: &str) -> anyhow::Result<String> {
        let key_file = self.server.tenant("vectors", "runner")?;
        self.text_with(path, &std::fs::read_to_string(key_file)?)
    }

    fn text_with(&self, path: &str, key: &str) -> anyhow::Result<String> {
        let request = self.agent.get(format!("{}{path}", self.server.url));
        let mut answer = request.header("authorization", format!("Bearer {}", key.trim())).call()?;
        Ok(answer.body_mut().read_to_string()?)
    }

    /// Any call with a JSON body or none; the status, and the answer's JSON, null where there is none.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.server.url));
        let request = request.header("authorization", format!("Bearer {}", self.key.trim()));
        let mut answer = match body {
            Some(body) => self.agent.run(request.header("content-type", "application/json").body(body.to_string())?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let text = answer.body_mut().read_to_string()?;
        Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Sends something: the status, and what came back.
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<(u16, String)> {
        let url = format!("{}{path}", self.server.url);
        let request = if method == "PUT" { self.agent.put(url) } else { self.agent.post(url) };
        let request = request.header("authorization", format!("Bearer {}", self.key.trim()));
        let mut answer = request.content_type("application/json").send(body.to_string())?;
        Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
    }

    /// Saves a connector and a flow, and runs the flow to its end.
    pub(crate) fn run(&self, connector: &Value, flow: &Value, event: &Value) -> anyhow::Result<Ran> {
        if let Err(faults) = self.save(connector)? {
            bail!("the connector is refused: {faults}");
        }
        let name = flow.get("flow").and_then(Value::as_str).unwrap_or_default();
        if let Err(faults) = self.put(&format!("/v1/flows/{name}"), flow)? {
            bail!("the flow is refused: {faults}");
        }
        let (status, text) =
            self.send("POST", &format!("/v1/flows/{name}/runs?wait=30s"), &json!({ "event": event }))?;
        let run: Value = serde_json::from_str(&text).with_context(|| format!("the run answered {status}: {text}"))?;
        let id = run.get("id").and_then(Value::as_str).with_context(|| format!("no run began: {text}"))?;
        let journal = self.get(&format!("/v1/runs/{id}/journal"))?;
        let mut context = serde_json::Map::new();
        let mut steps = Vec::new();
        for entry in journal.get("items").and_then(Value::as_array).into_iter().flatten() {
            steps.push(entry.get("step").and_then(Value::as_str).unwrap_or_default().to_owned());
            for change in entry.get("changes").and_then(Value::as_array).into_iter().flatten() {
                let key = change.get("key").and_then(Value::as_str).unwrap_or_default();
                context.insert(key.to_owned(), change.get("value").cloned().unwrap_or_default());
            }
        }
        let state = run.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Ran { state, run, context: Value::Object(context), steps })
    }

    /// The only request that an outside system got.
    pub(crate) fn one_request(upstream: &Upstream) -> anyhow::Result<Heard> {
        let heard = upstream.heard();
        match heard.as_slice() {
            [only] => Ok(only.clone()),
            _ => bail!("{} requests were sent instead of one", heard.len()),
        }
    }

    /// The command line; its exit code, and what it printed.
    pub(crate) fn cli(&self, arguments: &[&str], input: &str) -> anyhow::Result<(Option<i32>, String)> {
        let output = self.server.try_cli(&self.key_file, arguments, input)?;
        let mut printed = String::from_utf8_lossy(&output.stdout).into_owned();
        printed.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok((output.status.code(), printed))
    }
}
