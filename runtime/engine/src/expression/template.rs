//! Text with `${…}` in it.

use serde_json::{Map, Value};

use super::fault::{EvaluationError, ExpressionFault};
use super::program::Expression;
use super::scope::{RESULT_BYTES_MAX, ROOTS, Scope, weight};

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text that stands for itself.
    Text(String),
    /// `${…}`.
    Expression(Expression),
}

/// Text with `${…}` in it. `$${` stands for a `${` that is meant literally.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateFault {
    /// What is wrong and how to mend it.
    pub message: String,
    /// Where in the text, in bytes from its start.
    pub offset: usize,
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// An expression that does not parse, or a `${` without its `}`.
    pub fn parse(source: &str) -> Result<Self, TemplateFault> {
        Self::parse_over(&ROOTS, source)
    }

    /// The same for a template whose expressions see other roots than most do.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_over(known: &[&'static str], source: &str) -> Result<Self, TemplateFault> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut position = 0;
        while let Some(rest) = source.get(position..) {
            let Some(dollar) = rest.find('$') else {
                text.push_str(rest);
                break;
            };
            let (before, tail) = rest.split_at(dollar);
            text.push_str(before);
            position += dollar;
            if tail.starts_with("$${") {
                text.push_str("${");
                position += 3;
            } else if let Some(opened) = tail.strip_prefix("${") {
                let length = expression_length(opened).ok_or_else(|| TemplateFault {
                    message: "this `${` has no matching `}`; write `$${` where the characters are meant".to_owned(),
                    offset: position,
                })?;
                let expression = opened.get(..length).unwrap_or_default();
                let expression =
                    Expression::parse_over(known, expression).map_err(|ExpressionFault { message, offset }| {
                        TemplateFault { message, offset: position + 2 + offset }
                    })?;
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Expression(expression));
                position += length + 3;
            } else {
                text.push('$');
                position += 1;
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { parts })
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The expressions, in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text(_) => None,
        })
    }

    /// The value: of the expression itself where the template is nothing but one, else text.
    ///
    /// # Errors
    /// As [`Expression::evaluate`].
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, EvaluationError> {
        if let [Part::Expression(expression)] = self.parts.as_slice() {
            return expression.evaluate(scope);
        }
        self.render(scope, |_, value| Ok(to_text(value))).map(Value::String)
    }

    /// The text, each value encoded by `encode`, which also sees the text before it and names the problem with a
    /// value that does not fit its place.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and what `encode` says.
    pub fn render(
        &self,
        scope: &Scope,
        mut encode: impl FnMut(&str, &Value) -> Result<String, String>,
    ) -> Result<String, EvaluationError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Expression(expression) => {
                    let value = expression.evaluate(scope)?;
                    let encoded =
                        encode(&text, &value).map_err(|problem| EvaluationError::new(expression.source(), problem))?;
                    text.push_str(&encoded);
                    if text.len() > RESULT_BYTES_MAX {
                        let problem = format!("makes the text longer than {RESULT_BYTES_MAX} bytes");
                        return Err(EvaluationError::new(expression.source(), problem));
                    }
                }
            }
        }
        Ok(text)
    }
}

