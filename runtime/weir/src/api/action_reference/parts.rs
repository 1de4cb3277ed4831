//! Documents and credentials from a body of the reference's form, and back.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use weir_connectors::Ceilings;
use weir_engine::catalogue::{StoredDocument, read_connector};
use weir_engine::document::{Faults, Format, Severity};
use weir_engine::flow::FunctionRef;
use weir_engine::ids::TenantId;
use weir_engine::ports::DefinitionKind;

use super::{AuthenticationView, EndpointView, NewAuthentication};
use crate::api::app::App;
use crate::documents::check_connector;
use crate::problem::{Problem, code};
use crate::secrets::CredentialSecret;

/// The only function of a connector that is made with an action.
pub(super) const FUNCTION: &str = "ask";

/// The ways to authenticate by their names in the reference, with their properties.
pub(super) const AUTHENTICATION_TYPES: [(&str, &[&str]); 5] = [
    ("NONE", &[]),
    ("BASIC", &["username", "password"]),
    ("BEARER", &["accessToken"]),
    ("API_KEY", &["header", "value"]),
    ("CLIENT_CREDENTIAL", &["clientId", "clientSecret", "tokenEndpoint", "scopes"]),
];

/// The only property that may be left out.
const OPTIONAL: &str = "scopes";

/// How the host authenticates, and what it keeps for that.
pub(super) struct Plan {
    /// As a connector document says it.
    pub(super) authentication: Value,
    /// What goes into the vault.
    pub(super) secret: Option<CredentialSecret>,
}

/// A refusal of a body, with the reference's words.
pub(super) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(&code::INVALID_ACTION, detail.into())
}

/// A text for people.
pub(super) fn check_text(member: &str, text: &str, least: usize) -> Result<(), Problem> {
    if (least..=255).contains(&text.chars().count()) {
        return Ok(());
    }
    Err(invalid(format!("`{member}` must have {least} to 255 characters.")))
}

/// How the host authenticates with a credential of that name.
pub(super) fn plan(given: &NewAuthentication, credential: &str) -> Result<Plan, Problem> {
    let Some((_, properties)) = AUTHENTICATION_TYPES.iter().find(|(kind, _)| *kind == given.kind) else {
        let known = AUTHENTICATION_TYPES.map(|(kind, _)| kind).join("`, `");
        return Err(invalid(format!("Invalid authentication type; write one of `{known}`.")));
    };
    let refused = || invalid("Required authentication properties are not provided or invalid.");
    let is_given = |name: &str| given.properties.get(name).is_some_and(|it| !it.expose_secret().is_empty());
    let complete = properties.iter().all(|name| *name == OPTIONAL || is_given(name));
    if !complete || given.properties.keys().any(|name| !properties.contains(&name.as_str())) {
        return Err(refused());
    }
    let plan = planned(&given.kind, &given.properties, credential).ok_or_else(refused)?;
    match &plan.secret {
        Some(secret) if secret.check().is_err() => Err(refused()),
        _ => Ok(plan),
    }
}

fn planned(kind: &str, properties: &BTreeMap<String, SecretString>, credential: &str) -> Option<Plan> {
    let secret = |name: &str| properties.get(name).cloned();
    let text = |name: &str| secret(name).map(|it| it.expose_secret().to_owned());
    let (authentication, secret) = match kind {
        "BASIC" => {
            let basic = CredentialSecret::Basic { username: text("username")?, password: secret("password")? };
            (json!({ "type": "basic", "credential": credential }), Some(basic))
        }
        "BEARER" => {
            let bearer = CredentialSecret::Bearer { token: secret("accessToken")? };
            (json!({ "type": "bearer", "credential": credential }), Some(bearer))
        }
        "API_KEY" => {
            let key = CredentialSecret::ApiKey { key: secret("value")? };
            let name = text("header")?;
            (json!({ "type": "api-key", "credential": credential, "in": "header", "name": name }), Some(key))
        }
        "CLIENT_CREDENTIAL" => {
            let client =
                CredentialSecret::Oauth2Client { client_id: text("clientId")?, client_secret: secret("clientSecret")? };
            let url: url::Url = text("tokenEndpoint")?.parse().ok()?;
            let scopes = text(OPTIONAL).unwrap_or_default();
            let scopes: Vec<&str> = scopes.split_whitespace().collect();
            let token = json!({ "url": url, "scopes": scopes });
            (json!({ "type": "oauth2-client-credentials", "client": credential, "token": token }), Some(client))
        }
        _ => (json!({ "type": "none" }), None),
    };
    Some(Plan { authentication, secret })
}

