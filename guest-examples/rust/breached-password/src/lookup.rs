//! The question to the API, and its answer.

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

/// The SHA-1 hash of a password, in upper-case hex digits, in its two parts.
pub struct Digest {
    prefix: String,
    suffix: String,
}

impl Digest {
    /// How many digits leave.
    const PREFIX: usize = 5;

    /// The hash of a password's UTF-8 bytes.
    pub fn of(password: &str) -> Self {
        let mut digits: String = Sha1::digest(password).iter().map(|byte| format!("{byte:02X}")).collect();
        let suffix = digits.split_off(Self::PREFIX);
        Self { prefix: digits, suffix }
    }

    /// The arguments of the connector's function. It sends the prefix only.
    pub fn arguments(&self) -> String {
        json!({ "prefix": self.prefix, "suffix": self.suffix }).to_string()
    }
}

/// What the API says of a password: what the function made of its answer (`transformed_data`), or else the answer
/// itself, line by line: an ending, a colon, and how often it was seen, which is 0 for those that only hide their number.
pub fn is_breached(digest: &Digest, status: u16, transformed_data: Option<&str>, body: &[u8]) -> Result<bool, String> {
    if !(200..=299).contains(&status) {
        return Err(format!("the API answered {status}"));
    }
    let data: Option<Value> = transformed_data.and_then(|data| serde_json::from_str(data).ok());
    if let Some(breached) = data.as_ref().and_then(|data| data.get("breached")).and_then(Value::as_bool) {
        return Ok(breached);
    }
    let line = |line: &str| {
        let (suffix, count) = line.trim_end().split_once(':')?;
        let is_known = suffix.eq_ignore_ascii_case(&digest.suffix) && count.parse::<u64>().ok()? > 0;
        (suffix.len() == digest.suffix.len()).then_some(is_known)
    };
    let lines: Option<Vec<bool>> = std::str::from_utf8(body).ok().and_then(|body| body.lines().map(line).collect());
    match lines {
        // There is no beginning that no known hash has.
        Some(lines) if !lines.is_empty() => Ok(lines.contains(&true)),
        _ => Err("the API's answer is no list of endings".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_cut_after_five_digits() {
        let known = Digest::of("password");
        assert_eq!((known.prefix.as_str(), known.suffix.as_str()), ("5BAA6", "1E4C9B93F3F0682250B6CF8331B7EE68FD8"));
        let other = Digest::of("pässwörd");
        assert_eq!((other.prefix.len(), other.suffix.len()), (5, 35));
    }

    fn check(status: u16, transformed_data: Option<&str>, body: &str) -> Result<bool, String> {
        is_breached(&Digest::of("password"), status, transformed_data, body.as_bytes())
    }

    #[test]
    fn the_ending_is_looked_for_where_the_function_makes_nothing_of_the_answer() {
        let others = "1D2DA4053E34E76F6576ED1DA63134B5E2A:2\r\n1E5C0000000000000000000000000000000:0";
        assert_eq!(check(200, None, others), Ok(false));
        let known = format!("{others}\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD8:7\r\n");
        assert_eq!(check(200, None, &known), Ok(true));
        assert_eq!(check(200, None, &known.replace(":7", ":0")), Ok(false), "padding");
    }

    #[test]
    fn only_a_clear_answer_counts() {
        assert_eq!(check(200, Some(r#"{"breached": true}"#), ""), Ok(true));
        assert_eq!(check(200, Some(r#"{"breached": false}"#), ""), Ok(false));
        for (status, data, body) in [
            (429, Some(r#"{"breached": false}"#), ""),
            (503, None, ""),
            (200, None, ""),
            (200, Some("{}"), "<html>"),
            (200, Some(r#"{"breached": "no"}"#), "short:1"),
        ] {
            assert!(check(status, data, body).is_err(), "{status} {data:?} {body}");
        }
    }
}
