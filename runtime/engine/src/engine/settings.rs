//! What an operator may set.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::run::DiagnosticSettings;

/// A caller waits for a call that is tried, and the command line does not wait for ever.
const TEST_CALL_TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(120);

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EngineSettings {
    /// Most runs that this process drives at a time; more wait in the store. 256 by default.
    pub runs_driven_max: usize,
    /// Most of them that are one tenant's, so that one whose calls are slow leaves room for others. 0, the default,
    /// stands for three quarters of `runs-driven-max`.
    pub runs_driven_per_tenant_max: usize,
    /// How long a run that has ended is kept (F-14). 30 days by default.
    #[serde(with = "crate::duration_text")]
    pub keep_ended_for: Duration,
    /// How many runs that have ended a tenant keeps; of more, those that ended first are removed. 100,000 by default.
    pub keep_ended_max: u64,
    /// How long a process may be silent before others go on with its runs. 30 s by default.
    #[serde(with = "crate::duration_text")]
    pub lease: Duration,
    /// How often to look for runs that nobody drives. 1 s by default.
    #[serde(with = "crate::duration_text")]
    pub claim_interval: Duration,
    /// The largest event that starts a run, and the largest input that resumes one, in bytes of JSON. 256 KiB by
    /// default.
    pub event_bytes_max: usize,
    /// The largest context of a run, in bytes of JSON. 8 MiB by default.
    pub context_bytes_max: usize,
    /// Most steps that one run may take: a bound that no flow without cycles meets. 10,000 by default.
    pub steps_max: u64,
    /// The most that hooks and calls of one step may answer together, in bytes: it is kept until the commit. 32 MiB by
    /// default.
    pub step_bytes_max: usize,
    /// How often a run may be claimed without a commit in between before it ends as `run.abandoned`: it may be what
    /// brings its process down. 10 by default.
    pub claims_without_commit_max: u64,
    /// The longest deadline that a flow may ask for. 1 day by default.
    #[serde(with = "crate::duration_text")]
    pub run_deadline_max: Duration,
    /// The longest time that a suspended run waits for its end user, whatever `time-to-live` its action asks for. The
    /// run's deadline stands still meanwhile. 30 days by default.
    #[serde(with = "crate::duration_text")]
    pub suspension_max: Duration,
    /// The longest time that a `wait` step lets a run rest. The run's deadline stands still meanwhile. 30 days by default.
    #[serde(with = "crate::duration_text")]
    pub wait_max: Duration,
    /// How long a run that is paused, because a step failed as often as it may be tried, waits for somebody who lets it
    /// go on. 7 days by default.
    #[serde(with = "crate::duration_text")]
    pub pause_max: Duration,
    /// How often one step may suspend its run. 10 by default.
    pub suspensions_per_step_max: u32,
    /// How long a call that is only tried may take, its hooks included (C-16). 30 s by default.
    #[serde(with = "crate::duration_text")]
    pub test_call_timeout: Duration,
    /// Most calls in the background (C-11) that this process sends at a time; more wait in the store. 64 by default.
    pub background_calls_max: usize,
    /// Most of them that are one tenant's, so that one whose systems are slow does not hold up another's. 16 by default.
    pub background_calls_per_tenant_max: usize,
    /// How long a call in the background is sent again until it is given up. 1 day by default.
    #[serde(with = "crate::duration_text")]
    pub background_ttl: Duration,
    /// The longest time that one send of such a call may take, with all attempts of the function's `retry`. 5 min by
    /// default.
    #[serde(with = "crate::duration_text")]
    pub background_send_max: Duration,
    /// The pause before such a call is sent for the second time. It doubles each time. 1 s by default.
    #[serde(with = "crate::duration_text")]
    pub background_backoff: Duration,
    /// The longest such pause, also where a `Retry-After` asks for more. 5 min by default.
    #[serde(with = "crate::duration_text")]
    pub background_backoff_max: Duration,
    /// How much of a response's body is kept with such a call, in bytes; the rest is left out and counted. 64 KiB by
    /// default.
    pub background_body_bytes_max: usize,
    /// How deep flows may call one another. 8 by default.
    pub call_depth_max: u32,
    /// Most runs below one that somebody started, at any depth and all in all: branches, items, called flows and what
    /// these begin. Compensations do not count. 20,000 by default.
    pub family_runs_max: u64,
    /// What is told of steps to people. A section of its own.
    #[serde(skip)]
    pub diagnostics: DiagnosticSettings,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            runs_driven_max: 256,
            runs_driven_per_tenant_max: 0,
            keep_ended_for: Duration::from_secs(30 * 86_400),
            keep_ended_max: 100_000,
            lease: Duration::from_secs(30),
            claim_interval: Duration::from_secs(1),
            event_bytes_max: 256 << 10,
            context_bytes_max: 8 << 20,
            steps_max: 10_000,
            step_bytes_max: 32 << 20,
            claims_without_commit_max: 10,
            run_deadline_max: Duration::from_secs(86_400),
            suspension_max: Duration::from_secs(30 * 86_400),
            wait_max: Duration::from_secs(30 * 86_400),
            pause_max: Duration::from_secs(7 * 86_400),
            suspensions_per_step_max: 10,
            test_call_timeout: Duration::from_secs(30),
            background_calls_max: 64,
            background_calls_per_tenant_max: 16,
            background_ttl: Duration::from_secs(86_400),
            background_send_max: Duration::from_secs(300),
            background_backoff: Duration::from_secs(1),
            background_backoff_max: Duration::from_secs(300),
            background_body_bytes_max: 64 << 10,
            call_depth_max: 8,
            family_runs_max: 20_000,
            diagnostics: DiagnosticSettings::default(),
        }
    }
}

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{setting}` must be {wanted}")]
pub struct InvalidSettings {
    /// The setting.
    pub setting: &'static str,
    /// What it must be.
    pub wanted: &'static str,
}

/// How a step may suspend its run, and let it rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SuspensionLimits {
    /// How long at most.
    pub(crate) longest: Duration,
    /// How often.
    pub(crate) per_step_max: u32,
    /// How long a `wait` may take.
    pub(crate) wait_max: Duration,
    /// How long a step that failed too often pauses the run.
    pub(crate) pause: Duration,
}

/// How flows may call one another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallLimits {
    /// How deep.
    pub(crate) depth_max: u32,
    /// The largest event, in bytes of JSON.
    pub(crate) event_bytes_max: usize,
}

impl EngineSettings {
    pub(crate) fn calls(&self) -> CallLimits {
        CallLimits { depth_max: self.call_depth_max, event_bytes_max: self.event_bytes_max }
    }

    pub(crate) fn suspensions(&self) -> SuspensionLimits {
        SuspensionLimits {
            longest: self.suspension_max,
            per_step_max: self.suspensions_per_step_max,
            wait_max: self.wait_max,
            pause: self.pause_max,
        }
    }

    /// How many runs of one tenant are driven at a time.
    pub(super) fn runs_driven_of_one_tenant(&self) -> usize {
        match self.runs_driven_per_tenant_max {
            0 => self.runs_driven_max.saturating_sub(self.runs_driven_max / 4).max(1),
            most => most,
        }
    }

    /// Every setting that the engine could not work with.
    pub fn faults(&self) -> Vec<InvalidSettings> {
        let checks = [
            ("runs-driven-max", "from 1 to 100000", (1..=100_000).contains(&self.runs_driven_max)),
            (
                "runs-driven-per-tenant-max",
                "at most `runs-driven-max`",
                self.runs_driven_per_tenant_max <= self.runs_driven_max,
            ),
            ("keep-ended-for", "at least 1s", self.keep_ended_for >= Duration::from_secs(1)),
            ("lease", "at least 1s", self.lease >= Duration::from_secs(1)),
            ("claim-interval", "at least 10ms", self.claim_interval >= Duration::from_millis(10)),
            ("event-bytes-max", "at least 1", self.event_bytes_max >= 1),
            ("context-bytes-max", "at least `event-bytes-max`", self.context_bytes_max >= self.event_bytes_max),
            ("steps-max", "at least 1", self.steps_max >= 1),
            ("step-bytes-max", "at least 1", self.step_bytes_max >= 1),
            ("claims-without-commit-max", "at least 1", self.claims_without_commit_max >= 1),
            ("run-deadline-max", "at least 1s", self.run_deadline_max >= Duration::from_secs(1)),
            ("suspension-max", "at least 1s", self.suspension_max >= Duration::from_secs(1)),
            ("wait-max", "at least 1s", self.wait_max >= Duration::from_secs(1)),
            ("pause-max", "at least 1s", self.pause_max >= Duration::from_secs(1)),
            ("suspensions-per-step-max", "at least 1", self.suspensions_per_step_max >= 1),
            ("test-call-timeout", "from 1s to 2m", TEST_CALL_TIMEOUTS.contains(&self.test_call_timeout)),
            ("background-calls-max", "from 1 to 100000", (1..=100_000).contains(&self.background_calls_max)),
            (
                "background-calls-per-tenant-max",
                "from 1 to 100000",
                (1..=100_000).contains(&self.background_calls_per_tenant_max),
            ),
            ("call-depth-max", "from 1 to 100", (1..=100).contains(&self.call_depth_max)),
            ("family-runs-max", "at least 1", self.family_runs_max >= 1),
            ("background-ttl", "at least 1s", self.background_ttl >= Duration::from_secs(1)),
            ("background-send-max", "at least 1s", self.background_send_max >= Duration::from_secs(1)),
            ("background-backoff", "at least 10ms", self.background_backoff >= Duration::from_millis(10)),
            (
                "background-backoff-max",
                "at least `background-backoff`",
                self.background_backoff_max >= self.background_backoff,
            ),
        ];
        checks
            .into_iter()
            .filter(|(_, _, good)| !good)
            .map(|(setting, wanted, _)| InvalidSettings { setting, wanted })
            .collect()
    }
}
