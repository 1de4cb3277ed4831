//! The keys of calls in the background; their tables stand in the list of [`super::super::keys`].

use weir_engine::ids::TenantId;
use weir_engine::ports::StoreError;
use weir_engine::time::Timestamp;

use super::super::frame::damaged;
use super::super::keys::{RunKey, of_tenant};

/// A call of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallKey {
    /// Whose, and of which run.
    pub run: RunKey,
    /// Of which journal entry.
    pub sequence: u64,
}

impl CallKey {
    pub(crate) fn new(run: RunKey, sequence: u64) -> Self {
        Self { run, sequence }
    }

    /// The call at the end of a key, after `skip` bytes.
    pub(crate) fn at_end(key: &[u8], skip: usize) -> Result<Self, StoreError> {
        let Some((run, sequence)) = key.split_last_chunk::<8>() else {
            return Err(damaged(key, "the key does not name a call; restore the store from a backup"));
        };
        Ok(Self { run: RunKey::at_end(run, skip)?, sequence: u64::from_be_bytes(*sequence) })
    }

    fn of(&self, table: u8) -> Vec<u8> {
        self.after(vec![table])
    }

    fn after(&self, mut key: Vec<u8>) -> Vec<u8> {
        self.run.write(&mut key);
        key.extend(self.sequence.to_be_bytes());
        key
    }

    pub(crate) fn entry(&self) -> Vec<u8> {
        self.of(b'B')
    }

    pub(crate) fn progress(&self) -> Vec<u8> {
        self.of(b'E')
    }

    pub(crate) fn standing(&self) -> Vec<u8> {
        self.of(b'G')
    }

    pub(crate) fn queued(&self, pass: u64, since: Timestamp) -> Vec<u8> {
        let mut key = QUEUE.to_vec();
        key.extend(pass.to_be_bytes());
        key.extend(since.as_millis().to_be_bytes());
        self.after(key)
    }

    pub(crate) fn leased(&self, until: Timestamp) -> Vec<u8> {
        self.after(before(LEASED, until))
    }

    pub(crate) fn put_off(&self, until: Timestamp) -> Vec<u8> {
        self.after(before(PUT_OFF, until))
    }

    pub(crate) fn pending(&self, since: Timestamp) -> Vec<u8> {
        self.after(before(PENDING, since))
    }
}

/// All calls of a run.
pub(crate) fn entries(run: &RunKey) -> Vec<u8> {
    run.of(b'B')
}

/// Where all calls of a run stand.
pub(crate) fn standings(run: &RunKey) -> Vec<u8> {
    run.of(b'G')
}

/// All calls that are due and wait to be claimed.
pub(crate) const QUEUE: &[u8] = b"H";
/// Bytes of a queue key before the call.
pub(crate) const QUEUE_SKIP: usize = 17;
/// All calls that are leased.
pub(crate) const LEASED: &[u8] = b"L";
/// All calls that are not due yet.
pub(crate) const PUT_OFF: &[u8] = b"Y";
/// All calls that are not done, by age.
pub(crate) const PENDING: &[u8] = b"V";
/// Bytes of a key that begins with an instant before the call.
pub(crate) const INSTANT_SKIP: usize = 9;

/// The keys of a table that begin with that instant, and the end of all earlier ones.
pub(crate) fn before(table: &[u8], instant: Timestamp) -> Vec<u8> {
    let mut key = table.to_vec();
    key.extend(instant.as_millis().to_be_bytes());
    key
}

/// The tenant's last pass of calls.
pub(crate) fn tenant_pass(tenant: &TenantId) -> Vec<u8> {
    of_tenant(b'U', tenant)
}

#[cfg(test)]
mod tests {
    use super::super::super::keys::lease_end;
    use super::*;
    use weir_engine::ids::RunId;

    // covers T-01: the layout is part of the format; a change of it needs a new format version
    #[test]
    fn the_layout_of_calls_stands() {
        let run = RunKey::new(&"acme".parse().unwrap(), RunId::from_bytes([7; 16]));
        let call = CallKey::new(run.clone(), 3);
        let key = call.queued(1, Timestamp::from_millis(2));
        expect_test::expect![[r#"H\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02acme\x00\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x00\x00\x00\x00\x00\x00\x00\x03"#]]
            .assert_eq(&key.escape_ascii().to_string());
        assert_eq!(CallKey::at_end(&key, QUEUE_SKIP).unwrap(), call);
        for (table, key) in
            [(b'L', call.leased(Timestamp::from_millis(9))), (b'Y', call.put_off(Timestamp::from_millis(9)))]
        {
            assert_eq!((key[0], CallKey::at_end(&key, INSTANT_SKIP).unwrap()), (table, call.clone()));
            assert_eq!(lease_end(&key), Timestamp::from_millis(9));
        }
        for (table, key) in [(b'B', call.entry()), (b'E', call.progress()), (b'G', call.standing())] {
            assert_eq!((key[0], CallKey::at_end(&key, 1).unwrap()), (table, call.clone()));
        }
        assert!(call.entry().starts_with(&entries(&run)));
        assert_eq!(lease_end(&call.pending(Timestamp::from_millis(5))), Timestamp::from_millis(5));
        assert_eq!(tenant_pass(&run.tenant), b"Uacme\0");
        assert!(CallKey::at_end(b"H123", QUEUE_SKIP).is_err());
    }
}
