//! Several writes as one: what was written before one fails is taken back.

use serde_json::{Map, Value, json};
use weir_engine::action::ActionType;
use weir_engine::catalogue::StoredDocument;
use weir_engine::document::{Document, Faults, Format};
use weir_engine::engine::action_definition_name;
use weir_engine::flow::read_action;
use weir_engine::ids::{ActionName, CredentialName, TenantId};
use weir_engine::ports::{Definition, DefinitionKind, Expectation, StoreError};

use super::parts::{self, FUNCTION, Plan};
use super::{ActionChange, NewAction};
use crate::api::actions::{self, NOT_CONFIGURED, missing};
use crate::api::app::App;
use crate::api::body::DocumentText;
use crate::api::documents::{self, Checked, Place};
use crate::problem::Problem;
use crate::secrets::CredentialSecret;

/// The longest part of an id that is made of a name.
const SLUG_BYTES_MAX: usize = 40;
/// Most ids that are tried for one name: more than a tenant may have actions of one type.
const IDS_MAX: usize = 256;

/// What was written, and what was live before it.
struct Undo {
    kind: DefinitionKind,
    name: String,
    written: u32,
    before: Option<u32>,
}

/// What is written.
struct Parts {
    secret: Option<CredentialSecret>,
    /// With what of it must be live still.
    connector: Option<(Value, Expectation)>,
    action: Checked,
}

/// Whose definitions are written, and what was written so far.
struct Writes<'a> {
    app: &'a App,
    tenant: &'a TenantId,
    undo: Vec<Undo>,
}

/// Makes an action with its connector and its credential.
pub(super) async fn create(
    app: &App,
    tenant: &TenantId,
    kind: &ActionType,
    new: NewAction,
) -> Result<Definition, Problem> {
    parts::check_text("name", &new.name, 1)?;
    parts::check_text("description", new.description.as_deref().unwrap_or_default(), 0)?;
    // From here on the names that are free stay so.
    let _saving = app.saving_actions.wait(tenant).await.map_err(|error| Problem::internal(&error))?;
    let mut writes = Writes { app, tenant, undo: Vec::new() };
    let id = writes.free_id(&kind.name, &slug(&new.name)).await?;
    let made = made_name(&id);
    let Plan { authentication, secret } = parts::plan(&new.endpoint.authentication, &made)?;
    let connector = parts::connector(&made, &new.endpoint.uri, &authentication)?;
    parts::check_made(&connector, &app.ceilings)?;
    let mut action = Map::from_iter([
        ("action".to_owned(), json!(id)),
        ("type".to_owned(), json!(kind.name)),
        ("title".to_owned(), json!(new.name)),
        ("service".to_owned(), json!(format!("{made}.{FUNCTION}"))),
        ("profile".to_owned(), json!("wso2")),
    ]);
    let further = [
        ("description", new.description.map(Value::String)),
        ("rule", new.rule),
        ("allowed-operations", new.allowed_operations),
    ];
    action.extend(further.into_iter().filter_map(|(member, value)| Some((member.to_owned(), value?))));
    let action = checked(app, Value::Object(action))?;
    let connector = Some((connector, Expectation::Absent));
    let written = writes.all(kind, &id, Parts { secret, connector, action }, Expectation::Absent).await;
    writes.conclude(written).await
}

/// Changes parts of an action.
pub(super) async fn update(
    app: &App,
    tenant: &TenantId,
    kind: &ActionType,
    name: &ActionName,
    change: ActionChange,
) -> Result<Definition, Problem> {
    let id = name.as_str();
    let definition = action_definition_name(&kind.name, id);
    let place = actions::place(tenant, &definition);
    // What is read here is what the change is made to.
    let _saving = app.saving_actions.wait(tenant).await.map_err(|error| Problem::internal(&error))?;
    let found = documents::find(app, place, None).await?.ok_or_else(|| missing(NOT_CONFIGURED))?;
    let mut document = document_of(&found)?;
    let made = made_name(id);
    let mut writes = Writes { app, tenant, undo: Vec::new() };
    let (mut secret, mut connector) = (None, None);
    if let Some(endpoint) = change.endpoint {
        if document.get("service").and_then(Value::as_str) != Some(&format!("{made}.{FUNCTION}")) {
            let detail = "The service of this action was not made with it; save its connector instead.";
            return Err(parts::invalid(detail));
        }
        let place = Place { tenant, kind: DefinitionKind::Connector, noun: "connector", name: &made };
        let live = documents::find(app, place, None).await?.ok_or_else(|| Problem::not_found("connector"))?;
        let mut changed = document_of(&live)?;
        if let Some(authentication) = &endpoint.authentication {
            let plan = parts::plan(authentication, &made)?;
            set(&mut changed, "/authentication", plan.authentication);
            secret = plan.secret;
        }
        if let Some(uri) = &endpoint.uri {
            let (base_url, endpoint) = parts::place_of(uri)?;
            set(&mut changed, "/base-url", json!(base_url));
            set(&mut changed, "/functions/0/endpoint", json!(endpoint));
        }
        parts::check_made(&changed, &app.ceilings)?;
        connector = Some((changed, Expectation::Version(live.version)));
    }
    if let Some(name) = &change.name {
        parts::check_text("name", name, 1)?;
    }
    for (member, value) in [
        ("title", change.name.map(Value::String)),
        ("description", change.description.map(Value::String)),
        ("rule", change.rule),
        ("allowed-operations", change.allowed_operations),
    ] {
        if let (Some(members), Some(value)) = (document.as_object_mut(), value) {
            members.insert(member.to_owned(), value);
        }
    }
    let action = checked(app, document)?;
    let written = writes.all(kind, id, Parts { secret, connector, action }, Expectation::Version(found.version)).await;
    writes.conclude(written).await
}

