//! Stored credentials that tests change, and servers for tokens and behind them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use weir_connectors::{Credential, CredentialError, Credentials, HttpConnectors, Identity, StoredCredential};
use weir_engine::expression::Scope;
use weir_engine::ids::{CredentialName, IdentityName, TenantId};
use weir_engine::message::{Header, Response};
use weir_engine::ports::{CallContext, ConnectorError, Connectors as _, Exchange};

use crate::support::{FakeResolver, Upstream, answer, connector, context, document, with, with_function};

pub(super) const CLIENT_SECRET: &str = "cl1ent/s3cret+&=";
pub(super) const PASSWORD: &str = "p4ssword;é";
pub(super) const API_KEY: &str = "k3y-4711+abc/=";
pub(super) const AWS_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(super) const AWS_TOKEN: &str = "session/t0ken==";
pub(super) const HMAC_KEY: &str = "hm4c-key-0123456789";

/// The same in every tenant.
#[derive(Default)]
pub(super) struct Vault {
    credentials: Mutex<HashMap<String, StoredCredential>>,
    identities: Mutex<HashMap<String, Identity>>,
}

impl Vault {
    pub(super) fn set(&self, name: &str, credential: Credential) {
        let mut credentials = self.credentials.lock().expect("not poisoned");
        let version = credentials.get(name).map_or(1, |stored| stored.version + 1);
        credentials.insert(name.to_owned(), StoredCredential { version, credential });
    }

    pub(super) fn set_identity(&self, name: &str, pkcs8: Option<Vec<u8>>) {
        let key = pkcs8.map(|der| Arc::new(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der))));
        let identity = Identity { version: 1, certificates: Vec::new(), key };
        self.identities.lock().expect("not poisoned").insert(name.to_owned(), identity);
    }
}

#[async_trait]
impl Credentials for Vault {
    async fn credential(
        &self,
        _: &TenantId,
        name: &CredentialName,
    ) -> Result<Option<StoredCredential>, CredentialError> {
        Ok(self.credentials.lock().expect("not poisoned").get(name.as_str()).cloned())
    }

    async fn identity(&self, _: &TenantId, name: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        Ok(self.identities.lock().expect("not poisoned").get(name.as_str()).cloned())
    }
}

/// Connectors with a credential of each type; `acme` and `twin` may reach 127.0.0.1.
#[derive(Clone)]
pub(super) struct House {
    pub(super) vault: Arc<Vault>,
    connectors: Arc<HttpConnectors>,
}

pub(super) fn client(secret: &str) -> Credential {
    Credential::Oauth2Client { client_id: "my client".into(), client_secret: secret.into() }
}

impl House {
    pub(super) fn new() -> Self {
        let vault = Arc::new(Vault::default());
        vault.set("basic", Credential::Basic { username: "Mufasa".into(), password: PASSWORD.into() });
        vault.set("bearer", Credential::Bearer { token: "b34rer-token".into() });
        vault.set("api-key", Credential::ApiKey { key: API_KEY.into() });
        vault.set("client", client(CLIENT_SECRET));
        let session_token = Some(AWS_TOKEN.into());
        let (access_key_id, secret_access_key) = ("AKIDEXAMPLE".into(), AWS_SECRET.into());
        vault.set("aws", Credential::Aws { access_key_id, secret_access_key, session_token });
        vault.set("hmac-key", Credential::HmacKey { key: HMAC_KEY.as_bytes().to_vec().into() });
        let pair = ring::signature::Ed25519KeyPair::generate_pkcs8(&ring::rand::SystemRandom::new()).expect("a key");
        vault.set_identity("signer", Some(pair.as_ref().to_vec()));
        let allow = json!({"allow": [{"cidr": "127.0.0.1/32"}]});
        let settings = json!({"egress": {"tenants": {"acme": allow, "twin": allow}}});
        let settings = serde_json::from_value(settings).expect("settings");
        let connectors = HttpConnectors::new(settings, vault.clone(), Arc::new(FakeResolver::default())).expect("tls");
        Self { vault, connectors: Arc::new(connectors) }
    }

    pub(super) async fn call(&self, document: &Value) -> Exchange {
        self.call_as(&context("acme"), document, None).await
    }

    /// With a header that a hook sets.
    pub(super) async fn call_as(&self, context: &CallContext, document: &Value, set: Option<Header>) -> Exchange {
        let arguments = serde_json::Map::new();
        let function = "f".parse().expect("a name");
        let connector = connector(document.clone());
        let bound = self.connectors.bind(&connector, &function, &arguments, &Scope::default()).expect("binds");
        let mut request = bound.request().clone();
        request.headers.extend(set);
        self.connectors.send(context, &bound.permit(request).expect("permitted")).await
    }

    pub(super) async fn response(&self, document: &Value) -> Response {
        self.call(document).await.outcome.expect("a response")
    }

    pub(super) async fn error(&self, document: &Value) -> ConnectorError {
        self.call(document).await.outcome.expect_err("no response")
    }
}

/// A document whose function posts `hello`, with that authentication.
pub(super) fn posting(upstream: &Upstream, authentication: Value) -> Value {
    let headers = json!([{"name": "content-type", "value": "text/plain"}]);
    let function = json!({"method": "POST", "endpoint": "/dir/a%20b?x=1", "body": "hello", "headers": headers});
    with(with_function(document(upstream.url()), function), json!({"authentication": authentication}))
}

/// Client credentials for a token endpoint.
pub(super) fn client_credentials(endpoint: &Upstream) -> Value {
    let token = json!({"url": format!("{}/token", endpoint.url()), "scopes": ["read", "write"]});
    json!({"type": "oauth2-client-credentials", "client": "client", "token": token})
}

/// A server that answers each request by itself.
pub(super) async fn server(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Upstream {
    let answer = Arc::new(answer);
    Upstream::serving(move |mut stream, heard| {
        let answer = answer.clone();
        async move {
            let request = heard.request(&mut stream).await?;
            stream.write_all(&answer(&request)).await?;
            stream.shutdown().await
        }
    })
    .await
}

/// An answer after which the connection closes.
pub(super) fn closing(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    answer(status, &format!("connection: close\r\n{headers}"), body)
}

/// A token endpoint that grants `granted-1`, `granted-2`, … for so many seconds.
pub(super) async fn token_endpoint(expires_in: i64) -> Upstream {
    let granted = std::sync::atomic::AtomicUsize::new(0);
    server(move |_| {
        let number = granted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
        let token =
            json!({"access_token": format!("granted-{number}"), "token_type": "Bearer", "expires_in": expires_in});
        closing(200, "", token.to_string())
    })
    .await
}

/// Something behind tokens: what is not valid gets a 401.
pub(super) async fn guarded(valid: Arc<Mutex<Vec<&'static str>>>) -> Upstream {
    server(move |request| {
        let token = header(request, "authorization").strip_prefix("Bearer ").unwrap_or_default().to_owned();
        let known = valid.lock().expect("not poisoned").iter().any(|it| **it == token);
        closing(if known { 200 } else { 401 }, "www-authenticate: Bearer error=\"invalid_token\"\r\n", token)
    })
    .await
}

/// The value of a header of a request as it was heard.
pub(super) fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let of_line = |line: &'a str| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name));
    request.lines().find_map(of_line).map(|(_, value)| value).unwrap_or_default()
}

/// The body of a request as it was heard.
pub(super) fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default()
}
