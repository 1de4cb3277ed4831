//! Request bodies (C-03, C-04).

use serde_json::Value;
use weir_engine::expression::{Expression, Part, Scope, Template, ValueTemplate, to_text};
use weir_engine::ports::ConnectorError;

use super::allowance::Allowance;
use super::endpoint;
use crate::error::interpolation;

const PLACE: &str = "the body";

/// A parsed body.
#[derive(Debug)]
pub(crate) enum Body {
    /// Sent as JSON, each lone `${…}` with the type of its value.
    Json(ValueTemplate),
    /// Sent as text; the content type decides how values are encoded.
    Text(Vec<Piece>),
}

/// A piece of a text body.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    Value {
        expression: Expression,
        /// Where it would stand if the text were JSON: a value inside a string never ends it, and a value outside
        /// is a whole JSON value, so the literal text alone decides.
        place: JsonPlace,
    },
}

/// Where in a JSON text a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonPlace {
    InString,
    Outside,
    /// Right after a backslash: nothing can stand there.
    AfterBackslash,
}

/// How values are encoded in a text body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    /// JSON texts, one a line: the values of one are written without line breaks.
    JsonLines,
    Form,
    /// Free text without a syntax that a value could break.
    Plain,
    /// A syntax for which there is no encoding here, such as XML: no value can stand in it.
    Unknown,
}

impl Encoding {
    /// The encoding of a content type; a text body without one is JSON.
    pub(super) fn of(content_type: Option<&str>) -> Self {
        let Some(content_type) = content_type else { return Self::Json };
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" | "text/json" => Self::Json,
            essence if essence.ends_with("+json") => Self::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Self::JsonLines,
            "application/x-www-form-urlencoded" => Self::Form,
            "text/plain" | "application/octet-stream" => Self::Plain,
            _ => Self::Unknown,
        }
    }
}

impl Body {
    /// The pieces of a text body.
    pub(crate) fn of_text(template: &Template) -> Self {
        let mut scanner = Scanner { in_string: false, escaped: false };
        let pieces = template.parts().iter().map(|part| match part {
            Part::Text(text) => {
                scanner.read(text);
                Piece::Text(text.clone())
            }
            Part::Expression(expression) => Piece::Value { expression: expression.clone(), place: scanner.place() },
        });
        Self::Text(pieces.collect())
    }

    /// Whether values can stand in the text, and whether it is JSON wherever they are strings.
    ///
    /// # Errors
    /// What is not JSON, and where.
    pub(super) fn check(&self, encoding: Encoding) -> Result<(), String> {
        let Self::Text(pieces) = self else { return Ok(()) };
        if encoding == Encoding::Unknown && pieces.iter().any(|piece| matches!(piece, Piece::Value { .. })) {
            return Err("a text of this content type has no `${…}`: a value could break its syntax, and there is no encoding for it here; send JSON, a form or `text/plain`".to_owned());
        }
        if !matches!(encoding, Encoding::Json | Encoding::JsonLines) {
            return Ok(());
        }
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Value { place: JsonPlace::Outside, .. } => text.push_str("\"\""),
                Piece::Value { place: JsonPlace::InString, .. } => {}
                Piece::Value { expression, place: JsonPlace::AfterBackslash } => {
                    return Err(format!("`{}` stands right after a backslash", expression.source()));
                }
            }
        }
        parses(&text, encoding)
    }

    /// The bytes to send.
    ///
    /// # Errors
    /// `interpolation`.
    pub(super) fn render(
        &self,
        encoding: Encoding,
        scope: &Scope,
        allowance: &mut Allowance,
    ) -> Result<Vec<u8>, ConnectorError> {
        match self {
            Self::Json(template) => {
                let mut json = Vec::new();
                render_json(template, scope, allowance, &mut json)?;
                Ok(json)
            }
            Self::Text(pieces) => {
                let text = render_text(pieces, encoding, scope, allowance)?;
                allowance.take(PLACE, text.len())?;
                parses(&text, encoding).map_err(|problem| interpolation(PLACE, problem))?;
                Ok(text.into_bytes())
            }
        }
    }
}

