//! Starts the compiling child, feeds it, waits, and says what went wrong.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::request::{CompileRequest, EXIT_HOST, EXIT_REFUSED};
use crate::engine::Shape;
use crate::settings::CompileSettings;

/// The hidden verb under which the program calls [`compile_child`](super::compile_child).
pub const COMPILE_VERB: &str = "compile-plugin";

/// Most bytes of the child's words that are kept.
const STDERR_BYTES_MAX: u64 = 4 << 10;

/// Signals by their numbers on Linux: abort, memory violations, processor time, file size, kill.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// Which program compiles: one that calls [`compile_child`](super::compile_child) for these arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileProgram {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl CompileProgram {
    /// This very executable with [`COMPILE_VERB`].
    ///
    /// # Errors
    /// Where the system does not tell which executable this is.
    pub fn this() -> std::io::Result<Self> {
        // The link of the kernel still leads to this program when an upgrade has replaced its file.
        let link = Path::new("/proc/self/exe");
        let path = if link.exists() { link.to_owned() } else { std::env::current_exe()? };
        Ok(Self { path, arguments: vec![COMPILE_VERB.into()] })
    }
}

/// Why a component could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Over the limit of processor or wall time.
    #[error(
        "the component took more than {limit} to compile; make it smaller or its functions simpler, \
         or ask the operator to raise `plugins.compile`"
    )]
    Time {
        /// Such as "30 s of processor time".
        limit: String,
    },
    /// Over the limit of memory.
    #[error(
        "the component needs more than {bytes} bytes of memory to compile; make it smaller, \
         or ask the operator to raise `plugins.compile.memory-bytes`"
    )]
    Memory {
        /// The limit.
        bytes: u64,
    },
    /// The compiler does not take it.
    #[error("the component does not compile: {reason}")]
    Refused {
        /// The compiler's words.
        reason: String,
    },
    /// The compiler crashed; nothing else did.
    #[error("the compiler crashed on this component ({how}); change the component, and report it to Weir: {words}")]
    Crash {
        /// The signal or status.
        how: String,
        /// The compiler's last words.
        words: String,
    },
    /// No compiling process could be had.
    #[error("the host could not compile: {reason}; look at its memory, processes and disk, then try again")]
    Unavailable {
        /// What failed.
        reason: String,
    },
}

impl CompileError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Time { .. } => "plugin.compile.time",
            Self::Memory { .. } => "plugin.compile.memory",
            Self::Refused { .. } => "plugin.compile.refused",
            Self::Crash { .. } => "plugin.compile.crash",
            Self::Unavailable { .. } => "plugin.compile.unavailable",
        }
    }

    /// Whether the same component may well compile the next time.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Compiles components in child processes.
pub(crate) struct Compiler {
    program: CompileProgram,
    settings: CompileSettings,
    shape: Shape,
    scratch: PathBuf,
    slots: Semaphore,
    serial: AtomicU64,
}

impl Compiler {
    /// A compiler that leaves its results in `scratch` for a moment.
    pub(crate) fn new(program: CompileProgram, settings: CompileSettings, shape: Shape, scratch: &Path) -> Self {
        let slots = Semaphore::new(settings.concurrent_max as usize);
        Self { program, settings, shape, scratch: scratch.to_owned(), slots, serial: AtomicU64::new(0) }
    }

    /// The compiled form of a component. Waits for its turn; its time counts from there.
    pub(crate) async fn compile(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let _slot = self.slots.acquire().await.map_err(|error| unavailable(&error))?;
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let output = Scratch(self.scratch.join(format!("{}-{serial}.part", std::process::id())));
        let request = CompileRequest {
            shape: self.shape,
            cpu_seconds: self.settings.cpu_seconds,
            memory_bytes: self.settings.memory_bytes,
            artifact_bytes_max: self.settings.artifact_bytes_max,
            output: output.0.clone(),
        };
        let mut head = serde_json::to_vec(&request).map_err(|error| unavailable(&error))?;
        head.push(b'\n');
        let mut child = self.spawn()?;
        let time = Duration::from_millis(self.settings.time_ms);
        // A child that is dropped is killed, also when the caller gives up.
        let ended = tokio::time::timeout(time, feed_and_wait(&mut child, &head, component)).await;
        let (status, words) = match ended {
            Ok(ended) => ended.map_err(|error| unavailable(&error))?,
            Err(_) => return Err(CompileError::Time { limit: format!("{time:?}") }),
        };
        self.judge(status, words)?;
        tokio::fs::read(&output.0).await.map_err(|error| unavailable(&error))
    }

    fn spawn(&self) -> Result<Child, CompileError> {
        Command::new(&self.program.path)
            .args(&self.program.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| CompileError::Unavailable {
                reason: format!("`{}` did not start: {error}", self.program.path.display()),
            })
    }

    fn judge(&self, status: ExitStatus, words: String) -> Result<(), CompileError> {
        let memory = CompileError::Memory { bytes: self.settings.memory_bytes };
        let is_out_of_memory = ["memory allocation of", "Cannot allocate memory", "os error 12"];
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            _ if is_out_of_memory.iter().any(|sign| words.contains(sign)) => Err(memory),
            (Some(code), _) if code == i32::from(EXIT_REFUSED) => Err(CompileError::Refused { reason: words }),
            (_, Some(SIGXCPU | SIGKILL)) => {
                Err(CompileError::Time { limit: format!("{} s of processor time", self.settings.cpu_seconds) })
            }
            (_, Some(SIGXFSZ)) => Err(CompileError::Refused { reason: "the compiled file is too large".to_owned() }),
            (_, Some(SIGABRT)) => Err(CompileError::Crash { how: "it aborted".to_owned(), words }),
            (_, Some(signal)) => Err(CompileError::Crash { how: format!("signal {signal}"), words }),
            (Some(code), _) if code == i32::from(EXIT_HOST) => Err(CompileError::Unavailable {
                reason: format!("the compiling process ended with status {code}: {words}"),
            }),
            // Such as 101, a panic of the compiler: the same component will do it again.
            (code, None) => Err(CompileError::Crash { how: format!("status {}", code.unwrap_or(-1)), words }),
        }
    }
}

fn unavailable(error: &dyn std::fmt::Display) -> CompileError {
    CompileError::Unavailable { reason: error.to_string() }
}

async fn feed_and_wait(child: &mut Child, head: &[u8], component: &[u8]) -> std::io::Result<(ExitStatus, String)> {
    let stdin = child.stdin.take();
    let stderr = child.stderr.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that ended early closes the pipe; its status says more than the broken pipe.
            let _ = stdin.write_all(head).await;
            let _ = stdin.write_all(component).await;
            let _ = stdin.shutdown().await;
        }
    };
    let listen = async {
        let mut words = Vec::new();
        if let Some(stderr) = stderr {
            stderr.take(STDERR_BYTES_MAX).read_to_end(&mut words).await?;
        }
        std::io::Result::Ok(words)
    };
    let ((), words, status) = tokio::join!(feed, listen, child.wait());
    let words: String =
        String::from_utf8_lossy(&words?).chars().filter(|letter| !letter.is_control() || *letter == '\n').collect();
    Ok((status?, words.trim().to_owned()))
}

/// A file that is removed when it is no longer needed.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}
