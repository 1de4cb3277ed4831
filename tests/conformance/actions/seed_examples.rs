//! The worked examples of the four pages: each action served twice, by a plugin and by an external service.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::acting::STEP;
use crate::registry::Runner;
use crate::upstream::{Answer, Upstream};
use crate::vector::Vector;
use crate::verdict::{Check, holds, same, unknown_rule};
use crate::world::{Running, World};

pub(crate) const RUNNERS: &[Runner] = &[
    Runner {
        needs: &["request", "response"],
        may: &["httpStatus"],
        expects: &[
            "outcome",
            "claimsAfter",
            "changes",
            "userSees",
            "userSeesErrorText",
            "clientStatus",
            "diagnosticLogHas",
        ],
        run: example,
    },
    Runner { needs: &[], may: &[], expects: &["fields", "resultStatus"], run: diagnostic_record },
];

/// The plugin that answers what its settings say.
const PLUGIN: &str = "answers";

/// The flow and the connector.
const NAME: &str = "example";

/// One action, served by somebody, run to its end.
struct Served {
    by: &'static str,
    run: Value,
    /// As the API gives it, byte by byte.
    context: String,
    /// The run as somebody sees it who may start runs, and nothing else.
    to_caller: String,
    diagnostics: String,
}

fn example(world: &mut World, vector: &Vector) -> Check {
    let weir = world.weir()?;
    let status = vector.given("httpStatus").as_u64().map_or(Ok(200), u16::try_from)?;
    let request = Example::of(vector.given("request"))?;
    let answer = vector.given("response");
    let by_service = request.served_by_service(weir, status, answer)?;
    let by_plugin = request.served_by_plugin(weir, answer)?;
    for served in [&by_service, &by_plugin] {
        expectations(served, &request, vector).with_context(|| format!("served by {}", served.by))?;
    }
    same("the final context with a plugin", &by_plugin.context, &by_service.context)
}

/// What the request of an example says of its flow.
struct Example {
    kind: String,
    trigger: String,
    allowed: Value,
    /// What starts the run.
    event: Value,
}

impl Example {
    fn of(request: &Value) -> anyhow::Result<Self> {
        let text = |place: &str| request.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let members = |place: &str| request.pointer(place).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut event = members("/event");
        event.remove("flow");
        event.extend(members("/event/flow").into_iter().filter(|(name, _)| !["flowType", "flowId"].contains(&&**name)));
        Ok(Self {
            kind: text("/actionType").context("the request has no `actionType`")?,
            trigger: text("/event/flow/flowType").unwrap_or_else(|| "REGISTRATION".to_owned()),
            allowed: request.get("allowedOperations").cloned().unwrap_or_else(|| json!([])),
            event: Value::Object(event),
        })
    }

    /// The flow, served by whom these members name.
    fn flow(&self, provider: Value) -> Value {
        let mut step = Map::from_iter([
            ("id".to_owned(), json!(STEP)),
            ("action".to_owned(), json!(self.kind)),
            ("allowed-operations".to_owned(), self.allowed.clone()),
        ]);
        step.extend(provider.as_object().cloned().unwrap_or_default());
        json!({ "flow": NAME, "trigger": self.trigger, "steps": [step] })
    }

    fn served_by_service(&self, weir: &Running, status: u16, answer: &Value) -> anyhow::Result<Served> {
        let upstream = Upstream::answering(vec![Answer { status, ..Answer::json(answer) }])?;
        let flow = self.flow(json!({ "service": format!("{NAME}.f") }));
        self.run(weir, "an external service", &upstream.url(), &flow)
    }

    fn served_by_plugin(&self, weir: &Running, answer: &Value) -> anyhow::Result<Served> {
        push_plugin(weir)?;
        let flow = self.flow(json!({ "plugin": format!("{PLUGIN}@^1"), "config": answer }));
        self.run(weir, "a plugin", "http://127.0.0.1:9", &flow)
    }

    fn run(&self, weir: &Running, by: &'static str, base_url: &str, flow: &Value) -> anyhow::Result<Served> {
        let function = json!({ "name": "f", "method": "POST", "endpoint": "/action", "log": { "failure": "error" } });
        let connector = json!({ "connector": NAME, "base-url": base_url, "functions": [function] });
        let run = weir.run(&connector, flow, &self.event)?.run;
        let id = run.get("id").and_then(Value::as_str).context("the run has no id")?.to_owned();
        Ok(Served {
            by,
            context: weir.text(&format!("/v1/runs/{id}/context"))?,
            to_caller: weir.text_for_caller(&format!("/v1/runs/{id}"))?,
            diagnostics: weir.text(&format!("/v1/runs/{id}/diagnostics"))?,
            run,
        })
    }
}

/// Uploads it; again, it is no change.
fn push_plugin(weir: &Running) -> Check {
    let file = weir_tests::paths::guest(PLUGIN);
    holds(file.is_file(), || format!("{} is not there; `make guests` builds it", file.display()))?;
    let (exit, said) = weir.cli(&["plugin", "push", &format!("{PLUGIN}@1.0.0"), &file.display().to_string()], "")?;
    holds(exit == Some(0), || format!("the plugin is refused: {said}"))
}

