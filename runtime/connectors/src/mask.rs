//! Secrets do not come back (K-02): what a call's secrets look like in a response, and masking them.
//!
//! Searched for: the secret as it is; percent-encoded and JSON-escaped, in any mixture and case; in hexadecimal of
//! either case; in base64 of both alphabets at each of the three alignments. Not searched for are secrets under
//! [`SECRET_BYTES_MIN`] bytes, which would be found in innocent text, and encodings of encodings.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use weir_engine::message::{Header, Octets, Response};

/// Shorter secrets are not searched for: masking every `ab` would wreck the response.
pub(crate) const SECRET_BYTES_MIN: usize = 4;

/// Shorter pieces of base64 are found in innocent text too often.
const BASE64_CORE_MIN: usize = 6;

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// The secrets of one call. Has no `Debug` on purpose.
pub(crate) struct Masker {
    secrets: Vec<Secret>,
    /// Which bytes a secret can begin with, in any form.
    begins: [bool; 256],
}

struct Secret {
    plain: Vec<u8>,
    base64: Vec<Vec<u8>>,
}

impl Default for Masker {
    fn default() -> Self {
        Self { secrets: Vec::new(), begins: [false; 256] }
    }
}

impl Masker {
    /// Adds a secret.
    pub(crate) fn add(&mut self, secret: &[u8]) {
        if secret.len() < SECRET_BYTES_MIN {
            return;
        }
        let secret = Secret { plain: secret.to_vec(), base64: base64_cores(secret) };
        for byte in secret.first_bytes() {
            if let Some(begins) = self.begins.get_mut(usize::from(byte)) {
                *begins = true;
            }
        }
        self.secrets.push(secret);
    }

    fn next_candidate(&self, haystack: &[u8], from: usize) -> Option<usize> {
        let rest = haystack.get(from..)?;
        let begins = |byte: &u8| self.begins.get(usize::from(*byte)).is_some_and(|begins| *begins);
        rest.iter().position(begins).map(|offset| from + offset)
    }

    /// The response without the secrets.
    pub(crate) fn response(&self, mut response: Response) -> Response {
        if self.secrets.is_empty() {
            return response;
        }
        for Header { name, value } in &mut response.headers {
            *name = self.text(name);
            if let Some(masked) = self.bytes(value.as_slice()) {
                *value = Octets::from(masked);
            }
        }
        if let Some(masked) = self.bytes(response.body.as_slice()) {
            response.body = Octets::from(masked);
        }
        response
    }

    /// The text without the secrets.
    pub(crate) fn text(&self, text: &str) -> String {
        self.bytes(text.as_bytes())
            .map_or_else(|| text.to_owned(), |masked| String::from_utf8_lossy(&masked).into_owned())
    }

    /// The bytes without the secrets; `None` where there are none.
    fn bytes(&self, haystack: &[u8]) -> Option<Vec<u8>> {
        let mut masked = Vec::new();
        let mut copied = 0;
        let mut position = 0;
        while let Some(candidate) = self.next_candidate(haystack, position) {
            position = candidate;
            let rest = haystack.get(position..).unwrap_or_default();
            match self.secrets.iter().filter_map(|secret| secret.length_at(rest)).max() {
                Some(length) => {
                    masked.extend_from_slice(haystack.get(copied..position).unwrap_or_default());
                    masked.extend_from_slice(MASK);
                    position += length;
                    copied = position;
                }
                None => position += 1,
            }
        }
        if copied == 0 {
            return None;
        }
        masked.extend_from_slice(haystack.get(copied..).unwrap_or_default());
        Some(masked)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        use secrecy::zeroize::Zeroize as _;
        self.plain.zeroize();
        self.base64.iter_mut().for_each(|core| core.zeroize());
    }
}

