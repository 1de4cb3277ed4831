//! Secrets do not come back (K-02): what a call's secrets look like in a response, and masking them.
//!
//! Searched for: the secret as it is; percent-encoded, JSON-escaped and with references of XML and HTML, in any mixture
//! and case; in hexadecimal of either case; in base64 of both alphabets at each of the three alignments, escaped in the
//! same ways; all of that in the names of headers too, which come in lower case. Not searched for are secrets under
//! [`SECRET_BYTES_MIN`] bytes, which would be found in innocent text, encodings of encodings, and pieces of a secret
//! with something between them, such as a comment or a line break.
//!
//! The time is linear in the response for each spelling, whatever the secret: the outside system chooses the response,
//! and may know or choose the secret. So each way to read escapes decodes the whole text once, and each spelling is
//! looked for with an algorithm that has no bad cases. The memory is a few times the response: of more than
//! [`SPANS_MAX`] places where secrets are, the last is all the rest.

mod escapes;

use std::ops::Range;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use memchr::memmem;
use secrecy::zeroize::{Zeroize as _, Zeroizing};
use weir_engine::message::{Header, Octets, Response};

use self::escapes::Escapes;

/// Shorter secrets are not searched for: masking every `ab` would wreck the response.
pub(crate) const SECRET_BYTES_MIN: usize = 4;

/// Shorter pieces of base64 are found in innocent text too often.
const BASE64_CORE_MIN: usize = 6;

/// Places that are remembered of one text. Where there are more, all from the last one on is masked.
const SPANS_MAX: usize = 1 << 16;

/// What stands in the place of a secret.
const MASK: &[u8] = b"***";

/// The secrets of one call. Has no `Debug` on purpose.
#[derive(Clone, Default)]
pub(crate) struct Masker {
    /// Secrets and their base64, `+` folded into the space that it stands for in forms.
    folded: Vec<Vec<u8>>,
    /// The same in lower case.
    lower: Vec<Vec<u8>>,
    /// Secrets in hexadecimal, lower case.
    hex: Vec<Vec<u8>>,
}

impl Masker {
    /// Adds a secret, once: each attempt and each redirect has those of the one before.
    pub(crate) fn add(&mut self, secret: &[u8]) {
        if secret.len() < SECRET_BYTES_MIN || self.knows(secret) {
            return;
        }
        for needle in std::iter::once(secret.to_vec()).chain(base64_cores(secret)).map(fold) {
            self.lower.push(needle.to_ascii_lowercase());
            self.folded.push(needle);
        }
        self.hex.push(hex::encode(secret).into_bytes());
    }

    /// Whether the secret was added. Those under [`SECRET_BYTES_MIN`] bytes never are.
    pub(crate) fn knows(&self, secret: &[u8]) -> bool {
        // No two secrets have the same: folded, one may be the other, or its base64.
        self.hex.contains(&Zeroizing::new(hex::encode(secret).into_bytes()))
    }