/// Writes value by value: the whole tree could be larger than what is left by any factor.
fn render_json(
    template: &ValueTemplate,
    scope: &Scope,
    allowance: &mut Allowance,
    to: &mut Vec<u8>,
) -> Result<(), ConnectorError> {
    let punctuate = |allowance: &mut Allowance, to: &mut Vec<u8>, mark: u8| {
        to.push(mark);
        allowance.take(PLACE, 1)
    };
    match template {
        ValueTemplate::Literal(value) => allowance.json(PLACE, value, to),
        ValueTemplate::Text(template) => match template.parts() {
            [Part::Expression(expression)] => {
                let value = expression.evaluate(scope).map_err(|error| interpolation(PLACE, error))?;
                allowance.json(PLACE, &value, to)
            }
            parts => {
                let text = allowance.text(PLACE, parts, scope, to_text)?;
                allowance.json(PLACE, &Value::String(text), to)
            }
        },
        ValueTemplate::List(items) => {
            punctuate(allowance, to, b'[')?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    punctuate(allowance, to, b',')?;
                }
                render_json(item, scope, allowance, to)?;
            }
            punctuate(allowance, to, b']')
        }
        ValueTemplate::Object(items) => {
            punctuate(allowance, to, b'{')?;
            for (index, (name, item)) in items.iter().enumerate() {
                if index > 0 {
                    punctuate(allowance, to, b',')?;
                }
                allowance.json(PLACE, &Value::String(name.clone()), to)?;
                punctuate(allowance, to, b':')?;
                render_json(item, scope, allowance, to)?;
            }
            punctuate(allowance, to, b'}')
        }
    }
}

fn render_text(
    pieces: &[Piece],
    encoding: Encoding,
    scope: &Scope,
    allowance: &Allowance,
) -> Result<String, ConnectorError> {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(literal) => text.push_str(literal),
            Piece::Value { expression, place } => {
                let value = expression.evaluate(scope).map_err(|error| interpolation(PLACE, error))?;
                match encoding {
                    Encoding::Json | Encoding::JsonLines => text.push_str(&json_text(&value, *place)),
                    Encoding::Form => text.push_str(&endpoint::encode(&value)),
                    Encoding::Plain => text.push_str(&to_text(&value)),
                    // Refused when the function was parsed, and here in case it was not.
                    Encoding::Unknown => {
                        return Err(interpolation(PLACE, "its content type has no encoding for values here"));
                    }
                }
            }
        }
        allowance.check(PLACE, text.len())?;
    }
    Ok(text)
}

fn json_text(value: &Value, place: JsonPlace) -> String {
    match place {
        JsonPlace::Outside => value.to_string(),
        JsonPlace::InString | JsonPlace::AfterBackslash => {
            let quoted = Value::String(to_text(value)).to_string();
            quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or_default().to_owned()
        }
    }
}

fn parses(text: &str, encoding: Encoding) -> Result<(), String> {
    let parse = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop);
    match encoding {
        Encoding::Json => parse(text).map_err(|error| format!("the text is not JSON: {error}")),
        Encoding::JsonLines => {
            text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).try_for_each(|(index, line)| {
                parse(line).map_err(|error| format!("row {} is not JSON: {error}", index + 1))
            })
        }
        Encoding::Form | Encoding::Plain | Encoding::Unknown => Ok(()),
    }
}

/// Follows JSON strings through literal text.
struct Scanner {
    in_string: bool,
    escaped: bool,
}