fn expectations(served: &Served, request: &Example, vector: &Vector) -> Check {
    let context: Value = serde_json::from_str(&served.context)?;
    let event = context.get("event").unwrap_or(&Value::Null);
    for (name, expected) in vector.expect.as_object().into_iter().flatten() {
        match (name.as_str(), expected) {
            ("outcome", Value::String(outcome)) => {
                let state = served.run.get("state").and_then(Value::as_str).unwrap_or_default();
                same("the run's state", &state, &state_of(outcome)?)?;
            }
            ("claimsAfter", _) => same("the user's claims", &claims(event), expected)?,
            ("changes", _) => {
                let changed = changes(&claims(&request.event), &claims(event));
                same("the number of changed claims", &json!(changed), expected)?;
            }
            ("userSees", Value::Array(texts)) => {
                let failure = served.run.get("failure").unwrap_or(&Value::Null);
                let seen = ["reason", "description"].map(|name| failure.get(name).cloned().unwrap_or_default());
                same("what the end user sees", &seen.as_slice(), &texts.as_slice())?;
            }
            ("userSeesErrorText", Value::Bool(sees)) => {
                for text in error_texts(vector) {
                    same("that the caller sees the error's text", &served.to_caller.contains(text), sees)?;
                }
            }
            ("clientStatus", _) => same("the client's status", &client_status(served), expected)?,
            ("diagnosticLogHas", Value::Array(texts)) => {
                for text in texts.iter().filter_map(Value::as_str) {
                    holds(served.diagnostics.contains(text), || format!("{text:?} is not among the diagnostics"))?;
                }
            }
            _ => return Err(unknown_rule(name)),
        }
    }
    Ok(())
}

fn state_of(outcome: &str) -> anyhow::Result<&'static str> {
    match outcome {
        "SUCCESS" => Ok("completed"),
        "FAILED" => Ok("failed"),
        "ERROR" => Ok("error"),
        "INCOMPLETE" => Ok("suspended"),
        _ => Err(unknown_rule(outcome)),
    }
}

/// The user's claims, by URI.
fn claims(event: &Value) -> Value {
    let claims = event.pointer("/user/claims").and_then(Value::as_array).into_iter().flatten();
    let pair = |claim: &Value| Some((claim.get("uri")?.as_str()?.to_owned(), claim.get("value")?.clone()));
    Value::Object(claims.filter_map(pair).collect())
}

/// How many are added, removed or another.
fn changes(before: &Value, after: &Value) -> usize {
    let names = |claims: &Value| claims.as_object().into_iter().flatten().map(|(uri, _)| uri.clone()).collect();
    let (of_before, of_after): (std::collections::BTreeSet<String>, std::collections::BTreeSet<String>) =
        (names(before), names(after));
    of_before.union(&of_after).filter(|uri| before.get(uri.as_str()) != after.get(uri.as_str())).count()
}

/// The texts of an ERROR in the answer.
fn error_texts(vector: &Vector) -> impl Iterator<Item = &str> {
    let text = |name| vector.given("response").get(name).and_then(Value::as_str);
    ["errorMessage", "errorDescription"].into_iter().filter_map(text)
}

/// What the caller gives its client: what the type says, or the plain meaning of the run's state.
fn client_status(served: &Served) -> Value {
    let status = served.run.pointer("/client_result/status").cloned();
    status.unwrap_or_else(|| match served.run.get("state").and_then(Value::as_str) {
        Some("error") => json!(500),
        Some("failed") => json!(400),
        _ => json!(200),
    })
}

/// An entry of a run's diagnostics has all of D-01's members.
fn diagnostic_record(world: &mut World, vector: &Vector) -> Check {
    let weir = world.weir()?;
    let answers = ["SUCCESS", "ERROR"].map(|status| json!({ "actionStatus": status, "errorMessage": "It broke" }));
    let example = Example::of(&json!({ "actionType": "FLOW_EXTENSION", "event": { "flow": { "user": {} } } }))?;
    let mut entries = Vec::new();
    for (answer, status) in answers.iter().zip([200, 500]) {
        let mut answer = answer.clone();
        if let (200, Some(answer)) = (status, answer.as_object_mut()) {
            answer.remove("errorMessage");
        }
        for served in [example.served_by_plugin(weir, &answer)?, example.served_by_service(weir, status, &answer)?] {
            let page: Value = serde_json::from_str(&served.diagnostics)?;
            entries.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
        }
    }
    for (name, expected) in vector.expect.as_object().into_iter().flatten() {
        let Some(expected) = expected.as_array() else { bail!("`{name}` is no list") };
        let expected: Vec<&str> = expected.iter().filter_map(Value::as_str).collect();
        match name.as_str() {
            "fields" => {
                let has_all = |entry: &Value| expected.iter().all(|field| entry.get(field).is_some());
                holds(entries.iter().any(has_all), || format!("no entry has {expected:?}: {}", json!(entries)))?;
            }
            "resultStatus" => {
                let statuses: Vec<&str> = entries.iter().filter_map(|it| it.get("resultStatus")?.as_str()).collect();
                let is_known = statuses.iter().all(|status| expected.contains(status));
                holds(is_known, || format!("the results of the entries are {statuses:?}"))?;
                let has_each = expected.iter().all(|status| statuses.contains(status));
                holds(has_each, || format!("the results of the entries are only {statuses:?}"))?;
            }
            _ => return Err(unknown_rule(name)),
        }
    }
    Ok(())
}
