//! What ended an invocation, in words for the plugin's author (P-05, P-07).

use std::fmt::Write as _;

use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;
use weir_engine::ports::{HookErrorKind, InvocationLimits};

use super::limiter::Refused;
use super::log::clean;
use crate::engine::BACKTRACE_FRAMES_MAX;

/// Longest name of a function or module that is reported, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Longest text of an error that is reported, in characters.
const WORDS_CHARS_MAX: usize = 600;

/// When the guest failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// While the instance was made; start functions run here.
    Instantiate,
    /// While the hook ran, or while its answer was read.
    Call,
}

/// What ended an invocation, without the plugin's name.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: HookErrorKind,
    pub(super) words: String,
    pub(super) detail: Option<String>,
}

impl Failure {
    pub(super) fn new(kind: HookErrorKind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into(), detail: None }
    }
}

/// The failure that a wasmtime error means.
pub(super) fn explain(
    error: &wasmtime::Error,
    phase: Phase,
    refused: Option<Refused>,
    limits: &InvocationLimits,
) -> Failure {
    let (kind, words) = classify(error, phase, refused, limits);
    Failure { kind, words, detail: error.downcast_ref::<WasmBacktrace>().map(frames) }
}

fn classify(
    error: &wasmtime::Error,
    phase: Phase,
    refused: Option<Refused>,
    limits: &InvocationLimits,
) -> (HookErrorKind, String) {
    if let Some(I32Exit(status)) = error.downcast_ref() {
        let words = format!("it ended itself with exit status {status}; return a decision or a fault instead");
        return (HookErrorKind::Trap, words);
    }
    if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
        let words = "all memory slots of the host are taken; try again, or raise `plugins.invocations-max`";
        return (HookErrorKind::Busy, words.to_owned());
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => (HookErrorKind::TimeExhausted, time_words(limits)),
        Some(Trap::OutOfFuel) => (
            HookErrorKind::FuelExhausted,
            format!(
                "it used up its {} units of fuel, about one for each instruction; make it do less, or raise the \
                 step's `limits.fuel`",
                limits.fuel
            ),
        ),
        Some(Trap::StackOverflow) => (
            HookErrorKind::StackOverflow,
            "its stack overflowed; look for recursion without an end, or make it shallower".to_owned(),
        ),
        trap => refused.map(|refused| refused_words(refused, limits)).unwrap_or_else(|| match trap {
            Some(trap) => (HookErrorKind::Trap, trap_words(*trap)),
            None => untrapped(error, phase, limits),
        }),
    }
}

/// The words for a deadline that passed.
pub(super) fn time_words(limits: &InvocationLimits) -> String {
    format!(
        "it ran for longer than {} ms; make it faster, or raise the step's `limits.time-ms` (clocks stand still \
         inside a plugin: a loop that waits for one never ends)",
        limits.time_ms
    )
}

fn refused_words(refused: Refused, limits: &InvocationLimits) -> (HookErrorKind, String) {
    match refused {
        Refused::Memory => (
            HookErrorKind::MemoryExhausted,
            format!(
                "it needs more than {} bytes of memory; make it use less, or raise the step's `limits.memory-bytes`",
                limits.memory_bytes
            ),
        ),
        Refused::Table => (
            HookErrorKind::TableExhausted,
            format!(
                "its tables need more than {} entries; make it use less, or raise the step's `limits.table-elements`",
                limits.table_elements
            ),
        ),
    }
}

fn trap_words(trap: Trap) -> String {
    let advice = match trap {
        Trap::UnreachableCodeReached => {
            "a panic or an abort ends so; its last log lines often say why, and templates turn it into a fault"
        }
        Trap::MemoryOutOfBounds => "a bad pointer, or deep recursion that ran out of its stack, ends so",
        _ => "look at the functions in `detail`, innermost first",
    };
    format!("it trapped: {trap}; {advice}")
}

/// What went wrong without a trap: a value that cannot be read, or a host function that refused.
fn untrapped(error: &wasmtime::Error, phase: Phase, limits: &InvocationLimits) -> (HookErrorKind, String) {
    let reason = shorten(&error.root_cause().to_string(), WORDS_CHARS_MAX);
    // wasmtime keeps this error's type to itself.
    if reason.contains("fuel allocated for hostcalls has been exhausted") {
        let words = output_words(limits.output_bytes);
        return (HookErrorKind::OutputTooLarge, words);
    }
    let is_inside_guest = error.downcast_ref::<WasmBacktrace>().is_some();
    match phase {
        Phase::Instantiate if !is_inside_guest => {
            (HookErrorKind::Unloadable, format!("no instance of it can be made: {reason}"))
        }
        Phase::Call if !is_inside_guest => (
            HookErrorKind::InvalidOutput,
            format!("its answer cannot be read: {reason}; build it with the bindings of `weir plugin new`"),
        ),
        _ => (HookErrorKind::Trap, format!("the host refused one of its calls: {reason}")),
    }
}

/// The words for an answer that is too large.
pub(super) fn output_words(max: u64) -> String {
    format!("it handed over more than {max} bytes at once; make its answer smaller, or raise `limits.output-bytes`")
}

/// The functions of a trap, innermost first. Names only: a file and line would have to be parsed out of the guest's debug
/// information, which needs a place where that parser can do no harm.
fn frames(backtrace: &WasmBacktrace) -> String {
    let mut text = String::new();
    for frame in backtrace.frames() {
        let module = frame.module().name().unwrap_or("");
        let name = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), str::to_owned);
        line(&mut text, &name, module);
    }
    if backtrace.frames().len() >= BACKTRACE_FRAMES_MAX.get() {
        text.push_str("…\n");
    }
    text
}

fn line(text: &mut String, name: &str, module: &str) {
    let name = shorten(name, NAME_CHARS_MAX);
    let module = if module.is_empty() { String::new() } else { format!(" in {}", shorten(module, NAME_CHARS_MAX)) };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "at {name}{module}");
}

/// Text that a guest may have chosen, cleaned and cut.
pub(super) fn shorten(text: &str, chars_max: usize) -> String {
    clean(text).chars().take(chars_max).collect()
}
