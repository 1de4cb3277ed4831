//! How a call is delivered: redirects, attempts, in the foreground or in the background (C-08, C-10, C-11, C-18, C-21).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether redirects are followed (C-08): 301, 302, 303, 307 and 308, each hop under the egress policy. Another origin
/// gets no credential, and of the headers only those that describe the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Redirects {
    /// `false` by default: a 3xx is the response then.
    pub follow: bool,
    /// Most redirects of one attempt, 1 to 10: 10 by default.
    pub hops_max: u8,
}

impl Default for Redirects {
    fn default() -> Self {
        Self { follow: false, hops_max: 10 }
    }
}

/// When a call is made again (C-18). Never after a redirect, unless the method is one that may be repeated (RFC 9110
/// section 9.2.2): the request may have been acted on before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Retry {
    /// Most attempts together, 1 to 10: 2 by default.
    pub attempts_max: u8,
    /// The statuses after which there is another: 500, 502, 503 and 504 by default.
    pub statuses: Vec<u16>,
    /// Whether there is another when no connection came about: `true` by default. Also when it broke before an answer,
    /// if the method is one that may be repeated (RFC 9110 section 9.2.2) or nothing of the request had been sent.
    pub on_connection_failure: bool,
    /// Whether there is another when an attempt took longer than `request-timeout`: `false` by default.
    pub on_timeout: bool,
    /// The wait before the second attempt: `100ms` by default. It doubles each time, less a random part of at most a
    /// half.
    #[serde(with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub backoff: Duration,
    /// The longest wait, also where a `Retry-After` asks for more; then there is no further attempt. `2s` by default.
    #[serde(with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub backoff_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_max: 2,
            statuses: vec![500, 502, 503, 504],
            on_connection_failure: true,
            on_timeout: false,
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(2),
        }
    }
}

/// Whether a step waits for the response (C-11).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseMode {
    /// The step goes on with the response.
    #[default]
    Wait,
    /// The step goes on at once, with an empty response; the call is made afterwards, also after a crash.
    Background,
}

impl ResponseMode {
    /// Whether the step waits.
    pub fn is_wait(&self) -> bool {
        *self == Self::Wait
    }
}

/// When the calls of a connector stop for a while (C-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CircuitBreaker {
    /// Attempts in a row without a whole answer, or with one of 500 or more, that open it: 20 by default; 0 never opens
    /// it. What is refused before it is sent does not count.
    pub failures_max: u16,
    /// How long calls fail at once before one of them tries again: `10s` by default.
    #[serde(with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub open_for: Duration,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self { failures_max: 20, open_for: Duration::from_secs(10) }
    }
}

/// At which level the three events of a call are logged (C-10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CallLog {
    /// The outgoing request: `disable` by default.
    pub request: EventLevel,
    /// A successful response: `disable` by default.
    pub success: EventLevel,
    /// A failed response, or none: `disable` by default.
    pub failure: EventLevel,
}

/// The level of one event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are C-10's")]
pub enum EventLevel {
    #[default]
    Disable,
    Debug,
    Info,
    Warning,
    Error,
}
