//! Takes fields out of a JSON body. What an outside system does not need does not leave.

use serde_json::Value;

/// The body without the fields of `drop`, and which of these it had.
///
/// An entry with a leading `/` is one place (JSON Pointer, RFC 6901); any other is a name, dropped wherever it
/// stands. A body that is no JSON is refused: what cannot be read cannot be minimised.
pub fn without(body: &[u8], drop: &[String]) -> Result<(Vec<u8>, Vec<String>), String> {
    // serde_json's message would quote the body; its position is enough.
    let mut json: Value = serde_json::from_slice(body).map_err(|error| {
        format!("the body is no JSON (line {}, column {}): its fields cannot be dropped", error.line(), error.column())
    })?;
    let dropped: Vec<String> = drop
        .iter()
        .filter(|entry| match entry.starts_with('/') {
            true => remove_at(&mut json, entry),
            false => remove_everywhere(&mut json, entry),
        })
        .cloned()
        .collect();
    // An untouched body keeps its bytes: a checksum over it stays true.
    let body = if dropped.is_empty() { body.to_vec() } else { json.to_string().into_bytes() };
    Ok((body, dropped))
}

/// Removes one place; says whether it was there.
fn remove_at(json: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return false };
    let key = last.replace("~1", "/").replace("~0", "~");
    match json.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.remove(&key).is_some(),
        Some(Value::Array(items)) => match key.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Removes a name at every depth; says whether it was anywhere. serde_json reads at most 128 levels, so the
/// recursion is bounded.
fn remove_everywhere(json: &mut Value, name: &str) -> bool {
    let mut found = false;
    match json {
        Value::Object(fields) => {
            found |= fields.remove(name).is_some();
            fields.values_mut().for_each(|value| found |= remove_everywhere(value, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| found |= remove_everywhere(value, name)),
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, drop: &[&str], expected: &str, expected_dropped: &[&str]) {
        let drop: Vec<String> = drop.iter().map(ToString::to_string).collect();
        let (body, dropped) = without(body.as_bytes(), &drop).unwrap();
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(dropped, expected_dropped);
    }

    #[test]
    fn a_pointer_drops_one_place() {
        check(r#"{"a":{"b":1,"c":2},"b":3}"#, &["/a/b"], r#"{"a":{"c":2},"b":3}"#, &["/a/b"]);
        check(r#"{"l":[1,2,3]}"#, &["/l/1"], r#"{"l":[1,3]}"#, &["/l/1"]);
        check(r#"{"a/b":1,"m~n":2}"#, &["/a~1b", "/m~0n"], "{}", &["/a~1b", "/m~0n"]);
    }

    #[test]
    fn a_name_is_dropped_wherever_it_stands() {
        check(
            r#"{"email":1,"l":[{"email":2,"x":{"email":3}}],"y":0}"#,
            &["email"],
            r#"{"l":[{"x":{}}],"y":0}"#,
            &["email"],
        );
    }

    #[test]
    fn a_body_without_such_fields_keeps_its_bytes() {
        check(r#"{ "b": 1,  "a": 2 }"#, &["email", "/x/y", "/b/0", "/"], r#"{ "b": 1,  "a": 2 }"#, &[]);
    }

    #[test]
    fn what_is_no_json_is_refused_without_quoting_it() {
        let error = without(b"{\"email\": secret}", &["email".to_owned()]).unwrap_err();
        assert!(error.contains("line 1, column 11"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
