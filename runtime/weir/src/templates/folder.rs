//! The operator's own templates: the `*.yaml` files of a folder, read again when they have changed.

use std::collections::HashMap;
use std::fs::DirEntry;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use weir_engine::document::{Fault, Faults};

use super::template::{Origin, Template};

/// Most files that are looked at, by name; the log names how many are left out.
const FILES_MAX: usize = 200;

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// See the module.
pub(super) struct Folder {
    path: PathBuf,
    /// What each file was when it was read: a file that has not changed is not read, and not reported, again.
    seen: Mutex<HashMap<PathBuf, Seen>>,
    /// Why the folder could not be read the last time.
    trouble: Mutex<Option<String>>,
}

#[derive(Clone)]
struct Seen {
    modified: Option<SystemTime>,
    bytes: u64,
    template: Option<Arc<Template>>,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, seen: Mutex::default(), trouble: Mutex::default() }
    }

    /// Its templates. One with faults is left out, and so is the second of two with one name.
    pub(super) fn read(&self) -> Vec<Arc<Template>> {
        let files = match yaml_files(&self.path) {
            Ok(files) => files,
            Err(error) => {
                self.complain(Some(error.to_string()));
                return Vec::new();
            }
        };
        let left_out = files.len().saturating_sub(FILES_MAX);
        self.complain(
            (left_out > 0).then(|| format!("it has {left_out} more than the {FILES_MAX} files that are read")),
        );
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Arc<Template>> = Vec::new();
        let mut now = HashMap::new();
        for path in files.into_iter().take(FILES_MAX) {
            let file = look(&path, seen.get(&path));
            if let Some(template) = &file.template {
                if found.iter().any(|other| other.name() == template.name()) {
                    let name = template.name();
                    tracing::warn!(file = %path.display(), "another file has a template `{name}` already; this one is left out");
                } else {
                    found.push(Arc::clone(template));
                }
            }
            now.insert(path, file);
        }
        *seen = now;
        found
    }

    /// The files that hold no template that can be used.
    pub(super) fn faulty_files(&self) -> std::io::Result<Vec<PathBuf>> {
        let files = yaml_files(&self.path)?.into_iter().take(FILES_MAX);
        Ok(files.filter(|path| look(path, None).template.is_none()).collect())
    }

    /// Says what is wrong with the folder as a whole, once.
    fn complain(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != trouble {
            if let Some(trouble) = &trouble {
                tracing::warn!(folder = %self.path.display(), "the folder of templates: {trouble}");
            }
            *known = trouble;
        }
    }
}

fn yaml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_yaml =
        |entry: &DirEntry| entry.path().extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.filter_map(Result::ok).filter(is_yaml).map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

/// The file as it is now; read only where it has changed.
fn look(path: &Path, before: Option<&Seen>) -> Seen {
    let metadata = std::fs::metadata(path).ok();
    let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    let bytes = metadata.map_or(0, |metadata| metadata.len());
    if let Some(before) = before.filter(|before| before.modified == modified && before.bytes == bytes) {
        return before.clone();
    }
    let template = match text_of(path).map(|text| Template::read(&text, Origin::Operator)) {
        Ok(Ok(template)) => Some(Arc::new(template)),
        Ok(Err(faults)) => {
            report(path, &faults);
            None
        }
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "a template cannot be read");
            None
        }
    };
    Seen { modified, bytes, template }
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Each fault in a line of the log, with its place.
fn report(path: &Path, faults: &Faults) {
    for Fault { line, column, code, message, .. } in &faults.0 {
        tracing::warn!(file = %path.display(), line, column, code, "a template has a fault: {message}");
    }
}
