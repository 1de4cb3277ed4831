//! What an operator sets.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_engine::connector::{Connection, TlsVersion};

use crate::egress::EgressSettings;

/// Settings of all connectors of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ConnectorSettings {
    /// Which addresses may be dialled.
    pub egress: EgressSettings,
    /// How far documents may set their own limits.
    pub ceilings: Ceilings,
    /// Connections and memory of the host itself.
    pub pool: PoolSettings,
    /// The oldest version of TLS that any connector speaks: `1.2` by default. Documents can ask for a later one.
    pub tls_version_min: TlsVersion,
}

/// The most that a document may set. A document saved under higher ceilings is held to these when it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Ceilings {
    /// For `request-timeout` and `connect-timeout`: `5m` by default, which is also the most.
    #[serde(with = "weir_engine::duration_text")]
    pub timeout_max: Duration,
    /// For `response-bytes-max`: 64 MiB by default.
    pub response_bytes_max: u64,
    /// For `header-bytes-max`: 256 KiB by default, which is also the most: the HTTP/1 reader holds no more.
    pub header_bytes_max: u64,
    /// For `json-depth-max`: 127 by default, which is also the most: the JSON reader goes no deeper.
    pub json_depth_max: u16,
    /// For `concurrency-max`: 1024 by default.
    pub concurrency_max: u16,
    /// For `attempts-max` of `retry`: 10 by default, which is also the most.
    pub attempts_max: u8,
    /// How many header fields a response may have: 100 by default. Documents have no setting for it.
    pub response_headers_max: u16,
    /// How many values and names a JSON response may have: 200 000 by default. Documents have no setting for it. Each
    /// takes about 100 bytes once it is read, however few it has on the wire.
    pub json_nodes_max: u32,
    /// How many bytes URI, headers and body of a request may have together before any hook sees it: 4 MiB by default.
    /// Documents have no setting for it.
    pub request_bytes_max: u64,
}

/// Connections that are kept open between calls, and what is remembered between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PoolSettings {
    /// HTTP clients kept, one for each tenant, origin and connection time-out: 1024 by default.
    pub clients_max: u16,
    /// HTTP clients kept for one tenant: 64 by default.
    pub clients_per_tenant_max: u16,
    /// Idle connections kept for each client: 32 by default.
    pub idle_connections_max: u16,
    /// How long an idle connection is kept: `30s` by default.
    #[serde(with = "weir_engine::duration_text")]
    pub idle_timeout: Duration,
    /// Connectors whose calls in flight and failures are remembered: 4096 by default. Those with calls under way are
    /// remembered in any case.
    pub connectors_max: u16,
    /// The same of one tenant: 256 by default.
    pub connectors_per_tenant_max: u16,
}

/// The longest time-out that a document may have.
const TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);
/// What hyper's HTTP/1 reader can hold is about 400 KiB.
const HEADER_BYTES_MAX: u64 = 256 << 10;
/// `serde_json` refuses the 128th level.
const JSON_DEPTH_MAX: u16 = 127;
/// More attempts are not the same call any more.
const ATTEMPTS_MAX: u8 = 10;

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            timeout_max: TIMEOUT_MAX,
            response_bytes_max: 64 << 20,
            header_bytes_max: HEADER_BYTES_MAX,
            json_depth_max: JSON_DEPTH_MAX,
            concurrency_max: 1024,
            attempts_max: ATTEMPTS_MAX,
            response_headers_max: 100,
            json_nodes_max: 200_000,
            request_bytes_max: 4 << 20,
        }
    }
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            clients_max: 1024,
            clients_per_tenant_max: 64,
            idle_connections_max: 32,
            idle_timeout: Duration::from_secs(30),
            connectors_max: 4096,
            connectors_per_tenant_max: 256,
        }
    }
}

impl Ceilings {
    /// The same, with what no operator can raise held to what the readers can do.
    #[must_use]
    pub fn effective(&self) -> Self {
        Self {
            timeout_max: self.timeout_max.min(TIMEOUT_MAX),
            response_bytes_max: self.response_bytes_max,
            header_bytes_max: self.header_bytes_max.min(HEADER_BYTES_MAX),
            json_depth_max: self.json_depth_max.min(JSON_DEPTH_MAX),
            concurrency_max: self.concurrency_max.max(1),
            attempts_max: self.attempts_max.clamp(1, ATTEMPTS_MAX),
            response_headers_max: self.response_headers_max,
            json_nodes_max: self.json_nodes_max,
            request_bytes_max: self.request_bytes_max,
        }
    }

    /// The settings of a document, held to the ceilings.
    pub(crate) fn hold(&self, connection: &Connection) -> Connection {
        let most = self.effective();
        Connection {
            request_timeout: connection.request_timeout.min(most.timeout_max),
            connect_timeout: connection.connect_timeout.min(most.timeout_max),
            response_bytes_max: connection.response_bytes_max.min(most.response_bytes_max),
            header_bytes_max: connection.header_bytes_max.min(most.header_bytes_max),
            json_depth_max: connection.json_depth_max.min(most.json_depth_max),
            concurrency_max: connection.concurrency_max.min(most.concurrency_max),
            circuit_breaker: connection.circuit_breaker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_held_to_the_ceilings() {
        // covers C-20
        let asked = Connection {
            request_timeout: Duration::from_secs(3600),
            connect_timeout: Duration::from_secs(1),
            response_bytes_max: u64::MAX,
            header_bytes_max: u64::MAX,
            json_depth_max: u16::MAX,
            concurrency_max: u16::MAX,
            ..Connection::default()
        };
        let raised = Ceilings { header_bytes_max: u64::MAX, json_depth_max: u16::MAX, ..Ceilings::default() };
        let held = raised.hold(&asked);
        assert_eq!(held.request_timeout, TIMEOUT_MAX);
        assert_eq!(held.connect_timeout, Duration::from_secs(1));
        assert_eq!(held.response_bytes_max, 64 << 20);
        assert_eq!(held.concurrency_max, 1024);
        assert_eq!((held.header_bytes_max, held.json_depth_max), (HEADER_BYTES_MAX, JSON_DEPTH_MAX));
    }

    #[test]
    fn settings_from_json() {
        let settings: ConnectorSettings = serde_json::from_str(
            r#"{"egress": {"allow": [{"cidr": "127.0.0.1/32"}]}, "ceilings": {"timeout-max": "30s"}}"#,
        )
        .expect("settings");
        assert_eq!(settings.ceilings.timeout_max, Duration::from_secs(30));
        assert_eq!(settings.pool, PoolSettings::default());
        assert!(serde_json::from_str::<ConnectorSettings>(r#"{"egres": {}}"#).is_err());
    }
}
