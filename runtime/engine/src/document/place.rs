//! Where a part of a text stands in the document that holds the text.

use serde_json::Value;

use super::parse::{Document, Span};

/// How much of a part is looked for, in bytes.
const LOOKED_FOR_MAX: usize = 40;

impl Document {
    /// Where `length` bytes of the text at a pointer stand, from `offset` on. The place of the whole text where the
    /// document writes it in another way, as with escapes.
    pub(crate) fn span_within(&self, pointer: &str, offset: usize, length: usize) -> Span {
        let whole = self.span(pointer);
        let Some(text) = self.value.pointer(pointer).and_then(Value::as_str) else { return whole };
        self.find(whole, text, offset, length).unwrap_or(whole)
    }

    fn find(&self, whole: Span, text: &str, offset: usize, length: usize) -> Option<Span> {
        let source = self.source.as_deref()?;
        let start = byte_of(source, whole.line, whole.column)?;
        let written = source.get(start..byte_of(source, whole.end_line, whole.end_column)?)?;
        // At the end of a text there is nothing to look for but what stands before.
        let (from, back) = if offset < text.len() { (offset, 0) } else { (text.char_indices().next_back()?.0, 1) };
        let rest = text.get(from..)?;
        let line = rest.split('\n').next().unwrap_or(rest);
        let most = (0..=LOOKED_FOR_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end))?;
        let wanted = line.get(..most).filter(|wanted| !wanted.is_empty())?;
        // Only where both have it as often is it clear which one is meant.
        let earlier = text.get(..from)?.matches(wanted).count();
        if text.matches(wanted).count() != written.matches(wanted).count() {
            return None;
        }
        let (index, _) = written.match_indices(wanted).nth(earlier)?;
        let (line, column) = place_of(source, start + index)?;
        let column = column + back;
        let shown = rest.get(..length).unwrap_or(rest).split('\n').next().unwrap_or_default().chars().count();
        let end_column = column + u32::try_from(shown).ok()?.max(1);
        Some(Span { line, column, end_line: line, end_column })
    }
}

fn byte_of(source: &str, line: u32, column: u32) -> Option<usize> {
    let before = (line as usize).checked_sub(1)?;
    let start: usize = source.split_inclusive('\n').take(before).map(str::len).sum();
    let rest = source.get(start..)?;
    let column = (column as usize).checked_sub(1)?;
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(index, _)| index))
}

fn place_of(source: &str, byte: usize) -> Option<(u32, u32)> {
    let before = source.get(..byte)?;
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((u32::try_from(line).ok()?, u32::try_from(column).ok()?))
}

#[cfg(test)]
mod tests {
    use crate::document::{Document, Format};

    /// Where the first `!` of the text at a pointer stands, by line and column.
    fn place(source: &str, pointer: &str) -> (u32, u32) {
        let format = if source.starts_with('{') { Format::Json } else { Format::Yaml };
        let document = Document::parse(source, format).expect(source);
        let text = document.value.pointer(pointer).and_then(|text| text.as_str()).expect("a text");
        let span = document.span_within(pointer, text.find('!').unwrap_or(text.len()), 1);
        (span.line, span.column)
    }

    #[test]
    fn parts_of_texts_are_found_where_the_document_writes_them() {
        // covers F-03, F-04
        assert_eq!(place("a: b !c\n", "/a"), (1, 6));
        assert_eq!(place("é: 'b é!c'\n", "/é"), (1, 8));
        assert_eq!(place("a: |\n  one\n  two !x\nb: 1\n", "/a"), (3, 7));
        assert_eq!(place("a: >-\n  one\n  two !x\n", "/a"), (3, 7));
        assert_eq!(place("a: one\n  two !x\n", "/a"), (2, 7));
        assert_eq!(place("{\"a\": \"x\", \"b\": \"${1} ${!}\"}", "/b"), (1, 24));
        assert_eq!(place("a: \"${1} ${\"\n", "/a"), (1, 12), "the end of it");
    }

    #[test]
    fn a_text_that_is_written_otherwise_keeps_its_own_place() {
        assert_eq!(place("a: \"\\x21b\"\n", "/a"), (1, 4));
        assert_eq!(Document::of_value(serde_json::json!({"a": "!"})).span_within("/a", 0, 1).line, 1);
    }
}
