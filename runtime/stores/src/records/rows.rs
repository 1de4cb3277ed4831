//! Rows in the order of their keys, and changes to them that are not applied yet.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use weir_engine::ports::StoreError;

use super::frame::{self, Payload};
use super::{keys, references};

/// A key with its value.
pub(crate) type Row = (Vec<u8>, Vec<u8>);

/// Rows as they are at one instant.
pub(crate) trait Rows {
    /// The framed value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first row whose key is at or after `from` and before `end`.
    fn next(&self, from: &[u8], end: &[u8]) -> Result<Option<Row>, StoreError>;
}

/// New values by key; `None` removes the row.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// The rows with the changes of earlier verbs of the same group, and with those of this verb. Dropping it undoes
/// this verb alone.
pub(crate) struct Draft<'a> {
    base: &'a dyn Rows,
    group: &'a Changes,
    own: Changes,
    /// Keys whose change may change which large values are named.
    recounted: BTreeSet<Vec<u8>>,
}

impl<'a> Draft<'a> {
    /// A verb about to begin.
    pub(crate) fn new(base: &'a dyn Rows, group: &'a Changes) -> Self {
        Self { base, group, own: Changes::new(), recounted: BTreeSet::new() }
    }

    /// What the verb changed, and how often the large values are named after it.
    pub(crate) fn finish(mut self) -> Result<Changes, StoreError> {
        let before = Draft::new(self.base, self.group);
        let changed = self.recounted.iter().map(|key| (key, self.own.get(key).and_then(Option::as_deref)));
        for (digest, by) in references::shifts(&before, changed)? {
            let key = keys::references(&digest);
            match references::count(&before, &digest)?.saturating_add_signed(by) {
                0 => self.remove(key),
                count => self.put_record(key, &count)?,
            }
        }
        Ok(self.own)
    }

    /// The rows without what is not durable yet.
    pub(crate) fn durable(&self) -> &dyn Rows {
        self.base
    }

    /// Sets a row to a payload that was prepared before the verb began.
    pub(crate) fn put(&mut self, key: Vec<u8>, payload: &Payload) {
        let framed = frame::seal(&key, payload);
        self.put_framed(key, framed);
    }

    /// The same where no row is, or one that names no large value: what was there need not be read.
    pub(crate) fn put_over_small(&mut self, key: Vec<u8>, payload: &Payload) {
        if payload.is_large() {
            return self.put(key, payload);
        }
        let framed = frame::seal(&key, payload);
        self.own.insert(key, Some(framed));
    }

    /// Sets a row to a value that was framed for this very key before.
    pub(crate) fn put_framed(&mut self, key: Vec<u8>, framed: Vec<u8>) {
        self.change(key, Some(framed));
    }

    /// Sets a row to a small record of the store's own.
    pub(crate) fn put_record(&mut self, key: Vec<u8>, record: &impl Serialize) -> Result<(), StoreError> {
        let json = frame::encode("a record of the store", record)?;
        self.put(key, &Payload::Inline(json));
        Ok(())
    }

    /// Sets a row whose key says everything.
    pub(crate) fn put_key(&mut self, key: Vec<u8>) {
        self.put(key, &Payload::Inline(Vec::new()));
    }

    /// Removes a row, where there is one.
    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        self.change(key, None);
    }

    fn change(&mut self, key: Vec<u8>, change: Option<Vec<u8>>) {
        if references::may_name(&key) {
            self.recounted.insert(key.clone());
        }
        self.own.insert(key, change);
    }
}

impl Rows for Draft<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.own.get(key).or_else(|| self.group.get(key)) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(key),
        }
    }

    fn next(&self, from: &[u8], end: &[u8]) -> Result<Option<Row>, StoreError> {
        let mut from = from.to_vec();
        loop {
            let base = self.base.next(&from, end)?.map(|(key, value)| (key, Some(value)));
            let group = first_change(self.group, &from, end);
            let own = first_change(&self.own, &from, end);
            // Of equal keys the last one is taken: the verb's own change hides the group's, and that the base.
            let first = [own, group, base].into_iter().flatten().min_by(|left, right| left.0.cmp(&right.0));
            match first {
                None => return Ok(None),
                Some((key, Some(value))) => return Ok(Some((key, value))),
                Some((key, None)) => from = after(&key),
            }
        }
    }
}

fn first_change(changes: &Changes, from: &[u8], end: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    if from >= end {
        return None;
    }
    changes
        .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(end)))
        .next()
        .map(|(key, change)| (key.clone(), change.clone()))
}

/// The first key after `key`.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

/// The first key after all keys that begin with `prefix`. No table has the number 255, so there is one.
pub(crate) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(more) = last.checked_add(1) {
            end.push(more);
            break;
        }
    }
    end
}

/// Up to `limit` rows whose keys begin with `prefix`, from the key `from` on.
pub(crate) fn take(rows: &dyn Rows, prefix: &[u8], from: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
    take_until(rows, from.max(prefix), &end_of(prefix), limit)
}

/// Up to `limit` rows whose keys are at or after `from` and before `end`.
pub(crate) fn take_until(rows: &dyn Rows, from: &[u8], end: &[u8], limit: usize) -> Result<Vec<Row>, StoreError> {
    let mut from = from.to_vec();
    let mut taken = Vec::new();
    while taken.len() < limit {
        let Some(row) = rows.next(&from, end)? else { break };
        from = after(&row.0);
        taken.push(row);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn changes() -> impl Strategy<Value = Changes> {
        proptest::collection::btree_map(
            proptest::collection::vec(0..3u8, 1..3),
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..2)),
            0..8,
        )
    }

    fn apply(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, changes: &Changes) {
        for (key, change) in changes {
            match change {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
    }

    proptest! {
        // A draft shows the very rows that there will be once its changes are applied.
        #[test]
        fn a_draft_shows_what_will_be(base in changes(), group in changes(), own in changes()) {
            let mut will_be = BTreeMap::new();
            apply(&mut will_be, &base);
            let present = will_be.clone();
            let mut draft = Draft::new(&present, &group);
            draft.own.clone_from(&own);
            apply(&mut will_be, &group);
            apply(&mut will_be, &own);
            for table in 0..3u8 {
                let seen = take(&draft, &[table], &[table], 100).unwrap();
                let expected: Vec<Row> =
                    will_be.iter().filter(|(key, _)| key[0] == table).map(|(k, v)| (k.clone(), v.clone())).collect();
                prop_assert_eq!(seen, expected);
            }
            for key in base.keys().chain(group.keys()).chain(own.keys()) {
                prop_assert_eq!(Rows::get(&draft, key).unwrap(), will_be.get(key).cloned());
            }
        }
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(end_of(b"ab"), b"ac");
        assert_eq!(end_of(&[1, 255, 255]), [2]);
    }
}
