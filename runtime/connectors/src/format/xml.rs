//! XML bodies (XML 1.0, fifth edition), mapped to JSON by the rule that `ResponseFormat::Xml` documents.
//!
//! Nothing is expanded and nothing is fetched: a document type declaration is refused whole, and the only references
//! are those to characters and to XML's own five entities. So a document never grows. Nesting and the number of values
//! are bounded while it is read, and the reading goes round in a loop instead of calling itself.

use memchr::memmem;
use quick_xml::Reader;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use weir_engine::message::Response;

use super::{Limits, place, text};

/// The body as a value.
///
/// # Errors
/// What is wrong with the body, and where in it.
pub(super) fn parse(response: &Response, limits: Limits) -> Result<Value, String> {
    let declared = text::check_charset(response)?;
    document(response.body.as_slice(), declared.is_some(), limits)
}

/// A document. `is_utf8` says that its sender says so, which counts more than what it says itself (RFC 7303 section 3).
fn document(body: &[u8], is_utf8: bool, limits: Limits) -> Result<Value, String> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if let [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [b'<', 0, ..] | [0, b'<', ..] = body {
        return Err("the body is UTF-16; only `utf-8` is read; use the response format `none` for others".to_owned());
    }
    let text = text::utf8(body)?;
    if text.trim().is_empty() {
        return Err("the body is empty, but the function's response format is `xml`; use the format `none`, or let the function answer 204".to_owned());
    }
    if let Some(index) = forbidden(text) {
        return Err(Fault::at(index, "has a character that XML does not have").told(body));
    }
    let mut builder = Builder::new(limits, is_utf8);
    builder.read(text).map_err(|fault| fault.told(body))
}

/// What is wrong, and the byte where.
struct Fault {
    index: usize,
    /// As the end of a sentence that begins with the body.
    problem: String,
}

impl Fault {
    fn at(index: usize, problem: impl Into<String>) -> Self {
        Self { index, problem: problem.into() }
    }

    fn told(&self, body: &[u8]) -> String {
        let (line, column) = place(body, self.index);
        format!("the body {} at line {line} column {column}", self.problem)
    }
}

/// An element that has begun.
struct Element {
    name: String,
    /// Attributes and children.
    members: Map<String, Value>,
    has_children: bool,
    text: String,
}

impl Element {
    /// A text where there is nothing else.
    fn value(self) -> Value {
        let Self { mut members, has_children, text, .. } = self;
        // Between children, white space is how a document is laid out; alone, it is what the element says.
        let text = if has_children { text.trim_matches(is_space).to_owned() } else { text };
        if members.is_empty() {
            return Value::String(text);
        }
        if !text.is_empty() {
            members.insert("#text".to_owned(), Value::String(text));
        }
        Value::Object(members)
    }

    /// A second child of a name makes a list of them.
    fn add(&mut self, name: String, value: Value) {
        self.has_children = true;
        match self.members.entry(name) {
            Entry::Vacant(vacant) => {
                vacant.insert(value);
            }
            Entry::Occupied(mut occupied) => match occupied.get_mut() {
                Value::Array(list) => list.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            },
        }
    }
}

struct Builder {
    limits: Limits,
    is_utf8: bool,
    nodes: u32,
    open: Vec<Element>,
    root: Option<(String, Value)>,
}

impl Builder {
    fn new(limits: Limits, is_utf8: bool) -> Self {
        Self { limits, is_utf8, nodes: 1, open: Vec::new(), root: None }
    }

