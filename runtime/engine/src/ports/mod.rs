//! What the engine needs from the outside. Each port is a trait that another crate implements;
//! the engine itself opens no socket, file or sandbox and reads no clock.

mod clock;
mod connectors;
mod encryption;
mod intervention;
mod lease;
mod outbox;
mod plugins;
mod signer;
mod store;
mod store_error;
mod tokens;

pub use self::clock::Clock;
pub use self::connectors::{
    Attempt, Attempts, CallContext, ConnectorError, ConnectorErrorKind, Connectors, Exchange, Hop, ReadResponse,
    Timings,
};
pub use self::encryption::{Encryption, EncryptionError, NoEncryption};
pub use self::intervention::{Intervened, Intervention};
pub use self::lease::{Lease, OwnerId};
pub use self::outbox::{Backlog, CallRoom, ClaimedCall, Outbox};
pub use self::plugins::{
    ActionDecision, ActionEvent, CallError, CallErrorKind, GrantedCalls, HookError, HookErrorKind, HookReport,
    Invocation, InvocationLimits, LogLevel, LogLine, NoGrantedCalls, PluginRef, Plugins, PostResponseDecision,
    PreCallDecision,
};
pub use self::signer::{NoSigner, Signer, SigningError, TokenToSign};
pub use self::store::{
    ClaimedRun, CommitStep, Cursor, Definition, DefinitionKind, Expectation, Health, NewDefinition, NewRun, Page,
    PageRequest, RunFilter, Started, Store,
};
pub use self::store_error::StoreError;
pub use self::tokens::{PromptRef, PromptToken, Tokens};
