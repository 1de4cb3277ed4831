//! Settings take their places. A place is a node of the parsed document, `{ $setting: NAME }`, and what takes it is
//! one JSON value: whatever a tenant gives, it can never become anything else than that value. The author's layout and
//! comments stay.

use std::ops::Range;

use serde_json::{Map, Value};
use weir_engine::document::{Document, Faults, Format, escape_pointer};
use weir_engine::ids::ConnectorName;

use super::template::{SHAPE, Template, TemplateDocument};

/// The setting that is always there: the connector's name.
pub(super) const NAME: &str = "name";

/// What marks a place.
const MARK: &str = "$setting";

const PLACE: &str = "connector.template.place";

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The node, as a pointer into the template's document.
    pointer: String,
    /// The setting.
    setting: String,
    /// The node's text.
    bytes: Range<usize>,
}

/// A connector's document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Filled {
    /// As YAML, with the template's comments.
    pub(crate) source: String,
    /// What it says.
    pub(crate) document: Value,
}

/// Why a template cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FillError {
    /// Settings that are missing, unknown or of another type: each by name, with what is wrong.
    #[error("{}", said(.0))]
    Settings(Vec<(String, String)>),
    /// The text does not say what the values say: the file's layout is one that this cannot fill.
    #[error("the block below `connector:` cannot be cut out; begin it on the next line, indented by spaces")]
    Layout,
}

fn said(settings: &[(String, String)]) -> String {
    settings.iter().map(|(name, message)| format!("`{name}` {message}")).collect::<Vec<_>>().join("; ")
}

impl Template {
    /// The connector's document for these values.
    ///
    /// # Errors
    /// See [`FillError`].
    pub(crate) fn fill(&self, name: &ConnectorName, values: &Map<String, Value>) -> Result<Filled, FillError> {
        let values = self.values(name, values)?;
        let value_of = |place: &Place| values.get(&place.setting).cloned().unwrap_or_default();
        let mut document = self.document.connector.clone();
        let mut text = self.text.clone();
        // From the last to the first, so that what stands before keeps its place.
        for place in self.places.iter().rev() {
            let value = value_of(place);
            text.replace_range(place.bytes.clone(), &flow_scalar(&value));
            if let Some(node) = document.pointer_mut(&place.pointer) {
                *node = value;
            }
        }
        let source = block(&text).ok_or(FillError::Layout)?;
        match Document::parse(&source, Format::Yaml) {
            Ok(parsed) if parsed.value == document => Ok(Filled { source, document }),
            _ => Err(FillError::Layout),
        }
    }

    /// Every setting's value.
    fn values(&self, name: &ConnectorName, given: &Map<String, Value>) -> Result<Map<String, Value>, FillError> {
        let settings = &self.document.settings;
        let mut values = Map::from_iter([(NAME.to_owned(), Value::String(name.to_string()))]);
        let mut wrong = Vec::new();
        for setting in settings {
            match given.get(&setting.name).or(setting.default.as_ref()) {
                Some(value) if setting.kind.accepts(value) => {
                    values.insert(setting.name.clone(), value.clone());
                }
                Some(_) => wrong.push((setting.name.clone(), format!("must be {}", setting.kind.with_article()))),
                None => wrong.push((setting.name.clone(), format!("is missing: {}", setting.description))),
            }
        }
        for unknown in given.keys().filter(|name| !settings.iter().any(|setting| setting.name == **name)) {
            let known: Vec<&str> = settings.iter().map(|setting| setting.name.as_str()).collect();
            let name = unknown.chars().take(80).collect();
            wrong.push((name, format!("is no setting of this template; it has `{}`", known.join("`, `"))));
        }
        if wrong.is_empty() { Ok(values) } else { Err(FillError::Settings(wrong)) }
    }
}

