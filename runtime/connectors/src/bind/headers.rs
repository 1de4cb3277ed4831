//! Header values from their templates (C-03, C-05).

use weir_engine::connector::{HeaderTemplate, check_header};
use weir_engine::expression::{Expression, Part, Scope, Template, TemplateFault, to_text};
use weir_engine::message::Header;
use weir_engine::ports::ConnectorError;

use super::allowance::Allowance;
use crate::error::interpolation;

/// A parsed header.
#[derive(Debug)]
pub(crate) struct HeaderField {
    /// Lower case.
    pub(crate) name: String,
    value: Template,
}

/// Why a header is none.
#[derive(Debug)]
pub(crate) enum HeaderFault {
    Name(String),
    Value(String),
    Template(TemplateFault),
}

impl HeaderField {
    /// Parses a header and checks its name and its literal text.
    ///
    /// # Errors
    /// See [`HeaderFault`].
    pub(crate) fn compile(source: &HeaderTemplate) -> Result<Self, HeaderFault> {
        check_header(&Header::new(&source.name, "")).map_err(|fault| HeaderFault::Name(fault.to_string()))?;
        let value = Template::parse(&source.value).map_err(HeaderFault::Template)?;
        for part in value.parts() {
            if let Part::Text(text) = part {
                let literal = Header::new(&source.name, text.clone());
                check_header(&literal).map_err(|fault| HeaderFault::Value(fault.to_string()))?;
            }
        }
        Ok(Self { name: source.name.to_ascii_lowercase(), value })
    }

    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.value.expressions()
    }

    /// The value, where no expression is in it.
    pub(super) fn literal(&self) -> Option<String> {
        match self.value.parts() {
            [] => Some(String::new()),
            [Part::Text(text)] => Some(text.clone()),
            _ => None,
        }
    }

    /// The header with its value; no value can add a line (E-04).
    ///
    /// # Errors
    /// `interpolation`.
    pub(super) fn render(&self, scope: &Scope, allowance: &mut Allowance) -> Result<Header, ConnectorError> {
        let place = format!("header `{}`", self.name);
        let value = allowance.text(&place, self.value.parts(), scope, to_text)?;
        allowance.take(&place, self.name.len() + value.len())?;
        let header = Header::new(&self.name, value);
        check_header(&header).map_err(|fault| interpolation(&place, fault))?;
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(value: &str, argument: &str) -> Result<Header, ConnectorError> {
        let source = HeaderTemplate { name: "X-Tag".into(), value: value.into() };
        let field = HeaderField::compile(&source).expect("a header");
        field.render(&Scope::new([("args", json!({"v": argument}))]), &mut Allowance::new(1000))
    }

    #[test]
    fn control_characters_are_refused() {
        // keeps E-04
        for bad in ["a\r\nx-evil: 1", "a\n", "\r", "\0", "\x7f", "\x1b[31m"] {
            let error = render("v=${args.v}", bad).expect_err("refused");
            assert_eq!(error.message, "header `x-tag`: the value of header `x-tag` holds a control character");
        }
        assert_eq!(render("v=${args.v}", "a\tü").expect("fine"), Header::new("x-tag", "v=a\tü"));
    }

    #[test]
    fn literal_text_is_checked() {
        let compile =
            |name: &str, value: &str| HeaderField::compile(&HeaderTemplate { name: name.into(), value: value.into() });
        assert!(matches!(compile("Host", "x"), Err(HeaderFault::Name(_))));
        assert!(matches!(compile("a b", "x"), Err(HeaderFault::Name(_))));
        assert!(matches!(compile("a", "x\r\ny: z"), Err(HeaderFault::Value(_))));
        assert!(matches!(compile("a", "${"), Err(HeaderFault::Template(_))));
    }

    proptest::proptest! {
        #[test]
        fn no_value_adds_a_header(value in "[\\r\\n\\x00:a-z ]{0,30}") {
            // keeps E-04
            if let Ok(header) = render("${args.v}", &value) {
                proptest::prop_assert!(!header.value.as_slice().iter().any(|byte| b"\r\n\0".contains(byte)));
            }
        }
    }
}
