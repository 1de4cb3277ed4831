//! A permitted request goes over the wire: attempts, each authenticated and under the egress policy, limits, masking.

mod call; // the attempts of a call
mod gate; // when it may make them
mod attempt; // one of them
mod redirect; // where an answer leads
mod retry; // whether there is another
mod outgoing; // what is sent
mod read; // what comes back
mod wire; // one request to its own target
mod clients;
mod tls; // certificates that are shown and trusted
mod tls_fault; // what went wrong in a handshake, in words
mod transport;
mod limit;
mod timings;
mod metrics;
#[cfg(test)]
mod tls_tests;

use std::sync::Arc;

use tokio::time::Instant;
use weir_engine::connector::PermittedRequest;
use weir_engine::message::Response;
use weir_engine::ports::{CallContext, ConnectorError, Exchange};

use self::call::Call;
use self::clients::Clients;
pub use self::clients::SetupError;
use self::gate::Gates;
pub(crate) use self::timings::resolving;
pub(crate) use self::wire::{Terms, Wire};
use crate::authenticate::Authenticator;
use crate::credentials::Credentials;
use crate::error::of_function;
use crate::resolve::Resolver;
use crate::settings::{Ceilings, ConnectorSettings};

/// Sends permitted requests.
pub(crate) struct Sender {
    authenticator: Authenticator,
    wire: Arc<Wire>,
    gates: Gates,
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
        let clients = Clients::new(settings.clone(), resolver, clients::public_roots())?;
        Ok(Self::over(clients, credentials, &settings))
    }

    /// Over these clients.
    fn over(clients: Clients, credentials: Arc<dyn Credentials>, settings: &ConnectorSettings) -> Self {
        let ceilings = settings.ceilings.effective();
        let wire = Arc::new(Wire::new(clients, credentials.clone(), ceilings.clone()));
        let authenticator = Authenticator::new(credentials, wire.clone());
        Self { authenticator, wire, gates: Gates::new(&settings.pool), ceilings }
    }

    /// Sends, within the budget of the call (E-05).
    pub(crate) async fn send(&self, context: &CallContext, request: &PermittedRequest) -> Exchange {
        let started = Instant::now();
        let mut call = Call::new(self, context, request);
        let outcome = call.run().await;
        let document = &request.connector().document;
        let place = of_function(document.connector.as_str(), request.function().name.as_str());
        let masker = &call.masker;
        let safe = |it: ConnectorError| place(ConnectorError { message: masker.text(&it.message), ..it });
        for attempt in &mut call.attempts {
            attempt.error = attempt.error.take().map(&safe);
        }
        let outcome = outcome.map_err(safe);
        log(context, request, &outcome);
        let exchange = Exchange { outcome, attempts: call.attempts, elapsed_us: micros_since(started) };
        metrics::call(&exchange);
        exchange
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