/// Where a service is, as a connector document says it: its base URL, and the endpoint of its function.
pub(super) fn place_of(uri: &str) -> Result<(url::Url, String), Problem> {
    let refused = || {
        invalid(
            "`endpoint.uri` must be a URL that begins with `https://` or `http://`, without user, fragment and `${`.",
        )
    };
    let mut url: url::Url = uri.parse().map_err(|_| refused())?;
    let is_plain = ["https://", "http://"].iter().any(|scheme| uri.to_ascii_lowercase().starts_with(scheme))
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && !uri.contains("${");
    if !is_plain {
        return Err(refused());
    }
    let endpoint = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    url.set_query(None);
    Ok((url, endpoint))
}

/// The connector of a service.
pub(super) fn connector(name: &str, uri: &str, authentication: &Value) -> Result<Value, Problem> {
    let (base_url, endpoint) = place_of(uri)?;
    Ok(json!({
        "connector": name,
        "description": "Made with a saved action of the same name.",
        "base-url": base_url,
        "authentication": authentication,
        "functions": [{ "name": FUNCTION, "method": "POST", "endpoint": endpoint }],
    }))
}

/// Holds a connector document against what any connector is held against.
pub(super) fn check_made(document: &Value, ceilings: &Ceilings) -> Result<(), Problem> {
    check_connector(&document.to_string(), Format::Json, ceilings).map(drop).map_err(refused)
}

/// The problem of a document that a body gave: the first fault in words, and all of them with their places.
pub(super) fn refused(faults: Faults) -> Problem {
    let errors = || faults.0.iter().filter(|fault| fault.severity == Severity::Error);
    let first = errors().next();
    let problem =
        invalid(first.map_or("The action cannot be saved.".to_owned(), |fault| format!("{}.", fault.message)));
    let is_of_rule = first.is_some_and(|fault| fault.pointer.starts_with("/rule"));
    let problem = problem.with_errors(errors().filter_map(|fault| serde_json::to_value(fault).ok()).collect());
    if is_of_rule { problem.with_reference_code(super::INVALID_RULE) } else { problem }
}

/// The service of an action, where a connector of the tenant has it.
pub(in crate::api) async fn endpoint_of(
    app: &App,
    tenant: &TenantId,
    document: &Value,
) -> Result<Option<EndpointView>, Problem> {
    let service = document.get("service").and_then(Value::as_str).and_then(|text| text.parse::<FunctionRef>().ok());
    let Some(service) = service else { return Ok(None) };
    let found = app.store.definition(tenant, DefinitionKind::Connector, service.connector.as_str(), None).await?;
    let Some(found) = found else { return Ok(None) };
    let stored: StoredDocument = serde_json::from_value(found.body).map_err(|error| Problem::internal(&error))?;
    let connector = read_connector(found.version, &stored).map_err(|error| Problem::internal(&error))?.document;
    let Some(function) = connector.function(&service.function) else { return Ok(None) };
    let authentication = serde_json::to_value(&connector.authentication).unwrap_or_default();
    let kind = match authentication.get("type").and_then(Value::as_str).unwrap_or("none") {
        "oauth2-client-credentials" => "CLIENT_CREDENTIAL".to_owned(),
        other => other.to_ascii_uppercase().replace('-', "_"),
    };
    let base = connector.base_url.as_str();
    let base = if function.endpoint.starts_with('/') { base.trim_end_matches('/') } else { base };
    let uri = format!("{base}{}", function.endpoint);
    Ok(Some(EndpointView { uri, authentication: AuthenticationView { kind } }))
}
