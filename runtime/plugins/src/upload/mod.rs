//! What an upload is, found out without running or compiling it (P-01, S-01): every refusal says what was found, where,
//! and what was expected.

mod error; // why an upload is refused
mod envelope; // what its first bytes say
mod contract; // what `wit/` asks for
mod compare; // a component's types beside the contract's
mod print; // types as lines of WIT
mod interfaces; // its imports and exports

use serde::{Deserialize, Serialize};
use wasmparser::Validator;
use weir_engine::digest::Digest;
use weir_engine::run::HookKind;

pub use self::error::{TypeMismatch, UploadError};

/// What an accepted component is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// Its content address (P-02).
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// The hooks that it exports, at least one.
    pub hooks: Vec<HookKind>,
    /// The names of everything that it imports.
    pub imports: Vec<String>,
    /// The names of everything that it exports, hooks and others.
    pub exports: Vec<String>,
    /// The version of `weir:plugin` that its hooks are built for.
    pub wit_version: semver::Version,
}

/// Checks that `bytes` are a component that targets the worlds of `wit/`, of at most `bytes_max` bytes. Takes time in
/// proportion to their number.
///
/// # Errors
/// See [`UploadError`].
pub fn validate(bytes: &[u8], bytes_max: u64) -> Result<Inspection, UploadError> {
    envelope::check(bytes, bytes_max)?;
    let types = Validator::new_with_features(crate::engine::FEATURES)
        .validate_all(bytes)
        .map_err(|error| envelope::invalid(&error, bytes))?;
    let names = interfaces::Names::read(bytes).map_err(|error| envelope::invalid(&error, bytes))?;
    let types = types.as_ref();
    interfaces::check_imports(&names, types)?;
    let (hooks, wit_version) = interfaces::check_exports(&names, types)?;
    Ok(Inspection {
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        hooks,
        imports: names.imports,
        exports: names.exports,
        wit_version,
    })
}