    /// The response without the secrets.
    pub(crate) fn response(&self, mut response: Response) -> Response {
        if self.folded.is_empty() {
            return response;
        }
        for Header { name, value } in &mut response.headers {
            if let Some(masked) =
                masked(name.as_bytes(), self.spans(&self.lower, &name.to_ascii_lowercase().into_bytes()))
            {
                *name = String::from_utf8_lossy(&masked).into_owned();
            }
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
        masked(haystack, self.spans(&self.folded, haystack))
    }

    /// Where the secrets are, in order and apart.
    fn spans(&self, needles: &[Vec<u8>], haystack: &[u8]) -> Vec<Range<usize>> {
        if needles.is_empty() {
            return Vec::new();
        }
        let mut spans = found(needles, &fold(haystack.to_vec()));
        spans.extend(found(&self.hex, &haystack.to_ascii_lowercase()));
        for escapes in Escapes::in_text(haystack) {
            let inside = found(needles, &fold(escapes.decoded(haystack)));
            spans.extend(escapes.original(haystack, inside));
            spans = merged(spans, haystack.len());
        }
        merged(spans, haystack.len())
    }
}

/// The text with the mask in the place of each span; `None` where there is none.
fn masked(haystack: &[u8], spans: Vec<Range<usize>>) -> Option<Vec<u8>> {
    if spans.is_empty() {
        return None;
    }
    let mut masked = Vec::with_capacity(haystack.len());
    let mut copied = 0;
    for span in spans {
        masked.extend_from_slice(haystack.get(copied..span.start).unwrap_or_default());
        masked.extend_from_slice(MASK);
        copied = span.end;
    }
    masked.extend_from_slice(haystack.get(copied..).unwrap_or_default());
    Some(masked)
}

impl Drop for Masker {
    fn drop(&mut self) {
        self.folded.iter_mut().chain(&mut self.lower).chain(&mut self.hex).for_each(|needle| needle.zeroize());
    }
}

/// In forms `+` stands for a space; reading the two as one finds a secret with either in any text.
fn fold(mut text: Vec<u8>) -> Vec<u8> {
    text.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    text
}

/// Where the needles are, in order and apart.
fn found(needles: &[Vec<u8>], text: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for needle in needles.iter().filter(|needle| needle.len() <= text.len()) {
        let (known, length) = (spans.len(), needle.len());
        // One more than are kept: it tells that there are too many.
        spans.extend(memmem::find_iter(text, needle).map(|start| start..start + length).take(SPANS_MAX + 1));
        if spans.len() > known {
            spans = merged(spans, text.len());
        }
    }
    spans
}

/// The same bytes, in order; spans that share a byte become one, and so leave no rest of a longer secret. At most
/// [`SPANS_MAX`]: the last one then goes to the end of the text.
fn merged(mut spans: Vec<Range<usize>>, text_length: usize) -> Vec<Range<usize>> {
    // Stable: it is quick with spans that are in order for long stretches.
    spans.sort_by_key(|span| (span.start, span.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    if apart.len() > SPANS_MAX {
        apart.truncate(SPANS_MAX);
        apart.iter_mut().last().into_iter().for_each(|last| last.end = text_length);
    }
    apart
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

    fn xml(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
    }

    #[test]
    fn references_of_xml_are_masked_in_any_mixture() {
        // keeps K-02
        let secret = "a<b>&'\"c";
        for written in ["a&lt;b&gt;&amp;&apos;&quot;c", "a&#60;b&#x3e;&#38;'\"&#99;", "a<b&gt;&#0000038;&#x27;&quot;c"]
        {
            assert_eq!(masker(secret).text(&format!("<x>{written}</x>")), "<x>***</x>", "{written}");
        }
        let zeros = format!("a&#{}60;b>&'\"c", "0".repeat(10_000));
        assert_eq!(masker(secret).text(&zeros), "***");
        assert_eq!(masker("&amp;").text("&amp;&amp;amp;"), "******");
        assert_eq!(
            masker("abcd").text("&#; &#x; &#99999999999; &nbsp; &ab&#100; & "),
            "&#; &#x; &#99999999999; &nbsp; &ab&#100; & "
        );
    }

    #[test]
    fn names_of_headers_are_masked_in_lower_case() {
        // keeps K-02, covers D-04
        let secret = "Tok_4711.ABC";
        let name = |written: &str| {
            let header = Header { name: written.to_owned(), value: "v".into() };
            let response = Response { status: 200, headers: vec![header], body: "".into(), transformed_data: None };
            masker(secret).response(response).headers.remove(0).name
        };
        for written in ["x-tok_4711.abc-y", "x-tok%5f4711%2eABC-y", &format!("x-{}-y", hex::encode(secret))] {
            assert_eq!(name(written), "x-***-y", "{written}");
        }
        let encoded = format!("x-{}", BASE64_URL_SAFE_NO_PAD.encode(secret).to_lowercase());
        assert!(name(&encoded).contains("***"), "{encoded}");
        assert_eq!(name("content-type"), "content-type");
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
            xml(SECRET).replace('\'', "&apos;"),
            SECRET.chars().map(|it| format!("&#{};", u32::from(it))).collect(),
            SECRET.chars().map(|it| format!("&#x{:X};", u32::from(it))).collect(),
            SECRET.chars().map(|it| format!("&#X000{:x};", u32::from(it))).collect(),
            SECRET.chars().map(|it| format!("&#{}", u32::from(it))).collect(),
            json.trim_matches('"')
                .replace("\\\"", "&quot;")
                .replace('5', "&#53;")
                .replace("%41", "%2541")
                .replace(' ', "%20"),
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
    fn escaped_base64_is_masked() {
        // keeps K-02
        let secret = "\u{3ff}\u{fbf}~~~???>>>\u{3ff}";
        let encoded = BASE64_STANDARD_NO_PAD.encode(secret);
        assert!(encoded.contains('+') && encoded.contains('/'), "{encoded}");
        for escaped in [
            encoded.replace('/', "\\/"),
            encoded.replace('+', "%2B").replace('/', "%2F"),
            encoded.replace('+', "%2b").replace('/', "%2f"),
            encoded.replace('+', "\\u002b").replace('/', "%2F"),
        ] {
            let masked = masker(secret).text(&format!("<{escaped}>"));
            assert!(masked.starts_with("<***") && masked.len() < 10, "{escaped}: {masked}");
        }
    }

    #[test]
    fn no_secret_and_body_take_long() {
        // keeps E-03: a search from each byte anew compares 3 * 8 Ki * 1 Mi bytes
        let secret = format!("{}b", "a".repeat(8191));
        let almost = ["a", "%61", "\\u0061", "a%61\\u0061&#97;", "&#97;", "&", "&#0", "61", "YWFh"];
        let started = std::time::Instant::now();
        for piece in almost {
            let body = piece.repeat((1 << 20) / piece.len());
            assert_eq!(masker(&secret).bytes(body.as_bytes()).is_none(), piece != "YWFh", "{piece}");
            let masked = masker(&secret).text(&format!("{body}{secret}"));
            assert!(masked.ends_with("***"), "{piece}");
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn what_is_no_secret_stays() {
        assert_eq!(masker("abc").text("abc"), "abc");
        assert_eq!(masker("abcd").text("abc abce \\uZZ %4 \\"), "abc abce \\uZZ %4 \\");
        assert_eq!(masker("abcd").text("%61b%63d!"), "***!");
        assert_eq!(masker("abcd").text("ababcd"), "ab***");
    }

    #[test]
    fn spellings_in_one_text_are_masked_each_in_its_place() {
        assert_eq!(masker("ab/cd").text("é%61b/cd\\u00e9ab\\/cd%%61b%2Fcd.YWIvY2Q"), "é***\\u00e9***%***.***Q");
        assert_eq!(masker("éé/x").text("\\\\\\u00e9é\\/x%C3%A9\\u00e9%2fx"), "\\\\******");
    }

    #[test]
    fn a_secret_is_remembered_once() {
        // keeps K-02
        let mut masker = masker("to+ken");
        let count = masker.folded.len();
        (0..100).for_each(|_| masker.add(b"to+ken"));
        assert_eq!((masker.folded.len(), masker.lower.len(), masker.hex.len()), (count, count, 1));
        assert!(masker.knows(b"to+ken") && !masker.knows(b"to ken"));
        // Its own hexadecimal is not yet searched for.
        masker.add(b"to ken");
        assert_eq!(masker.text(&hex::encode("to ken")), "***");
    }

    #[test]
    fn of_too_many_places_the_last_is_all_the_rest() {
        // keeps K-02
        for (written, between) in [("abcd", "."), ("%61bcd", "."), ("abcd", "%2e"), ("61626364", ".")] {
            let text = |count: usize| format!("{}END", format!("{written}{between}").repeat(count));
            let kept = |count: usize| format!("***{between}").repeat(count);
            assert_eq!(masker("abcd").text(&text(SPANS_MAX)), format!("{}END", kept(SPANS_MAX)), "{written}");
            let masked = masker("abcd").text(&text(SPANS_MAX + 1));
            assert_eq!(masked, format!("{}***", kept(SPANS_MAX - 1)), "{written}");
        }
        let mut two = masker("abcd");
        two.add(b"efgh");
        let masked = two.text(&"abcd.efgh.".repeat(SPANS_MAX));
        assert_eq!(masked, format!("{}***", "***.".repeat(SPANS_MAX - 1)));
    }

    #[test]
    fn secrets_inside_one_another_leave_no_rest() {
        let mut masker = masker("token");
        masker.add(b"token-long");
        assert_eq!(masker.text("x token-long y token"), "x *** y ***");
    }

    proptest::proptest! {
        #[test]
        fn nothing_but_the_secret_is_touched(text in "[a-f0-9%\\\\u&#x;]{0,60}") {
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
