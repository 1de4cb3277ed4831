//! Outside systems, each started once for all scenarios of this program.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::time::{Duration, Instant};

use weir_tests::paths;

/// How long a start may take on a busy machine.
const START_TIME_MAX: Duration = Duration::from_secs(60);

/// A process that ends with this program, however that ends.
pub(super) struct Service {
    /// Where it listens.
    pub(super) url: String,
    /// A folder of its own, which goes with it.
    pub(super) folder: PathBuf,
    _process: Process,
}

/// Runs `$@` until its standard input ends, then removes the folder `$0`. The pipe's other end is in this program alone.
const SUPERVISE: &str = r#"PATH="$PATH:/usr/sbin"; "$@" & cat >/dev/null; kill $!; wait; rm -rf "$0""#;

struct Process {
    supervisor: Child,
    _stdin: ChildStdin,
}

/// httpbin.
pub(super) fn httpbin() -> Option<&'static Service> {
    static SERVICE: LazyLock<Option<Service>> =
        LazyLock::new(|| installed("httpbin").then(|| Service::start(&python("httpbin"), folder())));
    SERVICE.as_ref()
}

/// A server that takes what botocore would have signed in the same way.
pub(super) fn aws() -> Option<&'static Service> {
    static SERVICE: LazyLock<Option<Service>> =
        LazyLock::new(|| installed("httpbin").then(|| Service::start(&python("aws"), folder())));
    SERVICE.as_ref()
}

/// The OpenID provider. Its folder has the private keys for assertions: `RS256.pem`, `ES256.pem`, `EdDSA.pem`.
pub(super) fn openid() -> Option<&'static Service> {
    static SERVICE: LazyLock<Option<Service>> = LazyLock::new(|| {
        let folder = folder();
        let script = paths::root().join("target/real-world/node/openid.mjs");
        installed("openid").then(|| Service::start(&["node".into(), script, folder.clone()], folder))
    });
    SERVICE.as_ref()
}

/// An action service that reads and writes JWE with `jose`, a certified implementation. Its folder has its `certificate.pem`;
/// it encrypts to the certificate in `weir.pem` there.
pub(super) fn encrypting(folder: PathBuf) -> Option<Service> {
    let script = paths::root().join("target/real-world/node/encrypting.mjs");
    installed("openid").then(|| Service::start(&["node".into(), script, folder.clone()], folder))
}

/// What `jose` reads of a JWT that it verifies with a JWK set; `None` where this machine cannot have it.
pub(super) fn verified(
    jwt: &str,
    keys: &serde_json::Value,
    algorithm: &str,
) -> Option<Result<serde_json::Value, String>> {
    let script = paths::root().join("target/real-world/node/verifying.mjs");
    installed("openid").then(|| {
        let output = Command::new("node").arg(script).args([jwt, &keys.to_string(), algorithm]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap()).ok_or(said)
    })
}

/// Whether it is there, or could be installed. Says why not, and fails where CI runs.
pub(super) fn installed(service: &str) -> bool {
    let output = Command::new("sh").arg(paths::root().join("tests/setup.sh")).arg(service).output().unwrap();
    if output.status.success() {
        return true;
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let cannot_have_it = output.status.code() == Some(3);
    assert!(cannot_have_it && std::env::var_os("CI").is_none(), "{service} is not to be had: {said}");
    let _ = writeln!(std::io::stderr(), "skipped: this machine cannot have {service}: {said}");
    false
}

/// `serve.py NAME`, without `__pycache__` beside the sources.
fn python(name: &str) -> [PathBuf; 4] {
    let interpreter = paths::root().join("target/real-world/python/bin/python");
    [interpreter, "-B".into(), paths::root().join("tests/real-world/serve.py"), name.into()]
}

/// A new folder for a service.
pub(super) fn folder() -> PathBuf {
    tempfile::tempdir().unwrap().keep()
}

impl Process {
    fn start(command: &[PathBuf], folder: &Path) -> (Self, ChildStdout) {
        let log = File::create(folder.join("log")).unwrap();
        let mut sh = Command::new("sh");
        sh.args(["-c", SUPERVISE]).arg(folder).args(command);
        let mut supervisor = sh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let stdout = supervisor.stdout.take().unwrap();
        let stdin = supervisor.stdin.take().unwrap();
        (Self { supervisor, _stdin: stdin }, stdout)
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

impl Service {
    /// Starts a program that prints its URL when it serves.
    fn start(command: &[PathBuf], folder: PathBuf) -> Self {
        let (process, stdout) = Process::start(command, &folder);
        let (send, url) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let _ = send.send(lines.next());
            // It may go on to print, but nobody listens.
            lines.for_each(drop);
        });
        match url.recv_timeout(START_TIME_MAX) {
            Ok(Some(url)) => Self { url, folder, _process: process },
            _ => panic!("{command:?} did not start: {}", log(&folder)),
        }
    }

    /// Starts nginx with the folder's `nginx.conf`, which listens at these loopback ports; waits until it serves.
    pub(super) fn nginx(folder: PathBuf, ports: &[u16]) -> Self {
        let command = ["nginx".into(), "-p".into(), folder.clone(), "-c".into(), folder.join("nginx.conf")];
        let (mut process, _) = Process::start(&command, &folder);
        for port in ports {
            let began = Instant::now();
            while std::net::TcpStream::connect(("127.0.0.1", *port)).is_err() {
                let is_over = process.supervisor.try_wait().unwrap().is_some() || began.elapsed() > START_TIME_MAX;
                assert!(!is_over && !log(&folder).contains("[emerg]"), "nginx did not start: {}", log(&folder));
                // No event tells that a port is served.
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Self { url: String::new(), folder, _process: process }
    }
}