/// A value as YAML takes it anywhere in a line: JSON, with what YAML does not print as it is escaped.
fn flow_scalar(value: &Value) -> String {
    let plain = |character: char| {
        !(matches!(character, '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'))
    };
    let json = value.to_string();
    json.chars().fold(String::with_capacity(json.len()), |mut text, character| {
        if plain(character) {
            text.push(character);
        } else {
            text.push_str(&format!("\\u{:04x}", u32::from(character)));
        }
        text
    })
}

/// The places of a template, in the order of its text; adds a fault for each that cannot be filled, and for each
/// setting without a place.
pub(super) fn places(document: &TemplateDocument, parsed: &Document, text: &str, faults: &mut Faults) -> Vec<Place> {
    let mut marks = Vec::new();
    collect(&document.connector, "", &mut marks);
    let mut places = Vec::new();
    for (pointer, setting) in marks {
        let at = format!("/connector{pointer}");
        let is_known = setting == NAME || document.settings.iter().any(|known| known.name == setting);
        if !is_known {
            let message = format!("there is no setting `{setting}`");
            faults.error(parsed, &at, PLACE, message).help("declare it below `settings`");
        }
        match bytes_of(parsed, &at, text) {
            Some(bytes) => places.push(Place { pointer, setting, bytes }),
            None => {
                let message = format!("a place is written in one line, as `{{ {MARK}: NAME }}`");
                faults.error(parsed, &at, PLACE, message);
            }
        }
    }
    for (index, setting) in document.settings.iter().enumerate() {
        if !places.iter().any(|place| place.setting == setting.name) {
            let message = format!("no place in the connector takes the setting `{}`", setting.name);
            faults.error(parsed, &format!("/settings/{index}"), PLACE, message);
        }
    }
    if !places.iter().any(|place| place.setting == NAME && place.pointer == "/connector") {
        let message = format!("write `connector: {{ {MARK}: {NAME} }}`: each tenant names its connector");
        faults.error(parsed, "/connector/connector", SHAPE, message);
    }
    places.sort_by_key(|place| place.bytes.start);
    places
}

/// Every node that is a place, with the name in it.
fn collect(node: &Value, pointer: &str, into: &mut Vec<(String, String)>) {
    match node {
        Value::Object(object) => match (object.len(), object.get(MARK)) {
            (1, Some(Value::String(setting))) => into.push((pointer.to_owned(), setting.clone())),
            _ => {
                for (name, inner) in object {
                    collect(inner, &format!("{pointer}/{}", escape_pointer(name)), into);
                }
            }
        },
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, &format!("{pointer}/{index}"), into));
        }
        _ => {}
    }
}

/// From the `{` to the `}` of a node: neither can stand in between, for the name has none.
fn bytes_of(parsed: &Document, pointer: &str, text: &str) -> Option<Range<usize>> {
    let span = parsed.span(pointer);
    let before: usize = text.split_inclusive('\n').take(span.line as usize - 1).map(str::len).sum();
    let line = text.get(before..)?.lines().next()?;
    let column = line.char_indices().nth(span.column as usize - 1)?.0;
    let node = line.get(column..)?;
    let length = node.starts_with('{').then(|| node.find('}'))?? + 1;
    let start = before + column;
    Some(start..start + length)
}

/// The block below `connector:`, without its indentation.
fn block(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("connector:"));
    let rest = lines.next()?.strip_prefix("connector:")?.trim();
    if !rest.is_empty() && !rest.starts_with('#') {
        return None;
    }
    let is_inside = |line: &&str| line.is_empty() || line.starts_with([' ', '#']);
    let mut block: Vec<&str> = lines.take_while(is_inside).collect();
    // What stands after the last indented line belongs to what follows.
    while block.last().is_some_and(|line| !line.starts_with(' ')) {
        block.pop();
    }
    let indent = block.iter().filter(|line| line.starts_with(' ')).map(|line| indent_of(line)).min()?;
    let mut source = String::new();
    for line in block {
        source.push_str(line.get(indent.min(indent_of(line))..).unwrap_or_default());
        source.push('\n');
    }
    Some(source)
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
