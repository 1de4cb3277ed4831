//! `weir serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::error::CliError;
use crate::config::{Config, Sources};
use crate::exit::Exit;
use crate::{serve, table};

/// Flags go before `WEIR_*` variables, these before the file.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    config: ConfigOptions,

    /// Check the configuration, print every setting with its source, and do not serve
    #[arg(long)]
    check: bool,
}

/// Where the configuration comes from.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigOptions {
    /// A TOML file; every setting can also be given as WEIR_PART_NAME, such as WEIR_SERVER_LISTEN
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// The data folder (`data.dir`)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Address and port to listen on (`server.listen`)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,

    /// Where runs and definitions are kept: `sled` or `memory` (`data.store`)
    #[arg(long, value_name = "KIND")]
    store: Option<String>,
}

impl ConfigOptions {
    /// The whole configuration.
    ///
    /// # Errors
    /// Every fault at once.
    pub(super) fn read(&self) -> Result<Config, CliError> {
        let flags = [
            ("data.dir", self.data.as_ref().map(|dir| dir.display().to_string())),
            ("server.listen", self.listen.map(|address| address.to_string())),
            ("data.store", self.store.clone()),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        // Variables that are not UTF-8 cannot be ours.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let sources = Sources { file: self.config.clone(), variables: variables.collect(), flags };
        Config::read(&sources).map_err(|faults| CliError::usage(faults.to_string()))
    }
}

pub(super) fn run(options: &Options) -> Result<Exit, CliError> {
    let config = options.config.read()?;
    if options.check {
        let rows = config.effective.iter().map(|row| vec![row.key.clone(), row.value.clone(), row.source.clone()]);
        table::print(&["SETTING", "VALUE", "SOURCE"], rows.collect());
        return Ok(Exit::Done);
    }
    serve::run(config).map(|()| Exit::Done).map_err(|error| CliError::of(error.exit(), &error))
}