impl Scanner {
    fn read(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ => {}
            }
        }
    }

    fn place(&self) -> JsonPlace {
        match (self.escaped, self.in_string) {
            (true, _) => JsonPlace::AfterBackslash,
            (false, true) => JsonPlace::InString,
            (false, false) => JsonPlace::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(text: &str, encoding: Encoding, value: &Value) -> Result<String, String> {
        let body = Body::of_text(&Template::parse(text).expect(text));
        let scope = Scope::new([("args", json!({"v": value}))]);
        let bytes = body.render(encoding, &scope, &mut Allowance::new(1000)).map_err(|error| error.message)?;
        Ok(String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn values_in_json_text() {
        // covers C-03
        let text = r#"{"a": ${args.v}, "b": "x${args.v}\"y", "${args.v}": 1}"#;
        let quoted = render(text, Encoding::Json, &json!("q\"\\\n")).expect("json");
        assert_eq!(quoted, r#"{"a": "q\"\\\n", "b": "xq\"\\\n\"y", "q\"\\\n": 1}"#);
        assert_eq!(render("${args.v}", Encoding::Json, &json!({"k": [1]})).as_deref(), Ok(r#"{"k":[1]}"#));
        assert!(render("{${args.v}: 1}", Encoding::Json, &json!(1)).expect_err("key").contains("line 1 column 2"));
        assert!(render(r#""\${args.v}""#, Encoding::Json, &json!("u")).is_err());
    }

    #[test]
    fn values_in_other_text() {
        let form = render("a=${args.v}&b=1", Encoding::Form, &json!("x&b=2+ü"));
        assert_eq!(form.as_deref(), Ok("a=x%26b%3D2%2B%C3%BC&b=1"));
        assert_eq!(render("<${args.v}>", Encoding::Plain, &json!("a&\"")).as_deref(), Ok("<a&\">"));
    }

    #[test]
    fn values_in_lines_of_json() {
        // keeps E-04
        let lines = render("{\"a\": ${args.v}}\n\n{\"b\": \"${args.v}\"}\n", Encoding::JsonLines, &json!("x\n\"}"));
        assert_eq!(lines.as_deref(), Ok("{\"a\": \"x\\n\\\"}\"}\n\n{\"b\": \"x\\n\\\"}\"}\n"));
        assert!(render("1\n{${args.v}", Encoding::JsonLines, &json!(1)).expect_err("faulty").contains("row 2"));
        assert!(render("<a>${args.v}</a>", Encoding::Unknown, &json!(1)).is_err());
    }

    #[test]
    fn content_types() {
        for (content_type, encoding) in [
            (None, Encoding::Json),
            (Some("application/json; charset=utf-8"), Encoding::Json),
            (Some("Application/Problem+JSON"), Encoding::Json),
            (Some("application/x-www-form-urlencoded"), Encoding::Form),
            (Some("text/plain"), Encoding::Plain),
            (Some("text/json"), Encoding::Json),
            (Some("application/octet-stream"), Encoding::Plain),
            (Some("application/jsonl"), Encoding::JsonLines),
            (Some("application/x-ndjson"), Encoding::JsonLines),
            (Some("application/soap+xml"), Encoding::Unknown),
            (Some("text/xml"), Encoding::Unknown),
            (Some("multipart/form-data; boundary=x"), Encoding::Unknown),
        ] {
            assert_eq!(Encoding::of(content_type), encoding, "{content_type:?}");
        }
    }

    #[test]
    fn json_text_is_checked_before_any_value_is_known() {
        let check = |text: &str| Body::of_text(&Template::parse(text).expect(text)).check(Encoding::Json);
        assert_eq!(check(r#"{"a": ${args.v}, ${args.v}: "${args.v}"}"#), Ok(()));
        assert!(check(r#"{"a": ${args.v}"#).expect_err("no brace").contains("line 1"));
        assert!(check(r#"{"a": 1${args.v}}"#).is_err());
        assert!(check(r#"{"a": "\${args.v}"}"#).expect_err("backslash").contains("backslash"));
    }

    proptest::proptest! {
        #[test]
        fn no_value_breaks_json(value in ".{0,40}") {
            // keeps E-04
            let text = render(r#"{"a": "${args.v}", "b": ${args.v}}"#, Encoding::Json, &json!(value)).expect("json");
            let parsed: Value = serde_json::from_str(&text).expect("parses");
            proptest::prop_assert_eq!(parsed, json!({"a": value, "b": value}));
        }
    }
}
