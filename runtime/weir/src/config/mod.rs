//! Configuration: a TOML file, `WEIR_*` variables and flags, later ones over earlier ones. Read once, typed, strict:
//! every fault is named at once, and the process ends with 64.

mod given;
mod reader;
mod setting;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use weir_connectors::ConnectorSettings;
use weir_engine::engine::EngineSettings;
use weir_engine::run::DiagnosticSettings;
use weir_plugins::HostSettings;

pub(crate) use self::given::{Given, Sources};
use self::reader::Reader;
pub(crate) use self::reader::{Effective, Faults};
use self::setting::{ByteCount, PublicUrl};

/// Everything that a server is told.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where and how it listens.
    pub(crate) server: ServerConfig,
    /// Where it keeps what survives.
    pub(crate) data: DataConfig,
    /// Where the master key is.
    pub(crate) secrets: SecretsConfig,
    /// What one request or tenant may use up.
    pub(crate) limits: Limits,
    /// The store on disk.
    pub(crate) store: weir_stores::SledSettings,
    /// Runs, with what is told of them.
    pub(crate) engine: EngineSettings,
    /// Plugins.
    pub(crate) plugins: HostSettings,
    /// Connectors, with the egress policy.
    pub(crate) connectors: ConnectorSettings,
    /// The operator's own connector templates: `connectors.templates-dir`.
    pub(crate) templates_dir: Option<PathBuf>,
    /// The operator's own types of actions: `actions.types-dir`.
    pub(crate) types_dir: Option<PathBuf>,
    /// What it says about itself.
    pub(crate) log: LogConfig,
    /// Every setting with its value and where it came from.
    pub(crate) effective: Vec<Effective>,
}

/// Where and how the server listens.
#[derive(Debug, Clone)]
pub(crate) struct ServerConfig {
    /// The API.
    pub(crate) listen: SocketAddr,
    /// How others reach the API: what addresses of prompts begin with.
    pub(crate) public_url: String,
    /// `/metrics` without a key; nothing by default.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How long a stop waits for requests and steps in flight.
    pub(crate) shutdown_grace: Duration,
}

/// The back ends for what survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreKind {
    /// In this process's memory: nothing survives it.
    Memory,
    /// In the data folder.
    Sled,
}

/// Where the server keeps what survives.
#[derive(Debug, Clone)]
pub(crate) struct DataConfig {
    /// The data folder.
    pub(crate) dir: PathBuf,
    /// The back end.
    pub(crate) store: StoreKind,
}

/// Where the master key is.
#[derive(Debug, Clone)]
pub(crate) struct SecretsConfig {
    /// The file; made on the first start where it is missing. `WEIR_MASTER_KEY` goes before it.
    pub(crate) master_key_file: PathBuf,
}

/// What one request or tenant may use up (A4). Each has its own code.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub(crate) connections: usize,
    /// For the header section of a request; then the connection is closed.
    pub(crate) header_time: Duration,
    /// For reading a request's body.
    pub(crate) body_time: Duration,
    /// Requests at once, without live streams.
    pub(crate) requests: usize,
    /// Requests of one tenant at once, also those that wait for the end of a run.
    pub(crate) tenant_requests: usize,
    /// Requests at once of those who hold tokens of one tenant's prompts.
    pub(crate) prompt_requests: usize,
    /// Live streams of one tenant at once.
    pub(crate) event_streams: usize,
    /// Calls of one tenant that are tried at once.
    pub(crate) connector_tests: usize,
    /// Saved actions of one type in one tenant.
    pub(crate) actions_per_type: usize,
    /// Bodies of tenants, keys and credentials.
    pub(crate) small_bytes: u64,
    /// Flow and connector documents.
    pub(crate) document_bytes: u64,
    /// The body that starts a run.
    pub(crate) event_bytes: u64,
    /// The body that tries a call.
    pub(crate) test_bytes: u64,
    /// Components: `plugins.upload-bytes-max`.
    pub(crate) component_bytes: u64,
    /// Nesting of JSON bodies.
    pub(crate) json_depth: usize,
    /// How long a start waits for the end of its run at most.
    pub(crate) wait: Duration,
    /// How long an action may take that is served to another system (A-10): less than its callers wait.
    pub(crate) action_service_time: Duration,
}
/// What the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object for each line.
    Json,
}

