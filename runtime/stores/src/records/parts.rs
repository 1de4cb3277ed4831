//! Large parts of a value: its smallest strings, arrays and objects that are too large for a row are cut out of its JSON
//! and kept as files of their own. The same part of many values, or of many runs, is so one file.

use std::ops::Range;

use super::frame::VALUE_BYTES_MAX;

/// Smallest part that is cut out, in bytes of JSON. Smaller ones would cost more as a file than they save.
const PART_BYTES_MIN: usize = VALUE_BYTES_MAX;

/// How many parts of one value are cut out at most: their names must fit into its row.
pub(crate) const PARTS_MAX: usize = 12;

/// The places of the parts to cut out of a valid JSON text, in order; none overlaps another.
pub(crate) fn find(json: &[u8]) -> Vec<Range<usize>> {
    let mut least = PART_BYTES_MIN;
    loop {
        let parts = at_least(json, least);
        if parts.len() <= PARTS_MAX {
            return parts;
        }
        // Many parts of one size: what they are the parts of is cut out instead, or the largest of them alone.
        least = least.saturating_mul(2);
    }
}

/// An array or object that is open while the text is read.
struct Open {
    begin: usize,
    /// How many parts had been found before it.
    found_before: usize,
}

/// The places of the smallest values of at least `least` bytes.
fn at_least(json: &[u8], least: usize) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut string = None;
    let mut escaped = false;
    for (at, byte) in json.iter().enumerate() {
        match (string, byte) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(begin), b'"') => {
                string = None;
                if at + 1 - begin >= least && !is_key(json, at) {
                    found.push(begin..at + 1);
                }
            }
            (Some(_), _) => {}
            (None, b'"') => string = Some(at),
            (None, b'[' | b'{') => open.push(Open { begin: at, found_before: found.len() }),
            (None, b']' | b'}') => {
                let Some(Open { begin, found_before }) = open.pop() else { continue };
                if found.len() == found_before && at + 1 - begin >= least {
                    found.push(begin..at + 1);
                }
            }
            (None, _) => {}
        }
    }
    found
}

/// Whether the string that ends there is the name of a member: a file is a whole value.
fn is_key(json: &[u8], end: usize) -> bool {
    json.get(end + 1) == Some(&b':')
}

/// The text without those parts.
pub(crate) fn cut(json: &[u8], parts: &[Range<usize>]) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut from = 0;
    for part in parts {
        rest.extend(json.get(from..part.start).unwrap_or_default());
        from = part.end;
    }
    rest.extend(json.get(from..).unwrap_or_default());
    rest
}

/// The text with parts put back: each with its place in the whole text. `None` where the places are not such.
pub(crate) fn put_back<P: AsRef<[u8]>>(rest: &[u8], parts: &[(u64, P)]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    let mut rest = rest;
    for (at, part) in parts {
        let before = usize::try_from(*at).ok()?.checked_sub(whole.len())?;
        let (text, after) = rest.split_at_checked(before)?;
        whole.extend(text);
        whole.extend(part.as_ref());
        rest = after;
    }
    whole.extend(rest);
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<u32>().prop_map(Value::from),
            "[a-z\"\\\\{\\[\u{e4}:,]{0,9}".prop_map(Value::from),
            (0..3usize, "[a-c\"\\\\]").prop_map(|(large, text)| Value::from(text.repeat(large * 5_000))),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
                proptest::collection::btree_map("[a-z\"]{1,3}", inner, 0..9)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_cut_out_is_put_back(value in value()) {
            let json = serde_json::to_vec(&value).unwrap();
            let parts = find(&json);
            prop_assert!(parts.len() <= PARTS_MAX);
            for part in &parts {
                prop_assert!(serde_json::from_slice::<Value>(&json[part.clone()]).is_ok());
            }
            let kept: Vec<(u64, &[u8])> = parts.iter().map(|part| (part.start as u64, &json[part.clone()])).collect();
            prop_assert_eq!(put_back(&cut(&json, &parts), &kept).unwrap(), json);
        }
    }

    // covers F-14: what varies beside a body does not keep the body from being shared
    #[test]
    fn a_body_is_a_part_of_its_own() {
        let body = "b".repeat(10_000);
        let of = |date: u32| serde_json::to_vec(&json!({"headers": {"date": date}, "body": body})).unwrap();
        let (one, other) = (of(1), of(2));
        let (first, second) = (find(&one), find(&other));
        assert_eq!((first.len(), second.len()), (1, 1));
        assert_eq!(one[first[0].clone()], other[second[0].clone()]);
        assert!(cut(&one, &first).len() < 100);
    }

    #[test]
    fn a_large_list_of_small_items_is_one_part_and_a_name_is_none() {
        let list = serde_json::to_vec(&json!({"a": vec!["item"; 2_000]})).unwrap();
        assert_eq!(find(&list).len(), 1);
        let named = serde_json::to_vec(&json!({"n".repeat(5_000): 1, "x": 2})).unwrap();
        assert_eq!(find(&named), vec![0..named.len()]);
    }

    #[test]
    fn places_that_are_none_are_refused() {
        assert_eq!(put_back(b"ab", &[(3, b"x".as_slice())]), None);
        assert_eq!(put_back(b"ab", &[(1, b"xx".as_slice()), (2, b"y")]), None);
    }
}
