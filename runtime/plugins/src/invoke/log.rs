//! What the guest says: calls of `log`, and lines that it prints. Bounded, and clean enough for a terminal (S-07, D-03).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_engine::ports::{InvocationLimits, LogLevel, LogLine};

/// Longest printed line, in bytes; longer ones are broken.
const PRINTED_LINE_BYTES_MAX: usize = 8 << 10;

/// What a line, and each of its fields, counts besides its text, in bytes: about what an empty one takes to keep.
const ENTRY_BYTES: u64 = 64;
/// Most fields of a line.
const FIELDS_MAX: usize = 32;
/// The field that says how many more there were.
const FIELDS_DROPPED: &str = "fields-dropped";

/// The two streams that a guest can print to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// The log of one invocation, within its limits.
#[derive(Debug)]
pub(super) struct GuestLog {
    lines: Vec<LogLine>,
    lines_max: usize,
    bytes_left: u64,
    dropped: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// A log that the guest's streams and the host share.
#[derive(Debug, Clone)]
pub(super) struct SharedLog(Arc<Mutex<GuestLog>>);

impl SharedLog {
    pub(super) fn new(limits: &InvocationLimits) -> Self {
        Self(Arc::new(Mutex::new(GuestLog {
            lines: Vec::new(),
            lines_max: limits.log_lines as usize,
            bytes_left: limits.log_bytes,
            dropped: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
        })))
    }

    /// The log, also after a panic: it holds plain lines, whole at any time.
    pub(super) fn lock(&self) -> MutexGuard<'_, GuestLog> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuestLog {
    /// Keeps one line, or counts it where it does not fit. Of its fields it keeps the first, and says how many more
    /// there were.
    pub(super) fn push(&mut self, level: LogLevel, message: &str, fields: &[(String, String)]) {
        let (kept, dropped) = fields.split_at(fields.len().min(FIELDS_MAX));
        let text = kept.iter().fold(message.len(), |sum, (name, value)| sum + name.len() + value.len());
        let bytes = text as u64 + ENTRY_BYTES * (1 + kept.len() as u64);
        let fits = self.lines.len() < self.lines_max && bytes <= self.bytes_left;
        if !fits {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes_left -= bytes;
        let mut fields: Vec<_> = kept.iter().map(|(name, value)| (clean(name), clean(value))).collect();
        if !dropped.is_empty() {
            fields.push((FIELDS_DROPPED.to_owned(), dropped.len().to_string()));
        }
        self.lines.push(LogLine { level, message: clean(message), fields });
    }

    /// Takes printed bytes; every full line becomes a log line.
    pub(super) fn print(&mut self, stream: Stream, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            for chunk in part.chunks(PRINTED_LINE_BYTES_MAX) {
                let buffer = match stream {
                    Stream::Stdout => &mut self.stdout,
                    Stream::Stderr => &mut self.stderr,
                };
                buffer.extend_from_slice(chunk);
                if chunk.ends_with(b"\n") || buffer.len() >= PRINTED_LINE_BYTES_MAX {
                    self.end_line(stream);
                }
            }
        }
    }

    fn end_line(&mut self, stream: Stream) {
        let (buffer, level) = match stream {
            Stream::Stdout => (&mut self.stdout, LogLevel::Info),
            Stream::Stderr => (&mut self.stderr, LogLevel::Warning),
        };
        let line = std::mem::take(buffer);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if !text.is_empty() {
            self.push(level, text, &[]);
        }
    }

    /// The lines, and how many were dropped.
    pub(super) fn finish(&mut self) -> (Vec<LogLine>, u32) {
        self.end_line(Stream::Stdout);
        self.end_line(Stream::Stderr);
        (std::mem::take(&mut self.lines), self.dropped)
    }
}

/// Text without control characters: line breaks and tabs become spaces, all others go, and so do the marks that turn
/// the direction of text around.
pub(super) fn clean(text: &str) -> String {
    let turns = |letter| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|letter| if matches!(letter, '\n' | '\t' | '\u{2028}' | '\u{2029}') { ' ' } else { letter })
        .filter(|letter| !letter.is_control() && !turns(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes: u64, lines: u32) -> SharedLog {
        SharedLog::new(&InvocationLimits { log_bytes: bytes, log_lines: lines, ..InvocationLimits::default() })
    }

    #[test]
    fn keeps_up_to_the_limits_and_counts_the_rest() {
        // covers D-03, keeps S-07
        let shared = log(3 * ENTRY_BYTES + 10, 2);
        let mut log = shared.lock();
        log.push(LogLevel::Info, "12345", &[]);
        log.push(LogLevel::Info, &"6".repeat(2 * ENTRY_BYTES as usize + 6), &[]);
        log.push(LogLevel::Info, "123", &[("4".to_owned(), "5".to_owned())]);
        log.push(LogLevel::Info, "", &[]);
        let (lines, dropped) = log.finish();
        assert_eq!(lines.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["12345", "123"]);
        assert_eq!(dropped, 2);
    }

    #[test]
    fn empty_lines_and_fields_are_not_free() {
        // keeps S-07
        let kept = |bytes, fields: usize| {
            let shared = log(bytes, 10);
            let mut log = shared.lock();
            log.push(LogLevel::Info, "", &vec![Default::default(); fields]);
            log.finish().0.pop()
        };
        assert!(kept(ENTRY_BYTES, 0).is_some());
        assert_eq!(kept(ENTRY_BYTES - 1, 0), None);
        assert!(kept(3 * ENTRY_BYTES, 2).is_some());
        assert_eq!(kept(3 * ENTRY_BYTES - 1, 2), None);
        let full = kept(100_000, FIELDS_MAX).unwrap();
        assert!(full.fields.len() == FIELDS_MAX && full.fields.iter().all(|(name, _)| name.is_empty()));
        let over = kept(100_000, 176_000).unwrap();
        assert_eq!(over.fields.len(), FIELDS_MAX + 1);
        assert_eq!(over.fields.last().unwrap(), &(FIELDS_DROPPED.to_owned(), (176_000 - FIELDS_MAX).to_string()));
    }

    #[test]
    fn printed_bytes_become_lines() {
        let shared = log(100_000, 10);
        let mut log = shared.lock();
        log.print(Stream::Stdout, b"one\ntw");
        log.print(Stream::Stderr, b"oops\xff\r\n");
        log.print(Stream::Stdout, b"o\n\n");
        log.print(Stream::Stdout, &[b'x'; PRINTED_LINE_BYTES_MAX + 1]);
        let (lines, dropped) = log.finish();
        let lengths: Vec<usize> = lines.iter().map(|line| line.message.len()).collect();
        assert_eq!((lengths, dropped), (vec![3, 7, 3, PRINTED_LINE_BYTES_MAX, 1], 0));
        assert_eq!((lines[0].level, lines[1].level), (LogLevel::Info, LogLevel::Warning));
    }

    #[test]
    fn control_characters_do_not_pass() {
        // keeps S-07
        assert_eq!(clean("a\x1b[31m\u{9b}b\nc\u{202e}d\0\r"), "a[31mb cd");
    }
}
