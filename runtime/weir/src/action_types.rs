//! The types of actions that an operator adds: the `*.yaml` files of the folder `actions.types-dir`, read at the
//! start. They are not read again while the server runs: a type says what an action sees and may do, and flows that are
//! saved mean it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_engine::action::{ActionType, ActionTypes, read_type};
use weir_engine::document::{Document, Faults, Format};

use crate::yaml_files;

/// Most files that are looked at, by name; the log says how many are left out.
const FILES_MAX: usize = 200;

/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// The shipped types and those of a folder. A file with faults is left out, and the log says why; the others hold.
pub(crate) fn with_folder(folder: Option<&Path>) -> Arc<ActionTypes> {
    let shipped = ActionTypes::shipped();
    let Some(folder) = folder else { return shipped };
    let files = match yaml_files::list(folder) {
        Ok(files) => files,
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the folder of action types cannot be read");
            return shipped;
        }
    };
    let left_out = files.len().saturating_sub(FILES_MAX);
    if left_out > 0 {
        tracing::warn!(folder = %folder.display(), left_out, "at most {FILES_MAX} files of action types are read");
    }
    let mut types = shipped.as_ref().clone();
    for path in files.into_iter().take(FILES_MAX) {
        match read(&path, &types) {
            Ok(kind) => {
                // It has been checked against those that there are.
                let _ = types.add(kind);
            }
            Err(Trouble::Unreadable(error)) => {
                tracing::warn!(file = %path.display(), %error, "an action type cannot be read");
            }
            Err(Trouble::Faulty(faults)) => yaml_files::report(&path, "an action type", &faults),
        }
    }
    Arc::new(types)
}

/// The operator's files that hold no type that can be used.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn faulty_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut types = ActionTypes::shipped().as_ref().clone();
    let files = yaml_files::list(folder)?.into_iter().take(FILES_MAX);
    Ok(files.filter(|path| read(path, &types).map(|kind| types.add(kind).is_ok()).is_err()).collect())
}

/// Whether a type comes with the program.
pub(crate) fn is_shipped(kind: &ActionType) -> bool {
    ActionTypes::shipped().get(&kind.name).is_some()
}

enum Trouble {
    Unreadable(std::io::Error),
    Faulty(Faults),
}

fn read(path: &Path, known: &ActionTypes) -> Result<ActionType, Trouble> {
    let text = yaml_files::text_of(path, FILE_BYTES_MAX).map_err(Trouble::Unreadable)?;
    check(&text, known).map_err(Trouble::Faulty)
}

/// Reads the document of a further type.
///
/// # Errors
/// Every fault, also that there is a type of this name already: one that flows mean does not become another.
pub(crate) fn check(text: &str, known: &ActionTypes) -> Result<ActionType, Faults> {
    let kind = read_type(text)?;
    if known.get(&kind.name).is_none() {
        return Ok(kind);
    }
    let document = Document::parse(text, Format::Yaml)?;
    let mut faults = Faults::default();
    let message = format!("there is a type `{}` already, and flows that name it mean that one", kind.name);
    faults.error(&document, "/type", "action-type.taken", message).help("give this one a name of its own");
    Err(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<String> {
        let faults = check(text, &ActionTypes::shipped()).err()?;
        faults.0.first().map(|fault| fault.code.clone())
    }

    #[test]
    fn a_type_that_is_shipped_stays() {
        //
        assert_eq!(code("type: FLOW_EXTENSION\ntitle: mine\n").as_deref(), Some("action-type.taken"));
        assert_eq!(code("type: MINE\ntitle: mine\n"), None);
    }

    #[test]
    fn a_faulty_file_leaves_the_others() {
        //
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.yaml", "type: RISK_CHECK\ntitle: A check of risk\n");
        write("b.yaml", "type: RISK_CHECK\ntitle: The same name\n");
        write("c.yml", "type: OTHER\ntitle: Another\ncolour: red\n");
        write("d.yaml", "type: LAST\ntitle: The last\n");
        write("e.yaml", &" ".repeat(FILE_BYTES_MAX as usize + 1));
        write("f.txt", "not looked at");
        let types = with_folder(Some(folder.path()));
        assert_eq!(types.get("RISK_CHECK").map(|kind| kind.title.as_str()), Some("A check of risk"));
        assert!(types.get("LAST").is_some() && types.get("OTHER").is_none());
        assert_eq!(types.names().len(), ActionTypes::shipped().names().len() + 2);
        let faulty = faulty_files(folder.path()).unwrap();
        let names: Vec<_> = faulty.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["b.yaml", "c.yml", "e.yaml"]);
        let missing = folder.path().join("missing");
        assert!(faulty_files(&missing).is_err());
        assert_eq!(with_folder(Some(&missing)), ActionTypes::shipped());
    }
}