impl Secret {
    /// The first bytes of all forms.
    fn first_bytes(&self) -> Vec<u8> {
        let first = self.plain.first().copied().unwrap_or_default();
        let hex = [hex::encode([first]), hex::encode_upper([first])];
        let hex = hex.iter().filter_map(|digits| digits.as_bytes().first());
        let base64 = self.base64.iter().filter_map(|core| core.first());
        // `+` stands for a space in forms.
        let space = (first == b' ').then_some(&b'+');
        [first, b'%', b'\\'].iter().chain(hex).chain(base64).chain(space).copied().collect()
    }

    /// How many bytes of `text` are this secret, from its start.
    fn length_at(&self, text: &[u8]) -> Option<usize> {
        let plain = text.starts_with(&self.plain).then_some(self.plain.len());
        let base64 = || self.base64.iter().find(|core| text.starts_with(core)).map(Vec::len);
        let escaped = || Escapes::ALL.iter().find_map(|escapes| self.escaped_length(text, *escapes));
        plain.or_else(escaped).or_else(|| self.hex_length(text)).or_else(base64)
    }

    fn escaped_length(&self, text: &[u8], escapes: Escapes) -> Option<usize> {
        let mut position = 0;
        let mut secret = self.plain.as_slice();
        while !secret.is_empty() {
            let rest = text.get(position..)?;
            if let (Some(b'+'), [b' ', after @ ..]) = (rest.first(), secret) {
                secret = after;
                position += 1;
                continue;
            }
            let unit = Unit::at(rest, escapes)?;
            secret = secret.strip_prefix(unit.bytes())?;
            position += unit.length;
        }
        Some(position)
    }

    fn hex_length(&self, text: &[u8]) -> Option<usize> {
        let digits = text.get(..self.plain.len() * 2)?;
        let same = digits.as_chunks().0.iter().zip(&self.plain).all(|(pair, byte)| hex_byte(*pair) == Some(*byte));
        same.then_some(digits.len())
    }
}

/// Which escapes a text is read with: in JSON a `%` is itself, in a URL a backslash is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Percent,
    Json,
    Both,
}

impl Escapes {
    const ALL: [Self; 3] = [Self::Percent, Self::Json, Self::Both];
}

/// One byte or character as an encoding writes it.
struct Unit {
    decoded: [u8; 4],
    decoded_length: usize,
    length: usize,
}

impl Unit {
    fn bytes(&self) -> &[u8] {
        self.decoded.get(..self.decoded_length).unwrap_or_default()
    }

    fn byte(byte: u8, length: usize) -> Self {
        Self { decoded: [byte, 0, 0, 0], decoded_length: 1, length }
    }

    fn at(text: &[u8], escapes: Escapes) -> Option<Self> {
        match text {
            [b'%', high, low, ..] if escapes != Escapes::Json => match hex_byte([*high, *low]) {
                Some(byte) => Some(Self::byte(byte, 3)),
                None => Some(Self::byte(b'%', 1)),
            },
            [b'\\', b'u', a, b, c, d, rest @ ..] if escapes != Escapes::Percent => {
                Self::unicode([[*a, *b], [*c, *d]], rest)
            }
            [b'\\', escaped, ..] if escapes != Escapes::Percent => Some(Self::byte(json_escape(*escaped)?, 2)),
            [byte, ..] => Some(Self::byte(*byte, 1)),
            [] => None,
        }
    }

    fn unicode(digits: [[u8; 2]; 2], rest: &[u8]) -> Option<Self> {
        let first = code_unit(digits)?;
        let (character, length) = match rest {
            [b'\\', b'u', a, b, c, d, ..] if (0xD800..0xDC00).contains(&first) => {
                let pair = [first, code_unit([[*a, *b], [*c, *d]])?];
                (char::decode_utf16(pair).next()?.ok()?, 12)
            }
            _ => (char::from_u32(first.into())?, 6),
        };
        let mut decoded = [0; 4];
        let decoded_length = character.encode_utf8(&mut decoded).len();
        Some(Self { decoded, decoded_length, length })
    }
}

fn json_escape(escaped: u8) -> Option<u8> {
    match escaped {
        b'"' | b'\\' | b'/' => Some(escaped),
        b'b' => Some(8),
        b'f' => Some(12),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        _ => None,
    }
}