/// What the server says about itself.
#[derive(Debug, Clone)]
pub(crate) struct LogConfig {
    /// A filter such as `info` or `info,weir_engine=debug`.
    pub(crate) filter: String,
    /// What lines look like.
    pub(crate) format: LogFormat,
}

impl Config {
    /// Reads every setting.
    ///
    /// # Errors
    /// Every fault of every source.
    pub(crate) fn read(sources: &Sources) -> Result<Self, Faults> {
        let given = Given::collect(sources)?;
        let mut reader = Reader::new(given);
        let data = data(&mut reader);
        let plugins = plugins(&mut reader, &data);
        let config = Self {
            server: server(&mut reader),
            secrets: SecretsConfig {
                master_key_file: reader
                    .optional("secrets.master-key-file", "<data.dir>/master.key")
                    .unwrap_or_else(|| data.dir.join("master.key")),
            },
            limits: limits(&mut reader, &plugins),
            data,
            store: reader.section("store"),
            engine: engine(&mut reader),
            plugins,
            // Before the section, which leaves to others what they have asked for.
            templates_dir: reader.optional("connectors.templates-dir", "none"),
            types_dir: reader.optional("actions.types-dir", "none"),
            connectors: reader.section("connectors"),
            log: LogConfig {
                filter: reader.one("log.filter", "info".to_owned()),
                format: reader.one("log.format", LogFormat::Text),
            },
            effective: Vec::new(),
        };
        let effective = reader.finish()?;
        Ok(Self { effective, ..config })
    }

    /// The configuration with nothing given, on that data folder.
    #[cfg(test)]
    pub(crate) fn for_tests(dir: &std::path::Path) -> Self {
        let flags = vec![("data.dir".to_owned(), dir.display().to_string())];
        Self::read(&Sources { file: None, variables: Vec::new(), flags }).unwrap()
    }
}

fn server(reader: &mut Reader) -> ServerConfig {
    let listen = reader.one("server.listen", SocketAddr::from(([127, 0, 0, 1], 8080)));
    ServerConfig {
        public_url: reader.one("server.public-url", PublicUrl::of(listen)).0,
        listen,
        metrics_listen: reader.optional("server.metrics-listen", "none"),
        shutdown_grace: reader.one_in(
            "server.shutdown-grace",
            Duration::from_secs(20),
            Duration::ZERO..=Duration::from_secs(3600),
        ),
    }
}

fn data(reader: &mut Reader) -> DataConfig {
    DataConfig {
        dir: reader.one("data.dir", PathBuf::from("weir-data")),
        store: reader.one("data.store", StoreKind::Sled),
    }
}

fn plugins(reader: &mut Reader, data: &DataConfig) -> HostSettings {
    let settings: HostSettings = reader.section("plugins");
    // The folder's default is below the data folder, which the crate cannot know.
    let is_default = settings.cache_folder == HostSettings::default().cache_folder;
    if is_default { HostSettings { cache_folder: data.dir.join(&settings.cache_folder), ..settings } } else { settings }
}

fn engine(reader: &mut Reader) -> EngineSettings {
    let settings: EngineSettings = reader.section("engine");
    let diagnostics: DiagnosticSettings = reader.section("diagnostics");
    for (setting, wanted) in diagnostics.faults() {
        reader.out_of_bounds(&format!("diagnostics.{setting}"), wanted);
    }
    for fault in settings.faults() {
        reader.out_of_bounds(&format!("engine.{}", fault.setting), fault.wanted);
    }
    EngineSettings { diagnostics, ..settings }
}

