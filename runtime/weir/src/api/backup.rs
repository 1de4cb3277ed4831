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
use weir_engine::time::Timestamp;
use weir_stores::{BackupError, Backups};

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
    let (backups, now) = (Arc::clone(&app.backups), app.clock.now());
    tokio::task::spawn_blocking(move || back_up(&*backups, now, pieces, &Handle::current()));
    answer(&mut taken).await.map(|first| ([(CONTENT_TYPE, KIND)], Body::from_stream(body(first, taken))))
}

/// The first piece, or why there is none.
async fn answer(taken: &mut Receiver<Piece>) -> Result<Bytes, Problem> {
    match taken.recv().await {
        None => Err(Problem::without_cause()),
        Some(Err(error)) => Err(problem(error)),
        Some(Ok(first)) => Ok(first),
    }
}

type Piece = Result<Bytes, BackupError>;

fn back_up(backups: &dyn Backups, now: Timestamp, pieces: Sender<Piece>, runtime: &Handle) {
    let mut writer = PieceWriter { pieces, runtime, waiting: Vec::with_capacity(PIECE_BYTES) };
    match backups.back_up(&mut writer, now) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use weir_stores::Dumped;

    /// Gives so many pieces, and then breaks off.
    struct Breaks(usize);

    impl Backups for Breaks {
        fn back_up(&self, to: &mut dyn Write, _: Timestamp) -> Result<Dumped, BackupError> {
            if self.0 > 0 {
                let piece = vec![7; PIECE_BYTES];
                (0..self.0).try_for_each(|_| to.write_all(&piece)).map_err(BackupError::Write)?;
            }
            Err(BackupError::InProgress)
        }
    }

    fn taken_from(backups: Breaks) -> Receiver<Piece> {
        let (pieces, taken) = channel(PIECES);
        let now = Timestamp::from_millis(1);
        tokio::task::spawn_blocking(move || back_up(&backups, now, pieces, &Handle::current()));
        taken
    }

    #[tokio::test]
    async fn what_fails_before_its_beginning_is_a_problem() {
        let problem = answer(&mut taken_from(Breaks(0))).await.unwrap_err();
        assert_eq!(problem.code(), "backup.in-progress");
    }

    #[tokio::test]
    async fn what_fails_in_the_middle_breaks_off() {
        // covers T-07: nobody takes half of a backup for a whole one
        let mut taken = taken_from(Breaks(3));
        let first = answer(&mut taken).await.unwrap();
        let pieces: Vec<Piece> = body(first, taken).collect().await;
        assert!(pieces.iter().take(3).all(Result::is_ok));
        assert!(pieces.last().is_some_and(Result::is_err));
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_ends_it() {
        let (pieces, taken) = channel(PIECES);
        drop(taken);
        let write = move || {
            let mut writer = PieceWriter { pieces, runtime: &Handle::current(), waiting: Vec::new() };
            writer.write_all(&vec![7; PIECE_BYTES])
        };
        let error = tokio::task::spawn_blocking(write).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
