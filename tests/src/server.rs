//! The real binary, serving on loopback in a folder of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::paths;

/// How long a start may take on a busy machine.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// How long a line of the log may take through its pipe on a busy machine.
const LOG_TIME_MAX: Duration = Duration::from_secs(30);

/// What the server prints when it serves.
const SERVING: &str = "weir: serving on ";

/// Calls to loopback are denied by default; the demo and the tests have their outside system there.
const CONFIG: &str = "[[connectors.egress.allow]]\ncidr = \"127.0.0.1/32\"\n";

/// A server. Killed when it is dropped.
pub struct Server {
    folder: PathBuf,
    child: Child,
    /// Where it listens.
    pub url: String,
    log: Arc<(Mutex<String>, Condvar)>,
}

/// A server that was started, and may not serve yet. Killed when it is dropped.
pub struct Starting {
    server: Server,
    serving: mpsc::Receiver<String>,
}

impl Starting {
    /// The server, once it serves.
    ///
    /// # Errors
    /// It does not start; the error has what it said.
    pub fn serving(mut self) -> anyhow::Result<Server> {
        match self.serving.recv_timeout(START_TIME_MAX) {
            Ok(url) => self.server.url = url,
            Err(_) => bail!("the server did not start:\n{}", self.server.log()),
        }
        Ok(self.server)
    }

    /// Ends it as a power switch would, wherever it is. Whether it had come so far as to serve.
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(self) -> std::io::Result<bool> {
        self.server.kill()?;
        Ok(self.serving.recv().is_ok())
    }
}

impl Server {
    /// Starts a server on a free port, with its data in `folder`; waits until it serves. What is in the folder from
    /// an earlier server stays.
    ///
    /// # Errors
    /// It does not start; the error has what it said.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        Self::start_with(folder, "")
    }

    /// The same with further lines of configuration.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(folder: &Path, config: &str) -> anyhow::Result<Self> {
        Self::start_among(folder, config, &[])
    }

    /// The same with further variables.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_among(folder: &Path, config: &str, variables: &[(String, String)]) -> anyhow::Result<Self> {
        Self::spawn_among(folder, config, variables)?.serving()
    }

    /// A server that may not serve yet.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn spawn(folder: &Path, config: &str) -> anyhow::Result<Starting> {
        Self::spawn_among(folder, config, &[])
    }

    fn spawn_among(folder: &Path, config: &str, variables: &[(String, String)]) -> anyhow::Result<Starting> {
        std::fs::create_dir_all(folder)?;
        let config_file = folder.join("weir.toml");
        std::fs::write(&config_file, format!("{config}\n{CONFIG}"))?;
        let mut child = Command::new(paths::weir())
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&config_file)
            .arg("--data")
            .arg(folder.join("data"))
            .env("NO_COLOR", "1")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be run; `make test` builds it", paths::weir().display()))?;
        let stderr = child.stderr.take().context("the server has no standard error")?;
        let log = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (send, serving) = mpsc::channel();
        let kept = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix(SERVING) {
                    let _ = send.send(url.to_owned());
                }
                let mut text = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
                kept.1.notify_all();
            }
        });
        let server = Self { folder: folder.to_owned(), child, url: String::new(), log };
        Ok(Starting { server, serving })
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        self.log.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has said, once `text` is in it: a line may come later through its pipe than the answer to the request
    /// that it is about.
    ///
    /// # Panics
    /// It does not say so in time.
    pub fn log_with(&self, text: &str) -> String {
        let said = self.log.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.log.1.wait_timeout_while(said, LOG_TIME_MAX, |said| !said.contains(text));
        let (said, waited) = wait.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "{text:?} is not in the log:\n{said}");
        said.clone()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power switch would.
    ///
    /// # Errors
    /// The operating system's.
    pub fn kill(mut self) -> std::io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Asks it to stop, and waits until it has. Its exit code.
    ///
    /// # Errors
    /// The operating system's.
    pub fn stop(mut self) -> anyhow::Result<Option<i32>> {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        if !status.success() {
            bail!("the server could not be asked to stop");
        }
        Ok(self.child.wait()?.code())
    }

    /// The file with the first operator's key.
    pub fn operator_key(&self) -> PathBuf {
        self.folder.join("data/operator.key")
    }

    /// Makes a tenant, and a key for it. The key's file.
    ///
    /// # Errors
    /// What the command line said.
    pub fn tenant(&self, tenant: &str, role: &str) -> anyhow::Result<PathBuf> {
        let operator = self.operator_key();
        let known = self.cli(&operator, &["tenant", "list"])?;
        if !known.lines().any(|line| line.split_whitespace().next() == Some(tenant)) {
            self.cli(&operator, &["tenant", "create", tenant])?;
        }
        let key = self.cli(&operator, &["key", "create", "--tenant", tenant, "--role", role])?;
        let file = self.folder.join(format!("{tenant}-{role}.key"));
        std::fs::write(&file, key.trim())?;
        Ok(file)
    }

    /// Runs the command line against this server with that key. What it printed.
    ///
    /// # Errors
    /// It failed; the error has what it said.
    pub fn cli(&self, key: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.try_cli(key, arguments, "")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`weir {}` failed: {}{said}", arguments.join(" "), String::from_utf8_lossy(&output.stdout));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The same, with standard input, and whatever it comes to.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub fn try_cli(&self, key: &Path, arguments: &[&str], input: &str) -> anyhow::Result<Output> {
        self.try_cli_with(key, arguments, input, &[])
    }

    /// The same with further variables.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub fn try_cli_with(
        &self,
        key: &Path,
        arguments: &[&str],
        input: &str,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Output> {
        let mut child = Command::new(paths::weir())
            .args(arguments)
            .env("WEIR_URL", &self.url)
            .env("WEIR_API_KEY_FILE", key)
            .env_remove("WEIR_API_KEY")
            .env("NO_COLOR", "1")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input closes it early.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
