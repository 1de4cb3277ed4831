//! What an operator can choose about the store on disk. Every setting has a default that suits 2 cores and 2 GiB.

use serde::{Deserialize, Serialize};

/// Settings of [`crate::SledStore`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SledSettings {
    /// Memory for sled's page cache, in bytes. Default 64 MiB; at least 1 MiB is taken.
    pub cache_bytes: u64,
    /// How many commits at most share one write to the disk. Default 256; at least 1 is taken.
    pub group_commits_max: usize,
    /// How many writes may wait for the disk. Further ones wait outside, in the order in which they came, and use no
    /// memory of the store's. Default 1,024; at least 1 is taken.
    pub queue_writes_max: usize,
    /// Writes are refused with `store.full` while the disk has less free space than this, in bytes. Default 256 MiB.
    pub free_bytes_min: u64,
}

impl Default for SledSettings {
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            group_commits_max: 256,
            queue_writes_max: 1024,
            free_bytes_min: 256 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_settings_are_refused_and_absent_ones_have_defaults() {
        let settings: SledSettings = serde_json::from_str(r#"{"cache-bytes": 1048576}"#).unwrap();
        assert_eq!(settings, SledSettings { cache_bytes: 1_048_576, ..SledSettings::default() });
        assert!(serde_json::from_str::<SledSettings>(r#"{"cache": 1}"#).is_err());
    }
}
