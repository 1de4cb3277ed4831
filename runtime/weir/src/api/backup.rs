//! A backup of the whole store, streamed while the server works. For operators: it holds what all tenants have.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures::stream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use weir_stores::BackupError;

use super::app::App;
use super::caller::{Caller, MakeBackups};
use crate::problem::{Problem, code};

const KIND: &str = "application/vnd.weir.backup";
/// Bytes that are handed to the connection at once.
const PIECE_BYTES: usize = 256 * 1024;
/// Pieces that wait for the connection.
const PIECES: usize = 4;
/// How long a caller may take nothing. While it does, large values that nobody needs any more keep their space.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A backup of everything that is stored, as of one instant within the request. The server goes on working. What is
/// encrypted stays so; the master key is not in it. A body without its last part is no backup: `weir restore --verify`
/// tells. `weir backup` takes it, checks it, and gives it its name only then.
#[utoipa::path(get, path = "/v1/backup", tag = "server", security(("key" = ["backups.make"])),
    responses(
        (status = 200, body = String, content_type = "application/vnd.weir.backup", description = "The backup."),
        (status = 409, body = crate::problem::ProblemBody, content_type = "application/problem+json",
            description = "Another one is being made.")
    ))]
pub(super) async fn make(
    _: Caller<MakeBackups>,
    State(app): State<Arc<App>>,
) -> Result<([(HeaderName, &'static str); 1], Body), Problem> {
    let (pieces, mut taken) = channel(PIECES);
    tokio::task::spawn_blocking(move || back_up(&app, pieces, &Handle::current()));
    match taken.recv().await {
        None => Err(Problem::without_cause()),
        Some(Err(error)) => Err(problem(error)),
        Some(Ok(first)) => Ok(([(CONTENT_TYPE, KIND)], Body::from_stream(body(first, taken)))),
    }
}

type Piece = Result<Bytes, BackupError>;

fn back_up(app: &App, pieces: Sender<Piece>, runtime: &Handle) {
    let mut writer = PieceWriter { pieces, runtime, waiting: Vec::with_capacity(PIECE_BYTES) };
    match app.backups.back_up(&mut writer, app.clock.now()) {
        Ok(dumped) => tracing::info!(dumped.bytes, dumped.left_out, "a backup was made"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, code = error.code(), "no backup was made");
            // Who has gone needs not be told.
            let _ = writer.send(Err(error));
        }
    }
}

/// What follows the first piece. An error ends the connection in the middle of the body, so that nobody takes what has
/// come for the whole.
fn body(first: Bytes, taken: Receiver<Piece>) -> impl stream::Stream<Item = Piece> {
    stream::unfold((Some(first), taken), async |(first, mut taken)| {
        let piece = match first {
            Some(first) => Ok(first),
            None => taken.recv().await?,
        };
        Some((piece, (None, taken)))
    })
}

fn problem(error: BackupError) -> Problem {
    match error {
        BackupError::InProgress => Problem::new(&code::BACKUP_IN_PROGRESS, error.to_string()),
        BackupError::Store(error) => error.into(),
        error => Problem::internal(&error),
    }
}

/// Hands a backup to the connection, piece by piece.
struct PieceWriter<'a> {
    pieces: Sender<Piece>,
    runtime: &'a Handle,
    waiting: Vec<u8>,
}

impl PieceWriter<'_> {
    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = self.runtime.block_on(tokio::time::timeout(STALL_MAX, self.pieces.send(piece)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the caller has gone")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the caller took nothing for too long")),
        }
    }
}

impl Write for PieceWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.waiting).into();
        self.send(Ok(piece))
    }
}
