//! The grammar of `path.rs` as properties: what it generates is read and written back, and after any change of a text
//! the reader says what a second, independent recogniser of the grammar says.

use proptest::prelude::*;

use super::matching::PathPattern;
use super::path::{OperationPath, Path, Segment};

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["[a-zA-Z0-9*.:=é -]", Just("~0".to_owned()), Just("~1".to_owned())], 1..6)
        .prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = String> {
    let flat = "[a-z/:=~.]{1,6}";
    flat.prop_recursive(3, 16, 3, move |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("[{inner}]")),
            Just("[]".to_owned()),
            (flat, inner).prop_map(|(flat, inner)| format!("{flat}{inner}")),
        ]
    })
}

fn segment() -> impl Strategy<Value = String> {
    let filter = ("[a-z.:]{1,4}", value()).prop_map(|(key, value)| format!("[{key}={value}]"));
    (name(), proptest::option::weighted(0.3, filter))
        .prop_map(|(name, filter)| format!("/{name}{}", filter.unwrap_or_default()))
}

fn path() -> impl Strategy<Value = String> {
    proptest::collection::vec(segment(), 1..8).prop_map(|segments| segments.concat())
}

/// `operation-path`, written down a second time: by descent, without looking ahead.
fn recognised(text: &str) -> bool {
    let text_chars: Vec<char> = text.chars().collect();
    let (mut at, mut count) = (0, 0);
    while let Some(end) = (text_chars.get(at) == Some(&'/')).then(|| segment_end(&text_chars, at + 1)).flatten() {
        (at, count) = (end, count + 1);
    }
    let rest = &text_chars[at..];
    text.len() <= 1024 && (1..=32).contains(&count) && (rest.is_empty() || rest == ['/'])
}

fn segment_end(text: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += match (text.get(at), text.get(at + 1)) {
            (Some('~'), Some('0' | '1')) => 2,
            (Some('/' | '[' | ']' | '~') | None, _) => break,
            _ => 1,
        };
    }
    (at > from).then(|| filter_end(text, at).unwrap_or(at))
}

fn filter_end(text: &[char], from: usize) -> Option<usize> {
    (text.get(from) == Some(&'[')).then_some(())?;
    let mut at = from + 1;
    while !matches!(text.get(at), Some('=' | '/' | '[' | ']' | '~') | None) {
        at += 1;
    }
    (at > from + 1 && text.get(at) == Some(&'=')).then_some(())?;
    let end = value_end(text, at + 1);
    (end > at + 1 && text.get(end) == Some(&']')).then_some(end + 1)
}

fn value_end(text: &[char], from: usize) -> usize {
    let mut at = from;
    loop {
        match text.get(at) {
            None | Some(']') => return at,
            Some('[') => {
                let end = value_end(text, at + 1);
                if text.get(end) != Some(&']') {
                    return at;
                }
                at = end + 1;
            }
            Some(_) => at += 1,
        }
    }
}

fn written(path: &OperationPath) -> String {
    let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
    let mut text = String::new();
    for segment in path.segments() {
        match segment {
            Segment::Name(name) => text.push_str(&format!("/{}", escaped(name))),
            Segment::Filter { name, key, value } => text.push_str(&format!("/{}[{key}={value}]", escaped(name))),
        }
    }
    if path.ends_with_slash() {
        text.push('/');
    }
    text
}

proptest! {
    #[test]
    fn what_the_grammar_makes_is_read_and_written_back(path in path(), slash in any::<bool>()) {
        //
        prop_assume!(path.len() < 1024);
        let text = if slash { format!("{path}/") } else { path.clone() };
        prop_assert!(recognised(&text), "{text}");
        let read: OperationPath = text.parse().expect("made by the grammar");
        prop_assert_eq!(&written(&read), &text);
        prop_assert_eq!(&read.to_string(), &text);
        let entry: PathPattern = text.parse().expect("made by the grammar");
        prop_assert!(entry.covers(&read) || text.contains("/*"), "{text}");
        prop_assert!(path.parse::<Path>().is_ok());
    }

    #[test]
    fn after_any_change_both_recognisers_agree(
        path in path(), at in any::<prop::sample::Index>(), cut in 0_usize..3, put in "[/a\\[\\]=~01é]{0,3}",
    ) {
        //
        let mut characters: Vec<char> = path.chars().collect();
        let at = at.index(characters.len());
        let end = (at + cut).min(characters.len());
        characters.splice(at..end, put.chars());
        let text: String = characters.into_iter().collect();
        prop_assert_eq!(text.parse::<OperationPath>().is_ok(), recognised(&text), "{}", text);
        prop_assert_eq!(text.parse::<PathPattern>().is_ok(), recognised(&text), "{}", text);
        prop_assert_eq!(text.parse::<Path>().is_ok(), recognised(&text) && !text.ends_with('/'), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[/a\\[\\]=~01é:]{0,30}") {
        prop_assert_eq!(text.parse::<OperationPath>().is_ok(), recognised(&text), "{}", text);
    }
}
