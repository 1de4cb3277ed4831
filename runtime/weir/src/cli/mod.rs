//! The command line: one file for each command.

mod action;
mod action_type; // `action types`, `action check-type`
mod action_test; // `action test`
mod backup;
mod arguments; // values, read by their declared types
mod connector;
mod connector_test; // `connector test`
mod credential;
mod diff; // what changed in a text
mod doctor;
mod document; // what `flow` and `connector` have in common
mod error;
mod eval; // an expression, tried without a server
mod explain;
mod flow;
mod identity;
mod identity_files; // PKCS#12 and encrypted keys, opened before they are sent
mod debug; // the flow runner
mod journal; // a run's journal as a person wants to read it
mod key;
mod logs;
mod plugin;
mod restore;
mod run;
mod serve;
mod template; // `connector templates`, `connector new`
mod tenant;
mod test_page; // a tried call as a person wants to read it
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::error::CliError;
use crate::client::ServerOptions;
use crate::exit::{self, Exit};
use crate::output::{self, Format};

/// Runs flows of connector calls with sandboxed plugin hooks
#[derive(Debug, Parser)]
#[command(name = "weir", version, after_help = exit::HELP, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: Common,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    #[command(flatten)]
    server: ServerOptions,

    /// What results look like; with `json` an error is one object, the last line of standard error
    #[arg(long, short, global = true, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API
    Serve(serve::Options),
    /// Build, push and look at plugins
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Save and look at connectors
    #[command(subcommand)]
    Connector(connector::Command),
    /// Save actions, try them, switch them on and off, and look at them and their types
    #[command(subcommand)]
    Action(action::Command),
    /// Set credentials; nobody can read them back
    #[command(subcommand)]
    Credential(credential::Command),
    /// Set TLS certificates and keys; nobody can read the keys back
    #[command(subcommand)]
    Identity(identity::Command),
    /// Check, save and look at flows
    #[command(subcommand)]
    Flow(flow::Command),
    /// Start runs and look at them
    #[command(subcommand)]
    Run(run::Command),
    /// Show the diagnostic entries of a run, or of the whole tenant as they come
    Logs(logs::Options),
    /// For operators: make and look at tenants
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Put everything that is stored into one file, while the server runs
    #[command(visible_alias = "export")]
    Backup(backup::Options),
    /// Make a store from a backup, or only check one
    #[command(visible_alias = "import")]
    Restore(restore::Options),
    /// Look for what is wrong with this machine, its configuration, or a server
    Doctor(doctor::Options),
    /// Try an expression without a server, or list the functions that expressions may call
    Eval(eval::Options),
    /// Say what a code means and how to mend it
    Explain(explain::Options),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Compile a component that comes on standard input; the server starts this by itself
    #[command(name = weir_plugins::COMPILE_VERB, hide = true)]
    CompilePlugin,
}

/// Runs the command line that the process was given.
pub(crate) fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(cli),
        Err(error) => {
            let is_answer = !error.use_stderr();
            // A reader that has gone away is no error of ours.
            let _ = error.print();
            if is_answer { Exit::Done } else { Exit::Usage }.into()
        }
    }
}

fn run(cli: Cli) -> ExitCode {
    if matches!(cli.command, Command::CompilePlugin) {
        // The child's own codes are between it and the server.
        return ExitCode::from(weir_plugins::compile_child());
    }
    let format = cli.common.output;
    match command(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            // The last line of standard error: results alone stand in standard output.
            let text = match format {
                Format::Json => error.json().to_string(),
                Format::Table => format!("error: {}", output::printable(&error.message)),
            };
            output::remark(&text);
            error.exit.into()
        }
    }
}

fn command(Cli { command, common }: Cli) -> Result<Exit, CliError> {
    match command {
        Command::Serve(options) => serve::run(&options),
        Command::Plugin(command) => plugin::run(command, &common),
        Command::Connector(command) => connector::run(command, &common),
        Command::Action(command) => action::run(command, &common),
        Command::Credential(command) => credential::run(command, &common),
        Command::Identity(command) => identity::run(command, &common),
        Command::Flow(command) => flow::run(command, &common),
        Command::Run(command) => run::run(command, &common),
        Command::Logs(options) => logs::run(&options, &common),
        Command::Tenant(command) => tenant::run(command, &common),
        Command::Key(command) => key::run(command, &common),
        Command::Backup(options) => backup::run(&options, &common),
        Command::Restore(options) => restore::run(&options, &common),
        Command::Doctor(options) => doctor::run(&options, &common),
        Command::Eval(options) => eval::run(&options, &common),
        Command::Explain(options) => explain::run(&options),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "weir", &mut text);
            output::line(String::from_utf8_lossy(&text).trim_end());
            Ok(Exit::Done)
        }
        Command::CompilePlugin => Ok(Exit::Done),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_takes_a_secret_on_its_line() {
        // keeps K-01: other users of the machine can read command lines
        fn look(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = argument.get_id().as_str();
                assert!(!["password", "token", "secret", "api_key"].contains(&name), "{} {name}", command.get_name());
            }
            command.get_subcommands().for_each(look);
        }
        look(&Cli::command());
    }
}
