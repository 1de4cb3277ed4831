//! One wasmtime engine: which Wasm is accepted, how memory is had, and the clock that interrupts guests.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmparser::WasmFeatures;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::settings::{Allocator, HostSettings};

/// How often the epoch ticks. A guest that computes is late for its deadline by at most one tick.
pub(crate) const EPOCH_TICK: Duration = Duration::from_millis(10);

/// Core instances of one component. Python needs 38, QuickJS 11.
pub(crate) const CORE_INSTANCES_MAX: u32 = 128;
/// Linear memories of one component. Nearly all have one; each more costs every slot its address space.
pub(crate) const MEMORIES_MAX: u32 = 4;
/// Tables of one component.
pub(crate) const TABLES_MAX: u32 = 64;

/// Frames of a trap that are kept, innermost first.
pub(crate) const BACKTRACE_FRAMES_MAX: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Stack of a guest, in bytes; deeper recursion ends as `plugin.stack-overflow`.
const WASM_STACK_BYTES: usize = 512 << 10;
/// Stack of the fiber that a guest and the host functions that it calls run on, in bytes.
const FIBER_STACK_BYTES: usize = 2 << 20;
/// Bytes of instance records of one component; Python's 38 instances stay well below.
const INSTANCE_RECORD_BYTES: usize = 4 << 20;

/// The Wasm that plugins may use: version 2 of the standard and what compilers emit by now. No threads, no garbage
/// collection, no 64-bit memories, no component-model async: less to attack, and nothing that is not deterministic.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES);

/// Why the plugin host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A setting that cannot work.
    #[error("`plugins.{setting}` is out of range; write {allowed}")]
    Setting {
        /// Which, with dots.
        setting: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// wasmtime cannot run on this machine.
    #[error("no sandbox can be had on this machine: {0}")]
    Engine(String),
    /// The cache folder cannot be used.
    #[error("the folder of compiled plugins, `{folder}`, cannot be used; it must be writable and belong to this user")]
    CacheFolder {
        /// Which.
        folder: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No thread for the epoch clock.
    #[error("the clock that interrupts guests could not be started")]
    Clock(#[source] std::io::Error),
}

impl SetupError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting { .. } => "plugin.setup.setting",
            Self::Engine(_) => "plugin.setup.engine",
            Self::CacheFolder { .. } => "plugin.setup.cache-folder",
            Self::Clock(_) => "plugin.setup.clock",
        }
    }
}

/// What compiled code depends on besides wasmtime itself: the same in the serving process and in the compiling child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    reservation_bytes: u64,
    guard_bytes: u64,
}

impl Shape {
    /// The configuration that compiled code depends on.
    pub(crate) fn config(self) -> Config {
        let mut config = Config::new();
        config
            .wasm_features(WasmFeatures::all().difference(FEATURES), false)
            .wasm_features(FEATURES, true)
            .concurrency_support(false)
            // The same answer on every machine: replays compare bytes (F-11).
            .relaxed_simd_deterministic(true)
            .cranelift_nan_canonicalization(true)
            .consume_fuel(true)
            .epoch_interruption(true)
            .max_wasm_stack(WASM_STACK_BYTES)
            .async_stack_size(FIBER_STACK_BYTES)
            .memory_init_cow(true)
            .memory_reservation(self.reservation_bytes)
            .memory_guard_size(self.guard_bytes)
            // Function names only. Files and lines would have this process parse what the guest says of its own
            // sources, by a parser that recurses as deep as the guest likes: they need a safe place first (S-08).
            .wasm_backtrace_details(WasmBacktraceDetails::Disable)
            .wasm_backtrace_max_frames(Some(BACKTRACE_FRAMES_MAX));
        config
    }
}

/// One way to set up the engine, best first.
struct Candidate {
    shape: Shape,
    resident_bytes: Option<u64>,
    allocator: Allocator,
    /// What an operator should know when it came to this.
    note: &'static str,
}

fn candidates(settings: &HostSettings) -> Vec<Candidate> {
    let wide = Shape { reservation_bytes: settings.pool.slot_reservation_bytes, guard_bytes: 32 << 20 };
    let narrow = Shape { reservation_bytes: settings.ceiling.memory_bytes, guard_bytes: 64 << 10 };
    let resident = Some(settings.pool.slot_resident_bytes);
    let pooling =
        |shape, resident_bytes, note| Candidate { shape, resident_bytes, allocator: Allocator::Pooling, note };
    let on_demand = |note| Candidate { shape: narrow, resident_bytes: None, allocator: Allocator::OnDemand, note };
    if settings.pool.allocator == Allocator::OnDemand {
        return vec![on_demand("")];
    }
    let no_scan = "the kernel has no PAGEMAP_SCAN (Linux 6.7): memory is wiped by giving pages back, which is slower";
    vec![
        pooling(wide, resident, ""),
        pooling(wide, None, no_scan),
        pooling(
            narrow,
            resident,
            "address space is short: memory slots are small, and guests compute about 13 % slower; \
             raise the limit of virtual memory, or lower `plugins.invocations-max`",
        ),
        pooling(narrow, None, "address space is short and the kernel has no PAGEMAP_SCAN: invocations are slower"),
        on_demand(
            "no pool of memory could be reserved: every invocation maps its own, which is several times slower; \
             raise the limit of virtual memory, or lower `plugins.invocations-max` and `plugins.ceiling.memory-bytes`",
        ),
    ]
}

