//! Definitions: immutable versions under a name, one of them live.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_engine::ids::TenantId;
use weir_engine::ports::{Cursor, Definition, DefinitionKind, Expectation, NewDefinition, StoreError};
use weir_engine::time::Timestamp;

use super::backend::{Blobs, value};
use super::cursor;
use super::frame::{self, Payload, damaged};
use super::keys::{self, DefinitionKey};
use super::rows::{self, Draft, Rows};

/// Longest name of a definition, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 200;

/// What a name has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    newest: u32,
    live: u32,
}

/// What a version says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionRecord<B> {
    created_at: Timestamp,
    body: B,
}

/// A version that was found, not decoded yet.
pub(crate) struct FoundVersion {
    key: DefinitionKey,
    version: u32,
    payload: Payload,
}

/// One item of a listing, found or not.
pub(crate) struct Listed {
    pub(crate) key: DefinitionKey,
    /// Where the listing goes on after it.
    pub(crate) cursor: Cursor,
    pub(crate) found: Result<FoundVersion, StoreError>,
}

pub(crate) fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains(char::is_control)
}

/// Refuses what is not a name.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    if is_name(name) { Ok(()) } else { Err(StoreError::InvalidName { name: name.chars().take(80).collect() }) }
}

/// The value of the new version's row, as JSON.
pub(crate) fn body(new: &NewDefinition) -> Result<Vec<u8>, StoreError> {
    frame::encode("the definition", &VersionRecord { created_at: new.created_at, body: &new.body })
}

/// Saves a new version and makes it the live one; gives its number.
pub(crate) fn put(
    draft: &mut Draft<'_>,
    key: &DefinitionKey,
    payload: &Payload,
    expected: Expectation,
) -> Result<u32, StoreError> {
    let head: Option<Head> = frame::record(draft, &key.head())?;
    let stored = head.map(|head| head.newest);
    let holds = match expected {
        Expectation::Any => true,
        Expectation::Absent => stored.is_none(),
        Expectation::Version(version) => stored == Some(version),
    };
    if !holds {
        return Err(StoreError::VersionConflict { stored });
    }
    let last = match stored {
        Some(newest) => newest,
        None => frame::record(draft, &key.removed())?.unwrap_or(0),
    };
    let version =
        last.checked_add(1).ok_or_else(|| damaged(&key.head(), "its versions are used up; take another name"))?;
    draft.put(key.version(version), payload);
    draft.put_record(key.head(), &Head { newest: version, live: version })?;
    draft.remove(key.removed());
    Ok(version)
}

/// Makes a version the live one.
pub(crate) fn set_live(draft: &mut Draft<'_>, key: &DefinitionKey, version: u32) -> Result<FoundVersion, StoreError> {
    let head: Head = frame::record(draft, &key.head())?.ok_or(StoreError::NotFound("definition"))?;
    let found = find_version(draft, key, version)?.ok_or(StoreError::NotFound("version of the definition"))?;
    draft.put_record(key.head(), &Head { live: version, ..head })?;
    Ok(found)
}

/// Removes a name with its versions; keeps the last number, which is never given again.
pub(crate) fn remove(draft: &mut Draft<'_>, key: &DefinitionKey) -> Result<bool, StoreError> {
    let Some(head) = frame::record::<Head>(draft, &key.head())? else { return Ok(false) };
    let versions = key.versions();
    for (row, _) in rows::take(draft, &versions, &versions, usize::MAX)? {
        draft.remove(row);
    }
    draft.remove(key.head());
    draft.put_record(key.removed(), &head.newest)?;
    Ok(true)
}

/// One version; the live one without `version`.
pub(crate) fn find(
    rows: &dyn Rows,
    key: &DefinitionKey,
    version: Option<u32>,
) -> Result<Option<FoundVersion>, StoreError> {
    let version = match version {
        Some(version) => version,
        None => match frame::record::<Head>(rows, &key.head())? {
            Some(head) => head.live,
            None => return Ok(None),
        },
    };
    find_version(rows, key, version)
}

fn find_version(rows: &dyn Rows, key: &DefinitionKey, version: u32) -> Result<Option<FoundVersion>, StoreError> {
    let payload = frame::payload(rows, &key.version(version))?;
    Ok(payload.map(|payload| FoundVersion { key: key.clone(), version, payload }))
}

/// Which names to list.
pub(crate) struct Names {
    pub(crate) tenant: TenantId,
    pub(crate) kind: DefinitionKind,
    pub(crate) prefix: String,
    pub(crate) after: Option<String>,
}

/// The live versions of up to `limit` names.
pub(crate) fn find_live(rows: &dyn Rows, names: &Names, limit: usize) -> Result<Vec<Listed>, StoreError> {
    let of_name = |name: String| DefinitionKey { tenant: names.tenant.clone(), kind: names.kind, name };
    let prefix = keys::definition_heads(&names.tenant, names.kind, &names.prefix);
    let from = names.after.clone().map_or_else(|| prefix.clone(), |name| rows::after(&of_name(name).head()));
    let mut found = Vec::new();
    for (row, _) in rows::take(rows, &prefix, &from, limit)? {
        let key = of_name(keys::head_name(&row, &names.tenant, names.kind)?);
        let missing = || damaged(&row, "its live version is missing; restore from a backup");
        let live = find(rows, &key, None).and_then(|live| live.ok_or_else(missing));
        found.push(Listed { cursor: cursor::of_name(&key.name), key, found: live });
    }
    Ok(found)
}

/// Up to `limit` versions of a name below `before`, newest first.
pub(crate) fn find_versions(
    rows: &dyn Rows,
    key: &DefinitionKey,
    before: Option<u32>,
    limit: usize,
) -> Result<Vec<Listed>, StoreError> {
    let Some(head) = frame::record::<Head>(rows, &key.head())? else { return Ok(Vec::new()) };
    let newest = before.map_or(head.newest, |before| before.saturating_sub(1).min(head.newest));
    let mut found = Vec::new();
    for version in (1..=newest).rev() {
        if found.len() == limit {
            break;
        }
        // After a removal the numbers begin behind those that were removed.
        let Some(there) = find_version(rows, key, version).transpose() else { break };
        found.push(Listed { key: key.clone(), cursor: cursor::of_version(version), found: there });
    }
    Ok(found)
}

impl FoundVersion {
    pub(crate) fn load(self, blobs: &dyn Blobs) -> Result<Definition, StoreError> {
        let record: VersionRecord<Value> = value(blobs, &self.key.version(self.version), &self.payload)?;
        Ok(Definition {
            tenant: self.key.tenant,
            kind: self.key.kind,
            name: self.key.name,
            version: self.version,
            created_at: record.created_at,
            body: record.body,
        })
    }
}
