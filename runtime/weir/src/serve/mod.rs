//! The server: start, serve, drain, stop.

mod bootstrap; // the first operator's key
mod expiry; // counts identities that expire soon
mod error; // why the server did not start
mod listener; // connections, with their limits
mod wire; // ports and what fills them

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use weir_engine::engine::Engine;

pub(crate) use self::error::ServeError;
pub(crate) use self::wire::inspected;
use crate::api::{self, App, Phase};
use crate::config::{Config, ServerConfig};
use crate::{output, telemetry};

/// Serves until SIGTERM or SIGINT, then finishes what is in flight.
///
/// # Errors
/// See [`ServeError`].
pub(crate) fn run(config: Config) -> Result<(), ServeError> {
    telemetry::start_log(&config.log)?;
    forbid_core_dumps();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Runtime)?;
    runtime.block_on(serve(config))
}

/// Keys in memory must not land in a file (K-01).
fn forbid_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    if let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }) {
        tracing::warn!(%error, "core dumps could not be switched off");
    }
}

async fn serve(config: Config) -> Result<(), ServeError> {
    let mut stop = StopSignals::listen().map_err(ServeError::Runtime)?;
    let (phase, phases) = watch::channel(Phase::Recovering);
    let server = config.server.clone();
    let app = wire::wire(config, phases).await?;
    // The port first: a second server on it ends before it touches a run. The leases of the process before this one
    // end next, so that none of a run that is started here can be among them.
    let bound = bind(server.listen).await?;
    match app.engine.recover().await {
        Ok(recovered) => tracing::info!(recovered, "unfinished runs go on"),
        Err(error) => {
            let code = error.code();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                code,
                "runs could not be claimed yet; it is tried again"
            );
        }
    }
    let listening = Listening::start(bound, &server, &app).await?;
    let work = tokio::spawn(Arc::clone(&app.engine).work());
    let counting = tokio::spawn(expiry::count(Arc::clone(&app)));
    phase.send_replace(Phase::Serving);
    output::remark(&format!("weir: serving on http://{}", listening.address));

    let name = stop.received().await;
    output::remark(&format!("weir: {name}: finishing what is in flight"));
    phase.send_replace(Phase::Draining);
    listening.stop();
    counting.abort();
    drain(&app.engine, &server, listening, work).await;
    Ok(())
}

/// The connections of the API and of the metrics.
struct Listening {
    address: std::net::SocketAddr,
    api: listener::Listener,
    metrics: Option<listener::Listener>,
}

impl Listening {
    async fn start(bound: TcpListener, server: &ServerConfig, app: &Arc<App>) -> Result<Self, ServeError> {
        let address = bound.local_addr().map_err(ServeError::Runtime)?;
        let metrics = match server.metrics_listen {
            Some(address) => {
                let router = api::metrics_router(Arc::clone(app));
                Some(listener::Listener::start(bind(address).await?, router, &app.limits))
            }
            None => None,
        };
        let api = listener::Listener::start(bound, api::router(Arc::clone(app)), &app.limits);
        Ok(Self { address, api, metrics })
    }

    /// Takes no further connections.
    fn stop(&self) {
        self.api.stop();
        self.metrics.iter().for_each(listener::Listener::stop);
    }

    async fn finished(self) {
        self.api.finished().await;
        if let Some(metrics) = self.metrics {
            metrics.finished().await;
        }
    }
}

async fn bind(address: std::net::SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Steps and requests in flight share one grace.
async fn drain(engine: &Arc<Engine>, server: &ServerConfig, listening: Listening, work: JoinHandle<()>) {
    let grace = server.shutdown_grace;
    let (left, requests) = tokio::join!(engine.drain(grace), tokio::time::timeout(grace, listening.finished()));
    work.abort();
    if left > 0 {
        tracing::warn!(left, "runs were still in a step; the next start goes on with them");
    }
    if requests.is_err() {
        tracing::warn!("requests were still in flight after the grace");
    }
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
