//! A disk with a volatile cache: what a power cut leaves of files and folders.
//!
//! The rules are POSIX's, as an adversary reads them. A write or a new length is durable once its file was synced
//! after it; a name, once its folder was. Of the rest the cut leaves whatever it likes: any of the writes, in parts of
//! 512 bytes and in any order, and the changes of names up to any point, in their order, as file systems with a
//! journal have it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::tape::Act;

const SECTOR: usize = 512;

/// Decides what of the unsynced survives.
pub(super) trait Fate {
    /// Whether this part does.
    fn survives(&mut self) -> bool;
    /// A number from 0 to `most`.
    fn up_to(&mut self, most: usize) -> usize;
}

type FileId = usize;

#[derive(Clone, PartialEq)]
enum Node {
    Folder,
    File(FileId),
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

#[derive(Default)]
struct FileState {
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

enum NameChange {
    Add { path: PathBuf, node: Node },
    Remove { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, node: Node },
}

type Names = BTreeMap<PathBuf, Node>;

/// The disk, played up to some act.
#[derive(Default)]
pub(super) struct Disk {
    files: Vec<FileState>,
    /// As the process sees them.
    seen: Names,
    durable: Names,
    unsynced: Vec<NameChange>,
    open: HashMap<u32, PathBuf>,
    open_files: HashMap<u32, FileId>,
}

impl Disk {
    /// A disk that has the root folder.
    pub(super) fn new(root: &Path) -> Self {
        let names = Names::from([(root.to_owned(), Node::Folder)]);
        Self { seen: names.clone(), durable: names, ..Self::default() }
    }

    /// Does what the process did.
    pub(super) fn play(&mut self, act: &Act) {
        match act {
            Act::Open { fd, path, created, truncated } => self.open(*fd, path, *created, *truncated),
            Act::Write { fd, offset, bytes } => {
                self.change(*fd, Change::Write { offset: *offset, bytes: bytes.clone() });
            }
            Act::Truncate { fd, length } => self.change(*fd, Change::Truncate(*length)),
            Act::Sync { fd } => self.sync(*fd),
            Act::Rename { from, to } => {
                let node = self.seen.remove(from).unwrap();
                self.seen.insert(to.clone(), node.clone());
                self.unsynced.push(NameChange::Rename { from: from.clone(), to: to.clone(), node });
            }
            Act::Remove { path } => {
                self.seen.remove(path);
                self.unsynced.push(NameChange::Remove { path: path.clone() });
            }
            Act::MakeFolder { path } => self.add(path, Node::Folder),
        }
    }

    fn add(&mut self, path: &Path, node: Node) {
        self.seen.insert(path.to_owned(), node.clone());
        self.unsynced.push(NameChange::Add { path: path.to_owned(), node });
    }

    fn open(&mut self, fd: u32, path: &Path, created: bool, truncated: bool) {
        if created {
            self.files.push(FileState::default());
            self.add(path, Node::File(self.files.len() - 1));
        }
        self.open.insert(fd, path.to_owned());
        match self.seen.get(path) {
            Some(Node::File(file)) => self.open_files.insert(fd, *file),
            _ => self.open_files.remove(&fd),
        };
        if truncated && !created {
            self.change(fd, Change::Truncate(0));
        }
    }

    fn change(&mut self, fd: u32, change: Change) {
        let file = self.open_files[&fd];
        self.files[file].unsynced.push(change);
    }

    fn sync(&mut self, fd: u32) {
        let path = self.open[&fd].clone();
        match self.open_files.get(&fd) {
            Some(file) => {
                let file = &mut self.files[*file];
                for change in std::mem::take(&mut file.unsynced) {
                    apply(&mut file.durable, &change, |_| true);
                }
            }
            None => self.sync_names(&path),
        }
    }

    /// Makes the changes of the names in one folder durable.
    fn sync_names(&mut self, folder: &Path) {
        let (durable, unsynced) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|change| change.path().parent() == Some(folder));
        self.unsynced = unsynced;
        durable.into_iter().for_each(|change: NameChange| change.apply(&mut self.durable));
    }

    /// How many parts of files no sync has covered.
    pub(super) fn unsynced_parts(&self) -> usize {
        let mut parts = 0;
        for file in &self.files {
            let mut scratch = Vec::new();
            for change in &file.unsynced {
                apply(&mut scratch, change, |_| {
                    parts += 1;
                    false
                });
            }
        }
        parts
    }

    /// Writes what a cut would leave below `root` into a folder.
    pub(super) fn cut(&self, root: &Path, fate: &mut impl Fate, into: &Path) {
        let mut names = self.durable.clone();
        let survivors = fate.up_to(self.unsynced.len());
        self.unsynced.iter().take(survivors).for_each(|change| change.apply(&mut names));
        for (path, node) in &names {
            let place = into.join(path.strip_prefix(root).unwrap());
            // A name in a folder that has none of its own is lost.
            if path != root && !place.parent().unwrap().is_dir() {
                continue;
            }
            match node {
                Node::Folder => fs::create_dir_all(&place).unwrap(),
                Node::File(file) => fs::write(&place, self.content(*file, fate)).unwrap(),
            }
        }
    }

    fn content(&self, file: FileId, fate: &mut impl Fate) -> Vec<u8> {
        let file = &self.files[file];
        let mut content = file.durable.clone();
        for change in &file.unsynced {
            apply(&mut content, change, |_| fate.survives());
        }
        content
    }
}

impl NameChange {
    /// The name that its folder must be synced for.
    fn path(&self) -> &Path {
        match self {
            Self::Add { path, .. } | Self::Remove { path } | Self::Rename { to: path, .. } => path,
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add { path, node } => {
                names.insert(path.clone(), node.clone());
            }
            Self::Remove { path } => {
                names.remove(path);
            }
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), node.clone());
            }
        }
    }
}

/// Applies those sectors of a change that survive.
fn apply(content: &mut Vec<u8>, change: &Change, mut survives: impl FnMut(usize) -> bool) {
    match change {
        Change::Truncate(length) => {
            if survives(0) {
                content.resize(*length, 0);
            }
        }
        Change::Write { offset, bytes } => {
            let mut done = 0;
            while done < bytes.len() {
                let at = offset + done;
                let part = (SECTOR - at % SECTOR).min(bytes.len() - done);
                if survives(at) {
                    if content.len() < at + part {
                        content.resize(at + part, 0);
                    }
                    content[at..at + part].copy_from_slice(&bytes[done..done + part]);
                }
                done += part;
            }
        }
    }
}
