//! The event as an action sees it: the members that its type grants, less what its owner does not show.

use serde_json::{Map, Value, json};

use super::claims::ClaimRules;
use super::path::Path;
use super::selection::{Relation, Step, only, pointer_steps, relation, steps, without};
use super::types::{ActionType, EventMember, Reading};

/// What an event is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The run's event.
    pub event: &'a Value,
    /// What the run tells of itself: `{id, flow, trigger, tenant}`.
    pub run: &'a Value,
    /// What came back after a redirect; null where nothing did.
    pub resumed: &'a Value,
}

/// What an action's owner says of what it sees.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The only parts of the run's event, where there is such a list.
    pub expose: Option<&'a [Path]>,
    /// Parts of the run's event that it does not see.
    pub hidden: &'a [Path],
    /// Parts that travel encrypted: to name one is to show it.
    pub encrypted: &'a [Path],
    /// Which claims have lists of values.
    pub claims: &'a ClaimRules,
}

/// Why an event cannot be given to an action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It does not match the schema of the type.
    #[error(
        "the event does not match the schema of `{kind}`: {violations}; give the run another event, or mend the type"
    )]
    Invalid {
        /// The type.
        kind: String,
        /// Where, and what is wrong there; no value of it.
        violations: String,
    },
    /// It is too large.
    #[error(
        "the event has {bytes} bytes of JSON; a `{kind}` action is asked at most {most} (`event-bytes-max` of the type): show it less with `expose` or `hidden`"
    )]
    TooLarge {
        /// The type.
        kind: String,
        /// Its size.
        bytes: usize,
        /// The most.
        most: usize,
    },
}

impl PayloadError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "action.event-invalid",
            Self::TooLarge { .. } => "action.event-too-large",
        }
    }
}

impl ActionType {
    /// The event that an action of this type sees.
    ///
    /// # Errors
    /// The event is too large, or is not what the type says it is.
    pub fn payload(&self, sources: Sources<'_>, shown: Shown<'_>) -> Result<Value, PayloadError> {
        let paths = Paths::of(&shown);
        let trigger = sources.run.get("trigger").and_then(Value::as_str).unwrap_or_default();
        let mut payload = Value::Object(Map::new());
        for member in &self.event {
            if !member.triggers.is_empty() && !member.triggers.iter().any(|known| known == trigger) {
                continue;
            }
            let value = paths.part(member, sources).and_then(|value| member.read(value, &shown));
            if let Some(value) = value.and_then(filled) {
                put(&mut payload, &pointer_steps(&member.to), value);
            }
        }
        let bytes = payload.to_string().len();
        if bytes > self.event_bytes_max {
            return Err(PayloadError::TooLarge { kind: self.name.clone(), bytes, most: self.event_bytes_max });
        }
        let schema = self.schema.as_ref().and_then(|schema| self.compiled.get(schema));
        let violations = schema.map(|schema| schema.violations(&payload)).unwrap_or_default();
        if !violations.is_empty() {
            let violations: Vec<String> = violations.iter().map(ToString::to_string).collect();
            return Err(PayloadError::Invalid { kind: self.name.clone(), violations: violations.join("; ") });
        }
        Ok(payload)
    }

    /// Whether a path of the run's event, or of a member of the event that is not from there, is something that the
    /// type grants, or leads into it, or holds it.
    pub fn grants(&self, path: &Path) -> bool {
        let path = steps(path);
        self.event.iter().any(|member| !matches!(relation(&member.place(), &path), Relation::Apart))
    }
}

impl EventMember {
    /// How paths of authors name it: by its place in the run's event, or in the action's where it is not from there.
    fn place(&self) -> Vec<Step> {
        pointer_steps(self.of_event().unwrap_or(&self.to))
    }

