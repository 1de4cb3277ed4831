//! A permitted request goes over the wire: credentials, egress policy, one attempt, limits, masking.

mod authenticate;
mod clients;
mod outgoing;
mod read;
mod tls; // certificates that are shown and trusted
mod tls_fault; // what went wrong in a handshake, in words
mod transport;
#[cfg(test)]
mod tls_tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use weir_engine::connector::{Connection, PermittedRequest};
use weir_engine::duration_text;
use weir_engine::message::Response;
use weir_engine::ports::{Attempt, CallContext, ConnectorError, ConnectorErrorKind, Exchange, Timings};

pub use self::clients::SetupError;
use self::clients::{Client, Clients};
use self::transport::Target;
use crate::credentials::Credentials;
use crate::error::{error, of_function};
use crate::mask::Masker;
use crate::resolve::Resolver;
use crate::settings::{Ceilings, ConnectorSettings};

/// Sends permitted requests.
pub(crate) struct Sender {
    credentials: Arc<dyn Credentials>,
    clients: Clients,
    ceilings: Ceilings,
}

impl Sender {
    /// # Errors
    /// See [`SetupError`].
    pub(crate) fn new(
        settings: ConnectorSettings,
        credentials: Arc<dyn Credentials>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, SetupError> {
        let ceilings = settings.ceilings.effective();
        Ok(Self { credentials, clients: Clients::new(settings, resolver, clients::public_roots())?, ceilings })
    }

    /// Sends, within the budget of the call (E-05).
    pub(crate) async fn send(&self, context: &CallContext, request: &PermittedRequest) -> Exchange {
        let started = Instant::now();
        let mut masker = Arc::default();
        let mut attempts = Vec::new();
        let outcome = self.try_send(context, request, &mut masker, &mut attempts).await;
        let document = &request.connector().document;
        let place = of_function(document.connector.as_str(), request.function().name.as_str());
        let safe = |it: ConnectorError| place(ConnectorError { message: masker.text(&it.message), ..it });
        for attempt in &mut attempts {
            attempt.error = attempt.error.take().map(&safe);
        }
        let outcome = outcome.map_err(safe);
        log(context, request, &outcome);
        Exchange { outcome, attempts, elapsed_us: micros_since(started) }
    }

    async fn try_send(
        &self,
        context: &CallContext,
        request: &PermittedRequest,
        masker: &mut Arc<Masker>,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Response, ConnectorError> {
        let target = Target::of(&request.request().uri);
        let connection = self.ceilings.hold(&request.connector().document.connection);
        let budget = Limit::budget(context.budget);
        let mut secrets = Masker::default();
        let authorization = timeout_at(budget.at, self.authorization(context, request, &mut secrets)).await;
        *masker = Arc::new(secrets);
        let authorization = authorization.map_err(|_| budget.passed(&target))??;
        let outgoing = outgoing::build(context, request.request(), authorization)?;
        let tls = self.tls_of(&context.tenant, &request.connector().document, &target);
        let tls = timeout_at(budget.at, tls).await.map_err(|_| budget.passed(&target))??;
        let client = self.clients.client(&context.tenant, &target, &connection, &tls)?;
        client.policy.check_literal(&target)?;
        // One attempt; retries (C-18) repeat from here, each under its own time-out and all under the budget.
        let limit = budget.earlier(Limit::request_timeout(connection.request_timeout));
        let ceilings = &self.ceilings;
        let call = Call { client: &client, target: &target, connection: &connection, ceilings, masker };
        let (attempt, outcome) = call.attempt(outgoing, limit).await;
        attempts.push(attempt);
        outcome
    }
}

/// What one attempt needs to know.
struct Call<'a> {
    client: &'a Client,
    target: &'a Target,
    connection: &'a Connection,
    ceilings: &'a Ceilings,
    masker: &'a Arc<Masker>,
}

impl Call<'_> {
    async fn attempt(&self, outgoing: reqwest::Request, limit: Limit) -> (Attempt, Result<Response, ConnectorError>) {
        let started = Instant::now();
        let mut attempt =
            Attempt { waited_us: 0, status: None, hops: Vec::new(), error: None, timings: Timings::default() };
        let outcome = timeout_at(limit.at, self.exchange(outgoing, started, &mut attempt)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(limit.passed(self.target)));
        attempt.timings.total_us = micros_since(started);
        attempt.error = outcome.as_ref().err().cloned();
        (attempt, outcome)
    }

    async fn exchange(
        &self,
        outgoing: reqwest::Request,
        started: Instant,
        attempt: &mut Attempt,
    ) -> Result<Response, ConnectorError> {
        let sent = self.client.http.execute(outgoing).await;
        let response = sent.map_err(|error| transport::explain(&error, self.target, self.connection))?;
        attempt.status = Some(response.status().as_u16());
        attempt.timings.first_byte_us = micros_since(started);
        let response = read::response(response, self).await?;
        self.masked(response).await
    }

    /// The response without the secrets; large ones on a thread that may be busy for a while.
    async fn masked(&self, response: Response) -> Result<Response, ConnectorError> {
        if response.body.as_slice().len() <= MASKED_HERE_MAX {
            return Ok(self.masker.response(response));
        }
        let masker = self.masker.clone();
        tokio::task::spawn_blocking(move || masker.response(response)).await.map_err(|_| {
            let message = format!("the response of `{}` was not searched for secrets; the host stops", self.target);
            error(ConnectorErrorKind::Protocol, message)
        })
    }
}

/// The longest body, in bytes, that is masked on a thread that serves other calls too.
const MASKED_HERE_MAX: usize = 64 << 10;

/// When a call must be over, and which setting says so.
#[derive(Clone, Copy)]
struct Limit {
    at: Instant,
    length: Duration,
    advice: &'static str,
}

/// An instant that no call reaches, for budgets that tokio's clock cannot hold.
const FAR: Duration = Duration::from_secs(86_400 * 365);

impl Limit {
    fn after(length: Duration, advice: &'static str) -> Self {
        let length = length.min(FAR);
        Self { at: Instant::now() + length, length, advice }
    }

    fn budget(length: Duration) -> Self {
        Self::after(length, "that is what was left of the time budget of the step or run")
    }

    fn request_timeout(length: Duration) -> Self {
        Self::after(length, "raise the connector's `request-timeout` if the outside system needs longer")
    }

    fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    fn passed(&self, target: &Target) -> ConnectorError {
        let (length, advice) = (duration_text::to_text(self.length), self.advice);
        error(ConnectorErrorKind::RequestTimeout, format!("`{target}` gave no full response within {length}; {advice}"))
    }
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Neither path, query, headers nor body: they may hold personal data.
fn log(context: &CallContext, request: &PermittedRequest, outcome: &Result<Response, ConnectorError>) {
    let (status, code) = match outcome {
        Ok(response) => (Some(response.status), None),
        Err(error) => (None, Some(error.kind.code())),
    };
    tracing::debug!(
        tenant = %context.tenant,
        request_id = %context.request_id,
        connector = %request.connector().document.connector,
        function = %request.function().name,
        method = request.request().method.as_str(),
        status,
        code,
        "connector call"
    );
}
