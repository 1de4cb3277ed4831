//! One connector call, without hooks and without a commit, against bare reqwest to the same loopback server.
//!
//! Both keep one connection, on the same runtime, and take turns: what disturbs the machine disturbs both.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use async_trait::async_trait;
use serde_json::{Value, json};
use weir_connectors::{
    ConnectorSettings, CredentialError, Credentials, HttpConnectors, Identity, StoredCredential, SystemResolver,
};
use weir_engine::connector::Connector;
use weir_engine::expression::Scope;
use weir_engine::ids::{CredentialName, IdentityName, RequestId, TenantId};
use weir_engine::ports::{CallContext, Connectors as _};

use crate::report::{Report, percentile_us};

const CALLS: usize = 10_000;
const WARM_UP: usize = 1_000;
const BARE: &str = "call: bare reqwest, p50";
const BARE_TAIL: &str = "call: bare reqwest, p99";

pub(crate) async fn measure(report: &mut Report) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let answer = || async { axum::Json(json!({ "score": 7, "text": "x".repeat(900) })) };
    let router = axum::Router::new().route("/score", axum::routing::post(answer));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let (mut bare, mut ours) = (Vec::with_capacity(CALLS), Vec::with_capacity(CALLS));
    let (client, weir) = (Bare::new(&url)?, Weir::new(&url)?);
    for call in 0..CALLS + WARM_UP {
        let durations = (client.call().await?, weir.call().await?);
        if call >= WARM_UP {
            bare.push(durations.0);
            ours.push(durations.1);
        }
    }
    server.abort();
    let [bare_median, bare_tail] = [0.5, 0.99].map(|share| percentile_us(&mut bare, share));
    let [median, tail] = [0.5, 0.99].map(|share| percentile_us(&mut ours, share));
    report.add(BARE, "us", bare_median, None);
    report.add("call: a connector's function, p50", "us", median, Some(BARE));
    report.add("call: added, p50 (goal: under 60)", "us", median - bare_median, None);
    report.add(BARE_TAIL, "us", bare_tail, None);
    report.add("call: a connector's function, p99", "us", tail, Some(BARE_TAIL));
    report.add("call: added, p99", "us", tail - bare_tail, None);
    Ok(())
}

fn body() -> Value {
    json!({ "email": "ada@example.org", "about": "x".repeat(900) })
}

/// The floor: a client, a request, and a body that is parsed.
struct Bare {
    client: reqwest::Client,
    url: String,
    body: Vec<u8>,
}

impl Bare {
    fn new(url: &str) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build()?;
        Ok(Self { client, url: format!("{url}/score"), body: serde_json::to_vec(&body())? })
    }

    async fn call(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        let request = self.client.post(&self.url).header("content-type", "application/json").body(self.body.clone());
        let bytes = request.send().await?.bytes().await?;
        let answer: Value = serde_json::from_slice(&bytes)?;
        let elapsed = started.elapsed();
        anyhow::ensure!(answer.get("score").is_some(), "no score");
        Ok(elapsed)
    }
}

/// The same by way of a connector: arguments bound, templates filled in, permitted, sent, masked, parsed.
struct Weir {
    connectors: HttpConnectors,
    connector: Arc<Connector>,
    scope: Scope,
}

impl Weir {
    fn new(url: &str) -> anyhow::Result<Self> {
        let settings: ConnectorSettings =
            serde_json::from_value(json!({ "egress": { "allow": [{ "cidr": "127.0.0.1/32" }] } }))?;
        let document = json!({
            "connector": "risk",
            "base-url": url,
            "functions": [{
                "name": "score",
                "method": "POST",
                "endpoint": "/score",
                "arguments": [{ "name": "email", "type": "string", "required": true }],
                "body": { "email": "${args.email}", "about": "${event.about}" },
            }],
        });
        let connectors = HttpConnectors::new(settings, Arc::new(NoCredentials), Arc::new(SystemResolver))?;
        let connector = Arc::new(Connector { version: 1, document: serde_json::from_value(document)? });
        Ok(Self { connectors, connector, scope: Scope::new([("event", body())]) })
    }

    async fn call(&self) -> anyhow::Result<Duration> {
        let arguments = json!({ "email": "ada@example.org" });
        let arguments = arguments.as_object().context("an object")?;
        let function = "score".parse()?;
        let context = CallContext {
            tenant: "bench".parse()?,
            request_id: RequestId::generate(),
            idempotency_key: "run.step".to_owned(),
            budget: Duration::from_secs(30),
            attempts: weir_engine::ports::Attempts::OfFunction,
        };
        let started = Instant::now();
        let bound = self.connectors.bind(&self.connector, &function, arguments, &self.scope)?;
        let request = bound.request().clone();
        let permitted = bound.permit(request)?;
        let exchange = self.connectors.send(&context, &permitted).await;
        let read = self.connectors.read_response(&permitted, &exchange.outcome?, exchange.elapsed_us).await?;
        let elapsed = started.elapsed();
        anyhow::ensure!(read.body.get("score").is_some(), "no score");
        Ok(elapsed)
    }
}

/// The connector names none.
struct NoCredentials;

#[async_trait]
impl Credentials for NoCredentials {
    async fn credential(&self, _: &TenantId, _: &CredentialName) -> Result<Option<StoredCredential>, CredentialError> {
        Ok(None)
    }

    async fn identity(&self, _: &TenantId, _: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        Ok(None)
    }
}
