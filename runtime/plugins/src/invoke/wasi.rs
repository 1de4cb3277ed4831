//! WASI with nothing behind it: no files, no environment, no network; a clock that stands, so that sleeping takes no
//! time; randomness from the seed; and prints that become log lines (P-06, S-07).

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::Resource;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::HostWallClock;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};
use weir_engine::time::Timestamp;

use super::log::{SharedLog, Stream};
use super::random::SeededStream;
use super::state::HostState;

/// Most random bytes for one call; what browsers give.
const RANDOM_BYTES_MAX: u64 = 64 << 10;
/// Bytes that a guest may print in one go.
const PRINT_BYTES_MAX: usize = 8 << 10;

/// The context of one invocation.
pub(super) fn context(started_at: Timestamp, seed: u64, log: &SharedLog) -> WasiCtx {
    let clock = StandingClock(started(started_at));
    WasiCtxBuilder::new()
        .wall_clock(clock)
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

fn started(at: Timestamp) -> Duration {
    Duration::from_millis(at.as_millis())
}

/// A clock that stands at the start of the invocation.
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The monotonic clock stands too. It does not begin at zero, because programs subtract from it. Whoever waits for it
/// does not wait: its pollables are ready from the start, however far away their time is. Were they ready in time, they
/// would tell the time, and no two invocations would be the same.
impl monotonic_clock::Host for HostState {
    fn now(&mut self) -> wasmtime::Result<monotonic_clock::Instant> {
        Ok(nanos(started(self.started_at)))
    }

    fn resolution(&mut self) -> wasmtime::Result<monotonic_clock::Duration> {
        Ok(nanos(RESOLUTION))
    }

    fn subscribe_instant(&mut self, _: monotonic_clock::Instant) -> wasmtime::Result<Resource<DynPollable>> {
        past(self)
    }

    fn subscribe_duration(&mut self, _: monotonic_clock::Duration) -> wasmtime::Result<Resource<DynPollable>> {
        past(self)
    }
}

/// A time that is over.
struct Past;

#[wasmtime_wasi::async_trait]
impl Pollable for Past {
    async fn ready(&mut self) {}
}

fn past(state: &mut HostState) -> wasmtime::Result<Resource<DynPollable>> {
    let past = state.resources.push(Past)?;
    subscribe(&mut state.resources, past)
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
