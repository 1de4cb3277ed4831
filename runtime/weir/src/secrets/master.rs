//! The master key: 256 random bits that wrap every data key. From `WEIR_MASTER_KEY`, or from a file that is made on
//! the first start. Whoever loses it loses every stored credential, and nothing else.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use weir_engine::digest::Digest;
use weir_engine::ids::TenantId;

use super::seal::{KEY_BYTES, SealKey};
use super::tokens::TokenKey;
use crate::auth::{NoRandomness, fill_random};
use crate::private_file;

/// The variable that gives the master key.
pub(crate) const VARIABLE: &str = "WEIR_MASTER_KEY";
/// The code of a store without its master key.
pub(crate) const MISSING: &str = "server.master-key-missing";
/// The code of a store with a master key that is not its own.
const OTHER: &str = "server.other-master-key";

/// The master key.
pub(crate) struct MasterKey {
    pub(super) seal: SealKey,
    pub(super) id: String,
    /// Signs the tokens of prompts.
    pub(super) tokens: TokenKey,
}

/// Where a master key came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MasterKeySource {
    /// The variable.
    Variable,
    /// A file that was there.
    File,
    /// A file that was just made.
    NewFile,
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MasterKeyError {
    /// Not 64 hexadecimal digits.
    #[error(
        "{place} holds no master key, which is 64 hexadecimal digits; put the right one back from its copy: another one \
         opens no stored credential"
    )]
    Malformed {
        /// The variable or the file.
        place: String,
    },
    /// Others can read the file.
    #[error(
        "others than its owner can read `{path}`; run `chmod 600` on it, and rotate what it protects if they may have"
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read or made.
    #[error("the master key file `{path}` cannot be read or made")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The store has tenants, so there was a key, and none is given.
    #[error(
        "the master key of this store is missing: `{path}` is not there; put that file back from its copy, or set {} \
         (`weir explain {}` tells more)",
        VARIABLE,
        MISSING
    )]
    Missing {
        /// Where the file would be.
        path: PathBuf,
    },
    /// Another key wrapped what is in the store.
    #[error(
        "this is not the master key of this store: the data key of tenant `{tenant}` was wrapped with {wrapped_with}, \
         this one is {present}; put the right file back from its copy, or set {} (`weir explain {}` tells more)",
        VARIABLE,
        OTHER
    )]
    Other {
        /// Whose data key was looked at.
        tenant: TenantId,
        /// The id of the key that it needs.
        wrapped_with: String,
        /// The id of the key that is there.
        present: String,
    },
    /// No randomness for a new one.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl MasterKey {
    /// From the variable's text, else from the file, which is made where it is missing.
    ///
    /// # Errors
    /// See [`MasterKeyError`].
    pub(crate) fn load(variable: Option<&str>, path: &Path) -> Result<(Self, MasterKeySource), MasterKeyError> {
        if let Some(text) = variable {
            return Ok((Self::from_text(text, VARIABLE)?, MasterKeySource::Variable));
        }
        let file = |source| MasterKeyError::File { path: path.to_owned(), source };
        match std::fs::read(path).map(Zeroizing::new) {
            Ok(bytes) => {
                if private_file::is_open_to_others(path).map_err(file)? {
                    return Err(MasterKeyError::OpenToOthers { path: path.to_owned() });
                }
                // What is not text is not hexadecimal digits either.
                let text = std::str::from_utf8(&bytes).unwrap_or_default();
                Ok((Self::from_text(text, &format!("`{}`", path.display()))?, MasterKeySource::File))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut bytes = Zeroizing::new([0; KEY_BYTES]);
                fill_random(bytes.as_mut())?;
                let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(*bytes))));
                private_file::create(path, text.as_bytes()).map_err(file)?;
                Ok((Self::from_bytes(&bytes), MasterKeySource::NewFile))
            }
            Err(error) => Err(file(error)),
        }
    }

    fn from_text(text: &str, place: &str) -> Result<Self, MasterKeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        hex::decode_to_slice(text.trim(), bytes.as_mut())
            .map_err(|_| MasterKeyError::Malformed { place: place.to_owned() })?;
        Ok(Self::from_bytes(&bytes))
    }

    pub(super) fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut named = Zeroizing::new(b"weir master key id\0".to_vec());
        named.extend_from_slice(bytes);
        let id = Digest::of(&named).hex().chars().take(16).collect();
        Self { seal: SealKey::new(bytes), id, tokens: TokenKey::derive(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_and_read_again() {
        // covers T-03
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        let (first, source) = MasterKey::load(None, &path).unwrap();
        assert_eq!(source, MasterKeySource::NewFile);
        let (second, source) = MasterKey::load(None, &path).unwrap();
        assert_eq!((second.id, source), (first.id, MasterKeySource::File));
        let (third, source) = MasterKey::load(Some(&"ab".repeat(32)), &path).unwrap();
        assert_eq!(source, MasterKeySource::Variable);
        assert_ne!(third.id, MasterKey::load(None, &path).unwrap().0.id);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKey::load(None, &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(MasterKey::load(None, &path), Err(MasterKeyError::OpenToOthers { .. })));
    }

    #[test]
    fn a_damaged_file_is_refused_and_never_made_anew() {
        // keeps D4
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKey::load(None, &path).unwrap();
        let sound = std::fs::read(&path).unwrap();
        let cut = (0..64).map(|at| sound[..at].to_vec());
        let zeroed = (0..64).map(|at| [&sound[..at], &vec![0; sound.len() - at]].concat());
        for damaged in cut.chain(zeroed).chain([vec![0xff; 65], vec![b' '; 4096]]) {
            std::fs::write(&path, &damaged).unwrap();
            let error = MasterKey::load(None, &path).err().unwrap();
            assert!(matches!(&error, MasterKeyError::Malformed { .. }), "{damaged:?}");
            assert!(error.to_string().contains("from its copy"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(MasterKey::load(None, &path), Err(MasterKeyError::File { .. })));
    }

    #[test]
    fn a_malformed_key_is_refused_and_not_shown() {
        // keeps K-01
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "abc", &"zz".repeat(32), &"ab".repeat(33)] {
            let error = MasterKey::load(Some(text), &dir.path().join("k")).err().unwrap();
            assert!(matches!(&error, MasterKeyError::Malformed { .. }), "{text}");
            assert!(text.is_empty() || !error.to_string().contains(text));
        }
    }
}
