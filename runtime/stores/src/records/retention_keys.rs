//! The keys of what is removed one day; their tables stand in the list of [`super::keys`].

use weir_engine::digest::Digest;
use weir_engine::ids::{RunId, TenantId};
use weir_engine::ports::StoreError;
use weir_engine::time::Timestamp;

use super::frame::damaged;
use super::keys::{RunKey, of_tenant};

impl RunKey {
    /// The child runs of the run.
    pub(crate) fn children(&self) -> Vec<u8> {
        self.of(b'c')
    }

    pub(crate) fn child(&self, child: RunId) -> Vec<u8> {
        let mut key = self.children();
        key.extend(child.as_bytes());
        key
    }

    pub(crate) fn removed(&self) -> Vec<u8> {
        self.of(b'd')
    }

    pub(crate) fn ended(&self, at: Timestamp) -> Vec<u8> {
        let mut key = ended_of(&self.tenant);
        key.extend(at.as_millis().to_be_bytes());
        key.extend(self.run.as_bytes());
        key
    }
}

/// All runs that have ended.
pub(crate) const ENDED: &[u8] = b"e";
/// All runs that were removed and may have rows left.
pub(crate) const REMOVED: &[u8] = b"d";
/// Bytes of such a key before the run.
pub(crate) const REMOVED_SKIP: usize = 1;

/// The runs of a tenant that have ended.
pub(crate) fn ended_of(tenant: &TenantId) -> Vec<u8> {
    of_tenant(b'e', tenant)
}

/// How many they are.
pub(crate) fn ended_count(tenant: &TenantId) -> Vec<u8> {
    of_tenant(b'n', tenant)
}

/// Whose the row of a run that has ended is, when it did, and which it is.
pub(crate) fn ended_run(key: &[u8]) -> Result<(RunKey, Timestamp), StoreError> {
    let parse = || {
        let (rest, run) = key.get(1..)?.split_last_chunk::<16>()?;
        let (tenant, at) = rest.split_last_chunk::<8>()?;
        let tenant = std::str::from_utf8(tenant.strip_suffix(&[0])?).ok()?.parse().ok()?;
        let at = Timestamp::from_millis(u64::from_be_bytes(*at));
        Some((RunKey { tenant, run: RunId::from_bytes(*run) }, at))
    };
    parse().ok_or_else(|| damaged(key, "the key does not name a run that has ended; restore the store from a backup"))
}

/// The child run in a parent's row.
pub(crate) fn child_run(key: &[u8]) -> Option<RunId> {
    key.last_chunk::<16>().map(|bytes| RunId::from_bytes(*bytes))
}

/// The count of the rows that name a large value.
pub(crate) fn references(digest: &Digest) -> Vec<u8> {
    let mut key = vec![b'b'];
    key.extend(digest.as_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    // covers T-01: the layout is part of the format; a change of it needs a new format version
    #[test]
    fn the_layout_of_what_is_removed_stands() {
        let run = RunKey::new(&"acme".parse().unwrap(), RunId::from_bytes([7; 16]));
        let key = run.ended(Timestamp::from_millis(9));
        expect_test::expect![[
            r#"eacme\x00\x00\x00\x00\x00\x00\x00\x00\t\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07"#
        ]]
        .assert_eq(&key.escape_ascii().to_string());
        assert_eq!(ended_run(&key).unwrap(), (run.clone(), Timestamp::from_millis(9)));
        assert_eq!(RunKey::at_end(&run.removed(), REMOVED_SKIP).unwrap(), run);
        let child = RunId::from_bytes([8; 16]);
        assert!(run.child(child).starts_with(&run.children()));
        assert_eq!(child_run(&run.child(child)), Some(child));
        assert_eq!(ended_count(&run.tenant), b"nacme\0");
        assert_eq!(references(&Digest::of(b""))[..3], [b'b', 0xe3, 0xb0]);
        assert!(ended_run(b"e123").is_err());
    }
}
