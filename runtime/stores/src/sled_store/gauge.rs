//! What the store says of itself, without asking the disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Figures that the writer keeps fresh.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    pub(super) database_bytes: AtomicU64,
    pub(super) bytes_free: AtomicU64,
    /// Groups of commits that are durable.
    pub(super) groups: AtomicU64,
    /// Why no writes are taken.
    trouble: Mutex<Option<String>>,
    /// What an operator should know of the last opening.
    repairs: Mutex<Vec<String>>,
}

impl Gauge {
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(super) fn repairs(&self) -> Vec<String> {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add_repairs(&self, more: Vec<String>) {
        self.repairs.lock().unwrap_or_else(PoisonError::into_inner).extend(more);
    }

    pub(super) fn set(figure: &AtomicU64, value: u64) {
        figure.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(figure: &AtomicU64) -> u64 {
        figure.load(Ordering::Relaxed)
    }
}
