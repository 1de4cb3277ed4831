//! Text to values with positions.
//!
//! Aliases are refused (a few lines of them can stand for terabytes), so are two keys of one name, more than one
//! document, and tags.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as SourceSpan};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fault::{Fault, Faults, Severity};
use super::{escape_pointer, scalar};

/// The largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// The deepest nesting of a document.
pub const DEPTH_MAX: usize = 64;

/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 512;

/// The most bytes that all pointers of a document may have together: deep nesting of long keys over many values
/// would make them larger than the document by far.
const POINTER_BYTES_MAX: usize = 32 << 20;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON, RFC 8259.
    Json,
}

/// Where a node stands: lines and columns in characters, from 1; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    pub end_line: u32,
    pub end_column: u32,
}

impl Span {
    const START: Self = Self { line: 1, column: 1, end_line: 1, end_column: 2 };
}

/// A parsed document.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it says.
    pub value: Value,
    spans: HashMap<String, Span>,
    /// As its author wrote it.
    pub(super) source: Option<Arc<str>>,
}

impl Document {
    /// Parses a text.
    ///
    /// # Errors
    /// What keeps the text from being a document, with its place.
    pub fn parse(text: &str, format: Format) -> Result<Self, Faults> {
        if text.len() > DOCUMENT_BYTES_MAX {
            let message = format!("the document has {} bytes; at most {DOCUMENT_BYTES_MAX} are allowed", text.len());
            return Err(syntax("document.too-large", message, Span::START));
        }
        let json = match format {
            Format::Json => Some(serde_json::from_str::<Value>(text).map_err(|error| json_fault(&error))?),
            Format::Yaml => None,
        };
        let parsed = Builder::new(text).document();
        match (json, parsed) {
            // JSON's own parser decides what JSON says; the other one only gives positions.
            (Some(value), Ok(document)) => Ok(Self { value, ..document }),
            (Some(_), Err(faults)) if faults.0.iter().any(|fault| fault.code != "document.syntax") => Err(faults),
            (Some(value), Err(_)) => Ok(Self { value, spans: HashMap::new(), source: None }),
            (None, parsed) => parsed,
        }
    }

    /// A document that was made by a program: it has no positions.
    pub fn of_value(value: Value) -> Self {
        Self { value, spans: HashMap::new(), source: None }
    }

    /// Where the node of a pointer stands; where its nearest ancestor does, if the node is missing.
    pub fn span(&self, pointer: &str) -> Span {
        let mut pointer = pointer;
        loop {
            if let Some(span) = self.spans.get(pointer) {
                return *span;
            }
            match pointer.rfind('/') {
                Some(slash) => pointer = pointer.get(..slash).unwrap_or_default(),
                None => return Span::START,
            }
        }
    }

    /// Where a key itself stands, not its value.
    pub(super) fn key_pointer(pointer: &str) -> String {
        format!("{pointer}#key")
    }

    /// The id of the innermost step that a pointer stands in.
    pub(super) fn step_at(&self, pointer: &str) -> Option<&str> {
        let parts: Vec<&str> = pointer.split('/').collect();
        let is_step =
            |at: &usize| matches!(parts.get(at - 1..=*at), Some(["steps", index]) if index.parse::<usize>().is_ok());
        let innermost = (1..parts.len()).rev().find(is_step)?;
        self.value.pointer(&parts.get(..=innermost)?.join("/"))?.get("id")?.as_str()
    }
}

fn syntax(code: &str, message: String, span: Span) -> Faults {
    Faults(vec![Fault {
        code: code.to_owned(),
        severity: Severity::Error,
        pointer: String::new(),
        step: None,
        line: span.line,
        column: span.column,
        end_line: span.end_line,
        end_column: span.end_column,
        message,
        help: None,
    }])
}

fn json_fault(error: &serde_json::Error) -> Faults {
    let line = u32::try_from(error.line()).unwrap_or(u32::MAX).max(1);
    let column = u32::try_from(error.column()).unwrap_or(u32::MAX).max(1);
    let span = Span { line, column, end_line: line, end_column: column.saturating_add(1) };
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or(&text);
    syntax("document.syntax", format!("this is not JSON: {reason}"), span)
}

fn to_span(span: SourceSpan) -> Span {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let (line, column) = (number(span.start.line()), number(span.start.col()).saturating_add(1));
    let (end_line, end_column) = (number(span.end.line()), number(span.end.col()).saturating_add(1));
    // Some events end where they begin; a label needs one character at least.
    let end_column = if (end_line, end_column) <= (line, column) { column + 1 } else { end_column };
    Span { line, column, end_line: end_line.max(line), end_column }
}

