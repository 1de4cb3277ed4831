//! Where the parts of an expression stand in its text.

use std::ops::Range;

use cel::common::ast::{IdedExpr, SourceInfo};

use super::tree::children;

/// Where a node begins, in bytes; of a call, where its name does.
pub(super) fn start(source: &str, places: &SourceInfo, id: u64) -> usize {
    name_before(source, places.offset_for(id).map_or(0, |(start, _)| byte(source, start)))
}

/// CEL says of a call where its bracket stands; its name stands before.
fn name_before(source: &str, start: usize) -> usize {
    let (before, after) = source.split_at_checked(start).unwrap_or((source, ""));
    if !after.starts_with('(') {
        return start;
    }
    before.trim_end_matches(|character: char| character.is_alphanumeric() || character == '_').len()
}

/// The text of a node with all that stands below it, and the brackets that it opens.
pub(super) fn range(source: &str, places: &SourceInfo, node: &IdedExpr) -> Range<usize> {
    let Some((start, last)) = tokens(places, node) else { return 0..source.len() };
    let start = name_before(source, byte(source, start));
    let mut end = byte(source, last.saturating_add(1)).max(start);
    let mut open = depth(source.get(start..end).unwrap_or_default());
    while open > 0 {
        let Some(next) = source.get(end..).and_then(|rest| rest.chars().next()) else { break };
        end += next.len_utf8();
        open = depth(source.get(start..end).unwrap_or_default());
    }
    start..end
}

/// The first token and the last.
fn tokens(places: &SourceInfo, node: &IdedExpr) -> Option<(u32, u32)> {
    let own = places.offset_for(node.id);
    let below = children(node).into_iter().filter_map(|child| tokens(places, child));
    own.into_iter().chain(below).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Tokens are counted in characters.
fn byte(source: &str, character: u32) -> usize {
    source.char_indices().nth(character as usize).map_or(source.len(), |(index, _)| index)
}

/// How many brackets are open at the end of a text; those in quotes do not count.
fn depth(text: &str) -> usize {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for character in text.chars() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    depth
}
