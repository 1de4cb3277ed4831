//! Wraps a core module into a component, and says what it exports and imports.

use std::fs;
use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, DecodedWasm};

use super::BuildError;
use super::package::Package;

/// The package of our contract: an export of it is a hook.
const CONTRACT: &str = "weir:plugin/";

/// A valid component.
#[derive(Debug)]
pub(super) struct Component {
    /// Its binary form.
    pub(super) bytes: Vec<u8>,
    /// The hooks that it exports, by their short names.
    pub(super) hooks: Vec<String>,
    /// The interfaces that it imports, by their full names.
    pub(super) imports: Vec<String>,
}

impl Component {
    /// Makes a component of a module whose bindings say what it is meant to be.
    pub(super) fn from_module(module: &[u8]) -> Result<Self, BuildError> {
        let encoded = ComponentEncoder::default()
            .validate(true)
            .module(module)
            .and_then(|mut encoder| encoder.encode())
            .map_err(|error| not_a_plugin(format!("{error:#}")))?;
        let decoded = wit_component::decode(&encoded).map_err(|error| not_a_plugin(format!("{error:#}")))?;
        let DecodedWasm::Component(resolve, world) = decoded else {
            return Err(not_a_plugin("its encoding is a WIT package".to_owned()));
        };
        let Some(world) = resolve.worlds.get(world) else {
            return Err(not_a_plugin("its encoding has no world".to_owned()));
        };
        let hooks: Vec<_> = world.exports.keys().filter_map(|key| hook(&resolve.name_world_key(key))).collect();
        if hooks.is_empty() {
            return Err(not_a_plugin("it exports no hook".to_owned()));
        }
        let imports = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
        Ok(Self { bytes: encoded, hooks, imports })
    }

    /// Writes it to `out`, or to its place in the target folder; a reader sees the old file or the new one, whole.
    pub(super) fn write(&self, out: Option<&Path>, package: &Package) -> Result<PathBuf, BuildError> {
        let file = match out {
            Some(out) => out.to_owned(),
            None => package.target.join("weir").join(format!("{}.wasm", package.name)),
        };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(BuildError::file(folder, "made"))?;
        }
        let unfinished = file.with_extension(format!("{}.unfinished", std::process::id()));
        fs::write(&unfinished, &self.bytes).map_err(BuildError::file(&unfinished, "written"))?;
        fs::rename(&unfinished, &file).map_err(|source| {
            let _ = fs::remove_file(&unfinished); // The first error is the one to tell.
            BuildError::file(&file, "written")(source)
        })?;
        Ok(file)
    }
}

/// `pre-call` of `weir:plugin/pre-call@0.1.0`; nothing for exports of others.
fn hook(export: &str) -> Option<String> {
    let name = export.strip_prefix(CONTRACT)?;
    Some(name.split('@').next().unwrap_or(name).to_owned())
}

fn not_a_plugin(what: String) -> BuildError {
    BuildError::NotAPlugin { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_component::{StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    /// What a compiler would have made: a module with the exports and imports of a world.
    fn module(world: &str, text: &str) -> Vec<u8> {
        let mut module = wat::parse_str(format!(
            r#"(module {text} (memory (export "memory") 1)
                 (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#
        ))
        .unwrap();
        let mut resolve = Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        let (package, _) = resolve.push_dir(contract).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    const PRE_CALL: &str =
        r#"(func (export "weir:plugin/pre-call@0.1.0#transform") (param i32) (result i32) unreachable)"#;
    const LOG: &str = r#"(import "weir:plugin/log@0.1.0" "write" (func (param i32 i32 i32 i32 i32)))"#;

    fn package(target: &Path) -> Package {
        let root = PathBuf::from("/guests");
        Package {
            name: "tier".into(),
            version: "1.0.0".into(),
            manifest: root.join("Cargo.toml"),
            workspace: root,
            target: target.into(),
        }
    }

    // covers P-08
    #[test]
    fn a_module_becomes_a_component_that_imports_only_its_world() {
        let component = Component::from_module(&module("pre-call-plugin", &format!("{LOG}{PRE_CALL}"))).unwrap();
        assert_eq!(component.hooks, ["pre-call"]);
        assert!(component.imports.contains(&"weir:plugin/log@0.1.0".to_owned()), "{:?}", component.imports);
        assert!(component.imports.iter().all(|import| import.starts_with(CONTRACT)), "{:?}", component.imports);
    }

    fn check(module: &[u8], words: &str) {
        let error = Component::from_module(module).unwrap_err();
        assert_eq!(error.code(), "plugin.build.not-a-plugin");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("wit_bindgen::generate!"), "{text}");
    }

    #[test]
    fn every_other_module_is_refused_in_words() {
        check(b"", "");
        check(b"\0asm\x01\0\0\0\xff", "");
        check(&wat::parse_str("(module)").unwrap(), "exports no hook");
        check(&module("imports", ""), "exports no hook");
        check(&module("pre-call-plugin", ""), "interface `weir:plugin/pre-call@0.1.0`");
        let stranger = r#"(import "env" "time" (func (result i32)))"#;
        check(&module("pre-call-plugin", &format!("{stranger}{PRE_CALL}")), "env");
    }

    #[test]
    fn the_file_lands_in_the_target_folder_or_where_the_author_wants_it() {
        let dir = tempfile::tempdir().unwrap();
        let component = Component { bytes: b"bytes".to_vec(), hooks: Vec::new(), imports: Vec::new() };
        let package = package(dir.path());

        let file = component.write(None, &package).unwrap();
        assert_eq!(file, dir.path().join("weir/tier.wasm"));
        assert_eq!(fs::read(&file).unwrap(), b"bytes");

        let out = dir.path().join("deep/er/plugin.wasm");
        assert_eq!(component.write(Some(&out), &package).unwrap(), out);
        assert_eq!(fs::read_dir(out.parent().unwrap()).unwrap().count(), 1, "nothing unfinished stays behind");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let component = Component { bytes: Vec::new(), hooks: Vec::new(), imports: Vec::new() };
        let error = component.write(Some(dir.path()), &package(dir.path())).unwrap_err();
        assert_eq!(error.code(), "plugin.build.file");
        assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    }
}
