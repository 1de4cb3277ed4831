//! What an operator can set, with the defaults for a machine with 2 cores and 2 GiB.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_engine::ports::InvocationLimits;

use crate::engine::SetupError;

/// The settings of the plugin host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HostSettings {
    /// Where compiled plugins are kept; created with mode 0700. It is a cache: it may be emptied at any time.
    pub cache_folder: PathBuf,
    /// Most bytes of that folder; the files unused for longest go first. Default 2 GiB.
    pub cache_bytes_max: u64,
    /// Most plugins kept loaded; those unused for longest go first. Default 128.
    pub loaded_max: usize,
    /// Invocations that run at once; 1 to 4096, default 32. Each may take up to `ceiling.memory-bytes`.
    pub invocations_max: u32,
    /// Invocations of one tenant that run at once, at most `invocations-max`. Default three quarters of it: what is
    /// left is for others.
    pub invocations_per_tenant_max: Option<u32>,
    /// How long an invocation waits for its turn before it ends as `plugin.busy`, in milliseconds. Default 1000.
    pub queue_time_ms: u64,
    /// Largest component that is accepted, in bytes. Default 20 MiB.
    pub upload_bytes_max: u64,
    /// What a compilation may use up.
    pub compile: CompileSettings,
    /// How memory for instances is had.
    pub pool: PoolSettings,
    /// No invocation gets more than this, whatever its step asks for.
    pub ceiling: InvocationLimits,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            cache_folder: PathBuf::from("compiled-plugins"),
            cache_bytes_max: 2 << 30,
            loaded_max: 128,
            invocations_max: 32,
            invocations_per_tenant_max: None,
            queue_time_ms: 1_000,
            upload_bytes_max: 20 << 20,
            compile: CompileSettings::default(),
            pool: PoolSettings::default(),
            ceiling: InvocationLimits {
                time_ms: 30_000,
                fuel: 100_000_000_000,
                memory_bytes: 256 << 20,
                table_elements: 1_000_000,
                output_bytes: 32 << 20,
                log_bytes: 1 << 20,
                log_lines: 4_096,
                connector_calls: 64,
            },
        }
    }
}

/// What one compilation may use up (P-03, S-02).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CompileSettings {
    /// Processor time, in seconds. Default 30.
    pub cpu_seconds: u64,
    /// Address space of the compiling process, in bytes. Default 1 GiB.
    pub memory_bytes: u64,
    /// Wall time, in milliseconds. Default 60 000.
    pub time_ms: u64,
    /// Largest compiled file, in bytes. Default 256 MiB.
    pub artifact_bytes_max: u64,
    /// Compilations that run at once; the others wait. Default 1, so that one core is left to serve.
    pub concurrent_max: u32,
}

impl Default for CompileSettings {
    fn default() -> Self {
        Self {
            cpu_seconds: 30,
            memory_bytes: 1 << 30,
            time_ms: 60_000,
            artifact_bytes_max: 256 << 20,
            concurrent_max: 1,
        }
    }
}

/// How memory for instances is had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PoolSettings {
    /// The allocator. Default `pooling`, which falls back to `on-demand` where address space is short.
    pub allocator: Allocator,
    /// Address space of one slot, in bytes; reserved, not used. 4 GiB, the default, saves bounds checks.
    pub slot_reservation_bytes: u64,
    /// Pages of a slot that stay resident between invocations, in bytes, where the kernel can tell which pages were
    /// written (Linux 6.7). Default 16 MiB.
    pub slot_resident_bytes: u64,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { allocator: Allocator::Pooling, slot_reservation_bytes: 4 << 30, slot_resident_bytes: 16 << 20 }
    }
}

/// The ways to have memory for instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Allocator {
    /// Slots that are reserved at start and used again and again, wiped between invocations. Fast.
    Pooling,
    /// Memory mapped for each invocation. Needs little address space.
    OnDemand,
}

/// The smallest Wasm memory that can hold a guest, one page.
const WASM_PAGE_BYTES: u64 = 64 << 10;

