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

/// What the connector made of the API's answer.
pub fn is_breached(status: u16, transformed_data: Option<&str>) -> Result<bool, String> {
    if !(200..=299).contains(&status) {
        return Err(format!("the API answered {status}"));
    }
    let data: Option<Value> = transformed_data.and_then(|data| serde_json::from_str(data).ok());
    let breached = data.as_ref().and_then(|data| data.get("breached")).and_then(Value::as_bool);
    breached.ok_or_else(|| "the function's `transformed_data` does not say whether it is `breached`".to_owned())
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

    #[test]
    fn only_a_clear_answer_counts() {
        assert_eq!(is_breached(200, Some(r#"{"breached": true}"#)), Ok(true));
        assert_eq!(is_breached(200, Some(r#"{"breached": false}"#)), Ok(false));
        for (status, data) in [
            (429, Some(r#"{"breached": false}"#)),
            (503, None),
            (200, None),
            (200, Some("{")),
            (200, Some("{}")),
            (200, Some(r#"{"breached": "no"}"#)),
        ] {
            assert!(is_breached(status, data).is_err(), "{status} {data:?}");
        }
    }
}
