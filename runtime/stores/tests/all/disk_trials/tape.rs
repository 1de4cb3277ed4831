//! Reads the tape of `preload.c`.

use std::path::PathBuf;

/// One thing that the recorded process did.
pub(super) enum Act {
    Open {
        fd: u32,
        path: PathBuf,
        created: bool,
        truncated: bool,
    },
    Write {
        fd: u32,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        fd: u32,
        length: usize,
    },
    /// `fsync` or `fdatasync`.
    Sync {
        fd: u32,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    /// Of a file or of an empty folder.
    Remove {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
}

const HEAD: usize = 21;

/// Everything on the tape, in order. What the process did not finish to write is left out.
pub(super) fn read(tape: &[u8]) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut rest = tape;
    while let Some((head, after)) = rest.split_at_checked(HEAD) {
        let number = |from: usize, bytes: usize| {
            head[from..from + bytes].iter().rev().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
        };
        let (fd, offset) = (number(1, 4) as u32, number(5, 8) as usize);
        let Some((a, after)) = after.split_at_checked(number(13, 4) as usize) else { break };
        let Some((b, after)) = after.split_at_checked(number(17, 4) as usize) else { break };
        rest = after;
        let path = |bytes: &[u8]| PathBuf::from(std::str::from_utf8(bytes).unwrap());
        acts.push(match head[0] {
            b'o' => Act::Open { fd, path: path(a), created: offset & 1 != 0, truncated: offset & 2 != 0 },
            b'w' => Act::Write { fd, offset, bytes: a.to_vec() },
            b't' => Act::Truncate { fd, length: offset },
            b's' | b'd' => Act::Sync { fd },
            b'r' => Act::Rename { from: path(a), to: path(b) },
            b'u' => Act::Remove { path: path(a) },
            b'm' => Act::MakeFolder { path: path(a) },
            other => panic!("{other} is no act"),
        });
    }
    acts
}
