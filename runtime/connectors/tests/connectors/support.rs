//! Servers, resolvers and credentials to test against.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use weir_connectors::{
    ConnectorSettings, Credential, CredentialError, Credentials, HttpConnectors, Identity, Question, Resolver,
    StoredCredential,
};
use weir_engine::connector::{Connector, PermittedRequest};
use weir_engine::expression::Scope;
use weir_engine::ids::{CredentialName, IdentityName, RequestId, TenantId};
use weir_engine::message::{Request, Response};
use weir_engine::ports::{CallContext, ConnectorError, ConnectorErrorKind, Connectors as _, Exchange};

/// A server on loopback that counts its connections and keeps what it heard.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Hands every connection to `serve`.
    pub(crate) async fn serving<F, S>(serve: S) -> Self
    where
        S: Fn(TcpStream, Heard) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::serving_at("127.0.0.1:0", serve).await
    }

    pub(crate) async fn serving_at<F, S>(address: &str, serve: S) -> Self
    where
        S: Fn(TcpStream, Heard) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("loopback");
        let upstream = Self {
            address: listener.local_addr().expect("address"),
            connections: Arc::default(),
            heard: Arc::default(),
        };
        let (connections, heard) = (upstream.connections.clone(), upstream.heard.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, Heard(heard.clone())));
            }
        });
        upstream
    }

    /// Answers every request with the same bytes and closes.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::serving(move |mut stream, heard| {
            let answer = answer.clone();
            async move {
                heard.request(&mut stream).await?;
                stream.write_all(&answer).await?;
                stream.shutdown().await
            }
        })
        .await
    }

    /// Answers each request of a connection by what it is and by how many came before it.
    pub(crate) async fn replying(reply: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let (reply, count) = (Arc::new(reply), Arc::new(AtomicUsize::new(0)));
        Self::serving(move |mut stream, heard| {
            let (reply, count) = (reply.clone(), count.clone());
            async move {
                loop {
                    let request = heard.request(&mut stream).await?;
                    let before = count.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(&reply(&request, before)).await?;
                }
            }
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clone()
    }

    /// How many connections came, ours not counted: we connect, and wait until the server has seen that.
    pub(crate) async fn connections(&self) -> usize {
        let before = self.connections.load(Ordering::SeqCst);
        let _ours = TcpStream::connect(self.address).await.expect("listens");
        loop {
            let now = self.connections.load(Ordering::SeqCst);
            if now > before {
                return now - 1;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// What a server heard.
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    /// Reads one request with its body.
    pub(crate) async fn request(&self, stream: &mut TcpStream) -> io::Result<String> {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                    self.0.lock().expect("not poisoned").push(text.clone());
                    return Ok(text);
                }
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// An HTTP/1.1 answer.
pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status} Test\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Answers from a table; everything else is loopback.
#[derive(Default)]
pub(crate) struct FakeResolver {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    pub(crate) lookups: AtomicUsize,
}

impl FakeResolver {
    /// The answers for a name, one after the other; the last one stays.
    pub(crate) fn with(self, host: &str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|it| it.parse().expect("address")).collect();
        let answers = answers.iter().rev().map(parse).collect();
        self.answers.lock().expect("not poisoned").insert(host.to_owned(), answers);
        self
    }
}

#[async_trait]
impl Resolver for FakeResolver {
    async fn lookup(&self, question: Question<'_>) -> io::Result<Vec<IpAddr>> {
        let host = question.host;
        self.lookups.fetch_add(1, Ordering::SeqCst);
        if host == "stuck.test" {
            std::future::pending::<()>().await;
        }
        if host == "busy.test" {
            tokio::time::sleep(question.patience).await;
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        if host == "nowhere.test" {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut answers = self.answers.lock().expect("not poisoned");
        match answers.get_mut(host) {
            Some(left) if left.len() > 1 => Ok(left.pop().expect("two")),
            Some(left) => Ok(left.last().cloned().unwrap_or_default()),
            None => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
        }
    }
}

pub(crate) const SECRET: &str = "s3cr3t/Pass+word=&\"é";
pub(crate) const TOKEN: &str = "tok_4711/abc+DEF==";

/// `basic`, `bearer`, `name` and `short` belong to `acme`; `broken` cannot be read; `stuck` never answers.
pub(crate) struct FakeCredentials;

#[async_trait]
impl Credentials for FakeCredentials {
    async fn credential(
        &self,
        tenant: &TenantId,
        name: &CredentialName,
    ) -> Result<Option<StoredCredential>, CredentialError> {
        let basic = |password: &str| Credential::Basic { username: "user".into(), password: password.into() };
        let credential = match (tenant.as_str(), name.as_str()) {
            ("acme", "basic") => Some(basic(SECRET)),
            ("acme", "short") => Some(basic("abc")),
            ("acme", "bearer") => Some(Credential::Bearer { token: TOKEN.into() }),
            ("acme", "name") => Some(Credential::Bearer { token: "Named-By-Its-Token".into() }),
            (_, "broken") => return Err(CredentialError("the master key is missing".into())),
            (_, "stuck") => std::future::pending().await,
            _ => None,
        };
        Ok(credential.map(|credential| StoredCredential { version: 1, credential }))
    }

    async fn identity(&self, _: &TenantId, _: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        Ok(None)
    }
}

/// Settings that let `acme` reach 127.0.0.1, and others nothing.
pub(crate) fn settings() -> Value {
    json!({"egress": {"tenants": {"acme": {"allow": [{"cidr": "127.0.0.1/32"}]}}}})
}

pub(crate) struct Fixture {
    pub(crate) connectors: HttpConnectors,
    pub(crate) resolver: Arc<FakeResolver>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(settings(), FakeResolver::default())
    }

    pub(crate) fn with(settings: Value, resolver: FakeResolver) -> Self {
        Self::with_credentials(settings, resolver, Arc::new(FakeCredentials))
    }

    pub(crate) fn with_credentials(settings: Value, resolver: FakeResolver, credentials: Arc<dyn Credentials>) -> Self {
        let settings: ConnectorSettings = serde_json::from_value(settings).expect("settings");
        let resolver = Arc::new(resolver);
        let connectors = HttpConnectors::new(settings, credentials, resolver.clone()).expect("tls");
        Self { connectors, resolver }
    }

    /// Binds the function `f`.
    pub(crate) fn bind(&self, document: Value, arguments: &Value) -> Result<PermittedRequest, ConnectorError> {
        self.bind_and_change(document, arguments, |_| ())
    }

    /// Binds the function `f` and lets a hook change the request.
    pub(crate) fn bind_and_change(
        &self,
        document: Value,
        arguments: &Value,
        hook: impl FnOnce(&mut Request),
    ) -> Result<PermittedRequest, ConnectorError> {
        let scope = Scope::new([("event", json!({"user": {"id": "u1"}}))]);
        let arguments = arguments.as_object().expect("an object");
        let function = "f".parse().expect("a name");
        let bound = self.connectors.bind(&connector(document), &function, arguments, &scope)?;
        let mut request = bound.request().clone();
        hook(&mut request);
        Ok(bound.permit(request).expect("permitted"))
    }

    pub(crate) async fn send(&self, request: &PermittedRequest) -> Exchange {
        self.connectors.send(&context("acme"), request).await
    }

    /// Binds without arguments and sends.
    pub(crate) async fn call(&self, document: Value) -> Exchange {
        let request = self.bind(document, &json!({})).expect("binds");
        self.send(&request).await
    }

    pub(crate) async fn response(&self, document: Value) -> Response {
        self.call(document).await.outcome.expect("a response")
    }

    pub(crate) async fn error(&self, document: Value) -> ConnectorError {
        self.call(document).await.outcome.expect_err("no response")
    }

    pub(crate) async fn error_kind(&self, document: Value) -> ConnectorErrorKind {
        self.error(document).await.kind
    }
}

pub(crate) fn context(tenant: &str) -> CallContext {
    CallContext {
        tenant: tenant.parse().expect("a tenant"),
        request_id: RequestId::generate(),
        idempotency_key: "run-7/risk/0".into(),
        budget: Duration::from_secs(30),
        attempts: weir_engine::ports::Attempts::OfFunction,
    }
}

pub(crate) fn connector(document: Value) -> Arc<Connector> {
    let document = serde_json::from_value(document).expect("a document");
    Arc::new(Connector { version: 1, document })
}

/// A connector with one function `f`: GET, any body.
pub(crate) fn document(base_url: impl Into<String>) -> Value {
    json!({
        "connector": "api",
        "base-url": base_url.into(),
        "functions": [{"name": "f", "response": {"format": "none"}}],
    })
}

/// The same with more in its function.
pub(crate) fn with_function(mut document: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    document["functions"][0].as_object_mut().expect("an object").extend(more);
    document
}

/// The same with more in itself.
pub(crate) fn with(mut document: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    document.as_object_mut().expect("an object").extend(more);
    document
}