impl Writes<'_> {
    /// An id that neither an action of the type, nor a connector, nor a credential has.
    async fn free_id(&self, kind: &str, slug: &str) -> Result<String, Problem> {
        for number in 1..=IDS_MAX {
            let id = if number == 1 { slug.to_owned() } else { format!("{slug}-{number}") };
            let made = made_name(&id);
            let taken = [
                (DefinitionKind::Action, action_definition_name(kind, &id)),
                (DefinitionKind::Connector, made.clone()),
                (DefinitionKind::Credential, made),
            ];
            let mut is_free = true;
            for (kind, name) in taken {
                is_free &= self.app.store.definition(self.tenant, kind, &name, None).await?.is_none();
            }
            if is_free {
                return Ok(id);
            }
        }
        Err(parts::invalid("There are too many actions of this name; write another `name`."))
    }

    /// Writes the credential, the connector and the action, in this order: nothing is named before it is there.
    async fn all(
        &mut self,
        kind: &ActionType,
        id: &str,
        parts: Parts,
        expected: Expectation,
    ) -> Result<Definition, Problem> {
        let Parts { secret, connector, action } = parts;
        let made = made_name(id);
        if let Some(secret) = secret {
            let expected = if expected == Expectation::Absent { expected } else { Expectation::Any };
            let (kind, name): (_, CredentialName) = (DefinitionKind::Credential, made.parse()?);
            let before = self.app.store.definition(self.tenant, kind, &made, None).await?.map(|live| live.version);
            let saved = self.app.vault.set(self.tenant, &name, &secret, expected).await?;
            self.undo.push(Undo { kind, name: made.clone(), written: saved.metadata.version, before });
        }
        if let Some((connector, expected)) = connector {
            let kind = DefinitionKind::Connector;
            let place = Place { tenant: self.tenant, kind, noun: "connector", name: &made };
            let Checked { text, document, .. } = as_text(connector);
            let saved = documents::write(self.app, place, text, document, expected).await?;
            let written = saved.definition.version;
            if saved.before != Some(written) {
                self.undo.push(Undo { kind, name: made.clone(), written, before: saved.before });
            }
        }
        let definition = action_definition_name(&kind.name, id);
        let place = actions::place(self.tenant, &definition);
        actions::save(self.app, place, kind, action, expected).await?;
        documents::find(self.app, place, None).await?.ok_or_else(|| missing(NOT_CONFIGURED))
    }

    /// Takes back what was written, where not all of it could be.
    async fn conclude(self, written: Result<Definition, Problem>) -> Result<Definition, Problem> {
        let Err(problem) = written else { return written };
        for undo in self.undo.iter().rev() {
            if let Err(error) = self.take_back(undo).await {
                tracing::error!(%error, name = undo.name, "a part of an action that was not saved is left behind");
            }
        }
        Err(problem)
    }

    /// Makes a definition as it was before, unless somebody else has written it since: they were told that it is saved.
    async fn take_back(&self, undo: &Undo) -> Result<(), StoreError> {
        let Undo { kind, name, written, before } = undo;
        let live = self.app.store.definition(self.tenant, *kind, name, None).await?;
        if live.is_none_or(|live| live.version != *written) {
            tracing::warn!(name, "a part of an action that was not saved has been written by others since");
            return Ok(());
        }
        match before {
            None => self.app.store.delete_definition(self.tenant, *kind, name).await.map(drop),
            Some(before) => self.app.store.set_live(self.tenant, *kind, name, *before).await.map(drop),
        }
    }
}

/// The name of the connector and of the credential that are made with an action.
fn made_name(id: &str) -> String {
    format!("action-{id}")
}

/// A name of ours that is like a text.
fn slug(text: &str) -> String {
    let plain = text.chars().map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' });
    let words: String = plain.collect();
    let words: Vec<&str> = words.split('-').filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-");
    slug.truncate(SLUG_BYTES_MAX);
    match slug.bytes().next() {
        None => "action".to_owned(),
        Some(first) if first.is_ascii_lowercase() => slug,
        Some(_) => format!("a-{slug}"),
    }
}

fn document_of(found: &Definition) -> Result<Value, Problem> {
    let stored: StoredDocument =
        serde_json::from_value(found.body.clone()).map_err(|error| Problem::internal(&error))?;
    Ok(stored.document)
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = document.pointer_mut(pointer) {
        *place = value;
    } else if let (Some(members), Some(member)) = (document.as_object_mut(), pointer.strip_prefix('/')) {
        members.insert(member.to_owned(), value);
    }
}

/// A document of an action that only names what is made with it.
fn checked(app: &App, document: Value) -> Result<Checked, Problem> {
    let checked = as_text(document);
    let parsed = Document::parse(&checked.text.source, Format::Json).map_err(parts::refused)?;
    read_action(&parsed, app.engine.definitions().action_types()).map_err(parts::refused)?;
    Ok(checked)
}

fn as_text(document: Value) -> Checked {
    let text = DocumentText { source: format!("{document:#}\n"), format: Format::Json };
    Checked { text, document, warnings: Faults::default() }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn any_name_of_a_person_gives_a_name_of_ours() {
        let long = "x".repeat(255);
        for (name, wanted) in
            [("Access Token Pre Issue", "access-token-pre-issue"), ("3rd!", "a-3rd"), ("ü ö", "action")]
        {
            assert_eq!(slug(name), wanted);
        }
        assert!(slug(&long).parse::<weir_engine::ids::ActionName>().is_ok());
    }
}
