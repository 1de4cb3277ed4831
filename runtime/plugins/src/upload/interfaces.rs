//! The imports and exports of a component beside the worlds of `wit/`.

use semver::Version;
use wasmparser::component_types::{ComponentEntityType, ComponentInstanceType, ComponentItem};
use wasmparser::types::TypesRef;
use wasmparser::{BinaryReaderError, Parser, Payload};

use super::compare;
use super::contract::CONTRACT;
use super::error::{TypeMismatch, UploadError};
use super::print::{self, Found};
use weir_engine::run::HookKind;

/// The hooks with the function that each exports.
const HOOKS: [(HookKind, &str); 3] =
    [(HookKind::PreCall, "transform"), (HookKind::PostResponse, "transform"), (HookKind::Action, "handle")];

/// What every plugin may import of the contract.
const IMPORTS: [&str; 3] = ["log", "connectors", "types"];

/// The WASI 0.2 interfaces that are linked, with nothing behind them.
const WASI: [(&str, &[&str]); 6] = [
    (
        "cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("clocks", &["monotonic-clock", "wall-clock"]),
    ("filesystem", &["preopens", "types"]),
    ("io", &["error", "poll", "streams"]),
    ("random", &["insecure", "insecure-seed", "random"]),
    (
        "sockets",
        &["instance-network", "ip-name-lookup", "network", "tcp", "tcp-create-socket", "udp", "udp-create-socket"],
    ),
];

/// The names of a component's own imports and exports, in order.
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

impl Names {
    /// Reads them, skipping what is nested.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut names = Self { imports: Vec::new(), exports: Vec::new() };
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        names.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        names.exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

/// `namespace:package/interface@version`, taken apart.
struct InterfaceName<'a> {
    package: &'a str,
    interface: &'a str,
    version: Option<Version>,
}

impl<'a> InterfaceName<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (interface, version) = match rest.split_once('@') {
            Some((interface, version)) => (interface, Some(Version::parse(version).ok()?)),
            None => (rest, None),
        };
        Some(Self { package, interface, version })
    }

    /// Whether this host serves the version: the same major (below 1: the same minor), and not newer (P-09). Versions
    /// before a release promise nothing, and the linker finds them only by their exact name.
    fn check_version(&self, name: &str) -> Result<(), UploadError> {
        let served = &CONTRACT.version;
        let wrong = |found: String| UploadError::WrongVersion { name: short(name), found, served: served.to_string() };
        let found = self.version.as_ref().ok_or_else(|| wrong("none".to_owned()))?;
        let is_compatible = match served.major {
            0 => found.major == 0 && found.minor == served.minor,
            major => found.major == major,
        };
        if is_compatible && found.pre.is_empty() && found <= served { Ok(()) } else { Err(wrong(found.to_string())) }
    }
}

/// A name as it stands in a message.
fn short(name: &str) -> String {
    name.chars().take(200).collect()
}

/// Refuses an import that the worlds do not offer, or offer with another type.
pub(super) fn check_imports(names: &Names, types: TypesRef<'_>) -> Result<(), UploadError> {
    names.imports.iter().try_for_each(|name| check_import(name, types))
}

fn check_import(name: &str, types: TypesRef<'_>) -> Result<(), UploadError> {
    let unknown = || UploadError::UnknownImport { name: short(name), hint: hint(name) };
    let parsed = InterfaceName::parse(name).ok_or_else(unknown)?;
    let Some(found) = types.component_item_for_import(name).and_then(|item| instance(item, types)) else {
        return Err(unknown());
    };
    if let Some(package) = parsed.package.strip_prefix("wasi:") {
        let is_linked =
            WASI.iter().any(|(other, interfaces)| *other == package && interfaces.contains(&parsed.interface));
        let is_preview_2 = parsed
            .version
            .as_ref()
            .is_some_and(|version| (version.major, version.minor) == (0, 2) && version.pre.is_empty());
        return if is_linked && is_preview_2 { Ok(()) } else { Err(unknown()) };
    }
    if parsed.package != "weir:plugin" || !IMPORTS.contains(&parsed.interface) {
        return Err(unknown());
    }
    parsed.check_version(name)?;
    let item = format!("the import `{}`", short(name));
    for function in function_names(found) {
        check_function(&item, parsed.interface, function, Found::new(types, found), found)?;
    }
    Ok(())
}

