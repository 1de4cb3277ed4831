//! Compiled components on disk. A file is our own and unchanged, or it is not used: it lies in a folder that only we
//! may write, and begins with a tag over engine, component and contents.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use weir_engine::digest::Digest;

use crate::engine::SetupError;

/// First bytes of a cache file; the number grows with the format.
const MAGIC: &[u8; 16] = b"weir-compiled-1\n";
const TAG_BYTES: usize = 32;
const EXTENSION: &str = "compiled";
/// A half-written file of this age belongs to nobody; a younger one may belong to another process of ours.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// The folder of one engine: wasmtime's version, its configuration and the processor's features.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    folder: PathBuf,
    engine_id: String,
    bytes_max: u64,
}

impl Cache {
    /// Makes the folder, mode 0700, and removes what other engines and interrupted compilations left in it.
    pub(crate) fn open(root: &Path, engine: &Engine, bytes_max: u64) -> Result<Self, SetupError> {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let engine_id = format!("{:016x}", hasher.finish());
        let folder = root.join(&engine_id);
        let open = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            for own in [root, &folder] {
                fs::set_permissions(own, fs::Permissions::from_mode(0o700))?;
            }
            remove_leftovers(root, &folder)
        };
        open().map_err(|source| SetupError::CacheFolder { folder: root.display().to_string(), source })?;
        Ok(Self { folder, engine_id, bytes_max })
    }

    /// Where compilations leave their results for a moment: the same file system, so that a rename is atomic.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, component: &Digest) -> PathBuf {
        self.folder.join(component.hex()).with_extension(EXTENSION)
    }

    fn tag(&self, component: &Digest, artifact: &[u8]) -> [u8; TAG_BYTES] {
        let mut hasher = Sha256::new();
        hasher.update(MAGIC);
        hasher.update(self.engine_id.as_bytes());
        hasher.update(component.as_bytes());
        hasher.update(artifact);
        hasher.finalize().into()
    }

    /// The compiled form of a component, as [`Cache::store`] kept it. A damaged file is removed.
    pub(crate) fn load(&self, component: &Digest) -> Option<Vec<u8>> {
        let path = self.path(component);
        let mut contents = fs::read(&path).ok()?;
        let head = MAGIC.len() + TAG_BYTES;
        let is_whole = contents.len() > head && {
            let (head, artifact) = contents.split_at(head);
            head.strip_prefix(MAGIC) == Some(&self.tag(component, artifact))
        };
        if !is_whole {
            tracing::warn!(path = %path.display(), "a compiled plugin is damaged; it is removed and compiled anew");
            self.remove(component);
            return None;
        }
        // The time of the last use decides what goes first when the folder is full.
        let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        contents.drain(..head);
        Some(contents)
    }

    /// Keeps the compiled form of a component: written aside, then renamed. It is a cache: no sync.
    pub(crate) fn store(&self, component: &Digest, artifact: &[u8]) -> io::Result<()> {
        self.make_room(artifact.len() as u64)?;
        let path = self.path(component);
        let aside = path.with_extension(format!("{}.part", std::process::id()));
        let mut file = fs::File::create(&aside)?;
        let written = file
            .write_all(MAGIC)
            .and_then(|()| file.write_all(&self.tag(component, artifact)))
            .and_then(|()| file.write_all(artifact))
            .and_then(|()| fs::rename(&aside, &path));
        if written.is_err() {
            // The first error counts.
            let _ = fs::remove_file(&aside);
        }
        written
    }

    /// Forgets the compiled form of a component.
    pub(crate) fn remove(&self, component: &Digest) {
        // Gone already is as good.
        let _ = fs::remove_file(self.path(component));
    }

    /// Removes the files unused for longest until `bytes` more fit.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        let mut total = files.iter().map(|(_, bytes, _)| bytes).sum::<u64>().saturating_add(bytes);
        files.sort();
        for (_, bytes, path) in files {
            if total <= self.bytes_max {
                break;
            }
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                fs::remove_file(&path)?;
                total = total.saturating_sub(bytes);
            }
        }
        Ok(())
    }
}

/// Removes folders of other engines, and files of compilations that never ended.
fn remove_leftovers(root: &Path, folder: &Path) -> io::Result<()> {
    let is_engine_id = |name: &str| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.path() != folder && entry.file_type()?.is_dir() && entry.file_name().to_str().is_some_and(is_engine_id)
        {
            fs::remove_dir_all(entry.path())?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        if entry.path().extension().is_some_and(|extension| extension == "part") && age > ABANDONED {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(root: &Path, bytes_max: u64) -> Cache {
        Cache::open(root, &Engine::default(), bytes_max).unwrap()
    }

    #[test]
    fn what_is_kept_comes_back_and_what_is_changed_does_not() {
        // covers P-03
        let root = tempfile::tempdir().unwrap();
        let cache = cache(root.path(), 1 << 20);
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        cache.store(&one, b"compiled").unwrap();
        assert_eq!(cache.load(&one).as_deref(), Some(&b"compiled"[..]));
        assert_eq!(cache.load(&other), None);
        // Another component's file under this name.
        fs::copy(cache.path(&one), cache.path(&other)).unwrap();
        assert_eq!(cache.load(&other), None);
        assert!(!cache.path(&other).exists(), "a foreign file is removed");
        // A flipped bit, a cut file.
        let whole = fs::read(cache.path(&one)).unwrap();
        for damaged in [
            whole.iter().enumerate().map(|(at, byte)| if at == whole.len() - 1 { byte ^ 1 } else { *byte }).collect(),
            whole[..whole.len() - 1].to_vec(),
            whole[..10].to_vec(),
            Vec::new(),
        ] {
            fs::write(cache.path(&one), damaged).unwrap();
            assert_eq!(cache.load(&one), None);
            assert!(!cache.path(&one).exists());
        }
    }

    #[test]
    fn the_folder_is_ours_alone_and_forgets_other_engines() {
        let root = tempfile::tempdir().unwrap();
        let old = root.path().join("0123456789abcdef");
        fs::create_dir(&old).unwrap();
        fs::write(old.join("x.compiled"), "x").unwrap();
        let kept = root.path().join("notes");
        fs::create_dir(&kept).unwrap();
        let cache = cache(root.path(), 1 << 20);
        for (name, age) in [("1-1.part", ABANDONED * 2), ("1-2.part", Duration::ZERO)] {
            let file = fs::File::create(cache.folder().join(name)).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        let cache = self::cache(root.path(), cache.bytes_max);
        assert!(!old.exists() && kept.exists());
        let left: Vec<_> = fs::read_dir(cache.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["1-2.part"]);
        assert_eq!(fs::metadata(cache.folder()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_oldest_file_makes_room() {
        let root = tempfile::tempdir().unwrap();
        let cache = cache(root.path(), 250);
        let digests: Vec<Digest> = (0..3_u8).map(|index| Digest::of(&[index])).collect();
        for (index, digest) in digests.iter().enumerate() {
            cache.store(digest, &[0; 60]).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(index as u64);
            let file = fs::File::options().append(true).open(cache.path(digest)).unwrap();
            file.set_modified(time).unwrap();
        }
        assert_eq!(cache.load(&digests[0]), None);
        assert!(cache.load(&digests[1]).is_some() && cache.load(&digests[2]).is_some());
    }
}
