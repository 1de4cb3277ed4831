//! Requests and responses as they travel between hooks, connectors and the journal.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

/// Bytes of a body or of a header value. In JSON, text where they are UTF-8, else `{"base64": "…"}`.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Octets(Bytes);

impl Octets {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, where they are UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The bytes, shared.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Into<Bytes>> From<T> for Octets {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl std::fmt::Debug for Octets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.as_text() {
            Some(text) => write!(formatter, "{text:?}"),
            None => write!(formatter, "<{} bytes>", self.0.len()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OctetsJson<'a> {
    Text(std::borrow::Cow<'a, str>),
    Base64 { base64: String },
}

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        match self.as_text() {
            Some(text) => OctetsJson::Text(text.into()),
            None => OctetsJson::Base64 { base64: base64::prelude::BASE64_STANDARD.encode(&self.0) },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        match OctetsJson::deserialize(deserializer)? {
            OctetsJson::Text(text) => Ok(Self(Bytes::from(text.into_owned()))),
            OctetsJson::Base64 { base64 } => base64::prelude::BASE64_STANDARD
                .decode(base64)
                .map(|bytes| Self(Bytes::from(bytes)))
                .map_err(serde::de::Error::custom),
        }
    }
}

/// One HTTP field. Names are lower case; a repeated name is repeated, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Lower case.
    pub name: String,
    /// Without CR, LF and NUL.
    pub value: Octets,
}

impl Header {
    /// A header with a text value; the name is lowered.
    pub fn new(name: impl AsRef<str>, value: impl Into<String>) -> Self {
        Self { name: name.as_ref().to_ascii_lowercase(), value: Octets::from(value.into()) }
    }
}

/// The methods that a function may have (C-04).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names are RFC 9110's")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// The method as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }

    /// The method of that name, in upper case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options]
            .into_iter()
            .find(|method| method.as_str() == text)
    }

    /// Whether a body goes with it (C-04).
    pub fn takes_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// The call that a step is about to make, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// Absolute URI: the connector's base URL with the function's path and query.
    pub uri: url::Url,
    /// In the order in which they are sent.
    pub headers: Vec<Header>,
    /// `None` sends no body.
    pub body: Option<Octets>,
}

/// What the outside system answered, decompressed, secrets of the call masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Response {
    /// HTTP status, 100 to 599.
    pub status: u16,
    /// In the order in which they came.
    pub headers: Vec<Header>,
    /// At most the connector's body limit.
    pub body: Octets,
    /// The product of a transformation (C-15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformed_data: Option<Value>,
}

impl Response {
    /// The first header of that lower-case name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name)?.value.as_text()
    }

    /// The headers as expressions see them: one member a name; repeated fields are joined by `, ` (RFC 9110 section
    /// 5.3).
    pub fn headers_json(&self) -> Value {
        let mut headers: Map<String, Value> = Map::new();
        for header in &self.headers {
            let text = String::from_utf8_lossy(header.value.as_slice()).into_owned();
            match headers.get_mut(&header.name) {
                Some(Value::String(joined)) => {
                    joined.push_str(", ");
                    joined.push_str(&text);
                }
                _ => {
                    headers.insert(header.name.clone(), Value::String(text));
                }
            }
        }
        Value::Object(headers)
    }
}

/// A business refusal that the end user may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Up to 100 characters.
    pub reason: String,
    /// Up to 300 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_text_where_they_can_be() {
        for (bytes, json) in [(&b"h\xc3\xa9"[..], r#""hé""#), (&b"\xff\x00"[..], r#"{"base64":"/wA="}"#)] {
            let octets = Octets::from(bytes.to_vec());
            assert_eq!(serde_json::to_string(&octets).ok().as_deref(), Some(json));
            assert_eq!(serde_json::from_str::<Octets>(json).ok(), Some(octets));
        }
    }
}