fn limits(reader: &mut Reader, plugins: &HostSettings) -> Limits {
    let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
    let kib = |count: u64| ByteCount(count << 10);
    Limits {
        connections: reader.one_in("limits.connections", 1024, 1..=1_000_000),
        header_time: reader.one_in("limits.header-time", seconds(10), seconds(1)..=seconds(600)),
        body_time: reader.one_in("limits.body-time", seconds(30), seconds(1)..=seconds(3600)),
        requests: reader.one_in("limits.requests", 512, 1..=1_000_000),
        tenant_requests: reader.one_in("limits.tenant-requests", 128, 1..=1_000_000),
        prompt_requests: reader.one_in("limits.prompt-requests", 32, 1..=1_000_000),
        event_streams: reader.one_in("limits.event-streams", 64, 1..=1_000_000),
        connector_tests: reader.one_in("limits.connector-tests", 8, 1..=10_000),
        actions_per_type: reader.one_in("limits.actions-per-type", 20, 1..=200),
        small_bytes: reader.one_in("limits.small-bytes", kib(64), kib(1)..=mib(16)).0,
        document_bytes: reader.one_in("limits.document-bytes", mib(1), kib(1)..=mib(1)).0,
        event_bytes: reader.one_in("limits.event-bytes", mib(1), kib(1)..=mib(64)).0,
        test_bytes: reader.one_in("limits.test-bytes", mib(2), kib(1)..=mib(64)).0,
        component_bytes: plugins.upload_bytes_max,
        json_depth: reader.one_in("limits.json-depth", 64, 4..=120),
        wait: reader.one_in("limits.wait", seconds(60), Duration::ZERO..=seconds(600)),
        action_service_time: reader.one_in("limits.action-service-time", seconds(4), millis(100)..=seconds(60)),
    }
}