    fn read(&mut self, source: &str) -> Result<Value, Fault> {
        let mut reader = Reader::from_str(source);
        loop {
            let at = position(reader.buffer_position());
            let event = reader.read_event();
            let event = event.map_err(|error| ill_formed(position(reader.error_position()), &error))?;
            match event {
                Event::Start(start) => self.begin(&start, at)?,
                Event::Empty(start) => {
                    self.begin(&start, at)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(&text.xml10_content(), at)?,
                Event::CData(data) if self.open.is_empty() => return Err(outside(at, &data)),
                Event::CData(data) => self.text(&data.xml10_content(), at)?,
                Event::GeneralRef(name) => match resolved(&name) {
                    Ok(character) => self.text(character.encode_utf8(&mut [0; 4]), at)?,
                    Err(problem) => return Err(Fault::at(at, problem)),
                },
                Event::Decl(declaration) => self.declaration(&declaration, at)?,
                Event::DocType(_) => {
                    return Err(Fault::at(
                        at,
                        "has a document type declaration (`<!DOCTYPE`), which is refused: it can define entities; let the outside system leave it out",
                    ));
                }
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return self.finish(source.len()),
            }
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>, at: usize) -> Result<(), Fault> {
        let name = start.name().as_ref().to_owned();
        if self.root.is_some() {
            return Err(Fault::at(at, format!("has a second root element `{}`", shown(&name))));
        }
        if !is_name(&name) {
            return Err(Fault::at(at, format!("has an element named `{}`, which is no XML name", shown(&name))));
        }
        if self.open.len() >= usize::from(self.limits.depth_max) {
            let most = self.limits.depth_max;
            return Err(Fault::at(
                at,
                format!("nests deeper than the {most} levels that the connector's `json-depth-max` lets it nest,"),
            ));
        }
        self.count(2, at)?;
        let mut members = Map::new();
        // Its own check for duplicates compares each attribute with all before it.
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| attribute_fault(at, &error))?;
            self.count(2, at)?;
            let key = attribute.key.as_ref();
            let of = |problem: String| Fault::at(at, format!("has an element `{}` {problem}", shown(&name)));
            if !is_name(key) {
                return Err(of(format!("with an attribute `{}`, which is no XML name,", shown(key))));
            }
            let value = attribute_value(&attribute.value)
                .map_err(|problem| of(format!("whose attribute `{}` {problem}", shown(key))))?;
            if members.insert(format!("@{key}"), Value::String(value)).is_some() {
                return Err(of(format!("with two attributes `{}`", shown(key))));
            }
        }
        self.open.push(Element { name, members, has_children: false, text: String::new() });
        Ok(())
    }

    /// The reader has compared the names.
    fn end(&mut self) {
        let Some(element) = self.open.pop() else { return };
        let name = element.name.clone();
        let value = element.value();
        match self.open.last_mut() {
            Some(parent) => parent.add(name, value),
            None => self.root = Some((name, value)),
        }
    }

    fn text(&mut self, text: &str, at: usize) -> Result<(), Fault> {
        match self.open.last_mut() {
            None if text.trim_matches(is_space).is_empty() => Ok(()),
            None => Err(outside(at, text)),
            Some(element) => {
                let begins = element.text.is_empty() && !text.is_empty();
                element.text.push_str(text);
                if begins { self.count(1, at) } else { Ok(()) }
            }
        }
    }

    fn declaration(&self, declaration: &BytesDecl<'_>, at: usize) -> Result<(), Fault> {
        if at != 0 {
            return Err(Fault::at(at, "has an XML declaration that is not its beginning"));
        }
        // Section 2.8: a reader of 1.0 reads every 1.x as such.
        if !declaration.version().is_ok_and(|version| version.starts_with("1.")) {
            return Err(Fault::at(at, "has an XML declaration of another version than `1.0`"));
        }
        let encoding = match declaration.encoding() {
            Some(Ok(encoding)) => encoding,
            Some(Err(error)) => return Err(attribute_fault(at, &error)),
            None => return Ok(()),
        };
        let known = ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|it| it.eq_ignore_ascii_case(&encoding));
        if known || self.is_utf8 {
            return Ok(());
        }
        let problem = format!(
            "is declared as `{}`, but only `utf-8` is read (use the response format `none` for others),",
            shown(&encoding)
        );
        Err(Fault::at(at, problem))
    }

    fn finish(&mut self, end: usize) -> Result<Value, Fault> {
        if let Some(element) = self.open.last() {
            return Err(Fault::at(end, format!("ends within the element `{}`", shown(&element.name))));
        }
        match self.root.take() {
            Some((name, value)) => Ok(Value::Object(Map::from_iter([(name, value)]))),
            None => Err(Fault::at(end, "has no element; it is not XML,")),
        }
    }

    /// Names and values, before there is memory for them.
    fn count(&mut self, more: u32, at: usize) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes <= self.limits.nodes_max {
            return Ok(());
        }
        let most = self.limits.nodes_max;
        Err(Fault::at(
            at,
            format!(
                "has more than the {most} values and names that the operator's `json-nodes-max` lets it have (ask the outside system for less at once),"
            ),
        ))
    }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn outside(at: usize, text: &str) -> Fault {
    Fault::at(at, format!("is not XML: there is text outside of its root element (`{}`)", shown(text.trim())))
}

