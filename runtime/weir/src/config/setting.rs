//! How the text of a setting becomes a value.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use weir_engine::duration_text;

use super::{LogFormat, StoreKind};

/// A value that a setting can have.
pub(crate) trait Setting: Sized {
    /// What to write, for people.
    const FORM: &'static str;

    /// The value that the text says.
    fn parse(text: &str) -> Option<Self>;

    /// The text that says the value.
    fn to_text(&self) -> String;
}

macro_rules! settings_by_from_str {
    ($($kind:ty: $form:literal;)*) => {$(
        impl Setting for $kind {
            const FORM: &'static str = $form;
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

settings_by_from_str! {
    SocketAddr: "an address and a port such as `127.0.0.1:8080`";
    usize: "a whole number";
    u64: "a whole number";
    u32: "a whole number";
}

macro_rules! settings_by_name {
    ($($kind:ty: $form:literal { $($name:literal => $value:path,)* })*) => {$(
        impl Setting for $kind {
            const FORM: &'static str = $form;
            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($name => Some($value),)*
                    _ => None,
                }
            }
            fn to_text(&self) -> String {
                match self {
                    $($value => $name,)*
                }
                .to_owned()
            }
        }
    )*};
}

settings_by_name! {
    StoreKind: "`sled` or `memory`" { "sled" => StoreKind::Sled, "memory" => StoreKind::Memory, }
    LogFormat: "`text` or `json`" { "text" => LogFormat::Text, "json" => LogFormat::Json, }
}

impl Setting for String {
    const FORM: &'static str = "a text that is not empty";
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned()).filter(|text| !text.is_empty())
    }
    fn to_text(&self) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    const FORM: &'static str = "a path";
    fn parse(text: &str) -> Option<Self> {
        String::parse(text).map(Self::from)
    }
    fn to_text(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for Duration {
    const FORM: &'static str = "a whole number and a unit such as `500ms`, `5s` or `2m`";
    fn parse(text: &str) -> Option<Self> {
        duration_text::parse(text).ok()
    }
    fn to_text(&self) -> String {
        duration_text::to_text(*self)
    }
}

/// How others reach the API: a URL without query and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl(pub(crate) String);

impl PublicUrl {
    /// That of a server which is reached where it listens.
    pub(super) fn of(listen: SocketAddr) -> Self {
        Self(format!("http://{listen}"))
    }
}

impl Setting for PublicUrl {
    const FORM: &'static str = "an `https` or `http` URL such as `https://weir.example.com`";
    fn parse(text: &str) -> Option<Self> {
        let url: url::Url = text.parse().ok()?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        let fits = matches!(url.scheme(), "https" | "http") && url.has_host() && is_plain;
        fits.then(|| Self(url.as_str().trim_end_matches('/').to_owned()))
    }
    fn to_text(&self) -> String {
        self.0.clone()
    }
}

/// A number of bytes: `1048576`, `1024KiB`, `1MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ByteCount(pub(crate) u64);

const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];

impl Display for ByteCount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exact = UNITS.iter().find(|(_, shift)| self.0 > 0 && self.0.trailing_zeros() >= *shift);
        match exact {
            Some((unit, shift)) => write!(formatter, "{}{unit}", self.0 >> shift),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl Setting for ByteCount {
    const FORM: &'static str = "a number of bytes such as `1048576` or `1MiB`";
    fn parse(text: &str) -> Option<Self> {
        let unit = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
        let (number, shift) = unit.unwrap_or((text, 0));
        let number: u64 = number.parse().ok()?;
        number.checked_mul(1 << shift).map(Self)
    }
    fn to_text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn byte_counts_read_back(count in any::<u64>()) {
            prop_assert_eq!(ByteCount::parse(&ByteCount(count).to_text()), Some(ByteCount(count)));
        }

        #[test]
        fn any_text_is_a_byte_count_or_none(text in ".{0,40}") {
            let _ = ByteCount::parse(&text);
        }
    }

    #[test]
    fn public_urls() {
        for (text, read) in [
            ("https://weir.example.com/", Some("https://weir.example.com")),
            ("http://weir.example.com:81/a/", Some("http://weir.example.com:81/a")),
            ("ftp://weir.example.com", None),
            ("https://user@weir.example.com", None),
            ("https://weir.example.com/?a", None),
            ("weir", None),
        ] {
            assert_eq!(PublicUrl::parse(text).map(|url| url.0).as_deref(), read, "{text}");
        }
        assert_eq!(PublicUrl::of(SocketAddr::from(([127, 0, 0, 1], 80))).0, "http://127.0.0.1:80");
    }

    #[test]
    fn byte_counts_that_are_none() {
        for bad in ["", "KiB", "1kb", "-1", "1.5MiB", "99999999999GiB", "1 MiB"] {
            assert_eq!(ByteCount::parse(bad), None, "{bad:?}");
        }
    }
}