fn hint(name: &str) -> String {
    let version = &CONTRACT.version;
    let offered = format!(
        "A plugin may import `weir:plugin/log@{version}`, `weir:plugin/connectors@{version}` and the WASI 0.2 \
         interfaces of cli, clocks, filesystem, io, random and sockets (with nothing behind them)."
    );
    let advice = match name {
        name if name.starts_with("wasi:http/") => {
            " For HTTP, call a connector function that the step grants: `weir:plugin/connectors`."
        }
        name if name.starts_with("wasi:") => " Build for WASI 0.2, or without WASI.",
        name if !name.contains('/') => " A function or type outside an interface cannot be imported.",
        _ => " Remove the import, or link its implementation into the component.",
    };
    offered + advice
}

/// The hooks that a component exports, and the version of the contract that they are built for.
pub(super) fn check_exports(names: &Names, types: TypesRef<'_>) -> Result<(Vec<HookKind>, Version), UploadError> {
    let mut hooks = Vec::new();
    let mut versions = Vec::new();
    for name in &names.exports {
        let Some(parsed) = InterfaceName::parse(name).filter(|parsed| parsed.package == "weir:plugin") else {
            continue;
        };
        let Some((kind, function)) = HOOKS.iter().find(|(kind, _)| kind.as_str() == parsed.interface) else { continue };
        let Some(found) = types.component_item_for_export(name).and_then(|item| instance(item, types)) else {
            continue;
        };
        parsed.check_version(name)?;
        check_function(
            &format!("the hook `{}`", short(name)),
            kind.as_str(),
            function,
            Found::new(types, found),
            found,
        )?;
        hooks.push(*kind);
        versions.extend(parsed.version);
    }
    match versions.into_iter().max() {
        Some(version) => {
            hooks.sort_unstable();
            Ok((hooks, version))
        }
        None => Err(no_hook(names)),
    }
}

fn no_hook(names: &Names) -> UploadError {
    let wanted = HOOKS.map(|(kind, _)| format!("`weir:plugin/{kind}@{}`", CONTRACT.version)).join(", ");
    let exports = names.exports.iter().take(20).map(|name| format!("`{}`", short(name))).collect();
    UploadError::NoHook { wanted, exports }
}

fn instance<'a>(item: &'a ComponentItem, types: TypesRef<'a>) -> Option<&'a ComponentInstanceType> {
    match item.ty {
        ComponentEntityType::Instance(id) => types.get(id),
        _ => None,
    }
}

fn function_names(instance: &ComponentInstanceType) -> impl Iterator<Item = &str> {
    let functions = instance.exports.iter().filter(|(_, item)| matches!(item.ty, ComponentEntityType::Func(_)));
    functions.map(|(name, _)| name.as_str())
}

/// Checks one function of an interface against the contract.
fn check_function(
    item: &str,
    interface: &str,
    function: &str,
    types: Found<'_>,
    found: &ComponentInstanceType,
) -> Result<(), UploadError> {
    let wrong = |difference: compare::Difference, expected_line: String, found_line: String| {
        UploadError::WrongType(Box::new(TypeMismatch {
            item: item.to_owned(),
            place: difference.place,
            expected: difference.expected,
            found: difference.found,
            expected_line,
            found_line,
        }))
    };
    let missing = |expected: &str, found: &str| compare::Difference {
        place: format!("function `{}`", short(function)),
        expected: expected.to_owned(),
        found: found.to_owned(),
    };
    let found_type = found.exports.get(function).and_then(|item| types.function_type(item));
    match (CONTRACT.function(interface, function), found_type) {
        (Some(expected), Some(found)) => compare::function(expected, found, &types).map_err(|difference| {
            wrong(difference, print::expected_function(expected), types.function(function, found))
        }),
        (Some(expected), None) => {
            let line = print::expected_function(expected);
            Err(wrong(missing("this function", "no function of that name"), line, "nothing".to_owned()))
        }
        (None, _) => {
            let line = found_type.map_or("…".to_owned(), |found| types.function(&short(function), found));
            Err(wrong(missing("no function of that name", "this function"), "nothing".to_owned(), line))
        }
    }
}
