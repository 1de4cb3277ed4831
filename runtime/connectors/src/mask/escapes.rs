//! Reading a text's escapes, whole and in one pass.

use std::ops::Range;

/// Which escapes a text is read with: in JSON a `%` is itself, in a URL a backslash is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    Percent,
    Json,
    Both,
}

impl Escapes {
    /// The ways to read a text that differ from reading it as it stands.
    pub(super) fn in_text(text: &[u8]) -> &'static [Self] {
        match (text.contains(&b'%'), text.contains(&b'\\')) {
            (false, false) => &[],
            (true, false) => &[Self::Percent],
            (false, true) => &[Self::Json],
            (true, true) => &[Self::Percent, Self::Json, Self::Both],
        }
    }

    /// The text without its escapes. What only looks like an escape stays as it is.
    pub(super) fn decoded(self, text: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::with_capacity(text.len());
        self.units(text).for_each(|(_, unit)| decoded.extend_from_slice(unit.bytes()));
        decoded
    }

    /// Where spans of the decoded text are in the text itself. Reads the text again: a map of every byte would take
    /// many times the memory of the text.
    pub(super) fn original(self, text: &[u8], decoded_spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
        let mut wanted = decoded_spans.into_iter().peekable();
        let mut spans = Vec::new();
        let mut begun = None;
        let mut decoded = 0;
        for (start, unit) in self.units(text) {
            let decoded_end = decoded + unit.bytes().len();
            while let Some(span) = wanted.peek().filter(|span| span.start < decoded_end) {
                let first = *begun.get_or_insert(start);
                if span.end > decoded_end {
                    break;
                }
                spans.push(first..start + unit.length);
                begun = None;
                wanted.next();
            }
            if wanted.peek().is_none() {
                break;
            }
            decoded = decoded_end;
        }
        spans
    }

    /// Each unit with the place where it begins.
    fn units(self, text: &[u8]) -> impl Iterator<Item = (usize, Unit)> {
        let mut position = 0;
        std::iter::from_fn(move || {
            let rest = text.get(position..)?;
            let start = position;
            let unit = Unit::at(rest, self).or_else(|| Some(Unit::byte(*rest.first()?, 1)))?;
            position += unit.length;
            Some((start, unit))
        })
    }
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
