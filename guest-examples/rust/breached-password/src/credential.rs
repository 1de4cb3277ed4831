//! The password that is on its way in: `{ "user": { "updatingCredential": { "type", "format", "value" } } }`, or one
//! text in place of the object where it is encrypted.

use serde_json::Value;

/// The password, as far as it can be read.
#[derive(PartialEq, Eq)]
pub enum Credential {
    /// It travels as it is.
    PlainText(String),
    /// It travels in a form that nobody can look up: which, in words.
    Unreadable(&'static str),
}

impl Credential {
    /// Reads the event. No error repeats anything of it.
    pub fn parse(payload: &str) -> Result<Self, String> {
        let payload: Value = serde_json::from_str(payload)
            .map_err(|error| format!("the event is no JSON (line {}, column {})", error.line(), error.column()))?;
        let credential = payload.pointer("/user/updatingCredential");
        let credential = credential.ok_or("the event has no `user.updatingCredential`")?;
        let text = |name: &str| credential.get(name).and_then(Value::as_str);
        match (text("format"), text("value")) {
            _ if credential.is_string() => Ok(Self::Unreadable("encrypted")),
            (Some("PLAIN_TEXT"), Some(password)) => Ok(Self::PlainText(password.to_owned())),
            (Some("HASH"), Some(_)) => Ok(Self::Unreadable("as a hash")),
            (Some("PLAIN_TEXT" | "HASH"), None) => Err("`user.updatingCredential` has no `value`".to_owned()),
            _ => Err("the `format` of `user.updatingCredential` must be `PLAIN_TEXT` or `HASH`".to_owned()),
        }
    }
}

/// Never shows the password.
impl std::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PlainText(_) => formatter.write_str("PlainText"),
            Self::Unreadable(form) => write!(formatter, "Unreadable({form})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(credential: &str) -> Result<Credential, String> {
        Credential::parse(&format!(r#"{{"user": {{"id": "u-1", "updatingCredential": {credential}}}}}"#))
    }

    #[test]
    fn each_form_is_told_from_the_others() {
        let plain = r#"{"type": "PASSWORD", "format": "PLAIN_TEXT", "value": "secret"}"#;
        assert!(read(plain).unwrap() == Credential::PlainText("secret".to_owned()));
        let hash =
            r#"{"type": "PASSWORD", "format": "HASH", "value": "K7gNU3sd", "additionalData": {"algorithm": "SHA256"}}"#;
        assert_eq!(read(hash).unwrap(), Credential::Unreadable("as a hash"));
        assert_eq!(read("\"a.b.c.d.e\"").unwrap(), Credential::Unreadable("encrypted"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for credential in
            ["null", "7", "{}", r#"{"format": "ROT13", "value": "secret"}"#, r#"{"format": "HASH"}"#, "secret"]
        {
            let error = read(credential).unwrap_err();
            assert!(!error.contains("secret") && !error.contains("ROT13"), "{error}");
        }
        assert!(Credential::parse("{}").is_err());
        assert!(!format!("{:?}", Credential::PlainText("secret".to_owned())).contains("secret"));
    }
}
