//! Each of our templates over a real wire: its fixture's call is made, as a tenant would try it, against a server that
//! holds what comes against the fixture and answers what the fixture says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri};
use serde_json::{Map, Value, json};
use weir_connectors::{
    ConnectorSettings, Credential, CredentialError, Credentials, HttpConnectors, Identity, StoredCredential,
    SystemResolver,
};
use weir_engine::connector::{Authentication, ConnectorDocument};
use weir_engine::engine::{Definitions, Engine, EngineSettings, Ports, TriedOutcome, TryCall, TryConnector};
use weir_engine::ids::{CredentialName, IdentityName, TenantId};
use weir_engine::message::Request;
use weir_engine::ports::{
    ActionDecision, ActionEvent, GrantedCalls, HookError, HookErrorKind, HookReport, Invocation, InvocationLimits,
    Plugins, PostResponseDecision, PreCallDecision,
};
use weir_engine::run::RunContext;
use weir_stores::MemoryStore;

use super::shipped::shipped;
use super::template::{Fixture, FixtureExchange, FixtureRequest, Template};
use crate::clock::SystemClock;

/// A server that answers one fixture, and says what was not as the fixture has it.
struct Server {
    address: SocketAddr,
    script: Arc<Script>,
}

struct Script {
    exchanges: Vec<FixtureExchange>,
    state: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    requests: usize,
    wrong: Vec<String>,
}

impl Server {
    async fn start(exchanges: Vec<FixtureExchange>) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script { exchanges, state: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, script }
    }

    fn wrong(&self) -> Vec<String> {
        let heard = self.script.state.lock().unwrap();
        let (came, wanted) = (heard.requests, self.script.exchanges.len());
        let missing = (came != wanted).then(|| format!("{came} requests came, not {wanted}"));
        heard.wrong.iter().cloned().chain(missing).collect()
    }
}

