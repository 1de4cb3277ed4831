//! The compiling process. It limits itself before it reads the first byte of the component.

use std::io::{BufRead, Read, Write};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use wasmtime::Engine;

use super::request::{CompileRequest, EXIT_DONE, EXIT_HOST, EXIT_REFUSED};

/// Longest request line, in bytes.
const REQUEST_BYTES_MAX: u64 = 64 << 10;

enum Failed {
    Refused(String),
    Host(String),
}

/// The whole of `weir compile-plugin`: reads a request and a component from standard input, compiles within limits that
/// it puts on its own process, writes the compiled file. Call it before any thread or runtime is started, and end the
/// process with the status that it returns: 0 done, 65 refused, 70 host error; a reason is on standard error.
pub fn compile_child() -> u8 {
    let (status, reason) = match run(&mut std::io::stdin().lock()) {
        Ok(()) => return EXIT_DONE,
        Err(Failed::Refused(reason)) => (EXIT_REFUSED, reason),
        Err(Failed::Host(reason)) => (EXIT_HOST, reason),
    };
    // Nobody can be told when even this fails.
    let _ = writeln!(std::io::stderr(), "{reason}");
    status
}

fn run(input: &mut impl BufRead) -> Result<(), Failed> {
    let host = |error: &dyn std::fmt::Display| Failed::Host(error.to_string());
    let mut line = String::new();
    input.take(REQUEST_BYTES_MAX).read_line(&mut line).map_err(|error| host(&error))?;
    let request: CompileRequest = serde_json::from_str(&line).map_err(|error| host(&error))?;
    limit(&request).map_err(|error| host(&error))?;
    let mut component = Vec::new();
    input.read_to_end(&mut component).map_err(|error| host(&error))?;
    let engine = Engine::new(&request.shape.config()).map_err(|error| Failed::Host(format!("{error:#}")))?;
    let artifact = engine.precompile_component(&component).map_err(|error| Failed::Refused(format!("{error:#}")))?;
    if artifact.len() as u64 > request.artifact_bytes_max {
        let max = request.artifact_bytes_max;
        return Err(Failed::Refused(format!("the compiled file has {} bytes, at most {max} are kept", artifact.len())));
    }
    std::fs::write(&request.output, artifact).map_err(|error| host(&error))
}

/// Puts the limits on this process. Beyond processor time the kernel sends SIGXCPU, beyond memory allocation fails.
fn limit(request: &CompileRequest) -> Result<(), rustix::io::Errno> {
    let both = |value| Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(Resource::Core, both(0))?;
    setrlimit(Resource::Fsize, both(request.artifact_bytes_max))?;
    setrlimit(Resource::As, both(request.memory_bytes))?;
    let seconds = request.cpu_seconds;
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds), maximum: Some(seconds.saturating_add(1)) })?;
    // Serving goes first; where that is not allowed, compiling is merely less polite.
    let _ = nice(10);
    Ok(())
}