/// The bytes up to the `}` that closes an expression; braces in quotes do not count.
fn expression_length(opened: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (index, byte) in opened.bytes().enumerate() {
        match (quote, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') => depth += 1,
            (None, b'}') if depth == 0 => return Some(index),
            (None, b'}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// A value as plain text: strings as they are, null as nothing, everything else as JSON.
pub fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A JSON value whose strings are templates.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueTemplate {
    /// A value that stands for itself.
    Literal(Value),
    /// A string.
    Text(Template),
    /// A list of templates.
    List(Vec<ValueTemplate>),
    /// An object of templates; names are literal.
    Object(Vec<(String, ValueTemplate)>),
}

impl ValueTemplate {
    /// Parses the strings of a value; faults come with the JSON pointer of their string.
    ///
    /// # Errors
    /// Every string that is not a template.
    pub fn parse(value: &Value) -> Result<Self, Vec<(String, TemplateFault)>> {
        Self::parse_over(&ROOTS, value)
    }

    /// The same for templates whose expressions see other roots than most do.
    ///
    /// # Errors
    /// As [`ValueTemplate::parse`].
    pub fn parse_over(known: &[&'static str], value: &Value) -> Result<Self, Vec<(String, TemplateFault)>> {
        let mut faults = Vec::new();
        let template = Self::parse_at(known, value, "", &mut faults);
        if faults.is_empty() { Ok(template) } else { Err(faults) }
    }

    fn parse_at(
        known: &[&'static str],
        value: &Value,
        pointer: &str,
        faults: &mut Vec<(String, TemplateFault)>,
    ) -> Self {
        match value {
            Value::String(text) => match Template::parse_over(known, text) {
                Ok(template) => Self::Text(template),
                Err(fault) => {
                    faults.push((pointer.to_owned(), fault));
                    Self::Literal(Value::Null)
                }
            },
            Value::Array(list) => Self::List(
                list.iter()
                    .enumerate()
                    .map(|(index, item)| Self::parse_at(known, item, &format!("{pointer}/{index}"), faults))
                    .collect(),
            ),
            Value::Object(object) => Self::Object(
                object
                    .iter()
                    .map(|(key, item)| {
                        let at = format!("{pointer}/{}", crate::document::escape_pointer(key));
                        (key.clone(), Self::parse_at(known, item, &at, faults))
                    })
                    .collect(),
            ),
            other => Self::Literal(other.clone()),
        }
    }

    /// The expressions in it, in order.
    pub fn expressions(&self) -> Vec<&Expression> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Text(template) => template.expressions().collect(),
            Self::List(items) => items.iter().flat_map(Self::expressions).collect(),
            Self::Object(items) => items.iter().flat_map(|(_, item)| item.expressions()).collect(),
        }
    }

    /// The same, each with the JSON pointer of its string below `pointer`.
    pub fn expressions_at(&self, pointer: &str) -> Vec<(String, &Expression)> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Text(template) => template.expressions().map(|it| (pointer.to_owned(), it)).collect(),
            Self::List(items) => {
                let items = items.iter().enumerate();
                items.flat_map(|(index, item)| item.expressions_at(&format!("{pointer}/{index}"))).collect()
            }
            Self::Object(items) => {
                let at = |key: &str| format!("{pointer}/{}", crate::document::escape_pointer(key));
                items.iter().flat_map(|(key, item)| item.expressions_at(&at(key))).collect()
            }
        }
    }

    /// The value, every template in it evaluated.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and a value that is larger than what one expression may give.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, EvaluationError> {
        let mut left = RESULT_BYTES_MAX;
        self.evaluate_within(scope, &mut left)
    }

    fn evaluate_within(&self, scope: &Scope, left: &mut usize) -> Result<Value, EvaluationError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Text(template) => {
                let value = template.evaluate(scope)?;
                *left = left.checked_sub(weight(&value)).ok_or_else(|| {
                    let expression = template.expressions().next().map(Expression::source).unwrap_or_default();
                    EvaluationError::new(
                        expression,
                        format!("makes the whole value larger than {RESULT_BYTES_MAX} bytes"),
                    )
                })?;
                Ok(value)
            }
            Self::List(items) => {
                items.iter().map(|item| item.evaluate_within(scope, left)).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(items) => items
                .iter()
                .map(|(key, item)| Ok((key.clone(), item.evaluate_within(scope, left)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        Scope::new([("event", json!({"n": 7, "s": "x}y", "o": {"k": [1]}}))])
    }

    #[test]
    fn a_lone_expression_keeps_its_type() {
        let evaluate = |source: &str| Template::parse(source).expect(source).evaluate(&scope()).expect(source);
        assert_eq!(evaluate("${event.n}"), json!(7));
        assert_eq!(evaluate("${{'user': event.o}}"), json!({"user": {"k": [1]}}));
        assert_eq!(evaluate("n=${event.n}!"), json!("n=7!"));
        assert_eq!(evaluate("${'a}b'}${event.s}"), json!("a}bx}y"));
        assert_eq!(evaluate("$5 $${x} $"), json!("$5 ${x} $"));
        assert_eq!(evaluate(""), json!(""));
    }

    #[test]
    fn faults_have_offsets() {
        assert_eq!(Template::parse("ab ${event.").expect_err("no end").offset, 3);
        assert_eq!(Template::parse("ab ${nope}").expect_err("unknown").offset, 5);
        let faults = ValueTemplate::parse(&json!({"a/b": ["ok", "${"]})).expect_err("no end");
        assert_eq!(faults.first().map(|fault| fault.0.as_str()), Some("/a~1b/1"));
    }

    #[test]
    fn many_small_templates_cannot_make_a_huge_value() {
        // keeps S-10
        let scope = Scope::new([("event", json!("x".repeat(100_000)))]);
        let list = ValueTemplate::parse(&Value::from(vec!["${event}"; 100])).expect("parses");
        assert!(list.evaluate(&scope).expect_err("10 MB").to_string().contains("larger than"));
        let text = Template::parse(&"${event}".repeat(100)).expect("parses");
        assert!(text.evaluate(&scope).expect_err("10 MB").to_string().contains("longer than"));
    }

    proptest::proptest! {
        #[test]
        fn text_without_dollars_is_itself(text in "[^$]{0,40}") {
            let template = Template::parse(&text).expect("plain text");
            proptest::prop_assert_eq!(template.evaluate(&scope()), Ok(Value::String(text)));
        }

        #[test]
        fn never_panics(text in "[${}'\"a.\\\\é]{0,40}") {
            let _ = Template::parse(&text);
        }
    }
}
