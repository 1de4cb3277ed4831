//! A body of the contract of actions as JSON, strictly (RFC 8259, I-JSON for names): UTF-8, no name twice in an object, no deeper
//! and no more than is good for the host. Two readers that pick different ones of two equal names would disagree on
//! what was allowed, so there is no picking.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Most values and names of a body; as for a plugin's.
pub(super) const NODES_MAX: u32 = 200_000;

/// Parses.
///
/// # Errors
/// What is wrong and where, as the end of a sentence about the body: with line and column, or with the byte where it is
/// no text. Repeats nothing of the body.
pub(super) fn parse(body: &[u8], depth_max: u16) -> Result<Value, String> {
    // RFC 8259 section 8.1 lets a reader ignore a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err("is empty".to_owned());
    }
    let text = std::str::from_utf8(body)
        .map_err(|error| format!("is no UTF-8: byte {} does not fit", error.valid_up_to() + 1))?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let nodes = Cell::new(0);
    let strict = Strict { depth: 0, depth_max, nodes: &nodes };
    let value = strict.deserialize(&mut parser).map_err(|error| format!("is refused as JSON: {error}"))?;
    parser.end().map_err(|error| format!("goes on after the JSON value: {error}"))?;
    Ok(value)
}

/// One value.
#[derive(Clone, Copy)]
struct Strict<'a> {
    /// Arrays and objects around it.
    depth: u16,
    depth_max: u16,
    /// How many there are so far.
    nodes: &'a Cell<u32>,
}

impl Strict<'_> {
    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.nodes.set(self.nodes.get() + 1);
        if self.nodes.get() > NODES_MAX {
            return Err(E::custom(format!("there are more than {NODES_MAX} values and names")));
        }
        Ok(())
    }

    fn inside<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= self.depth_max {
            let most = self.depth_max;
            return Err(E::custom(format!(
                "it nests deeper than {most} levels; the connector's `json-depth-max` decides how deep it may"
            )));
        }
        Ok(Self { depth: self.depth + 1, ..*self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.count()?;
            if object.contains_key(&name) {
                return Err(A::Error::custom("a name stands twice in an object"));
            }
            let value = members.next_value_seed(inside)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: impl AsRef<[u8]>) -> String {
        parse(body.as_ref(), 64).expect_err("refused")
    }

    #[test]
    fn what_is_taken_is_what_the_text_says() {
        let text = r#"{"a":[1,-1,1.5,true,false,null,"\u00e9\n"],"b":{"a":18446744073709551615}}"#;
        assert_eq!(parse(text.as_bytes(), 64), Ok(serde_json::from_str(text).expect("json")));
        assert_eq!(parse(b"\xef\xbb\xbf{}", 1), Ok(Value::Object(Map::new())));
    }

    #[test]
    fn what_is_refused_says_why_and_where() {
        // covers A-05
        assert_eq!(refused(""), "is empty");
        assert_eq!(refused(" \r\n"), "is empty");
        assert!(refused(b"{\"a\": \"\xff\"}").contains("byte 8 does not fit"), "{}", refused(b"{\"a\": \"\xff\"}"));
        assert!(refused("done").contains("line 1 column 1"));
        assert!(refused("{} {}").contains("goes on after the JSON value"));
        assert!(refused("{\"a\": 1,\n\"a\": 2}").contains("a name stands twice in an object at line 2"));
        assert!(refused("{\"a\": {\"b\": 1, \"\\u0062\": 2}}").contains("a name stands twice"));
        assert!(refused("{\"a\": 1e999}").contains("out of range"));
        assert!(refused("{\"a\": \"\\ud800\"}").contains("line 1"));
    }

    #[test]
    fn depth_and_number_count_at_n_and_n_plus_1() {
        // covers A-05
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(64).as_bytes(), 64).is_ok());
        assert!(refused(nested(65)).contains("deeper than 64 levels"));
        assert!(refused("{\"a\":".repeat(1_000_000)).contains("deeper than 64 levels"));
        let many = |items: u32| format!("[{}1]", "1,".repeat(items as usize - 1));
        assert!(parse(many(NODES_MAX - 1).as_bytes(), 64).is_ok());
        assert!(refused(many(NODES_MAX)).contains("more than 200000 values and names"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = parse(&body, 10);
        }

        #[test]
        fn takes_what_serde_json_takes_but_for_equal_names(text in "[\\[\\]{}:,\"ab01 tfn.e\\-]{0,40}") {
            if let Ok(value) = parse(text.as_bytes(), 64) {
                proptest::prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
            }
        }
    }
}
