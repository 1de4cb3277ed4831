//! The service and its command line.

mod plugin_build;

use clap::Parser;

#[derive(Parser)]
enum Weir {
    /// Builds a Rust guest into a component
    PluginBuild(plugin_build::BuildOptions),
}

fn main() -> std::process::ExitCode {
    let Weir::PluginBuild(options) = Weir::parse();
    let mut progress = std::io::stderr();
    match plugin_build::build(&options, &mut progress) {
        Ok(built) => {
            let _ = serde_json::to_writer(std::io::stdout(), &built);
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            use std::io::Write as _;
            let _ = writeln!(progress, "{}: {:#}", error.code(), anyhow::Error::from(error));
            std::process::ExitCode::FAILURE
        }
    }
}
