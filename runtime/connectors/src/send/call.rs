//! One call: its attempts.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use weir_engine::connector::{Connection, PermittedRequest};
use weir_engine::message::Response;
use weir_engine::ports::{Attempt, CallContext, ConnectorError, ConnectorErrorKind, Timings};

use super::clients::Client;
use super::limit::Limit;
use super::transport::Target;
use super::{Sender, micros_since, outgoing, read};
use crate::authenticate::Challenge;
use crate::error::error;
use crate::mask::Masker;

/// A call under way.
pub(super) struct Call<'a> {
    sender: &'a Sender,
    context: &'a CallContext,
    request: &'a PermittedRequest,
    target: Target,
    /// Held to the ceilings.
    connection: Connection,
    budget: Limit,
    /// The secrets of all attempts so far.
    pub(super) masker: Arc<Masker>,
    /// The attempts so far.
    pub(super) attempts: Vec<Attempt>,
}

/// What an attempt came to.
enum Tried {
    Response(Response),
    Challenged(Challenge),
}

impl<'a> Call<'a> {
    /// Begins the budget.
    pub(super) fn new(sender: &'a Sender, context: &'a CallContext, request: &'a PermittedRequest) -> Self {
        Self {
            sender,
            context,
            request,
            target: Target::of(&request.request().uri),
            connection: sender.ceilings.hold(&request.connector().document.connection),
            budget: Limit::budget(context.budget),
            masker: Arc::default(),
            attempts: Vec::new(),
        }
    }

    /// Makes the attempts.
    pub(super) async fn run(&mut self) -> Result<Response, ConnectorError> {
        let client = self.sender.wire.open(&self.context.tenant, &self.target, &self.connection)?;
        let mut challenge = None;
        loop {
            let outgoing = self.outgoing(challenge.as_ref()).await?;
            // One more attempt after a challenge is no retry: the first one was never let in.
            match self.attempt(&client, outgoing, challenge.as_ref()).await? {
                Tried::Response(response) => return Ok(response),
                Tried::Challenged(asked) => challenge = Some(asked),
            }
        }
    }

    /// The request of one attempt, authenticated.
    async fn outgoing(&mut self, challenge: Option<&Challenge>) -> Result<reqwest::Request, ConnectorError> {
        let mut outgoing = outgoing::build(self.context, self.request.request())?;
        let document = &self.request.connector().document;
        let masker = Arc::make_mut(&mut self.masker);
        let authenticator = &self.sender.authenticator;
        let authenticated = authenticator.authenticate(self.context, document, &mut outgoing, challenge, masker);
        timeout_at(self.budget.at, authenticated).await.map_err(|_| self.budget.passed(&self.target))??;
        Ok(outgoing)
    }

    async fn attempt(
        &mut self,
        client: &Client,
        outgoing: reqwest::Request,
        challenge: Option<&Challenge>,
    ) -> Result<Tried, ConnectorError> {
        let limit = self.budget.earlier(Limit::request_timeout(self.connection.request_timeout));
        let started = Instant::now();
        let mut attempt =
            Attempt { waited_us: 0, status: None, hops: Vec::new(), error: None, timings: Timings::default() };
        let outcome = timeout_at(limit.at, self.exchange(client, outgoing, challenge, started, &mut attempt)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(limit.passed(&self.target)));
        attempt.timings.total_us = micros_since(started);
        attempt.error = outcome.as_ref().err().cloned();
        self.attempts.push(attempt);
        outcome
    }

    async fn exchange(
        &self,
        client: &Client,
        outgoing: reqwest::Request,
        challenge: Option<&Challenge>,
        started: Instant,
        attempt: &mut Attempt,
    ) -> Result<Tried, ConnectorError> {
        let response = client.execute(outgoing, &self.target, &self.connection).await?;
        let status = response.status().as_u16();
        attempt.status = Some(status);
        attempt.timings.first_byte_us = micros_since(started);
        let document = &self.request.connector().document;
        let asked = self.sender.authenticator.challenged(document, status, response.headers(), challenge);
        // Once only, whatever the answer to the second attempt asks for.
        if let Some(asked) = asked.filter(|_| challenge.is_none()) {
            return Ok(Tried::Challenged(asked));
        }
        let response = read::response(response, &self.sender.wire.reading(&self.target, &self.connection)).await?;
        self.masked(response).await.map(Tried::Response)
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
