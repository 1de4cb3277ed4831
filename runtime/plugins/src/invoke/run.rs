//! From start to report.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wasmtime::{Store, UpdateDeadline};
use weir_engine::ports::{GrantedCalls, HookError, HookErrorKind, HookReport, Invocation, InvocationLimits};

use super::bindings::types;
use super::failure::{self, Failure, Phase};
use super::from_guest::{Reader, Rejected};
use super::hook::Hook;
use super::log::clean;
use super::state::{CallRequest, HostState};
use super::to_guest;
use crate::library::Loaded;

/// Room beyond the limit of output for what lifting a value takes besides its bytes: records, lengths, headers.
const LIFT_BYTES: u64 = 64 << 10;
/// Component handles that a guest may hold at once.
const HANDLES_MAX: usize = 10_000;
/// Longest text of a fault, in characters.
const FAULT_CHARS_MAX: usize = 4_000;

/// What an invocation begins with.
pub(crate) struct Start<'a> {
    pub(crate) plugin: Arc<Loaded>,
    pub(crate) invocation: &'a Invocation,
    /// The invocation's limits under the host's ceiling.
    pub(crate) limits: InvocationLimits,
    pub(crate) calls: &'a dyn GrantedCalls,
}

/// Runs one hook. Whatever the guest does, and whatever a host function does, this gives a report.
pub(crate) async fn run<H: Hook>(start: Start<'_>, hook: &H) -> HookReport<H::Decision> {
    let (sender, requests) = mpsc::channel(1);
    let mut store = Store::new(start.plugin.engine(), HostState::new(start.invocation, &start.limits, sender));
    let started = Instant::now();
    let outcome = match prepare(&mut store, &start.limits, started) {
        Ok(()) => within_limits(&start, hook, &mut store, requests, started).await,
        Err(error) => Err(Failure::new(HookErrorKind::Host, format!("the host could not limit it: {error:#}"))),
    };
    let elapsed = started.elapsed();
    // The store is never entered again: only what the host put there is read.
    let fuel = start.limits.fuel.saturating_sub(store.get_fuel().unwrap_or_default());
    let (logs, logs_dropped) = store.data().log.lock().finish();
    let outcome = outcome.map_err(|failure| hook_error::<H>(start.invocation, failure, fuel));
    HookReport { outcome, logs, logs_dropped, fuel, elapsed_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) }
}

/// Puts the limits on the store.
fn prepare(store: &mut Store<HostState>, limits: &InvocationLimits, started: Instant) -> wasmtime::Result<()> {
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(limits.fuel)?;
    let lift_bytes = limits.output_bytes.saturating_add(LIFT_BYTES);
    store.set_hostcall_fuel(usize::try_from(lift_bytes).unwrap_or(usize::MAX));
    store.set_max_component_handles(HANDLES_MAX);
    let deadline = started + limits.time();
    // At every tick the guest lets others run; after its deadline it is stopped, and the trap shows where it was.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        Ok(if Instant::now() >= deadline { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
    });
    Ok(())
}

type Outcome<D> = Result<D, Failure>;

/// Runs the hook under its deadline, and catches a panic of the host (S-08).
async fn within_limits<H: Hook>(
    start: &Start<'_>,
    hook: &H,
    store: &mut Store<HostState>,
    requests: mpsc::Receiver<CallRequest>,
    started: Instant,
) -> Outcome<H::Decision> {
    let deadline = started + start.limits.time();
    let driven = Box::pin(drive(start, hook, store, requests));
    // Epochs stop a guest that computes; this stops one that waits in a host call (S-04).
    let ended = AssertUnwindSafe(tokio::time::timeout_at(deadline, driven)).catch_unwind().await;
    match ended {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Failure::new(HookErrorKind::TimeExhausted, failure::time_words(&start.limits))),
        Err(_) => Err(Failure::new(
            HookErrorKind::Host,
            "the host panicked during this invocation, which is lost; nothing else is. Please report it with the \
             log of the host",
        )),
    }
}