/// Builds one document from the parser's events.
struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    spans: HashMap<String, Span>,
    pointer_bytes: usize,
    source: &'a str,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        Self { parser: Parser::new_from_str(text), spans: HashMap::new(), pointer_bytes: 0, source: text }
    }

    fn document(mut self) -> Result<Document, Faults> {
        let mut value = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => break,
                _ if value.is_some() => {
                    let message = "a second document begins here; write one document".to_owned();
                    return Err(syntax("document.many", message, to_span(span)));
                }
                event => value = Some(self.node(event, span, String::new(), 0)?),
            }
        }
        let value = value.ok_or_else(|| syntax("document.empty", "the document is empty".to_owned(), Span::START))?;
        Ok(Document { value, spans: self.spans, source: Some(self.source.into()) })
    }

    fn next(&mut self) -> Result<(Event<'a>, SourceSpan), Faults> {
        match self.parser.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(scan_fault(&error)),
            None => Err(syntax("document.syntax", "the document ends too early".to_owned(), Span::START)),
        }
    }

    fn node(&mut self, event: Event<'a>, span: SourceSpan, pointer: String, depth: usize) -> Result<Value, Faults> {
        let place = to_span(span);
        if depth > DEPTH_MAX {
            let message = format!("the document nests deeper than {DEPTH_MAX} levels");
            return Err(syntax("document.too-deep", message, place));
        }
        // The key has an entry of its own.
        self.pointer_bytes += 2 * pointer.len();
        if self.pointer_bytes > POINTER_BYTES_MAX {
            let message = "the document has too many values below long keys; shorten the keys or nest less".to_owned();
            return Err(syntax("document.too-large", message, place));
        }
        self.spans.insert(pointer.clone(), place);
        match event {
            Event::Scalar(text, style, _, None) => Ok(match style {
                ScalarStyle::Plain => scalar::resolve(&text),
                _ => Value::String(text.into_owned()),
            }),
            Event::SequenceStart(_, None) => self.sequence(&pointer, depth),
            Event::MappingStart(_, None) => self.mapping(&pointer, depth),
            Event::Alias(_) => {
                let message = "aliases are not allowed; write the value here again".to_owned();
                Err(syntax("document.alias", message, place))
            }
            _ => Err(syntax("document.tag", "tags are not allowed; write a plain value".to_owned(), place)),
        }
    }

    fn sequence(&mut self, pointer: &str, depth: usize) -> Result<Value, Faults> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::Array(items));
            }
            let at = format!("{pointer}/{}", items.len());
            items.push(self.node(event, span, at, depth + 1)?);
        }
    }

    fn mapping(&mut self, pointer: &str, depth: usize) -> Result<Value, Faults> {
        let mut object = Map::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(Value::Object(object)),
                Event::Scalar(text, _, _, None) => text.into_owned(),
                _ => {
                    let message = "a key must be plain text".to_owned();
                    return Err(syntax("document.key", message, to_span(span)));
                }
            };
            if key.len() > KEY_BYTES_MAX {
                let message = format!("this key has {} bytes; at most {KEY_BYTES_MAX} are allowed", key.len());
                return Err(syntax("document.key", message, to_span(span)));
            }
            if object.contains_key(&key) {
                let message = format!("the key `{key}` stands here a second time");
                return Err(syntax("document.duplicate-key", message, to_span(span)));
            }
            let at = format!("{pointer}/{}", escape_pointer(&key));
            self.spans.insert(Document::key_pointer(&at), to_span(span));
            let (event, span) = self.next()?;
            let value = self.node(event, span, at, depth + 1)?;
            object.insert(key, value);
        }
    }
}

fn scan_fault(error: &ScanError) -> Faults {
    let marker = error.marker();
    let place = to_span(SourceSpan::empty(*marker));
    syntax("document.syntax", format!("this is not YAML: {}", error.info()), place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_and_json_say_the_same() {
        let yaml = Document::parse("a: 1\nb: [x, 'y', \"z\\n\"]\nc:\n  d: ~\n", Format::Yaml).expect("yaml");
        let json =
            Document::parse(r#"{"a": 1, "b": ["x", "y", "z\n"], "c": {"d": null}}"#, Format::Json).expect("json");
        assert_eq!(yaml.value, json.value);
        assert_eq!(yaml.span("/b/1"), Span { line: 2, column: 8, end_line: 2, end_column: 11 });
        assert_eq!(json.span("/c/d").column, 45);
        assert_eq!(yaml.span("/b/9/x"), yaml.span("/b"));
    }

    #[test]
    fn json_keeps_what_yaml_reads_otherwise() {
        let text = "{\"face\": \"\\ud83d\\ude00\",\t\"slash\": \"\\/\"}";
        let document = Document::parse(text, Format::Json).expect("json");
        assert_eq!(document.value, json!({"face": "😀", "slash": "/"}));
    }

    #[test]
    fn what_could_surprise_is_refused_with_its_place() {
        let code = |text: &str, format| {
            let faults = Document::parse(text, format).expect_err(text);
            faults.0.first().map(|fault| (fault.code.clone(), fault.line)).expect("a fault")
        };
        let of = |code: &str, line| (code.to_owned(), line);
        assert_eq!(code("a: &x 1\nb: *x\n", Format::Yaml), of("document.alias", 2));
        assert_eq!(code("a: 1\nb: 2\na: 3\n", Format::Yaml), of("document.duplicate-key", 3));
        assert_eq!(code("{\"a\": 1,\n\"a\": 2}", Format::Json), of("document.duplicate-key", 2));
        assert_eq!(code("a: !!int 3\n", Format::Yaml), of("document.tag", 1));
        assert_eq!(code("a: 1\n---\nb: 1\n", Format::Yaml), of("document.many", 3));
        assert_eq!(code("", Format::Yaml), of("document.empty", 1));
        assert_eq!(code("a: [1\n", Format::Yaml).0, "document.syntax");
        assert_eq!(code("{\"a\": }", Format::Json), of("document.syntax", 1));
        assert_eq!(code(&"[".repeat(100), Format::Yaml).0, "document.too-deep");
        assert_eq!(code(&"x".repeat(DOCUMENT_BYTES_MAX + 1), Format::Yaml).0, "document.too-large");
        assert_eq!(code(&format!("{{{}: 1}}", "k".repeat(KEY_BYTES_MAX + 1)), Format::Yaml).0, "document.key");
        let key = "k".repeat(KEY_BYTES_MAX);
        let nested = format!("{}[{}]{}", format!("{{{key}: ").repeat(50), "0,".repeat(100_000), "}".repeat(50));
        assert_eq!(code(&nested, Format::Yaml).0, "document.too-large");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[a-c:\\-\\[\\]{}\"'&*!|>#, \n\t\u{e9}]{0,80}") {
            let _ = Document::parse(&text, Format::Yaml);
            let _ = Document::parse(&text, Format::Json);
        }
    }
}
