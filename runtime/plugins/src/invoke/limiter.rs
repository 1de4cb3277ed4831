//! Memory and tables of all of a component's instances together (P-05).

use wasmtime::ResourceLimiter;
use weir_engine::ports::InvocationLimits;

use crate::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX};

/// What a guest asked for and did not get. Guests tend to trap soon after; this says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory,
    Table,
}

/// One kind of growth: how much there is, and how much there may be.
#[derive(Debug, Default)]
struct Budget {
    used: u64,
    max: u64,
    last: u64,
}

impl Budget {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let more = desired.saturating_sub(current) as u64;
        let used = self.used.saturating_add(more);
        if used > self.max {
            return false;
        }
        self.used = used;
        self.last = more;
        true
    }

    /// Takes back the last growth, which was permitted but did not happen.
    fn undo(&mut self) {
        self.used = self.used.saturating_sub(std::mem::take(&mut self.last));
    }
}

/// Keeps the sums, and remembers what was refused.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory: Budget,
    table: Budget,
    /// The last refusal.
    pub(crate) refused: Option<Refused>,
}

impl Limiter {
    pub(crate) fn new(limits: &InvocationLimits) -> Self {
        Self {
            memory: Budget { max: limits.memory_bytes, ..Budget::default() },
            table: Budget { max: limits.table_elements, ..Budget::default() },
            refused: None,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = self.memory.grow(current, desired);
        if !fits {
            self.refused = Some(Refused::Memory);
        }
        Ok(fits)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = self.table.grow(current, desired);
        if !fits {
            self.refused = Some(Refused::Table);
        }
        Ok(fits)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.table.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_memories_and_gives_back_what_did_not_happen() {
        // covers P-05
        let limits = InvocationLimits { memory_bytes: 100, table_elements: 10, ..InvocationLimits::default() };
        let mut limiter = Limiter::new(&limits);
        assert!(limiter.memory_growing(0, 60, None).unwrap());
        assert!(!limiter.memory_growing(0, 41, None).unwrap());
        assert_eq!(limiter.refused, Some(Refused::Memory));
        assert!(limiter.memory_growing(0, 40, None).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("beyond its own maximum")).unwrap();
        assert!(limiter.memory_growing(60, 100, None).unwrap());
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(!limiter.table_growing(10, 11, None).unwrap());
        assert_eq!(limiter.refused, Some(Refused::Table));
    }
}
