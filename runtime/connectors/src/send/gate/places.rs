//! How many calls of a connector go out at a time (C-21).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::send::metrics;

/// The places of a connector's calls; who comes first is served first.
pub(in crate::send) struct Places {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
}

#[derive(Default)]
struct Size {
    /// The connector's version that has set it.
    version: u32,
    places: usize,
    /// Places that are taken and will not be free again: there are fewer now than when they were taken.
    excess: usize,
}

/// One place, for as long as it is kept.
pub(in crate::send) struct Place<'a> {
    places: &'a Places,
    permit: Option<OwnedSemaphorePermit>,
    _in_flight: metrics::Counted,
}

impl Default for Places {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(0)), size: Mutex::default() }
    }
}

impl Places {
    /// A place among that many, as this version of the connector has it; `None` where none came free in time.
    pub(in crate::send) async fn take(&self, places: u16, version: u32, until: Instant) -> Option<Place<'_>> {
        self.resize(places.max(1).into(), version);
        let free = self.free.clone();
        let permit = match free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = metrics::Counted::waiting();
                timeout_at(until, free.acquire_owned()).await.ok()?.ok()?
            }
        };
        Some(Place { places: self, permit: Some(permit), _in_flight: metrics::Counted::in_flight() })
    }

    /// The size of an older version counts no more, unless nobody is here: a connector that was deleted and made anew
    /// begins again at version 1.
    fn resize(&self, places: usize, version: u32) {
        let mut size = self.size();
        let is_idle = size.excess == 0 && self.free.available_permits() == size.places;
        if version < size.version && !is_idle {
            return;
        }
        if let Some(more) = places.checked_sub(size.places) {
            let kept = more.min(size.excess);
            size.excess -= kept;
            self.free.add_permits(more - kept);
        } else {
            let fewer = size.places - places;
            size.excess += fewer - self.free.forget_permits(fewer);
        }
        (size.places, size.version) = (places, version);
    }

    fn size(&self) -> MutexGuard<'_, Size> {
        self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut size = self.places.size();
        if size.excess > 0 {
            size.excess -= 1;
            self.permit.take().into_iter().for_each(OwnedSemaphorePermit::forget);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn at_n_and_n_plus_1() {
        // covers C-21
        let places = Places::default();
        let now = Instant::now();
        let taken = [places.take(2, 1, now).await, places.take(2, 1, now).await];
        assert!(taken.iter().all(Option::is_some));
        assert!(places.take(2, 1, now).await.is_none());
        drop(taken);
        assert!(places.take(2, 1, now).await.is_some());
    }

    #[tokio::test]
    async fn a_later_version_changes_how_many() {
        // covers C-21
        let places = Places::default();
        let now = Instant::now();
        let [one, two] = [places.take(2, 1, now).await, places.take(2, 1, now).await];
        assert!(two.is_some());
        let three = places.take(3, 2, now).await;
        assert!(three.is_some());
        // The older version has no more say, nor has the newer one more places.
        assert!(places.take(9, 1, now).await.is_none() && places.take(3, 2, now).await.is_none());
        assert!(places.take(1, 3, now).await.is_none());
        drop((one, two));
        assert!(places.take(1, 3, now).await.is_none());
        drop(three);
        let one = places.take(1, 3, now).await;
        assert!(one.is_some() && places.take(1, 3, now).await.is_none());
        // Growing while some are in excess.
        let four = [places.take(4, 4, now).await, places.take(4, 4, now).await, places.take(4, 4, now).await];
        assert!(places.take(2, 5, now).await.is_none());
        assert!(places.take(5, 6, now).await.is_some() && four.iter().all(Option::is_some));
        drop((one, four));
        // Nobody is here: a connector made anew.
        let anew = places.take(1, 1, now).await;
        assert!(anew.is_some() && places.take(1, 1, now).await.is_none());
    }
}
