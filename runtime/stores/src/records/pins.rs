//! Large values that a verb is about to name. From before it looks whether a file is there until its rows are written,
//! nobody removes that file, though no row names it yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_engine::digest::Digest;

/// What is pinned now, and how often.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<HashMap<Digest, usize>>);

/// Digests that stay pinned until this is dropped. It travels with the verb that names them.
#[derive(Debug, Default)]
pub(crate) struct Pinned {
    pins: Option<Arc<Pins>>,
    digests: Vec<Digest>,
}

impl Pins {
    fn held(&self) -> MutexGuard<'_, HashMap<Digest, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pins digests, whether there are files of them or not.
    pub(crate) fn pin(self: &Arc<Self>, digests: Vec<Digest>) -> Pinned {
        let mut held = self.held();
        for digest in &digests {
            let times = held.entry(*digest).or_default();
            *times = times.saturating_add(1);
        }
        drop(held);
        Pinned { pins: Some(Arc::clone(self)), digests }
    }

    /// Calls `remove` where nobody has pinned the digest; nobody can while it works.
    pub(crate) fn unless_pinned<T>(&self, digest: &Digest, remove: impl FnOnce() -> T) -> Option<T> {
        let held = self.held();
        if held.contains_key(digest) { None } else { Some(remove()) }
    }
}

impl Pinned {
    /// What is pinned, in the order in which it was asked for.
    pub(crate) fn digests(&self) -> &[Digest] {
        &self.digests
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let Some(pins) = &self.pins else { return };
        let mut held = pins.held();
        for digest in &self.digests {
            if let Some(times) = held.get_mut(digest) {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    held.remove(digest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_have_pinned_stays_until_both_have_let_go() {
        let (pins, digest) = (Arc::new(Pins::default()), Digest::of(b"x"));
        let (one, other) = (pins.pin(vec![digest]), pins.pin(vec![digest, digest]));
        drop(other);
        assert_eq!(pins.unless_pinned(&digest, || ()), None);
        drop(one);
        assert_eq!(pins.unless_pinned(&digest, || 7), Some(7));
    }
}