impl HostSettings {
    /// Invocations of one tenant that run at once.
    pub(crate) fn per_tenant_max(&self) -> u32 {
        let max = self.invocations_max;
        self.invocations_per_tenant_max.unwrap_or(max - max / 4).max(1)
    }

    /// How long an invocation waits for its turn.
    pub(crate) fn queue_time(&self) -> Duration {
        Duration::from_millis(self.queue_time_ms)
    }

    /// Refuses settings that cannot work.
    pub(crate) fn check(&self) -> Result<(), SetupError> {
        let memory = self.ceiling.memory_bytes;
        let rules = [
            ("invocations-max", (1..=4_096).contains(&self.invocations_max), "1 to 4096"),
            (
                "invocations-per-tenant-max",
                self.invocations_per_tenant_max.is_none_or(|max| (1..=self.invocations_max).contains(&max)),
                "1 to `plugins.invocations-max`",
            ),
            ("loaded-max", self.loaded_max > 0, "at least 1"),
            ("upload-bytes-max", self.upload_bytes_max > 0, "at least 1"),
            ("compile.cpu-seconds", self.compile.cpu_seconds > 0, "at least 1"),
            ("compile.memory-bytes", self.compile.memory_bytes >= 64 << 20, "at least 64 MiB"),
            ("compile.time-ms", self.compile.time_ms > 0, "at least 1"),
            ("compile.concurrent-max", self.compile.concurrent_max > 0, "at least 1"),
            ("ceiling.time-ms", self.ceiling.time_ms > 0, "at least 1"),
            ("ceiling.memory-bytes", (WASM_PAGE_BYTES..=4 << 30).contains(&memory), "64 KiB to 4 GiB"),
            (
                "pool.slot-reservation-bytes",
                (memory..=1 << 40).contains(&self.pool.slot_reservation_bytes),
                "at least `plugins.ceiling.memory-bytes`, at most 1 TiB",
            ),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((setting, _, allowed)) => Err(SetupError::Setting { setting, allowed }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_unknown_settings_are_refused() {
        let settings: HostSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, HostSettings::default());
        assert!(settings.check().is_ok());
        assert!(serde_json::from_str::<HostSettings>(r#"{"cach-folder": "x"}"#).is_err());
        assert!(serde_json::from_str::<HostSettings>(r#"{"pool": {"slots": 1}}"#).is_err());
        assert!(serde_json::from_str::<HostSettings>(r#"{"ceiling": {"memory_bytes": 1}}"#).is_err());
    }

    #[test]
    fn a_tenant_has_three_quarters_by_default() {
        let per_tenant = |invocations_max, own| {
            HostSettings { invocations_max, invocations_per_tenant_max: own, ..HostSettings::default() }
                .per_tenant_max()
        };
        assert_eq!([1, 2, 4, 32].map(|max| per_tenant(max, None)), [1, 2, 3, 24]);
        assert_eq!(per_tenant(32, Some(32)), 32);
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        for (json, setting) in [
            (r#"{"invocations-max": 0}"#, "invocations-max"),
            (r#"{"invocations-max": 4097}"#, "invocations-max"),
            (r#"{"invocations-per-tenant-max": 0}"#, "invocations-per-tenant-max"),
            (r#"{"invocations-per-tenant-max": 33}"#, "invocations-per-tenant-max"),
            (r#"{"compile": {"memory-bytes": 1}}"#, "compile.memory-bytes"),
            (r#"{"pool": {"slot-reservation-bytes": 65536}}"#, "pool.slot-reservation-bytes"),
            (r#"{"ceiling": {"memory-bytes": 1}}"#, "ceiling.memory-bytes"),
        ] {
            let settings: HostSettings = serde_json::from_str(json).unwrap();
            let Err(SetupError::Setting { setting: named, .. }) = settings.check() else {
                panic!("{json} was accepted")
            };
            assert_eq!(named, setting);
        }
    }
}
