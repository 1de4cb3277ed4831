//! Reading a text's escapes, whole and in one pass.

use std::ops::Range;

use memchr::memchr_iter;

/// Which escapes a text is read with: in JSON a `%` is itself, in a URL a backslash is, and in both a `&`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Escapes {
    percent: bool,
    json: bool,
    xml: bool,
}

impl Escapes {
    /// The ways to read a text that differ from reading it as it stands.
    pub(super) fn in_text(text: &[u8]) -> impl Iterator<Item = Self> {
        let with = |has: bool| if has { &[false, true][..] } else { &[false][..] };
        let (percents, backslashes) = (with(text.contains(&b'%')), with(text.contains(&b'\\')));
        let references =
            with(memchr_iter(b'&', text).any(|at| reference(text.get(at..).unwrap_or_default()).is_some()));
        let both = percents.iter().flat_map(|percent| backslashes.iter().map(|json| (*percent, *json)));
        both.flat_map(|(percent, json)| references.iter().map(move |xml| Self { percent, json, xml: *xml }))
            .filter(|it| it.percent || it.json || it.xml)
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
            [b'%', high, low, ..] if escapes.percent => match hex_byte([*high, *low]) {
                Some(byte) => Some(Self::byte(byte, 3)),
                None => Some(Self::byte(b'%', 1)),
            },
            [b'\\', b'u', a, b, c, d, rest @ ..] if escapes.json => Self::unicode([[*a, *b], [*c, *d]], rest),
            [b'\\', escaped, ..] if escapes.json => Some(Self::byte(json_escape(*escaped)?, 2)),
            [b'&', ..] if escapes.xml => {
                let (character, length) = reference(text)?;
                Some(Self::character(character, length))
            }
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
        Some(Self::character(character, length))
    }

    fn character(character: char, length: usize) -> Self {
        let mut decoded = [0; 4];
        let decoded_length = character.encode_utf8(&mut decoded).len();
        Self { decoded, decoded_length, length }
    }
}

/// The reference of XML and HTML that a text begins with, and its length: to one of the five entities, or to a
/// character, with any number of zeros, and as HTML takes it also without `;`.
fn reference(text: &[u8]) -> Option<(char, usize)> {
    for (written, character) in [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&quot;", '"'), ("&apos;", '\'')] {
        if text.starts_with(written.as_bytes()) {
            return Some((character, written.len()));
        }
    }
    let (digits, radix) = match text {
        [b'&', b'#', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'&', b'#', digits @ ..] => (digits, 10),
        _ => return None,
    };
    let values = digits.iter().map_while(|digit| char::from(*digit).to_digit(radix));
    let (count, number) = values.fold((0_usize, 0_u32), |(count, number), digit| {
        (count + 1, number.saturating_mul(radix).saturating_add(digit))
    });
    let ends = usize::from(digits.get(count) == Some(&b';'));
    let character = char::from_u32(number).filter(|_| count > 0)?;
    Some((character, text.len() - digits.len() + count + ends))
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