fn pool(settings: &HostSettings, resident_bytes: Option<u64>) -> PoolingAllocationConfig {
    let slots = settings.invocations_max;
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(CORE_INSTANCES_MAX))
        // Enough for the greediest component in every slot: none takes another's.
        .total_memories(slots.saturating_mul(MEMORIES_MAX))
        .total_tables(slots.saturating_mul(TABLES_MAX))
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_component_instance_size(INSTANCE_RECORD_BYTES)
        .max_memory_size(bytes(settings.ceiling.memory_bytes))
        .table_elements(bytes(settings.ceiling.table_elements))
        .decommit_batch_size(32)
        .max_unused_warm_slots(100);
    // Resident pages without the scan are slower than none: all of them would be wiped, written or not.
    if let Some(resident) = resident_bytes {
        pool.linear_memory_keep_resident(bytes(resident)).table_keep_resident(64 << 10).pagemap_scan(Enabled::Yes);
    }
    pool
}

/// The engine and how it came about.
pub(crate) struct Sandbox {
    pub(crate) engine: Engine,
    pub(crate) shape: Shape,
    /// For people: what is not as good as it could be, and why.
    pub(crate) notes: Vec<String>,
}

impl Sandbox {
    /// The best engine that this machine can have, with its clock running until the engine is dropped.
    pub(crate) fn start(settings: &HostSettings) -> Result<Self, SetupError> {
        let mut failure = String::new();
        for candidate in candidates(settings) {
            let mut config = candidate.shape.config();
            if candidate.allocator == Allocator::Pooling {
                let pool = pool(settings, candidate.resident_bytes);
                config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
            }
            match Engine::new(&config) {
                Ok(engine) => {
                    start_clock(&engine)?;
                    let notes = Some(candidate.note).filter(|note| !note.is_empty()).map(str::to_owned);
                    return Ok(Self { engine, shape: candidate.shape, notes: notes.into_iter().collect() });
                }
                Err(error) => failure = format!("{error:#}"),
            }
        }
        Err(SetupError::Engine(failure))
    }
}

/// Ticks until nobody holds the engine any more.
fn start_clock(engine: &Engine) -> Result<(), SetupError> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH_TICK);
        }
    };
    std::thread::Builder::new().name("weir-epoch".to_owned()).spawn(tick).map_err(SetupError::Clock)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(reservation: u64) -> HostSettings {
        let mut settings = HostSettings { invocations_max: 2, ..HostSettings::default() };
        settings.pool.slot_reservation_bytes = reservation;
        settings
    }

    #[test]
    fn the_pool_is_had_where_address_space_is_enough() {
        let sandbox = Sandbox::start(&small(4 << 30)).unwrap();
        assert_eq!(sandbox.shape.reservation_bytes, 4 << 30);
    }

    #[test]
    fn a_shorter_reservation_is_taken_and_said_where_the_wanted_one_cannot_be_had() {
        // 4096 times 1 TiB is more than the address space of any machine.
        let mut settings = small(1 << 40);
        settings.invocations_max = 4_096;
        settings.ceiling.memory_bytes = 1 << 20;
        settings.ceiling.table_elements = 1_000;
        let sandbox = Sandbox::start(&settings).unwrap();
        assert_eq!(sandbox.shape.reservation_bytes, 1 << 20);
        assert!(sandbox.notes.iter().any(|note| note.contains("address space is short")), "{:?}", sandbox.notes);
    }

    #[test]
    fn without_any_pool_the_host_still_starts() {
        let mut settings = small(1 << 40);
        settings.invocations_max = 4_096;
        settings.ceiling.memory_bytes = 4 << 30;
        settings.ceiling.table_elements = 1 << 32;
        let sandbox = Sandbox::start(&settings).unwrap();
        assert!(sandbox.notes.iter().any(|note| note.contains("no pool")), "{:?}", sandbox.notes);
    }

    #[test]
    fn child_and_server_compile_for_the_same_engine() {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let hash = |engine: &Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        let sandbox = Sandbox::start(&small(4 << 30)).unwrap();
        assert_eq!(hash(&sandbox.engine), hash(&Engine::new(&sandbox.shape.config()).unwrap()));
    }
}
