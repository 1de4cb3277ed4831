//! Calls outside systems over HTTP: binds arguments to a function, adds credentials, checks the egress policy,
//! sends, and reads the response within its limits.
//!
//! Invariants: the only crate that names reqwest. Nothing is dialled but an address that the egress policy has
//! checked. Credentials exist only in here, between the last hook and the wire; what comes back is masked before
//! anybody sees it.

mod http_connectors; // the port
pub mod settings; // what an operator sets
pub mod validate; // the faults of a document, at save
mod fault;
mod error; // making the port's errors
mod bind; // arguments and templates become a request
pub mod credentials; // the port to stored credentials
mod egress; // which addresses may be dialled
mod own_addresses; // which addresses are this machine
mod resolve; // names become checked addresses
mod system_resolver; // the names that this machine knows
mod send; // attempts over the wire
mod authenticate; // credentials become part of an attempt
pub mod jws; // signatures with stored keys
mod mask; // secrets do not come back
mod format; // bodies become values
mod response; // schemas and transformations of responses

pub use self::credentials::{Credential, CredentialError, Credentials, Identity, StoredCredential};
pub use self::egress::{
    AddressClass, Denied, DeniedReason, DenyRule, Destination, EgressPolicy, EgressRule, EgressSettings, InvalidRule,
    Reach, Scheme, TenantEgress,
};
pub use self::fault::{Fault, codes};
pub use self::http_connectors::HttpConnectors;
pub use self::resolve::{Question, Resolver};
pub use self::send::SetupError;
pub use self::settings::{Ceilings, ConnectorSettings, PoolSettings};
pub use self::system_resolver::SystemResolver;
pub use self::validate::validate;