    /// Its place in the run's event, where it is from there.
    fn of_event(&self) -> Option<&str> {
        self.from.strip_prefix("/event").filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn read(&self, value: Value, shown: &Shown<'_>) -> Option<Value> {
        Some(match (self.reads, value) {
            (Reading::Claims, Value::Array(claims)) => {
                let claims = claims.into_iter().map(|claim| multi_valued(claim, shown.claims));
                Value::Array(claims.filter(has_value).collect())
            }
            (Reading::Credentials, Value::Object(credentials)) => {
                let place = self.place();
                let sealed = |name: &str| {
                    let at = [place.as_slice(), &[Step::Member(name.to_owned())]].concat();
                    shown.encrypted.iter().any(|path| matches!(relation(&at, &steps(path)), Relation::Within))
                };
                let read = |(name, value): (String, Value)| match value {
                    Value::String(text) if !text.is_empty() && !sealed(&name) => {
                        (name, json!({ "type": "PLAIN_TEXT", "value": text }))
                    }
                    other => (name, other),
                };
                Value::Object(credentials.into_iter().map(read).collect())
            }
            (_, value) => value,
        })
    }
}

/// The paths of an author, as steps.
struct Paths {
    expose: Option<Vec<Vec<Step>>>,
    hidden: Vec<Vec<Step>>,
    encrypted: Vec<Vec<Step>>,
}

impl Paths {
    fn of(shown: &Shown<'_>) -> Self {
        let all = |paths: &[Path]| paths.iter().map(steps).collect();
        Self { expose: shown.expose.map(all), hidden: all(shown.hidden), encrypted: all(shown.encrypted) }
    }

    /// What an action sees of a member; none where it sees nothing.
    fn part(&self, member: &EventMember, sources: Sources<'_>) -> Option<Value> {
        let (root, pointer) = match member.from.get(1..)?.split_once('/') {
            Some((root, _)) => (root, member.from.get(root.len() + 1..)?),
            None => (member.from.get(1..)?, ""),
        };
        let source = match root {
            "event" => sources.event,
            "run" => sources.run,
            _ => sources.resumed,
        };
        let value = source.pointer(pointer)?;
        let place = member.place();
        let mut value = if member.of_event().is_some() { self.exposed(member, &place, value)? } else { value.clone() };
        let hidden: Vec<&[Step]> = within(&place, &self.hidden);
        (!without(&mut value, &hidden)).then_some(value)
    }

    fn exposed(&self, member: &EventMember, place: &[Step], value: &Value) -> Option<Value> {
        match (&self.expose, member.listed) {
            (None, false) => Some(value.clone()),
            (None, true) => only(value, &within(place, &self.encrypted)),
            (Some(expose), _) => only(value, &[within(place, expose), within(place, &self.encrypted)].concat()),
        }
    }
}

/// The parts of what stands at a place that paths name; an empty one for the whole of it.
fn within<'a>(place: &[Step], paths: &'a [Vec<Step>]) -> Vec<&'a [Step]> {
    let part = |path: &'a Vec<Step>| match relation(place, path) {
        Relation::Within => Some(&[][..]),
        Relation::Into(rest) => Some(rest),
        Relation::Apart => None,
    };
    paths.iter().filter_map(part).collect()
}

/// What is hidden taken out of a run's event, for what else an action sees of it.
#[must_use]
pub fn hide(event: &Value, hidden: &[Path]) -> Value {
    let paths: Vec<Vec<Step>> = hidden.iter().map(steps).collect();
    let paths: Vec<&[Step]> = paths.iter().map(Vec::as_slice).collect();
    let mut event = event.clone();
    if without(&mut event, &paths) { Value::Null } else { event }
}

fn multi_valued(mut claim: Value, rules: &ClaimRules) -> Value {
    let known = rules.known.as_ref().zip(claim.get("uri").and_then(Value::as_str));
    let is_multi_valued = known.and_then(|(known, uri)| known.get(uri)).is_some_and(|entry| entry.multi_valued);
    if is_multi_valued
        && let Some(value) = claim.get_mut("value")
        && let Some(text) = value.as_str()
    {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        *value = parts.collect();
    }
    claim
}

/// Whether a claim says anything besides its name.
fn has_value(claim: &Value) -> bool {
    let Value::Object(members) = claim else { return true };
    members.iter().any(|(name, value)| name != "uri" && !is_empty(value))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The value without members that are empty, also within; none where nothing is left. What stands in lists stays: an
/// empty value there may be what somebody asks for.
fn filled(value: Value) -> Option<Value> {
    let value = match value {
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, member)| Some((name, filled(member)?)));
            Value::Object(members.collect())
        }
        other => other,
    };
    (!is_empty(&value)).then_some(value)
}

fn put(node: &mut Value, place: &[Step], value: Value) {
    match place.split_first() {
        Some((Step::Member(name), rest)) => {
            if !node.is_object() {
                *node = Value::Object(Map::new());
            }
            if let Some(members) = node.as_object_mut() {
                put(members.entry(name.clone()).or_insert(Value::Null), rest, value);
            }
        }
        // A type's `to` is a pointer: it has no filters.
        Some((Step::Element { .. }, _)) => {}
        None => *node = value,
    }
}

#[cfg(test)]
mod tests;
