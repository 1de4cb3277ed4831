//! Why the server did not start, or stopped by itself.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use weir_engine::ports::StoreError;

use crate::auth::KeyRingError;
use crate::exit::Exit;
use crate::secrets::MasterKeyError;
use crate::telemetry::MetricsError;

/// Why there is no server. Each cause is a `source`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The log filter cannot be read.
    #[error("`log.filter` cannot be read; write something like `info` or `info,weir_engine=debug`")]
    LogFilter(#[from] tracing_subscriber::filter::ParseError),
    /// Metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The system gives no threads, signals or sockets.
    #[error("the process cannot be set up")]
    Runtime(#[source] io::Error),
    /// The address is taken or not ours.
    #[error("nothing can listen on {address}; is another server there? Choose another one with `--listen`")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The data folder.
    #[error("the data folder `{dir}` cannot be made or used")]
    Folder {
        /// Which.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store on disk.
    #[error("the store cannot be opened")]
    Open(#[from] weir_stores::OpenError),
    /// The master key.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plugin host.
    #[error("the plugin host cannot be started")]
    Plugins(#[from] weir_plugins::SetupError),
    /// The connectors.
    #[error("connectors cannot be set up")]
    Connectors(#[from] weir_connectors::SetupError),
    /// The operator's key.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// `WEIR_OPERATOR_KEY` or the key file holds no operator's key.
    #[error("{place} holds no operator's key; write `weir_system_ID_SECRET`, 16 and 64 hexadecimal digits")]
    OperatorKey {
        /// The variable or the file.
        place: String,
    },
}

impl ServeError {
    /// How the process ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::LogFilter(_)
            | Self::OperatorKey { .. }
            | Self::MasterKey(
                MasterKeyError::Malformed { .. } | MasterKeyError::Missing { .. } | MasterKeyError::Other { .. },
            )
            | Self::Plugins(weir_plugins::SetupError::Setting { .. }) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}
