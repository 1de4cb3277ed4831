//! What only this crate can see.

use std::io::Cursor;

use super::part::{FORMAT, Head, Kind, PartReader, PartWriter, Totals};
use super::*;
use crate::records;

// The layout is part of the format: a change of it needs a new format version.
#[test]
fn the_layout_stands() {
    let mut bytes = Cursor::new(Vec::new());
    let head = Head { made_at: Timestamp::from_millis(1), made_by: "1.2.3".to_owned(), rows_format: 1 };
    let mut parts = PartWriter::begin(&mut bytes, &head).unwrap();
    parts.part(Kind::Rows, b"\x01\0\0\0\x02\0\0\0kvv").unwrap();
    parts.part(Kind::Changes, b"\x01\0\0\0\xff\xff\xff\xffk").unwrap();
    parts.end(Totals::default()).unwrap();
    let bytes = bytes.into_inner();
    expect_test::expect![[r#"weir backup\n\x01\x00\x00\x00HH\x00\x00\x00{\"made_at\":\"1970-01-01T00:00:00.001Z\",\"made_by\":\"1.2.3\",\"rows_format\":1}V\xf4*~\x04j\xdb-\x85%#\xbc\x02G4\xc3H\x1d\xbdx\xc0\xceaG\x1a\x02\xfc\xedW\x9dj\xc7R\x0b\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00kvv\x05yLf}\xd0\xc1\x05o\x08u\x97\xa8[\x85\xba\x03\xd7\xdb\x13\xad\x19S\xc4w\x9b|\r\"\x19I\x9bC\t\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xffk,\xc9Ky\x04\xb0\xf0\xc4\x9cp\x1c\x89GPE\xee\x8c\x93\xbfvZV\xb3JH\xc7\x95f\xed\x0f\xf1:E\x88\x00\x00\x00{\"rows\":0,\"changes\":0,\"blobs\":0,\"blob_bytes\":0,\"left_out\":0,\"sha256\":\"f9a9a513d91f72c29052f9d705cbd60887e3d3a700dd72e4ab0de67263ed2a0f\"}\xfe\x82\xf5\xe9\x16\xba\xe1C2OL|h\xbc\x08\xd6*M\x92H\xb7\x07\xae\xc9K\x18)\x06\xe1\x02\x9a\xac"#]].assert_eq(&bytes.escape_ascii().to_string());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("backup");
    std::fs::write(&file, &bytes).unwrap();
    let (mut reader, read) = PartReader::open(&file).unwrap();
    assert_eq!((read, FORMAT), (head, 1));
    assert_eq!(reader.next().unwrap().unwrap().0, Kind::Rows);
    let (kind, content) = reader.next().unwrap().unwrap();
    assert_eq!((kind, dump::entries(&content).unwrap()), (Kind::Changes, vec![(b"k".to_vec(), None)]));
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn malformed_entries_are_none() {
    for bad in
        [&b"\x01\0\0\0"[..], b"\x01\0\0\0\x02\0\0\0kv", b"\x09\0\0\0\x02\0\0\0kv", b"\xff\xff\xff\xff\xff\xff\xff\xffk"]
    {
        assert_eq!(dump::entries(bad), None, "{bad:?}");
    }
    assert_eq!(dump::rows(b"\x01\0\0\0\xff\xff\xff\xffk"), None, "a row has a value");
}

#[tokio::test]
async fn rows_of_an_older_program_come_in_as_this_one_writes_them() {
    let (old, now) = (b"R\x01\x02acme\0run".to_vec(), b"Racme\0run".to_vec());
    let nothing = Changes::new();
    let rows = std::collections::BTreeMap::new();
    let mut draft = records::Draft::new(&rows, &nothing);
    draft.put_record(old.clone(), &1).unwrap();
    let framed = draft.finish().unwrap().remove(&old).flatten().unwrap();
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
    let part = [&length(&old)[..], &length(&framed), &old, &framed].concat();
    for (rows_format, is_at) in [(3, &now), (records::FORMAT, &old)] {
        let mut bytes = Cursor::new(Vec::new());
        let head = Head { made_at: Timestamp::from_millis(1), made_by: "1.2.3".to_owned(), rows_format };
        let mut parts = PartWriter::begin(&mut bytes, &head).unwrap();
        parts.part(Kind::Rows, &part).unwrap();
        parts.end(Totals::default()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("backup");
        std::fs::write(&file, bytes.into_inner()).unwrap();
        let store = crate::MemoryStore::default();
        let report = load(&store, &Contents::open(&file).unwrap(), false).await.unwrap();
        assert_eq!(report.faults_found, 0);
        let key = is_at.clone();
        let found = store.backend.read(move |rows| records::record::<u32>(rows, &key), |found, _| Ok(found)).await;
        assert_eq!(found.unwrap(), Some(1), "format {rows_format}");
    }
}
