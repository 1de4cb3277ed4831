//! `make bench`: one hook invocation against the raw engine, and durable steps against the disk, in one process, so
//! that the ratios hold on any machine. Prints a table and writes `target/bench/report.json`.

mod hooks;
mod report;
mod steps;

use report::Report;

fn main() -> anyhow::Result<()> {
    // `cargo test --benches` and the like only want to know that it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    runtime.block_on(hooks::measure(&mut report))?;
    runtime.block_on(steps::measure(&mut report))?;
    report.print();
    report.write()
}
