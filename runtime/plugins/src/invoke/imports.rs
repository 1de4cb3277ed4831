//! The contract's imports, and the linker that has them and WASI.

use tokio::sync::oneshot;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use weir_engine::ids::{ConnectorName, FunctionName};
use weir_engine::ports::{CallError as HostCallError, CallErrorKind, LogLevel};

use super::bindings::{connectors, log, types};
use super::from_guest;
use super::state::{CallRequest, HostState};
use super::to_guest;

/// Everything that a component may import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    // In place of the one whose pollables wait for real time.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    linker.allow_shadowing(false);
    types::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    connectors::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl types::Host for HostState {}

impl log::Host for HostState {
    fn write(&mut self, level: log::Level, message: String, fields: Vec<(String, String)>) {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warning => LogLevel::Warning,
            log::Level::Error => LogLevel::Error,
        };
        self.log.lock().push(level, &message, &fields);
    }
}

impl connectors::Host for HostState {
    async fn call(
        &mut self,
        connector: String,
        function: String,
        arguments: String,
    ) -> Result<types::Response, connectors::CallError> {
        let Some(left) = self.calls_left.checked_sub(1) else {
            let max = self.calls_max;
            return Err(connectors::CallError::Refused(format!(
                "this invocation has made its {max} calls of connectors; make fewer, or raise the step's \
                 `limits.connector-calls`"
            )));
        };
        self.calls_left = left;
        let names = (connector.parse::<ConnectorName>(), function.parse::<FunctionName>());
        let (Ok(connector), Ok(function)) = names else { return Err(connectors::CallError::NotGranted) };
        let arguments = from_guest::arguments(&arguments)
            .map_err(|rejected| connectors::CallError::InvalidArguments(rejected.into_words()))?;
        let (reply, answer) = oneshot::channel();
        let request = CallRequest { connector, function, arguments, reply };
        let gone = |_| connectors::CallError::Refused("the invocation is ending".to_owned());
        self.calls.send(request).await.map_err(|_| gone(()))?;
        match answer.await.map_err(|_| gone(()))? {
            Ok(response) => Ok(to_guest::response(&response)),
            Err(error) => Err(call_error(error)),
        }
    }
}

fn call_error(error: HostCallError) -> connectors::CallError {
    match error.kind {
        CallErrorKind::NotGranted => connectors::CallError::NotGranted,
        CallErrorKind::InvalidArguments => connectors::CallError::InvalidArguments(error.message),
        CallErrorKind::Timeout => connectors::CallError::Timeout,
        CallErrorKind::Unreachable => connectors::CallError::Unreachable(error.message),
        CallErrorKind::Refused => connectors::CallError::Refused(error.message),
    }
}
