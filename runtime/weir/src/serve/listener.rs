//! Connections: HTTP/1.1, at most so many at once, each with so long for its headers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::config::Limits;

/// How long to wait after the system gave no connection, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest header section, in bytes; hyper answers 431 to larger ones.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// A listening socket and its connections.
pub(super) struct Listener {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Takes connections from now on.
    pub(super) fn start(socket: TcpListener, router: Router, limits: &Limits) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.header_time).max_buf_size(HEADER_BYTES_MAX);
        let acceptor = Acceptor { socket, router, http, places: Arc::new(Semaphore::new(limits.connections)) };
        Self { stop, task: tokio::spawn(acceptor.run(stopped)) }
    }

    /// Takes no further connections, and ends each after its present request.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns when every connection has ended.
    pub(super) async fn finished(self) {
        // A panic of the task is logged by the runtime; there is nothing to finish then.
        let _ = self.task.await;
    }
}

struct Acceptor {
    socket: TcpListener,
    router: Router,
    http: http1::Builder,
    places: Arc<Semaphore>,
}

impl Acceptor {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        loop {
            let connection = tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => break,
                connection = self.accept() => connection,
            };
            if let Some((stream, place)) = connection {
                self.spawn(stream, place, &graceful);
            }
        }
        drop(self.socket);
        graceful.shutdown().await;
    }

    async fn accept(&self) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, _)) => Some((stream, place)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                None
            }
        }
    }

    fn spawn(&self, stream: TcpStream, place: OwnedSemaphorePermit, graceful: &GracefulShutdown) {
        // Answers are small; waiting to fill a packet only makes them late.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(self.router.clone());
        let connection = graceful.watch(self.http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
}
