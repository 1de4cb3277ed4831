//! Which package is built, in cargo's own words (`cargo metadata`).

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::BuildError;
use super::command_line::CommandLine;

/// The package to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    /// Its name, and its component's.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its Cargo.toml, as an absolute path.
    pub(super) manifest: PathBuf,
    /// The root of its workspace: its own folder where it stands alone.
    pub(super) workspace: PathBuf,
    /// Where cargo puts what it builds; one folder for all packages of a workspace.
    pub(super) target: PathBuf,
}

impl Package {
    /// Finds the package in `dir`, or the only plugin of the workspace in `dir`.
    pub(super) fn find(dir: &Path, target: Option<&Path>) -> Result<Self, BuildError> {
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            return Err(BuildError::NoPackage { dir: dir.to_owned() });
        }
        let manifest = manifest.canonicalize().map_err(BuildError::file(&manifest, "found"))?;
        let metadata = Metadata::ask(&manifest)?;
        let found = metadata.choose(dir, &manifest)?;
        Ok(Self {
            name: found.name.clone(),
            version: found.version.clone(),
            manifest: found.manifest_path.clone(),
            workspace: metadata.workspace_root.clone(),
            target: match target {
                Some(target) => std::path::absolute(target).map_err(BuildError::file(target, "found"))?,
                None => metadata.target_directory.clone(),
            },
        })
    }

    /// Its own folder, where commands about it run, so that its toolchain file and cargo configuration count.
    pub(super) fn folder(&self) -> &Path {
        self.manifest.parent().unwrap_or(&self.workspace)
    }
}

/// The part of `cargo metadata` that we read.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Candidate>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Candidate {
    name: String,
    version: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Metadata {
    fn ask(manifest: &Path) -> Result<Self, BuildError> {
        let arguments = ["metadata", "--no-deps", "--format-version", "1"];
        let folder = manifest.parent().unwrap_or(manifest);
        let output = CommandLine::new("cargo", arguments).ask(folder)?;
        let invalid = |said: String| BuildError::InvalidPackage { manifest: manifest.to_owned(), said };
        if !output.status.success() {
            return Err(invalid(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| invalid(format!("its metadata: {error}")))
    }

    /// The package of this manifest; for a workspace without one, its only plugin.
    fn choose(&self, dir: &Path, manifest: &Path) -> Result<&Candidate, BuildError> {
        if let Some(package) = self.packages.iter().find(|package| package.manifest_path == manifest) {
            return package.is_plugin().then_some(package).ok_or_else(|| not_a_library(manifest));
        }
        let plugins: Vec<_> = self.packages.iter().filter(|package| package.is_plugin()).collect();
        match plugins.as_slice() {
            [] => Err(not_a_library(manifest)),
            [only] => Ok(only),
            several => Err(BuildError::SeveralPackages {
                dir: dir.to_owned(),
                names: several.iter().map(|package| package.name.clone()).collect(),
            }),
        }
    }
}

impl Candidate {
    fn is_plugin(&self) -> bool {
        self.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    }
}

fn not_a_library(manifest: &Path) -> BuildError {
    BuildError::NotALibrary { manifest: manifest.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PLUGIN: &str =
        "[package]\nname = 'NAME'\nversion = '1.2.3'\nedition = '2024'\n[lib]\ncrate-type = ['cdylib']\n";

    /// Writes a package without dependencies, so that cargo needs no network.
    fn package(dir: &Path, manifest: &str) {
        fs::create_dir_all(dir.join("src")).unwrap();
        fs::write(dir.join("src/lib.rs"), "").unwrap();
        fs::write(dir.join("Cargo.toml"), manifest).unwrap();
    }

    fn workspace(dir: &Path, members: &[&str]) {
        fs::write(dir.join("Cargo.toml"), format!("[workspace]\nresolver = '3'\nmembers = {members:?}")).unwrap();
        for name in members {
            package(&dir.join(name), &PLUGIN.replace("NAME", name));
        }
    }

    // covers P-08
    #[test]
    fn a_package_is_found_with_its_target_folder() {
        let dir = tempfile::tempdir().unwrap();
        package(dir.path(), &PLUGIN.replace("NAME", "alone"));
        let root = dir.path().canonicalize().unwrap();

        let found = Package::find(dir.path(), None).unwrap();
        assert_eq!((found.name.as_str(), found.version.as_str()), ("alone", "1.2.3"));
        assert_eq!((found.target.as_path(), found.folder()), (root.join("target").as_path(), root.as_path()));

        let elsewhere = Package::find(dir.path(), Some(Path::new("/elsewhere"))).unwrap();
        assert_eq!(elsewhere.target, Path::new("/elsewhere"));
    }

    #[test]
    fn members_of_a_workspace_share_its_target_folder() {
        let dir = tempfile::tempdir().unwrap();
        workspace(dir.path(), &["one", "two"]);
        let found = Package::find(&dir.path().join("two"), None).unwrap();
        assert_eq!(found.name, "two");
        assert_eq!(found.target, dir.path().canonicalize().unwrap().join("target"));
    }

    #[test]
    fn a_workspace_stands_for_its_only_plugin() {
        let dir = tempfile::tempdir().unwrap();
        workspace(dir.path(), &["one"]);
        assert_eq!(Package::find(dir.path(), None).unwrap().name, "one");
    }

    fn check(prepare: impl FnOnce(&Path), code: &str, words: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let error = Package::find(dir.path(), None).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }

    #[test]
    fn every_other_folder_is_refused_in_words() {
        check(|_| (), "plugin.build.no-package", &["no Cargo.toml"]);
        check(|dir| workspace(dir, &["one", "two"]), "plugin.build.several-packages", &["one, two"]);
        check(|dir| workspace(dir, &[]), "plugin.build.not-a-library", &["cdylib"]);
        let library = PLUGIN.replace("cdylib", "rlib");
        check(|dir| package(dir, &library), "plugin.build.not-a-library", &["cdylib"]);
        check(|dir| package(dir, "[package"), "plugin.build.invalid-package", &["Cargo.toml"]);
    }
}
