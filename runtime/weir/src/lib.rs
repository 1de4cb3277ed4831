//! The service and the command line. Wires the ports, serves the API, keeps tenants and secrets; decides nothing about
//! what a run does next.

mod cli; // the command line: what each command does
mod serve; // start, serve, drain, stop
mod api; // the routes, one file for each resource
mod auth; // API keys, roles, permissions
mod tenants; // who owns what
mod documents; // the check of connector documents
mod templates; // ready-made connectors
mod action_types; // those that an operator adds
mod yaml_files;
mod secrets; // credentials, encrypted
mod codes; // what each means
mod problem; // answers to errors
mod config; // file, variables, flags
mod telemetry; // log and metrics
mod plugin_build; // from a Rust package to a component
mod client; // the command line's way to a server
mod private_file;
mod clock;
mod flow_runner; // what a step did, for whoever looks for a fault
mod exit;
mod output;
mod table;

/// For the threads of a busy server, which free what others have made.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Runs the command line that the process was given.
#[must_use]
pub fn main() -> std::process::ExitCode {
    cli::main()
}
