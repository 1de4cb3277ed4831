//! One call: its place among the calls of its connector, its attempts, and the waits between them (C-18, C-21), all
//! within its budget (E-05).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use weir_engine::connector::{Connection, PermittedRequest};
use weir_engine::duration_text;
use weir_engine::message::Response;
use weir_engine::ports::{Attempt, Attempts, CallContext, ConnectorError, ConnectorErrorKind};

use super::attempt::{Answer, Leg, Traces, Tried};
use super::gate::{Gate, Place};
use super::limit::Limit;
use super::outgoing::Outgoing;
use super::transport::Target;
use super::{Sender, metrics, retry};
use crate::authenticate::Challenge;
use crate::error::error;
use crate::mask::Masker;

/// A call under way.
pub(super) struct Call<'a> {
    pub(super) sender: &'a Sender,
    pub(super) context: &'a CallContext,
    pub(super) request: &'a PermittedRequest,
    /// Held to the ceilings.
    pub(super) connection: Connection,
    pub(super) budget: Limit,
    /// The one attempt that an answer can ask for has been asked for.
    pub(super) challenged: bool,
    /// The secrets of all attempts so far.
    pub(super) masker: Arc<Masker>,
    /// The attempts so far.
    pub(super) attempts: Vec<Attempt>,
}

impl<'a> Call<'a> {
    /// Begins the budget.
    pub(super) fn new(sender: &'a Sender, context: &'a CallContext, request: &'a PermittedRequest) -> Self {
        Self {
            sender,
            context,
            request,
            connection: sender.ceilings.hold(&request.connector().document.connection),
            budget: Limit::budget(context.budget),
            challenged: false,
            masker: Arc::default(),
            attempts: Vec::new(),
        }
    }

    /// Makes the call.
    pub(super) async fn run(&mut self) -> Result<Response, ConnectorError> {
        let target = Target::of(&self.request.request().uri);
        let (wire, tenant) = (&self.sender.wire, &self.context.tenant);
        let tls = wire.tls_of(tenant, &self.request.connector().document, &target, false);
        let tls = timeout_at(self.budget.at, tls).await.map_err(|_| self.budget.passed(&target))??;
        let client = wire.open(tenant, &target, &self.connection, &tls)?;
        let outgoing = Outgoing::new(self.context, self.request.request())?;
        let gate = self.sender.gates.of(&self.context.tenant, self.request.connector());
        let _place = self.place(&gate).await?;
        self.attempts(&gate, || Leg {
            client: client.clone(),
            target: target.clone(),
            outgoing: outgoing.clone(),
            abroad: false,
        })
        .await
    }

    /// Waits for its turn. It is kept until the call is over, also while it waits for its next attempt: an outside
    /// system that is unwell gets fewer calls so.
    async fn place<'g>(&self, gate: &'g Gate) -> Result<Place<'g>, ConnectorError> {
        gate.breaker.check(self.connection.circuit_breaker)?;
        let (most, version) = (self.connection.concurrency_max, self.request.connector().version);
        let limit = self.budget.earlier(self.attempt_limit());
        gate.places.take(most, version, limit.at).await.ok_or_else(|| {
            let waited = duration_text::to_text(limit.length);
            let message = format!(
                "{most} calls of this connector are under way, and none ended within {waited}; call it less often, or raise the connector's `concurrency-max` if its outside system can take more"
            );
            error(ConnectorErrorKind::ConcurrencyLimit, message)
        })
    }

    /// When an attempt that begins now must be over: by the connector, or earlier where the caller says so.
    pub(super) fn attempt_limit(&self) -> Limit {
        let own = Limit::request_timeout(self.connection.request_timeout);
        match self.context.attempts {
            Attempts::OfFunction => own,
            Attempts::One { timeout } => own.earlier(Limit::of_caller(timeout)),
        }
    }

    async fn attempts(&mut self, gate: &Gate, leg: impl Fn() -> Leg) -> Result<Response, ConnectorError> {
        let mut challenge = None;
        let (mut made, mut waited) = (0, Duration::ZERO);
        let mut last = None;
        loop {
            let pass = match (gate.breaker.pass(self.connection.circuit_breaker), last.take()) {
                (Ok(pass), _) => pass,
                // It opened meanwhile: what the last attempt gave is what the call gives.
                (Err(_), Some(outcome)) => return outcome,
                (Err(open), None) => return Err(open),
            };
            let leg = leg();
            let request = self.request_within_budget(&leg, challenge.as_ref()).await?;
            let Tried { mut attempt, outcome, traces } = self.attempt(leg, request, challenge.as_ref()).await;
            pass.judge(traces.verdict());
            attempt.waited_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
            self.attempts.push(attempt);
            let outcome = match outcome {
                // One more attempt, which is no retry: nobody was let in yet.
                Ok(Answer::Challenge(asked)) => {
                    (challenge, waited, self.challenged) = (Some(asked), Duration::ZERO, true);
                    continue;
                }
                Ok(Answer::Response(response)) => Ok(response),
                Err(error) => Err(error),
            };
            challenge = challenge.filter(outlives_a_request);
            made += 1;
            let Some(wait) = self.wait(made, &traces) else { return outcome };
            sleep(wait).await;
            waited = wait;
            last = Some(outcome);
        }
    }

    /// The wait before another attempt, if there is one and the budget has room for it. A caller that asked for one
    /// attempt decides itself.
    fn wait(&self, made: u8, traces: &Traces) -> Option<Duration> {
        if let Attempts::One { .. } = self.context.attempts {
            return None;
        }
        let policy = &self.request.function().retry;
        if made >= policy.attempts_max.min(self.sender.ceilings.attempts_max) {
            return None;
        }
        let method = reqwest::Method::from_bytes(self.request.request().method.as_str().as_bytes()).ok()?;
        let reason = retry::reason(policy, &method, traces)?;
        let wait = retry::wait(policy, made, traces.retry_after, rand::random())?;
        if Instant::now() + wait >= self.budget.at {
            return None;
        }
        metrics::retry(reason);
        Some(wait)
    }

    async fn request_within_budget(
        &mut self,
        leg: &Leg,
        challenge: Option<&Challenge>,
    ) -> Result<reqwest::Request, ConnectorError> {
        let budget = self.budget;
        let request = timeout_at(budget.at, self.request_of(leg, challenge)).await;
        request.map_err(|_| budget.passed(&leg.target))?
    }

    /// The request as it goes out: authenticated, unless it goes to another origin.
    pub(super) async fn request_of(
        &mut self,
        leg: &Leg,
        challenge: Option<&Challenge>,
    ) -> Result<reqwest::Request, ConnectorError> {
        let mut request = leg.outgoing.request();
        if !leg.abroad {
            let document = &self.request.connector().document;
            let masker = Arc::make_mut(&mut self.masker);
            let authenticator = &self.sender.authenticator;
            authenticator.authenticate(self.context, document, &mut request, challenge, masker).await?;
        }
        Ok(request)
    }
}

/// Whether what an answer asked for is for later requests of the call too: they need no further token, but the nonce is
/// still the one to use.
pub(super) fn outlives_a_request(asked: &Challenge) -> bool {
    matches!(asked, Challenge::Digest(_))
}
