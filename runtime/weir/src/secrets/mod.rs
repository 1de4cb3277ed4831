//! Credentials and TLS identities, encrypted at rest and never given back (T-03).
//!
//! Envelope encryption: the master key wraps one data key for each tenant; the data key seals the tenant's
//! secrets. XChaCha20-Poly1305 throughout, with tenant, kind, name and version as associated data, so that a row moved to
//! another tenant or name, or an older version put in place of a newer one, does not open (K-03).

mod binding; // what a seal is bound to
mod certificate; // what may be told of a certificate
mod credential;
mod encryption; // for actions, with stored identities
mod expiry; // identities that expire soon
mod identity; // certificates and keys as their owner sets them
mod identity_store; // sealed, stored, opened
mod in_use; // which master key a store belongs to
mod jwe; // RFC 7516
mod master;
mod seal;
mod signing; // of claims, with stored identities
mod tokens; // of prompts
mod vault;

pub(crate) use self::credential::{CredentialSecret, InvalidCredential};
pub(crate) use self::encryption::StoredEncryption;
pub(crate) use self::expiry::{ExpiryLog, State};
pub(crate) use self::identity::NewIdentity;
pub(crate) use self::identity_store::{IdentityMetadata, SaveIdentityError};
pub(crate) use self::in_use::KeyInUse;
pub(crate) use self::master::{
    MISSING as MASTER_KEY_MISSING, MasterKey, MasterKeyError, MasterKeySource, VARIABLE as MASTER_KEY_VARIABLE,
};
pub(crate) use self::signing::{JwkSet, StoredSigner};
pub(crate) use self::tokens::PromptTokens;
pub(crate) use self::vault::{CredentialMetadata, Vault, VaultError};
