//! JSON and requests for whoever looks for a fault: what is short stands on one line, what a hook left is shown as a
//! difference.

use serde_json::Value;
use weir_engine::message::Request;
use weir_engine::ports::PreCallDecision;

use super::Page;
use crate::cli::diff::{self, Line};
use crate::output::Style;

/// The longest line that is made of a list or an object, in characters.
const LINE_CHARS_MAX: usize = 96;

impl Page {
    /// JSON as the page has it.
    pub(super) fn json(&self, value: &Value) -> String {
        if self.debugs { folded(value) } else { super::pretty(value) }
    }

    /// What a hook decided before a call.
    pub(super) fn pre_call(&mut self, decision: &PreCallDecision) {
        match decision {
            PreCallDecision::Call(request) => self.request("request, after the hook", request),
            PreCallDecision::Respond(response) => self.response("answered by the hook, no call was made", response),
            PreCallDecision::Fail(failure) => self.failure(failure),
        }
    }

    /// What a hook left of a request, against what it got.
    pub(super) fn changed_request(&mut self, before: &Request, after: &Request) {
        self.put(1, Some(Style::Dim), "request, after the hook");
        let lines = diff::lines(&text(before), &text(after));
        if lines.is_empty() {
            self.put(2, Some(Style::Dim), "the same request");
        }
        for line in lines {
            match line {
                Line::Same(line) => self.put(2, Some(Style::Dim), &format!("  {line}")),
                Line::Gone(line) => self.put(2, Some(Style::Bad), &format!("- {line}")),
                Line::New(line) => self.put(2, Some(Style::Good), &format!("+ {line}")),
                Line::LeftOut(count) => self.put(2, Some(Style::Dim), &format!("  … {count} line(s) as before")),
            }
        }
    }
}

fn text(request: &Request) -> String {
    let mut lines = vec![format!("{} {}", request.method.as_str(), request.uri)];
    for header in &request.headers {
        let value = header.value.as_text().map_or_else(|| format!("{:?}", header.value), str::to_owned);
        lines.push(format!("{}: {value}", header.name));
    }
    if let Some(body) = &request.body {
        lines.push(match body.as_text() {
            None => format!("{body:?}"),
            Some(text) => serde_json::from_str(text).map_or_else(|_| text.to_owned(), |value| folded(&value)),
        });
    }
    lines.join("\n")
}

/// JSON in which lists and objects that are short stand on one line.
pub(super) fn folded(value: &Value) -> String {
    let mut text = String::new();
    fold(value, 0, &mut text);
    text
}

/// Values nest as deep as a journal does, which its store bounds.
fn fold(value: &Value, depth: usize, text: &mut String) {
    let short = value.to_string();
    let is_short = short.chars().count() + depth * 2 <= LINE_CHARS_MAX;
    let (open, close, members): (_, _, Vec<(String, &Value)>) = match value {
        Value::Object(members) if !is_short => {
            let named = members.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value));
            ('{', '}', named.collect())
        }
        Value::Array(items) if !is_short => ('[', ']', items.iter().map(|item| (String::new(), item)).collect()),
        _ => return text.push_str(&short),
    };
    text.push(open);
    let count = members.len();
    for (index, (name, member)) in members.into_iter().enumerate() {
        text.push_str(&format!("\n{:width$}{name}", "", width = (depth + 1) * 2));
        fold(member, depth + 1, text);
        if index + 1 < count {
            text.push(',');
        }
    }
    text.push_str(&format!("\n{:width$}{close}", "", width = depth * 2));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_short_stands_on_one_line_and_nothing_is_lost() {
        // covers F-09
        let value = json!({"a": [1, 2], "long": ["x".repeat(60), "y".repeat(60)], "e": {}});
        let text = folded(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.contains("\n  \"a\": [1,2],\n"), "{text}");
        assert!(text.contains(&format!("\n  \"long\": [\n    \"{}\",\n", "x".repeat(60))), "{text}");
    }
}
