//! Where the time of opening a connection goes.
//!
//! The resolver, the session store of TLS and the connector of the HTTP client each say when they are reached, to the
//! attempt in whose task they run. Where another task goes on with opening the connection, because one came free
//! meanwhile, nobody listens, and the attempt has no such times: it did not use that connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use rustls::NamedGroup;
use rustls::client::{ClientSessionMemoryCache, ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use tokio::time::Instant;
use tower::{Layer, Service};
use weir_engine::ports::Timings;

tokio::task_local! {
    static RECORDER: Recorder;
}

/// The times of one attempt.
#[derive(Clone, Default)]
pub(super) struct Recorder(Arc<Mutex<Marks>>);

#[derive(Default)]
struct Marks {
    opening: Option<Opening>,
    /// Of connections that are open.
    sum: Timings,
}

/// A connection that is being opened.
struct Opening {
    stage: Stage,
    since: Instant,
    times: Timings,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Resolving,
    Connecting,
    Shaking,
}

impl Recorder {
    /// Does something that may open connections.
    pub(super) async fn listen<F: Future>(&self, doing: F) -> F::Output {
        RECORDER.scope(self.clone(), doing).await
    }

    /// Adds the times of the connections that were opened; where there is no answer, also those of one that was not.
    pub(super) fn fill(&self, timings: &mut Timings, answered: bool) {
        let mut marks = self.marks();
        if let Some(opening) = marks.opening.take().filter(|_| !answered) {
            add(&mut marks.sum, &opening.times);
        }
        add(timings, &marks.sum);
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(sum: &mut Timings, more: &Timings) {
    for (sum, more) in
        [(&mut sum.dns_us, more.dns_us), (&mut sum.connect_us, more.connect_us), (&mut sum.tls_us, more.tls_us)]
    {
        if let Some(more) = more {
            *sum = Some(sum.unwrap_or_default().saturating_add(more));
        }
    }
}

impl Opening {
    fn at(stage: Stage) -> Self {
        Self { stage, since: Instant::now(), times: Timings::default() }
    }

    /// Ends the stage.
    fn pass(&mut self, next: Option<Stage>) {
        let micros = super::micros_since(self.since);
        match self.stage {
            Stage::Resolving => self.times.dns_us = Some(micros),
            Stage::Connecting => self.times.connect_us = Some(micros),
            Stage::Shaking => self.times.tls_us = Some(micros),
        }
        if let Some(next) = next {
            (self.stage, self.since) = (next, Instant::now());
        }
    }
}

fn mark(change: impl FnOnce(&mut Marks)) {
    // Nobody listens: a connection that another task opens.
    let _ = RECORDER.try_with(|recorder| change(&mut recorder.marks()));
}

/// Looks a name up, and says how long that took.
pub(crate) async fn resolving<T>(lookup: impl Future<Output = T>) -> T {
    mark(|marks| marks.opening = Some(Opening::at(Stage::Resolving)));
    let answer = lookup.await;
    mark(|marks| marks.opening.iter_mut().for_each(|opening| opening.pass(Some(Stage::Connecting))));
    answer
}

/// Says when connections are opened, and are open.
#[derive(Clone)]
pub(super) struct TimedLayer;

impl<S> Layer<S> for TimedLayer {
    type Service = Timed<S>;

    fn layer(&self, connector: S) -> Timed<S> {
        Timed(connector)
    }
}

/// See [`TimedLayer`].
#[derive(Clone)]
pub(super) struct Timed<S>(S);

impl<S, R> Service<R> for Timed<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connecting = self.0.call(target);
        Box::pin(async move {
            mark(|marks| marks.opening = Some(Opening::at(Stage::Connecting)));
            let connection = connecting.await;
            if connection.is_ok() {
                mark(|marks| {
                    if let Some(mut opening) = marks.opening.take() {
                        opening.pass(None);
                        add(&mut marks.sum, &opening.times);
                    }
                });
            }
            connection
        })
    }
}

/// Sessions that can be taken up again. It is asked for one when the first message of a handshake is made, and so
/// knows when the handshake begins.
#[derive(Debug)]
pub(super) struct Sessions(ClientSessionMemoryCache);

impl Sessions {
    /// Keeps at most that many.
    pub(super) fn new(most: usize) -> Self {
        Self(ClientSessionMemoryCache::new(most))
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server_name: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(server_name, group);
    }

    fn kx_hint(&self, server_name: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(server_name)
    }

    fn set_tls12_session(&self, server_name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(server_name, value);
    }

    fn tls12_session(&self, server_name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(server_name)
    }

    fn remove_tls12_session(&self, server_name: &ServerName<'static>) {
        self.0.remove_tls12_session(server_name);
    }

    fn insert_tls13_ticket(&self, server_name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(server_name, value);
    }

    fn take_tls13_ticket(&self, server_name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        mark(|marks| {
            if let Some(opening) = marks.opening.as_mut().filter(|opening| opening.stage == Stage::Connecting) {
                opening.pass(Some(Stage::Shaking));
            }
        });
        self.0.take_tls13_ticket(server_name)
    }
}
