//! Reads the document of a type of actions, and finds every fault of it before a flow can use it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::types::{ActionType, ClientResult, EVENT_BYTES_MOST};
use crate::document::{Document, Faults, Format, escape_pointer, list_names, read};
use crate::schema::Schema;

/// The longest name of a type, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// Most members of an event, rule fields, endpoints, places or parameters of one type.
const ITEMS_MAX: usize = 100;

/// The largest body for a client, in bytes of JSON.
const BODY_BYTES_MAX: usize = 16 << 10;

/// What a run tells of itself: `/run/NAME`.
const OF_RUN: [&str; 4] = ["id", "flow", "trigger", "tenant"];

/// Reads the document of a type: YAML, of which JSON is a part.
///
/// # Errors
/// Every fault at once, in the document's order.
pub fn read_type(text: &str) -> Result<ActionType, Faults> {
    let document = Document::parse(text, Format::Yaml)?;
    let mut faults = Faults::default();
    let kind: Option<ActionType> = read(&document, "", "action-type.shape", &mut faults);
    if let Some(kind) = &kind {
        let mut check = Check { document: &document, faults: &mut faults };
        check.head(kind);
        check.event(kind);
        check.operations(kind);
        check.rule_fields(kind);
        check.results(kind);
    }
    match kind {
        Some(kind) if !faults.has_errors() => Ok(kind),
        _ => Err(faults.sorted()),
    }
}

struct Check<'a> {
    document: &'a Document,
    faults: &'a mut Faults,
}