async fn answer(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<String> {
    let mut heard = script.state.lock().unwrap();
    let exchange = script.exchanges.get(heard.requests);
    heard.requests += 1;
    let Some(FixtureExchange { request, response }) = exchange else {
        return Response::builder().status(500).body(String::new()).unwrap();
    };
    heard.wrong.extend(compare(request, &method, &uri, &headers, &body));
    let text = match &response.body {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let mut answer = Response::builder().status(response.status);
    if !response.headers.contains_key("content-type") && response.body.is_some() {
        answer = answer.header("content-type", "application/json");
    }
    for (name, value) in &response.headers {
        answer = answer.header(name, value);
    }
    answer.body(text).unwrap()
}

fn compare(wanted: &FixtureRequest, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, wanted: &str, came: &str| {
        if !is_like(wanted, came) {
            wrong.push(format!("{what} is {came:?}, not {wanted:?}"));
        }
    };
    check("the method", &wanted.method, method.as_str());
    check("the path", &wanted.path, &uri.to_string());
    for (name, value) in &wanted.headers {
        let came = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        check(name, value, came);
    }
    let came = String::from_utf8_lossy(body);
    match &wanted.body {
        None => {}
        Some(Value::String(text)) => check("the body", text, &came),
        Some(value) => {
            let parsed: Value = serde_json::from_str(&came).unwrap_or_default();
            if parsed != *value {
                wrong.push(format!("the body is {parsed}, not {value}"));
            }
        }
    }
    wrong
}

/// `*` stands for any text.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Whatever the connector asks for, with values that fixtures know.
struct FixtureCredentials(Authentication);

impl FixtureCredentials {
    fn of(&self, name: &CredentialName) -> Option<Credential> {
        use Authentication as A;
        let basic = || Credential::Basic { username: "fixture-user".to_owned(), password: "fixture-password".into() };
        let client = || Credential::Oauth2Client {
            client_id: "fixture-client".to_owned(),
            client_secret: "fixture-secret".into(),
        };
        match &self.0 {
            A::Basic { credential } | A::Digest { credential } if credential == name => Some(basic()),
            A::Bearer { credential } if credential == name => {
                Some(Credential::Bearer { token: "fixture-token".into() })
            }
            A::ApiKey { credential, .. } if credential == name => {
                Some(Credential::ApiKey { key: "fixture-key".into() })
            }
            A::Oauth2ClientCredentials { client: it, .. } if it == name => Some(client()),
            A::Oauth2Password { credential, .. } if credential == name => Some(basic()),
            A::Oauth2Password { client: Some(it), .. } if it == name => Some(client()),
            A::AwsSigv4 { credential, .. } if credential == name => Some(Credential::Aws {
                access_key_id: "AKIDFIXTURE".to_owned(),
                secret_access_key: "fixture-secret-access-key".into(),
                session_token: None,
            }),
            A::Hmac { credential, .. } if credential == name => {
                Some(Credential::HmacKey { key: b"fixture-hmac-key".to_vec().into() })
            }
            _ => None,
        }
    }
}

#[async_trait]
impl Credentials for FixtureCredentials {
    async fn credential(
        &self,
        _: &TenantId,
        name: &CredentialName,
    ) -> Result<Option<StoredCredential>, CredentialError> {
        Ok(self.of(name).map(|credential| StoredCredential { version: 1, credential }))
    }

    async fn identity(&self, _: &TenantId, _: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        Ok(None)
    }
}

/// No template needs a plugin.
struct NoPlugins;

fn no_hook<D>() -> HookReport<D> {
    let error = HookError { kind: HookErrorKind::HookMissing, message: "no plugins here".to_owned(), detail: None };
    HookReport { outcome: Err(error), logs: Vec::new(), logs_dropped: 0, fuel: 0, elapsed_us: 0 }
}

#[async_trait]
impl Plugins for NoPlugins {
    async fn pre_call(&self, _: &Invocation, _: &Request, _: &dyn GrantedCalls) -> HookReport<PreCallDecision> {
        no_hook()
    }

    async fn post_response(
        &self,
        _: &Invocation,
        _: &Request,
        _: &weir_engine::message::Response,
        _: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision> {
        no_hook()
    }

    async fn action(&self, _: &Invocation, _: &ActionEvent, _: &dyn GrantedCalls) -> HookReport<ActionDecision> {
        no_hook()
    }
}

fn engine(authentication: Authentication) -> Arc<Engine> {
    let settings = json!({ "egress": { "allow": [{ "cidr": "127.0.0.1/32" }] } });
    let settings: ConnectorSettings = serde_json::from_value(settings).unwrap();
    let credentials = Arc::new(FixtureCredentials(authentication));
    let store = Arc::new(MemoryStore::default());
    let ports = Ports {
        plugins: Arc::new(NoPlugins),
        connectors: Arc::new(HttpConnectors::new(settings, credentials, Arc::new(SystemResolver)).unwrap()),
        store: store.clone(),
        clock: Arc::new(SystemClock),
        encryption: Arc::new(weir_engine::ports::NoEncryption),
        signer: Arc::new(weir_engine::ports::NoSigner),
        definitions: Definitions::new(store, weir_engine::action::ActionTypes::shipped()),
        limits: InvocationLimits::default(),
    };
    Engine::new(EngineSettings::default(), ports)
}

/// The samples of the settings, with every address at that server.
fn values_at(template: &Template, address: SocketAddr) -> Map<String, Value> {
    let mut values = template.samples();
    for value in values.values_mut() {
        let url = value.as_str().and_then(|text| url::Url::parse(text).ok());
        if let Some(url) = url.filter(|url| url.scheme() == "https") {
            let path = if url.path() == "/" { "" } else { url.path() };
            *value = json!(format!("http://{address}{path}"));
        }
    }
    values
}

/// What was not as the fixture has it.
async fn play(template: &Template) -> Vec<String> {
    let Fixture { function, arguments, exchanges, result } = template.document.fixture.clone().unwrap();
    let server = Server::start(exchanges).await;
    let filled = template.fill(template.name(), &values_at(template, server.address)).unwrap();
    let document: ConnectorDocument = serde_json::from_value(filled.document).unwrap();
    let call = TryCall {
        tenant: "acme".parse().unwrap(),
        connector: TryConnector::Unsaved(Box::new(document.clone())),
        function,
        arguments,
        context: RunContext::default(),
        pre_call: json!([]),
        post_response: json!([]),
    };
    let tried = engine(document.authentication).try_call(call).await.unwrap();
    let mut wrong = server.wrong();
    if tried.outcome != TriedOutcome::Success {
        wrong.push(format!("it came out as {:?}", tried.outcome));
    }
    let came = tried.result.unwrap_or_default();
    for (member, wanted) in result {
        if came.get(&member) != Some(&wanted) {
            let came = came.get(&member).cloned().unwrap_or_default();
            wrong.push(format!("{member} is {came}, not {wanted}"));
        }
    }
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_template_does_over_the_wire_what_its_fixture_says() {
    // covers C-22
    let mut wrong = Vec::new();
    for template in shipped() {
        let name = template.name();
        wrong.extend(play(template).await.into_iter().map(|what| format!("{name}: {what}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_star_stands_for_anything() {
    for (pattern, text, like) in [
        ("a*c", "abbc", true),
        ("a*c", "abbd", false),
        ("*b*", "abc", true),
        ("abc", "abc", true),
        ("abc", "abcd", false),
        ("a*b*c", "acb", false),
        ("*", "", true),
    ] {
        assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
    }
}
