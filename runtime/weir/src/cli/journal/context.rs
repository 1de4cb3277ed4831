//! What a step changed in the context of its run.

use serde_json::Value;
use weir_engine::run::JournalEntry;

use super::Page;
use crate::flow_runner::{Change, KeyDiff, MemberDiff, diff};
use crate::output::Style;

/// Most of one value on one line, in characters.
const LINE_CHARS_MAX: usize = 100;

impl Page {
    /// The context change, member by member.
    pub(super) fn context(&mut self, entry: &JournalEntry) {
        let keys = diff(&entry.recorded.replaced, &entry.changes);
        if !keys.is_empty() {
            self.put(1, Some(Style::Bold), "context");
        }
        keys.iter().for_each(|key| self.key(key));
    }

    fn key(&mut self, diff: &KeyDiff) {
        let set_whole = diff.members.iter().all(|member| member.member.is_empty());
        if diff.members.is_empty() {
            let line = format!("= {}  set to what it was, as far as it is shown", diff.key);
            return self.put(2, Some(Style::Dim), &line);
        }
        if !set_whole {
            self.put(2, None, &diff.key);
        }
        let members = diff.members.iter().map(|it| it.member.chars().count());
        let width = members.max().unwrap_or(0);
        for member in &diff.members {
            let (depth, name) = if set_whole { (2, diff.key.as_str()) } else { (3, member.member.as_str()) };
            self.member(depth, (name, width), member);
        }
        if diff.members_left_out > 0 {
            self.put(3, Some(Style::Dim), &format!("… {} more", diff.members_left_out));
        }
    }

    fn member(&mut self, depth: usize, (name, width): (&str, usize), diff: &MemberDiff) {
        let (mark, style) = match diff.change {
            Change::Added => ('+', Style::Good),
            Change::Changed => ('~', Style::Warning),
            Change::Removed => ('-', Style::Bad),
        };
        let [before, after] = [&diff.before, &diff.after].map(|value| value.as_ref().map(on_a_line));
        match (before, after) {
            (Some(before), Some(after)) => {
                self.put(depth, Some(style), &format!("{mark} {name:width$}  {before} → {after}"));
            }
            (None, None) => self.put(depth, Some(style), &format!("{mark} {name}")),
            (Some(only), None) | (None, Some(only)) => {
                let value = diff.after.as_ref().or(diff.before.as_ref());
                match value.and_then(Value::as_object).filter(|_| only.ends_with('…')) {
                    // Most of it stands above already, where it came from.
                    Some(members) => {
                        self.put(depth, Some(style), &format!("{mark} {name}"));
                        let width = members.keys().map(|name| name.chars().count()).max().unwrap_or(0);
                        for (name, value) in members {
                            self.put(depth + 1, Some(style), &format!("{mark} /{name:width$}  {}", on_a_line(value)));
                        }
                    }
                    None => self.put(depth, Some(style), &format!("{mark} {name:width$}  {only}")),
                }
            }
        }
    }
}

/// A value on one line, cut where it is long.
fn on_a_line(value: &Value) -> String {
    let text = value.to_string();
    let mut line: String = text.chars().take(LINE_CHARS_MAX).collect();
    if line.len() < text.len() {
        line.push('…');
    }
    line
}