impl Check<'_> {
    fn error(&mut self, pointer: &str, code: &str, message: impl Into<String>) {
        self.faults.error(self.document, pointer, code, message);
    }

    fn head(&mut self, kind: &ActionType) {
        let is_name = |name: &str| {
            name.len() <= NAME_BYTES_MAX
                && name.starts_with(|first: char| first.is_ascii_uppercase())
                && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !is_name(&kind.name) {
            let message = format!("a type's name is up to {NAME_BYTES_MAX} of `A-Z`, `0-9` and `_`, a letter first");
            self.error("/type", "action-type.name", message);
        }
        if kind.title.trim().is_empty() {
            self.error("/title", "action-type.name", "a type needs a title, for people: a few words");
        }
        for (member, length) in [
            ("/event", kind.event.len()),
            ("/operations", kind.operations.len()),
            ("/places", kind.places.len()),
            ("/read-only", kind.read_only.len()),
            ("/reserved-reasons", kind.reserved_reasons.len()),
            ("/rule-fields", kind.rule_fields.len()),
            ("/results", kind.results.len()),
            ("/redirect/query", kind.redirect.as_ref().map_or(0, |redirect| redirect.query.len())),
        ] {
            if length > ITEMS_MAX {
                self.error(member, "action-type.limit", format!("there are {length}; at most {ITEMS_MAX} are taken"));
            }
        }
        if kind.event_bytes_max == 0 || kind.event_bytes_max > EVENT_BYTES_MOST {
            let message = format!("write 1 to {EVENT_BYTES_MOST} bytes");
            self.error("/event-bytes-max", "action-type.limit", message);
        }
        if kind.request_timeout.is_zero() || kind.request_timeout.as_secs() > 300 {
            self.error("/request-timeout", "action-type.limit", "write more than no time, and at most `300s`");
        }
        if let Some(pointer) = &kind.data
            && !is_pointer(pointer)
        {
            self.pointer("/data", pointer);
        }
    }

    fn pointer(&mut self, place: &str, pointer: &str) {
        let shown: String = pointer.chars().take(120).collect();
        let message = format!("`{shown}` is no JSON pointer to a member: write one such as `/user/id`");
        self.error(place, "action-type.pointer", message);
    }

    fn source(&mut self, place: &str, from: &str) {
        let known = match from.strip_prefix("/run/") {
            Some(name) => OF_RUN.contains(&name),
            None => ["/event", "/resumed"].iter().any(|root| is_below(root, from)),
        };
        if !known || !is_pointer(from) {
            let shown: String = from.chars().take(120).collect();
            let message = format!(
                "`{shown}` leads nowhere: write `/event/…` for the run's event, `/run/` with {}, or `/resumed` for what came back after a redirect",
                list_names(OF_RUN)
            );
            self.error(place, "action-type.pointer", message);
        }
    }

    fn event(&mut self, kind: &ActionType) {
        let mut before: Vec<&str> = Vec::new();
        for (index, member) in kind.event.iter().enumerate() {
            let place = format!("/event/{index}/to");
            if !is_pointer(&member.to) {
                self.pointer(&place, &member.to);
            }
            let taken = before.iter().find(|other| is_below(other, &member.to) || is_below(&member.to, other));
            if let Some(taken) = taken {
                let message = format!("`{taken}` is a member already, and both would stand in one place");
                self.error(&place, "action-type.duplicate", message);
            }
            before.push(&member.to);
            self.source(&format!("/event/{index}/from"), &member.from);
            if (member.listed || !member.reads.is_whole()) && !is_below("/event", &member.from) {
                let message = "`listed` and `reads` are for members from `/event/…`, which actions can name";
                self.error(&format!("/event/{index}"), "action-type.shape", message);
            }
        }
        if let Some(schema) = &kind.schema
            && let Err(fault) = Schema::compile(schema)
        {
            self.error(&format!("/schema{}", fault.pointer), "action-type.schema", fault.message);
        }
    }

    fn operations(&mut self, kind: &ActionType) {
        let mut seen = BTreeSet::new();
        for (index, operation) in kind.operations.iter().enumerate() {
            if !seen.insert(operation.as_str()) {
                let message = format!("`{}` is there already", operation.as_str());
                self.error(&format!("/operations/{index}"), "action-type.duplicate", message);
            }
        }
        let offers = seen.contains("redirect");
        if offers && kind.redirect.is_none() {
            let message = "`redirect` needs the member `redirect: {}` too: what the URL gets";
            self.error("/operations", "action-type.redirect", message);
        }
        if kind.redirect.is_some() && !offers {
            let message = "no step could allow it: add `redirect` to `operations`";
            self.error("/redirect", "action-type.redirect", message);
        }
        for (name, from) in kind.redirect.iter().flat_map(|redirect| &redirect.query) {
            self.source(&format!("/redirect/query/{}", escape_pointer(name)), from);
        }
        for (index, kept) in kind.read_only.iter().enumerate() {
            if !is_pointer(kept) {
                self.pointer(&format!("/read-only/{index}"), kept);
            }
        }
        let mut places = BTreeSet::new();
        for (index, place) in kind.places.iter().enumerate() {
            let pointer = format!("/places/{index}/path");
            if !is_pointer(&place.path) {
                self.pointer(&pointer, &place.path);
            }
            if !places.insert(&place.path) {
                self.error(&pointer, "action-type.duplicate", format!("`{}` is a place already", place.path));
            }
        }
    }

    fn rule_fields(&mut self, kind: &ActionType) {
        for (name, field) in &kind.rule_fields {
            let place = format!("/rule-fields/{}", escape_pointer(name));
            self.source(&format!("{place}/from"), &field.from);
            if field.operators.is_empty() {
                let message = format!("no rule could speak of `{name}`: name an operator");
                self.error(&format!("{place}/operators"), "action-type.rule-field", message);
            }
        }
    }

    fn results(&mut self, kind: &ActionType) {
        let mut seen = BTreeSet::new();
        for (index, results) in kind.results.iter().enumerate() {
            let place = format!("/results/{index}");
            if results.endpoint.is_empty() || results.endpoint.len() > NAME_BYTES_MAX {
                let message = format!("an endpoint's name has 1 to {NAME_BYTES_MAX} bytes");
                self.error(&format!("{place}/endpoint"), "action-type.name", message);
            }
            if !seen.insert(&results.endpoint) {
                let message = format!("`{}` is an endpoint already", results.endpoint);
                self.error(&format!("{place}/endpoint"), "action-type.duplicate", message);
            }
            self.result(&format!("{place}/failed"), &results.failed, &["reason", "description"]);
            // Nothing that a failure says, and so nothing of what went wrong, can stand there.
            self.result(&format!("{place}/error"), &results.error, &[]);
        }
    }

    fn result(&mut self, place: &str, result: &ClientResult, known: &[&str]) {
        if !(200..=599).contains(&result.status) {
            self.error(&format!("{place}/status"), "action-type.result", "write an HTTP status of 200 to 599");
        }
        if result.body.to_string().len() > BODY_BYTES_MAX {
            let message = format!("the body is over {BODY_BYTES_MAX} bytes of JSON");
            self.error(&format!("{place}/body"), "action-type.limit", message);
        }
        let mut unknown = Vec::new();
        placeholders(&format!("{place}/body"), &result.body, &mut |pointer, name| {
            if !known.contains(&name) {
                unknown.push((pointer.to_owned(), name.to_owned()));
            }
        });
        for (pointer, name) in unknown {
            let name: String = name.chars().take(60).collect();
            let message = match known {
                [] => format!("`${{{name}}}` cannot stand here: a client learns nothing of an error"),
                known => format!("there is no `${{{name}}}` here; known are {}", list_names(known.iter().copied())),
            };
            self.error(&pointer, "action-type.result", message);
        }
    }
}

/// Each `${NAME}` of a body, with where it stands.
fn placeholders(pointer: &str, body: &Value, found: &mut dyn FnMut(&str, &str)) {
    match body {
        Value::String(text) => {
            for part in text.split("${").skip(1) {
                found(pointer, part.split('}').next().unwrap_or_default());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                placeholders(&format!("{pointer}/{index}"), item, found);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                placeholders(&format!("{pointer}/{}", escape_pointer(name)), member, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A pointer to something within, which RFC 6901 takes: no empty part, `~` before `0` and `1` only.
fn is_pointer(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.split('~').skip(1).all(|rest| rest.starts_with('0') || rest.starts_with('1'))
    };
    text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part))
}

/// Whether a pointer is another one or leads below it.
fn is_below(above: &str, pointer: &str) -> bool {
    pointer.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests;