fn hex_byte(pair: [u8; 2]) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(pair, &mut byte).ok()?;
    let [byte] = byte;
    Some(byte)
}

fn code_unit([high, low]: [[u8; 2]; 2]) -> Option<u16> {
    Some(u16::from_be_bytes([hex_byte(high)?, hex_byte(low)?]))
}

/// The base64 characters that depend on the secret alone, wherever in a longer text it stands.
fn base64_cores(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut cores = Vec::new();
    for before in 0..3_usize {
        let mut shifted = vec![0; before];
        shifted.extend_from_slice(secret);
        // The first and the last characters share bits with their neighbours.
        let first = (before * 8).div_ceil(6);
        let end = shifted.len() * 8 / 6;
        for text in [BASE64_STANDARD_NO_PAD.encode(&shifted), BASE64_URL_SAFE_NO_PAD.encode(&shifted)] {
            if let Some(core) = text.as_bytes().get(first..end).filter(|core| core.len() >= BASE64_CORE_MIN)
                && !cores.iter().any(|known| known == core)
            {
                cores.push(core.to_vec());
            }
        }
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pa55/w\"o+rd é%41";

    fn masker(secret: &str) -> Masker {
        let mut masker = Masker::default();
        masker.add(secret.as_bytes());
        masker
    }

    #[test]
    fn every_common_encoding_is_masked() {
        // keeps K-02
        let percent = |set| percent_encoding::utf8_percent_encode(SECRET, set).to_string();
        let json = serde_json::to_string(SECRET).expect("json");
        for encoded in [
            SECRET.to_owned(),
            percent(percent_encoding::NON_ALPHANUMERIC),
            percent(percent_encoding::NON_ALPHANUMERIC).to_lowercase(),
            percent(percent_encoding::CONTROLS).replace("%41", "%2541"),
            percent(percent_encoding::NON_ALPHANUMERIC).replace("%20", "+"),
            json.trim_matches('"').to_owned(),
            json.trim_matches('"').replace('/', "\\/").replace('é', "\\u00E9"),
            SECRET.chars().map(|it| format!("\\u{:04x}", u32::from(it))).collect(),
            hex::encode(SECRET),
            hex::encode_upper(SECRET),
        ] {
            assert_eq!(masker(SECRET).text(&format!("a{encoded}b{encoded}")), "a***b***", "{encoded}");
        }
    }

    #[test]
    fn base64_is_masked_at_each_alignment() {
        // keeps K-02
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "z", "zz"] {
                let text = format!("{before}{SECRET}{after}");
                for encoded in [BASE64_STANDARD_NO_PAD.encode(&text), BASE64_URL_SAFE_NO_PAD.encode(&text)] {
                    let masked = masker(SECRET).text(&encoded);
                    assert!(masked.contains("***"), "{text}: {masked}");
                    assert!(masked.len() < before.len() * 2 + after.len() * 2 + 10, "{text}: {masked}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        assert_eq!(masker("abc").text("abc"), "abc");
        assert_eq!(masker("abcd").text("abc abce \\uZZ %4 \\"), "abc abce \\uZZ %4 \\");
        assert_eq!(masker("abcd").text("%61b%63d!"), "***!");
        assert_eq!(masker("abcd").text("ababcd"), "ab***");
    }

    #[test]
    fn secrets_inside_one_another_leave_no_rest() {
        let mut masker = masker("token");
        masker.add(b"token-long");
        assert_eq!(masker.text("x token-long y token"), "x *** y ***");
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_the_secret_is_touched(text in "[a-f0-9%\\\\u]{0,60}") {
            let masked = masker("\u{1F600}never").text(&text);
            proptest::prop_assert_eq!(masked, text);
        }

        #[test]
        fn a_secret_never_comes_through(before in ".{0,20}", secret in "[ -~]{4,20}", after in ".{0,20}") {
            let masked = masker(&secret).text(&format!("{before}{secret}{after}"));
            proptest::prop_assert!(!masked.contains(&secret) || "***".contains(&secret), "{}", masked);
        }
    }
}
