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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    async fn start(change: impl FnOnce(&mut Limits)) -> (std::net::SocketAddr, Listener) {
        let dir = tempfile::tempdir().unwrap();
        let mut limits = crate::config::Config::for_tests(dir.path()).limits;
        change(&mut limits);
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        (address, Listener::start(socket, Router::new().route("/", get(|| async { "hello" })), &limits))
    }

    async fn answer(stream: &mut TcpStream) -> String {
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test]
    async fn connections_at_once() {
        // keeps A4
        let (address, _listener) = start(|limits| limits.connections = 1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut first).await.ends_with("hello"));
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(REQUEST).await.unwrap();
        let waits = tokio::time::timeout(Duration::from_millis(200), answer(&mut second)).await;
        assert!(waits.is_err(), "the second one is not accepted while the first one is there");
        drop(first);
        assert!(answer(&mut second).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn a_header_section_has_its_time_and_its_size() {
        // keeps A4
        let (address, _listener) = start(|limits| limits.header_time = Duration::from_millis(200)).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost").await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(10), slow.read(&mut [0; 1024])).await;
        assert!(closed.is_ok(), "the connection is closed");
        let mut large = TcpStream::connect(address).await.unwrap();
        let mut header = b"GET / HTTP/1.1\r\nhost: x\r\nx: ".to_vec();
        header.resize(HEADER_BYTES_MAX, b'x');
        large.write_all(&header).await.unwrap();
        assert!(answer(&mut large).await.starts_with("HTTP/1.1 431"));
    }

    #[tokio::test]
    async fn a_stop_ends_idle_connections_and_takes_no_others() {
        // covers T-06
        let (address, listener) = start(|_| {}).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut idle).await.ends_with("hello"));
        listener.stop();
        tokio::time::timeout(Duration::from_secs(10), listener.finished()).await.unwrap();
        assert_eq!(answer(&mut idle).await, "");
        assert!(TcpStream::connect(address).await.is_err());
    }
}
