//! What a template's file says, and the check of it: whatever a tenant may fill in, the check has filled in before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use weir_connectors::Ceilings;
use weir_engine::connector::ArgumentType;
use weir_engine::document::{Document, Faults, Format, read};
use weir_engine::ids::{ConnectorName, FunctionName};

use super::fill::{self, Filled, NAME, Place};
use crate::documents::check_connector;

/// A template's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TemplateDocument {
    /// The template's name, which is the connector's too where nobody gives another.
    pub(crate) template: ConnectorName,
    /// A few words.
    pub(crate) title: String,
    /// What it is for, and what the tenant needs before it works.
    pub(crate) description: String,
    /// What a tenant fills in. The connector's name is filled in besides, as `name`.
    #[serde(default)]
    pub(crate) settings: Vec<Setting>,
    /// The connector's document, in which `{ $setting: NAME }` stands for the value of a setting.
    pub(crate) connector: Value,
    /// One call with what goes over the wire: the template's test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fixture: Option<Fixture>,
}

/// What a tenant fills in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Setting {
    /// Lower-case letters, digits and `-`.
    pub(crate) name: String,
    /// For people.
    pub(crate) description: String,
    /// Its type: `string` by default.
    #[serde(rename = "type", default = "string")]
    #[schema(value_type = String)]
    pub(crate) kind: ArgumentType,
    /// The value where the tenant gives none; a setting without one must be given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) default: Option<Value>,
    /// A value that would do; needed where there is no default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) example: Option<Value>,
}

fn string() -> ArgumentType {
    ArgumentType::String
}

impl Setting {
    /// A value that would do.
    fn sample(&self) -> Option<&Value> {
        self.default.as_ref().or(self.example.as_ref())
    }
}

/// One call, and what goes over the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fixture {
    /// The function.
    pub(crate) function: FunctionName,
    /// Its arguments.
    #[serde(default)]
    pub(crate) arguments: Map<String, Value>,
    /// What is sent and answered, in order; requests for tokens come first.
    pub(crate) exchanges: Vec<FixtureExchange>,
    /// Members of the result, such as `status`, `body` and `transformed_data`.
    #[serde(default)]
    pub(crate) result: Map<String, Value>,
}

/// One request and its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixtureExchange {
    /// What must be sent.
    pub(crate) request: FixtureRequest,
    /// What is answered.
    pub(crate) response: FixtureResponse,
}

/// What must be sent. In texts, `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixtureRequest {
    /// The method.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// Headers that must be there, by lower-case name.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The body: a text, or what its JSON says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FixtureResponse {
    /// The status.
    pub(crate) status: u16,
    /// Headers.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// The body: a text, or a value that is sent as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
}

/// Who wrote a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// It comes with the program.
    Shipped,
    /// It is in the operator's folder.
    Operator,
}

/// A template that has been checked.
#[derive(Debug)]
pub(crate) struct Template {
    /// Who wrote it.
    pub(crate) origin: Origin,
    /// What it says.
    pub(crate) document: TemplateDocument,
    /// Its file.
    pub(super) text: String,
    /// Where its settings stand.
    pub(super) places: Vec<Place>,
}

pub(super) const SHAPE: &str = "connector.template.shape";
const SETTING: &str = "connector.template.setting";

impl Template {
    /// Reads a file and tries it with the defaults and examples of its settings.
    ///
    /// # Errors
    /// Every fault, with its place.
    pub(crate) fn read(text: &str, origin: Origin) -> Result<Self, Faults> {
        let parsed = Document::parse(text, Format::Yaml)?;
        let mut faults = Faults::default();
        let Some(document) = read::<TemplateDocument>(&parsed, "", SHAPE, &mut faults) else {
            return Err(faults.sorted());
        };
        check_settings(&document, &parsed, &mut faults);
        let places = fill::places(&document, &parsed, text, &mut faults);
        if faults.has_errors() {
            return Err(faults.sorted());
        }
        let template = Self { origin, document, text: text.to_owned(), places };
        template.check_filled(&parsed, &mut faults);
        if faults.has_errors() { Err(faults.sorted()) } else { Ok(template) }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &ConnectorName {
        &self.document.template
    }

    /// The values with which it is tried.
    pub(super) fn samples(&self) -> Map<String, Value> {
        let settings = self.document.settings.iter();
        settings.filter_map(|setting| Some((setting.name.clone(), setting.sample()?.clone()))).collect()
    }

    /// What a tenant would get must be a connector that can be saved.
    fn check_filled(&self, parsed: &Document, faults: &mut Faults) {
        match self.fill(self.name(), &self.samples()) {
            Err(error) => {
                faults.error(parsed, "/connector", SHAPE, error.to_string());
            }
            Ok(Filled { source, .. }) => {
                if let Err(found) = check_connector(&source, Format::Yaml, &Ceilings::default()) {
                    // The places of settings are values, so that pointers are the same before and after.
                    for fault in found.0 {
                        let pointer = format!("/connector{}", fault.pointer);
                        faults.error(parsed, &pointer, &fault.code, fault.message);
                    }
                }
            }
        }
    }
}

/// Names, types, defaults and examples.
fn check_settings(document: &TemplateDocument, parsed: &Document, faults: &mut Faults) {
    for (index, setting) in document.settings.iter().enumerate() {
        let at = format!("/settings/{index}");
        let mut fault = |member: &str, message: String| {
            faults.error(parsed, &format!("{at}{member}"), SETTING, message);
        };
        let name = &setting.name;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            fault("/name", "a setting's name has 1 to 64 lower-case letters, digits and `-`".to_owned());
        }
        if name == NAME {
            fault("/name", format!("`{NAME}` is the connector's own name, which is always filled in"));
        }
        if document.settings.iter().take(index).any(|other| other.name == *name) {
            fault("/name", format!("another setting is named `{name}`"));
        }
        for (member, value) in [("/default", &setting.default), ("/example", &setting.example)] {
            if value.as_ref().is_some_and(|value| !setting.kind.accepts(value)) {
                fault(member, format!("this must be {}", setting.kind.with_article()));
            }
        }
        if setting.sample().is_none() {
            fault("", format!("`{name}` has neither a default nor an example to try it with"));
        }
    }
}