fn ill_formed(at: usize, error: &quick_xml::Error) -> Fault {
    use quick_xml::Error;
    use quick_xml::errors::IllFormedError as IllFormed;
    let problem = match error {
        Error::IllFormed(IllFormed::MismatchedEndTag { expected, found }) => {
            format!("`</{}>` stands where `</{}>` is expected", shown(found), shown(expected))
        }
        Error::IllFormed(IllFormed::UnmatchedEndTag(found)) => {
            format!("`</{}>` ends an element that has not begun", shown(found))
        }
        Error::IllFormed(IllFormed::UnclosedReference) => "a `&` begins no reference; it is written `&amp;`".to_owned(),
        Error::Syntax(problem) => problem.to_string(),
        other => shown(&other.to_string()),
    };
    Fault::at(at, format!("is not XML: {problem}"))
}

fn attribute_fault(at: usize, error: &AttrError) -> Fault {
    let (offset, problem) = match error {
        AttrError::ExpectedEq(offset) => (*offset, "an attribute has no `=`"),
        AttrError::ExpectedValue(offset) => (*offset, "an attribute has no value"),
        AttrError::UnquotedValue(offset) => (*offset, "an attribute's value is not in quotes"),
        AttrError::ExpectedQuote(offset, _) => (*offset, "an attribute's value has no closing quote"),
        AttrError::Duplicated(offset, _) => (*offset, "an attribute stands there twice"),
    };
    // Offsets count from behind the `<`.
    Fault::at(at.saturating_add(1).saturating_add(offset), format!("is not XML: {problem}"))
}

/// XML 1.0 section 3.3.3: white space becomes spaces, references become characters.
fn attribute_value(raw: &str) -> Result<String, String> {
    if raw.contains('<') {
        return Err("has a `<`, which is written `&lt;` there,".to_owned());
    }
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((literal, reference)) = rest.split_once('&') {
        push_normalised(&mut value, literal);
        let Some((name, after)) = reference.split_once(';') else {
            return Err("has a `&` that begins no reference; it is written `&amp;`".to_owned());
        };
        value.push(resolved(name)?);
        rest = after;
    }
    push_normalised(&mut value, rest);
    Ok(value)
}

fn push_normalised(value: &mut String, literal: &str) {
    let mut characters = literal.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // Two characters, but one end of a line (section 2.11).
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' | '\n' | '\t' => value.push(' '),
            other => value.push(other),
        }
    }
}

/// The character that a reference stands for.
fn resolved(name: &str) -> Result<char, String> {
    let unknown = || format!("refers to `&{};`, which is none of XML's five entities,", shown(name));
    let illegal = || format!("refers to `&{};`, which is no character of XML,", shown(name));
    let digits = |text: &str, radix| {
        let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(text, radix).ok().filter(|_| plain).and_then(char::from_u32).filter(|it| is_legal(*it))
    };
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(hex), _) => digits(hex, 16).ok_or_else(illegal),
            (None, Some(decimal)) => digits(decimal, 10).ok_or_else(illegal),
            (None, None) => Err(unknown()),
        },
    }
}

/// The first character that no document has (section 2.2).
fn forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let control = bytes.iter().position(|byte| *byte < 0x20 && !b"\t\n\r".contains(byte));
    let others = ["\u{fffe}", "\u{ffff}"].into_iter().filter_map(|it| memmem::find(bytes, it.as_bytes()));
    control.into_iter().chain(others).min()
}

fn is_legal(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// Section 2.3, `Name`.
fn is_name(text: &str) -> bool {
    let begins = |it: char| {
        it.is_ascii_alphabetic()
            || matches!(it, ':' | '_'
                | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
                | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
                | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
                | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
    };
    let goes_on = |it: char| {
        begins(it)
            || it.is_ascii_digit()
            || matches!(it, '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
    };
    text.starts_with(begins) && text.chars().all(goes_on)
}

/// Text of the outside system in a message.
fn shown(text: &str) -> String {
    text.chars().take(40).map(|it| if it.is_control() { ' ' } else { it }).collect()
}

#[cfg(test)]
mod tests;