/// Drives the guest, and makes the calls that it asks for.
async fn drive<H: Hook>(
    start: &Start<'_>,
    hook: &H,
    store: &mut Store<HostState>,
    mut requests: mpsc::Receiver<CallRequest>,
) -> Outcome<H::Decision> {
    let mut guest = pin!(call_guest(start, hook, store));
    loop {
        tokio::select! {
            biased;
            ended = &mut guest => return ended,
            Some(request) = requests.recv() => {
                // The guest waits for the reply: nothing is to be driven meanwhile.
                let response = start.calls.call(&request.connector, &request.function, request.arguments).await;
                // A guest that is gone needs no reply.
                let _ = request.reply.send(response);
            }
        }
    }
}

async fn call_guest<H: Hook>(start: &Start<'_>, hook: &H, store: &mut Store<HostState>) -> Outcome<H::Decision> {
    let limits = &start.limits;
    let invocation = to_guest::invocation(start.invocation);
    let instance = match start.plugin.instance_pre().instantiate_async(&mut *store).await {
        Ok(instance) => instance,
        Err(error) => return Err(explain(&error, Phase::Instantiate, store, limits)),
    };
    let answer = hook.call(start.plugin.hooks(), store, &instance, &invocation).await;
    match answer {
        None => Err(hook_missing::<H>(&start.plugin)),
        Some(Err(error)) => Err(explain(&error, Phase::Call, store, limits)),
        Some(Ok(Err(fault))) => Err(from_fault(fault)),
        Some(Ok(Ok(raw))) => H::read(raw, &mut Reader::new(limits.output_bytes)).map_err(|rejected| match rejected {
            Rejected::TooLarge { max } => Failure::new(HookErrorKind::OutputTooLarge, failure::output_words(max)),
            Rejected::Invalid(words) => {
                Failure::new(HookErrorKind::InvalidOutput, format!("its decision breaks the contract: {words}"))
            }
        }),
    }
}

fn explain(error: &wasmtime::Error, phase: Phase, store: &Store<HostState>, limits: &InvocationLimits) -> Failure {
    failure::explain(error, phase, store.data().limiter.refused, limits)
}

fn hook_missing<H: Hook>(plugin: &Loaded) -> Failure {
    let exported: Vec<String> = plugin.hooks().kinds().iter().map(|kind| format!("`{kind}`")).collect();
    Failure::new(
        HookErrorKind::HookMissing,
        format!("it does not export this hook, only {}; name another plugin in the step", exported.join(", ")),
    )
}

fn from_fault(fault: types::Fault) -> Failure {
    let text = |text: &str| failure::shorten(text, FAULT_CHARS_MAX);
    Failure {
        kind: HookErrorKind::Fault,
        words: format!("it gave a fault: {}", text(&fault.message)),
        detail: fault.description.as_deref().map(text),
    }
}

/// The error of a report: which plugin and hook, what happened, what to do.
fn hook_error<H: Hook>(invocation: &Invocation, failure: Failure, fuel: u64) -> HookError {
    let detail = match (failure.kind, failure.detail) {
        (HookErrorKind::Fault, detail) => detail,
        (_, Some(frames)) => Some(format!("{frames}fuel used: {fuel}")),
        (_, None) => None,
    };
    HookError { detail, ..named(invocation, H::KIND.as_str(), failure.kind, &failure.words) }
}

fn named(invocation: &Invocation, hook: &str, kind: HookErrorKind, words: &str) -> HookError {
    let plugin = &invocation.plugin;
    let message = format!("plugin `{}@{}`, hook `{hook}`: {}", plugin.name, plugin.version, clean(words));
    HookError { kind, message, detail: None }
}

/// The report of an invocation that never began.
pub(crate) fn failed<H: Hook>(invocation: &Invocation, kind: HookErrorKind, words: &str) -> HookReport<H::Decision> {
    let error = named(invocation, H::KIND.as_str(), kind, words);
    HookReport { outcome: Err(error), logs: Vec::new(), logs_dropped: 0, fuel: 0, elapsed_us: 0 }
}
