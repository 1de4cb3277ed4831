//! A flow of one action that an external service serves, run by the real binary.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use crate::upstream::{Answer, Heard, Upstream};
use crate::world::{Ran, Running, World};

/// The action's step.
pub(crate) const STEP: &str = "act";

/// What the action is, and what happens to it.
pub(crate) struct Scene {
    /// The type, such as `FLOW_EXTENSION`.
    pub(crate) kind: &'static str,
    /// What starts the flow, such as `REGISTRATION`.
    pub(crate) trigger: String,
    /// Members of the step besides `id`, `action` and `service`.
    pub(crate) step: Value,
    /// Members of the connector's function besides its name, method and endpoint.
    pub(crate) function: Value,
    /// Time-outs and limits of the connector.
    pub(crate) connection: Value,
    /// The event that starts the run.
    pub(crate) event: Value,
    /// The steps that follow.
    pub(crate) then: Vec<Value>,
    /// What the service answers, in order; the last one again and again.
    pub(crate) answers: Vec<Answer>,
}

/// How it came out.
pub(crate) struct Acted {
    /// The run.
    pub(crate) ran: Ran,
    /// The action's record in the journal.
    pub(crate) record: Value,
    /// The diagnostic entries of the action's step.
    pub(crate) diagnostics: Value,
    /// The run's event afterwards.
    pub(crate) event: Value,
    /// What the service got.
    pub(crate) heard: Vec<Heard>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            kind: "FLOW_EXTENSION",
            trigger: "REGISTRATION".to_owned(),
            step: json!({}),
            function: json!({}),
            connection: json!({}),
            event: json!({}),
            then: Vec::new(),
            answers: vec![Answer::json(&json!({ "actionStatus": "SUCCESS" }))],
        }
    }
}

impl Scene {
    /// The flow's name: also the connector's.
    const NAME: &str = "acting";

    /// The document of the flow.
    pub(crate) fn flow(&self) -> Value {
        let mut step = Map::from_iter([
            ("id".to_owned(), json!(STEP)),
            ("action".to_owned(), json!(self.kind)),
            ("service".to_owned(), json!(format!("{}.f", Self::NAME))),
        ]);
        step.extend(self.step.as_object().cloned().unwrap_or_default());
        let mut steps = vec![Value::Object(step)];
        steps.extend(self.then.iter().cloned());
        json!({ "flow": Self::NAME, "trigger": self.trigger, "steps": steps })
    }

    /// The document of the service's connector.
    pub(crate) fn connector(&self, base_url: &str) -> Value {
        let mut function = Map::from_iter([
            ("name".to_owned(), json!("f")),
            ("method".to_owned(), json!("POST")),
            ("endpoint".to_owned(), json!("/action")),
        ]);
        function.extend(self.function.as_object().cloned().unwrap_or_default());
        json!({
            "connector": Self::NAME,
            "base-url": base_url,
            "connection": self.connection,
            "functions": [function],
        })
    }

    /// Runs it with a service that answers.
    pub(crate) fn run(&self, world: &mut World) -> anyhow::Result<Acted> {
        let upstream = Upstream::answering(self.answers.clone())?;
        self.run_at(world.weir()?, &upstream)
    }

    /// Runs it with this service.
    pub(crate) fn run_at(&self, weir: &Running, upstream: &Upstream) -> anyhow::Result<Acted> {
        let acted = self.run_against(weir, &upstream.url())?;
        Ok(Acted { heard: upstream.heard(), ..acted })
    }

    /// Runs it with the service at this URL.
    pub(crate) fn run_against(&self, weir: &Running, url: &str) -> anyhow::Result<Acted> {
        let ran = weir.run(&self.connector(url), &self.flow(), &self.event)?;
        let id = ran.run.get("id").and_then(Value::as_str).context("the run has no id")?;
        let journal = weir.get(&format!("/v1/runs/{id}/journal"))?;
        let record = journal.pointer("/items/0/record").cloned().unwrap_or_default();
        let diagnostics = journal.pointer("/items/0/diagnostics").cloned().unwrap_or_default();
        let event = ran.context.get("event").unwrap_or(&self.event).clone();
        Ok(Acted { record, diagnostics, event, heard: Vec::new(), ran })
    }
}

impl Acted {
    /// `SUCCESS`, `FAILED`, `INCOMPLETE` or `ERROR`.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.ran.state.as_str() {
            "completed" => "SUCCESS",
            "failed" => "FAILED",
            "suspended" => "INCOMPLETE",
            _ => "ERROR",
        }
    }

    /// How often the service was asked.
    pub(crate) fn attempts(&self) -> usize {
        self.record.pointer("/service/exchanges").and_then(Value::as_array).map_or(0, Vec::len)
    }

    /// Code and message of the error that the run ended with.
    pub(crate) fn error(&self) -> (&str, &str) {
        let text = |name: &str| self.ran.run.pointer(&format!("/error/{name}")).and_then(Value::as_str);
        (text("code").unwrap_or_default(), text("message").unwrap_or_default())
    }
}

/// Sets a member of an object.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
