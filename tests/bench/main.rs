//! `make bench`: one hook invocation against the raw engine, one connector call against bare reqwest, and durable steps
//! against the disk, in one process, so that the ratios hold on any machine. Prints a table and writes
//! `target/bench/report.json`. With `hooks`, `calls`, `steps` or `stored` on its command line it measures only those.

mod calls;
mod floor; // what the disk can do
mod hooks;
mod nobody; // ports of an engine whose flows call nothing
mod report;
mod steps;
mod store_alone; // the store's verbs without an engine
mod stored; // many stored runs

use report::Report;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` and the like only want to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let parts: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|name| name == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    if wanted("hooks") {
        runtime.block_on(hooks::measure(&mut report))?;
    }
    if wanted("calls") {
        runtime.block_on(calls::measure(&mut report))?;
    }
    if wanted("steps") {
        runtime.block_on(steps::measure(&mut report))?;
    }
    if wanted("stored") {
        runtime.block_on(stored::measure(&mut report))?;
    }
    report.print();
    report.write()
}
