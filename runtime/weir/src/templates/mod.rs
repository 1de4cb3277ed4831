//! Ready-made connectors (C-22): data files, ours and the operator's, that become a connector document once their
//! settings are filled in. An operator adds one by putting a file into a folder; nothing is built or restarted.

mod fill; // settings take their places
mod folder; // the operator's own
mod shipped; // ours
mod template; // what a file says
#[cfg(test)]
mod fixtures; // each of ours over a real wire
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use weir_engine::ids::ConnectorName;

pub(crate) use self::fill::{FillError, Filled};
use self::folder::Folder;
use self::shipped::shipped;
pub(crate) use self::template::{Origin, Setting, Template};

/// Every template that there is.
pub(crate) struct Templates {
    folder: Option<Folder>,
}

impl Templates {
    /// Ours, and those of a folder.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder: folder.map(Folder::new) }
    }

    /// All of them, by name. One of the operator stands before one of ours. Files with faults are left out, and the
    /// log says why. Reads the operator's folder: call it where a thread may wait for the disk.
    pub(crate) fn all(&self) -> Vec<Arc<Template>> {
        let mut all = shipped().to_vec();
        for template in self.folder.iter().flat_map(Folder::read) {
            all.retain(|known| known.name() != template.name());
            all.push(template);
        }
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// The operator's files that hold no template that can be used.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(crate) fn faulty_files(&self) -> std::io::Result<Vec<PathBuf>> {
        self.folder.as_ref().map_or(Ok(Vec::new()), Folder::faulty_files)
    }

    /// The one of that name. See [`Templates::all`].
    pub(crate) fn get(&self, name: &ConnectorName) -> Option<Arc<Template>> {
        self.all().into_iter().find(|template| template.name() == name)
    }
}
