//! What an older program wrote otherwise, or did not write: keys with a partition, counts of large values, and what is
//! found by the end of a run.

use weir_engine::ids::RunId;
use weir_engine::ports::StoreError;
use weir_engine::time::Timestamp;

use super::keys::{self, RunKey};
use super::rows::{self, Changes, Draft, Row, Rows};
use super::standing::Standing;
use super::{frame, references};

/// How many rows one batch looks at.
const ROWS_MAX: usize = 1024;

/// The tables that this makes. A try before may have been cut off, so that it begins with none.
const MADE: [u8; 3] = *b"ben";

/// The tables whose keys had a partition before format 4, each with how many bytes stood before it.
const HAD_PARTITION: [(u8, usize); 17] = [
    (b'R', 1),
    (b'O', 1),
    (b'X', 1),
    (b'J', 1),
    (b'C', 1),
    (b'B', 1),
    (b'E', 1),
    (b'G', 1),
    (b'c', 1),
    (b'd', 1),
    (b'W', 9),
    (b'Z', 9),
    (b'L', 9),
    (b'Y', 9),
    (b'V', 9),
    (b'Q', 17),
    (b'H', 17),
];
/// More than the first byte of any partition, and less than that of any tenant's id, which is a letter.
const PARTITION_END: u8 = 0x10;

/// A row that was written as rows of that format were, as this program writes it.
pub(crate) fn as_written_now(format: u32, row: Row) -> Row {
    if format < 4 { without_partition(&row).unwrap_or(row) } else { row }
}

/// The row without the partition in its key, where it has one.
fn without_partition((key, framed): &Row) -> Option<Row> {
    let (_, skip) = HAD_PARTITION.iter().find(|(table, _)| key.first() == Some(table))?;
    let (before, rest) = key.split_at_checked(*skip)?;
    let ([first, _], rest) = rest.split_first_chunk::<2>()?;
    (*first < PARTITION_END).then(|| {
        let now = [before, rest].concat();
        let framed = frame::under_another_key(framed.clone(), key, &now);
        (now, framed)
    })
}

/// Takes the partition out of all keys, in batches; `apply` makes one of them. What was cut off goes on.
pub(crate) fn to_format_4<E: From<StoreError>>(
    rows: &dyn Rows,
    mut apply: impl FnMut(Changes) -> Result<(), E>,
) -> Result<(), E> {
    for (table, skip) in HAD_PARTITION {
        let (mut from, mut end) = (vec![table], rows::end_of(&[table]));
        if skip == 1 {
            end = vec![table, PARTITION_END];
        }
        loop {
            let piece = rows::take_until(rows, &from, &end, ROWS_MAX)?;
            let Some((last, _)) = piece.last() else { break };
            from = rows::after(last);
            apply(moved(piece))?;
        }
    }
    Ok(())
}

fn moved(piece: Vec<Row>) -> Changes {
    let mut changes = Changes::new();
    for row in piece {
        if let Some((now, framed)) = without_partition(&row) {
            changes.insert(row.0, None);
            changes.insert(now, Some(framed));
        }
    }
    changes
}

/// Makes the rows of format 2 in batches; `apply` makes one of them. Runs that had ended count as ended at `now`.
pub(crate) fn to_format_2<E: From<StoreError>>(
    rows: &dyn Rows,
    now: Timestamp,
    mut apply: impl FnMut(Changes) -> Result<(), E>,
) -> Result<(), E> {
    for table in MADE {
        loop {
            let old = rows::take(rows, &[table], &[table], ROWS_MAX)?;
            if old.is_empty() {
                break;
            }
            apply(old.into_iter().map(|(key, _)| (key, None)).collect())?;
        }
    }
    let mut from = vec![0];
    loop {
        let piece = rows::take_until(rows, &from, &[255], ROWS_MAX)?;
        let Some((last, _)) = piece.last() else { return Ok(()) };
        from = rows::after(last);
        apply(made_of(rows, piece, now)?)?;
    }
}

fn made_of(rows: &dyn Rows, piece: Vec<Row>, now: Timestamp) -> Result<Changes, StoreError> {
    let group = Changes::new();
    let mut draft = Draft::new(rows, &group);
    for (key, framed) in &piece {
        match key.first() {
            Some(b'O') => end_run(&mut draft, key, now)?,
            Some(b'K') => keep_client_key(&mut draft, key)?,
            _ if references::may_name(key) => {
                for blob in frame::blobs_named_by(key, framed).unwrap_or_default() {
                    let count = references::count(&draft, &blob.digest)?.saturating_add(1);
                    draft.put_record(keys::references(&blob.digest), &count)?;
                }
            }
            _ => {}
        }
    }
    draft.finish()
}

/// What is damaged stays as it is.
fn end_run(draft: &mut Draft<'_>, key: &[u8], now: Timestamp) -> Result<(), StoreError> {
    let Ok(run) = RunKey::at_end(key, 1) else { return Ok(()) };
    let Ok(Some(before)) = Standing::read(draft, &run) else { return Ok(()) };
    if !before.state.is_ended() {
        return Ok(());
    }
    let before = Standing { ended_at: None, ..before };
    Standing { ended_at: Some(now), ..before.clone() }.write(draft, &run, Some(&before))
}

fn keep_client_key(draft: &mut Draft<'_>, key: &[u8]) -> Result<(), StoreError> {
    let Some((tenant, digest)) = key.get(1..).and_then(|rest| rest.split_last_chunk::<32>()) else { return Ok(()) };
    let tenant = tenant.strip_suffix(&[0]).and_then(|tenant| std::str::from_utf8(tenant).ok()?.parse().ok());
    let (Some(tenant), Ok(digest)) = (tenant, format!("sha256:{}", hex::encode(digest)).parse()) else { return Ok(()) };
    let Ok(Some(run)) = frame::record::<RunId>(draft, key) else { return Ok(()) };
    let run = RunKey::new(&tenant, run);
    if let Ok(Some(standing)) = Standing::read(draft, &run) {
        draft.put_record(run.standing(), &Standing { client_key: Some(digest), ..standing })?;
    }
    Ok(())
}
