//! Interpolation of other products, written as ours.
//!
//! Theirs reads the context and the arguments by bare names (`${user.name}`, `${amount}`); ours by root
//! (`${event.user.name}`, `${args.amount}`). The rewriting touches the first name of an expression and nothing else.

use serde_json::Value;

/// The roots that a flow fills by itself: a vector's context under such a name is not rewritten.
const OWN_ROOTS: [&str; 2] = ["event", "connectors"];

/// Which names stand for what.
pub(crate) struct Names<'a> {
    /// The vector's context.
    pub(crate) context: &'a Value,
    /// The names of declared arguments.
    pub(crate) arguments: Vec<&'a str>,
}

impl<'a> Names<'a> {
    /// The names of `given`.
    pub(crate) fn of(given: &'a Value) -> Self {
        let declared = given.get("arguments").and_then(Value::as_array).into_iter().flatten();
        let arguments = declared.filter_map(|argument| argument.get("name")?.as_str()).collect();
        Self { context: given.get("context").unwrap_or(&Value::Null), arguments }
    }

    /// The event of a run in which all of the context can be read.
    pub(crate) fn event(&self) -> Value {
        let mut event = self.context.get("event").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        if let (Value::Object(event), Value::Object(context)) = (&mut event, self.context) {
            let others = context.iter().filter(|(root, _)| !OWN_ROOTS.contains(&root.as_str()));
            event.extend(others.map(|(root, value)| (root.clone(), value.clone())));
        }
        event
    }

    /// A text with our expressions in it.
    pub(crate) fn text(&self, theirs: &str) -> String {
        let mut ours = String::new();
        let mut rest = theirs;
        while let Some((before, after)) = rest.split_once("${") {
            ours.push_str(before);
            ours.push_str("${");
            ours.push_str(self.root_of(after));
            rest = after;
        }
        ours + rest
    }

    /// An expression of ours.
    pub(crate) fn expression(&self, theirs: &str) -> String {
        format!("{}{theirs}", self.root_of(theirs))
    }

    /// Any value, with the texts in it rewritten.
    pub(crate) fn value(&self, theirs: &Value) -> Value {
        match theirs {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), self.value(value))).collect(),
            other => other.clone(),
        }
    }

    fn root_of(&self, expression: &str) -> &'static str {
        let expression = expression.trim_start();
        let end = expression.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(expression.len());
        let (first, rest) = expression.split_at(end);
        if first.is_empty() || rest.starts_with('(') || OWN_ROOTS.contains(&first) || first == "args" {
            return "";
        }
        if self.arguments.contains(&first) { "args." } else { "event." }
    }
}
