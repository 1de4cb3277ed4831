//! WASI with nothing behind it: no files, no environment, no network; a clock that stands, randomness from the seed,
//! and prints that become log lines (P-06, S-07).

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};
use weir_engine::time::Timestamp;

use super::log::{SharedLog, Stream};
use super::random::SeededStream;

/// Most random bytes for one call; what browsers give.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Bytes that a guest may print in one go.
const PRINT_BYTES_MAX: usize = 8 << 10;

/// The context of one invocation.
pub(super) fn context(started_at: Timestamp, seed: u64, log: &SharedLog) -> WasiCtx {
    let clock = StandingClock(Duration::from_millis(started_at.as_millis()));
    WasiCtxBuilder::new()
        .wall_clock(clock)
        .monotonic_clock(clock)
        .secure_random(SeededStream::new(seed, "random"))
        .insecure_random(SeededStream::new(seed, "insecure"))
        .insecure_random_seed(SeededStream::new(seed, "insecure-seed").next_u128())
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .stdout(Printer { stream: Stream::Stdout, log: log.clone() })
        .stderr(Printer { stream: Stream::Stderr, log: log.clone() })
        .build()
}

/// A clock that stands at the start of the invocation. As the monotonic clock it does not begin at zero, because
/// programs subtract from it.
#[derive(Clone, Copy)]
struct StandingClock(Duration);

/// The resolution of `started-at`.
const RESOLUTION: Duration = Duration::from_millis(1);

impl HostWallClock for StandingClock {
    fn resolution(&self) -> Duration {
        RESOLUTION
    }

    fn now(&self) -> Duration {
        self.0
    }
}

impl HostMonotonicClock for StandingClock {
    fn resolution(&self) -> u64 {
        u64::try_from(RESOLUTION.as_nanos()).unwrap_or(u64::MAX)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// One of the guest's output streams, into the log.
struct Printer {
    stream: Stream,
    log: SharedLog,
}

impl IsTerminal for Printer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printer {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // WASI 0.2, the only one linked, asks for `p2_stream`.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self { stream: self.stream, log: self.log.clone() })
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Printer {
    async fn ready(&mut self) {}
}

impl OutputStream for Printer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.lock().print(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PRINT_BYTES_MAX)
    }
}