const fn mib(count: u64) -> ByteCount {
    ByteCount(count << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn read(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, Faults> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.toml");
        std::fs::write(&path, file).unwrap();
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::read(&Sources { file: Some(path), variables: owned(variables), flags: owned(flags) })
    }

    fn check_faults(file: &str, variables: &[(&str, &str)], expected: Expect) {
        let faults = read(file, variables, &[]).unwrap_err();
        let text: Vec<String> = faults
            .0
            .into_iter()
            .map(|mut fault| {
                // The file's folder is another one in every run.
                fault.source = fault.source.rsplit('/').next().unwrap_or_default().to_owned();
                fault.to_string()
            })
            .collect();
        expected.assert_eq(&text.join("\n"));
    }

    #[test]
    fn flags_go_before_variables_and_these_before_the_file() {
        // covers T-06
        let file = "[server]\nlisten = '127.0.0.1:1'\nshutdown-grace = '1s'\n[limits]\njson-depth = 5\n[data]\nstore = 'memory'";
        let config = read(
            file,
            &[("WEIR_SERVER_LISTEN", "127.0.0.1:2"), ("WEIR_LIMITS_JSON_DEPTH", "6")],
            &[("server.listen", "127.0.0.1:3")],
        )
        .unwrap();
        assert_eq!(config.server.listen.port(), 3);
        assert_eq!(config.server.shutdown_grace, Duration::from_secs(1));
        assert_eq!(config.limits.json_depth, 6);
        assert_eq!(config.data.store, StoreKind::Memory);
        assert_eq!(config.secrets.master_key_file, PathBuf::from("weir-data/master.key"));
    }

    #[test]
    fn every_fault_is_named_at_once() {
        // covers T-06
        check_faults(
            "[server]\nlisten = 'here'\nlissten = 1\n[limits]\njson-depth = 3\nwait = '1 day'",
            &[("WEIR_DATA_STORE", "postgres")],
            expect![[r#"
                `data.store` (WEIR_DATA_STORE): `postgres` does not fit; write `sled` or `memory`
                `server.listen` (weir.toml): `here` does not fit; write an address and a port such as `127.0.0.1:8080`
                `limits.json-depth` (weir.toml): `3` is out of bounds; write 4 to 120
                `limits.wait` (weir.toml): `1 day` does not fit; write a whole number and a unit such as `500ms`, `5s` or `2m`
                `server.lissten` (weir.toml): there is no such setting; did you mean `server.listen`?"#]],
        );
    }

    #[test]
    fn a_file_that_is_no_toml_says_where() {
        check_faults(
            "[server\n",
            &[],
            expect![[r#"
                weir.toml: TOML parse error at line 1, column 8
                  |
                1 | [server
                  |        ^
                unclosed table, expected `]`
            "#]],
        );
    }

    #[test]
    fn variables_of_the_cluster_do_no_harm() {
        // Some orchestrators set WEIR_PORT and the like for a service called `weir`.
        let config = read("", &[("WEIR_PORT", "tcp://10.0.0.1:8080")], &[]).unwrap();
        assert!(config.effective.iter().all(|row| row.source == "default"));
    }

    #[test]
    fn limits_hold_at_their_ends() {
        for (value, good) in [("64", true), ("63", false), ("1048576", true), ("1048577", false)] {
            assert_eq!(read("", &[("WEIR_DIAGNOSTICS_BODY_BYTES_MAX", value)], &[]).is_ok(), good, "{value}");
        }
        for (value, good) in [("100ms", true), ("99ms", false), ("60s", true), ("61s", false)] {
            assert_eq!(read("", &[("WEIR_LIMITS_ACTION_SERVICE_TIME", value)], &[]).is_ok(), good, "{value}");
        }
        for (value, good) in [("disable", true), ("warning", true), ("loud", false)] {
            assert_eq!(read("", &[("WEIR_DIAGNOSTICS_ACTIONS_FAILURE", value)], &[]).is_ok(), good, "{value}");
        }
        let named = read("[diagnostics]\nsensitive-names = ['ssn']", &[], &[]).unwrap();
        assert_eq!(named.engine.diagnostics.sensitive_names, ["ssn"]);
        assert!(read("[diagnostics]\nsensitive-names = ['--']", &[], &[]).is_err());
        for (value, good) in [("4", true), ("3", false), ("120", true), ("121", false)] {
            assert_eq!(read("", &[("WEIR_LIMITS_JSON_DEPTH", value)], &[]).is_ok(), good, "{value}");
        }
    }

    #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Part {
        slots: u32,
        inner: Inner,
    }

    #[derive(Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Inner {
        names: Vec<String>,
        label: String,
    }

    fn section(file: &str, variables: &[(&str, &str)]) -> Result<Part, Faults> {
        let table: toml::Table = file.parse().unwrap();
        let mut given = Given::default();
        for (key, value) in given::leaves("", &table) {
            given.values.insert(key, given::GivenValue { value, source: "FILE".to_owned() });
        }
        given.variables = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut reader = Reader::new(given);
        let part = reader.section("part");
        reader.finish().map(|_| part)
    }

    #[test]
    fn settings_of_other_crates_come_from_file_and_variables() {
        let part = section(
            "[part]\nslots = 3\n[part.inner]\nlabel = 'x'",
            &[("WEIR_PART_SLOTS", "4"), ("WEIR_PART_INNER_NAMES", "['a', 'b']"), ("WEIR_PART_INNER_LABEL", "7")],
        );
        let inner = Inner { names: vec!["a".to_owned(), "b".to_owned()], label: "7".to_owned() };
        assert_eq!(part, Ok(Part { slots: 4, inner }));
    }

    #[test]
    fn every_fault_of_a_section_is_named() {
        let faults = section("[part]\nslots = -1\nslotz = 1\n[part.inner]\nnames = 'a'", &[]).unwrap_err();
        let keys: Vec<_> = faults.0.iter().filter_map(|fault| fault.key.as_deref()).collect();
        assert_eq!(keys, ["part.inner.names", "part.slots", "part.slotz"]);
    }
}
