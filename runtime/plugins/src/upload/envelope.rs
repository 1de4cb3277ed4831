//! What the first bytes of an upload say, and what a failed parse means.

use wasmparser::{BinaryReader, BinaryReaderError};

use super::error::UploadError;

const WASM_MAGIC: &[u8] = b"\0asm";
/// Version 1, layer 0: a core module.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];
const ELF_MAGIC: &[u8] = b"\x7fELF";

/// Refuses what is no component by its size and its first eight bytes.
pub(super) fn check(bytes: &[u8], bytes_max: u64) -> Result<(), UploadError> {
    let size = bytes.len() as u64;
    if size > bytes_max {
        return Err(UploadError::TooLarge { size, max: bytes_max });
    }
    if bytes.starts_with(ELF_MAGIC) {
        return Err(UploadError::Compiled);
    }
    if !bytes.starts_with(WASM_MAGIC) {
        let is_cut = !bytes.is_empty() && WASM_MAGIC.starts_with(bytes);
        return Err(if is_cut {
            UploadError::Truncated { size }
        } else {
            UploadError::NotWasm { found: describe(bytes) }
        });
    }
    match bytes.get(4..8) {
        None => Err(UploadError::Truncated { size }),
        Some(CORE_MODULE) => Err(UploadError::CoreModule),
        Some(_) => Ok(()),
    }
}

fn describe(bytes: &[u8]) -> String {
    let text = std::str::from_utf8(bytes.get(..64).unwrap_or(bytes)).ok().map(str::trim_start);
    match (bytes, text) {
        ([], _) => "the file is empty".to_owned(),
        ([0x1f, 0x8b, ..], _) => "it is gzip data".to_owned(),
        ([b'P', b'K', 3, 4, ..], _) => "it is a ZIP archive".to_owned(),
        (_, Some(text)) if text.starts_with("(component") || text.starts_with("(module") => {
            "it is WAT text, which `wasm-tools parse` turns into a component".to_owned()
        }
        (_, Some(text)) if !text.chars().any(|letter| letter.is_control() && !letter.is_whitespace()) => {
            "it is text".to_owned()
        }
        _ => {
            let first: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            format!("it begins with {}, a component begins with 00 61 73 6d", first.join(" "))
        }
    }
}

/// What a failed parse of `bytes` means.
pub(super) fn invalid(error: &BinaryReaderError, bytes: &[u8]) -> UploadError {
    if is_cut(bytes) {
        return UploadError::Truncated { size: bytes.len() as u64 };
    }
    UploadError::Invalid { offset: error.offset() as u64, reason: error.message().chars().take(500).collect() }
}

/// Whether the last section is longer than what is left of the file.
fn is_cut(bytes: &[u8]) -> bool {
    let mut reader = BinaryReader::new(bytes.get(8..).unwrap_or_default(), 8);
    while !reader.eof() {
        // Each section is an id, a size, and so many bytes.
        let section = reader.read_u8().and_then(|_| reader.read_var_u32());
        match section.map(|size| reader.read_bytes(size as usize)) {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return true,
            Err(_) => return reader.eof(),
        }
    }
    false
}
