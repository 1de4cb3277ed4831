//! The operator's own templates: the `*.yaml` files of a folder, read again when they have changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::template::{Origin, Template};
use crate::yaml_files;

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
        let files = match yaml_files::list(&self.path) {
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
        let files = yaml_files::list(&self.path)?.into_iter().take(FILES_MAX);
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

/// The file as it is now; read only where it has changed.
fn look(path: &Path, before: Option<&Seen>) -> Seen {
    let metadata = std::fs::metadata(path).ok();
    let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    let bytes = metadata.map_or(0, |metadata| metadata.len());
    if let Some(before) = before.filter(|before| before.modified == modified && before.bytes == bytes) {
        return before.clone();
    }
    let template = match yaml_files::text_of(path, FILE_BYTES_MAX).map(|text| Template::read(&text, Origin::Operator)) {
        Ok(Ok(template)) => Some(Arc::new(template)),
        Ok(Err(faults)) => {
            yaml_files::report(path, "a template", &faults);
            None
        }
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "a template cannot be read");
            None
        }
    };
    Seen { modified, bytes, template }
}
