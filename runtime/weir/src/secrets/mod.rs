//! Credentials, encrypted at rest and never given back (T-03).
//!
//! Envelope encryption: the master key wraps one data key for each tenant; the data key seals the tenant's
//! credentials. XChaCha20-Poly1305 throughout, with the record's identity as associated data, so that a row moved to
//! another tenant or name, or an older version put in place of a newer one, does not open (K-03).

mod credential;
mod identity;
mod master;
mod seal;
mod vault;

pub(crate) use self::credential::{CredentialSecret, InvalidCredential};
pub(crate) use self::master::{MasterKey, MasterKeyError, MasterKeySource};
pub(crate) use self::vault::{CredentialMetadata, Vault, VaultError};
