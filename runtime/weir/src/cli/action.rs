//! `weir action`.

use super::Common;
use super::action_test;
use super::error::CliError;
use crate::exit::Exit;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Try one action with an event, and show every step of it
    Test(Box<action_test::Options>),
}

pub(super) fn run(command: Command, common: &Common) -> Result<Exit, CliError> {
    match command {
        Command::Test(options) => action_test::run(&options, common),
    }
}
