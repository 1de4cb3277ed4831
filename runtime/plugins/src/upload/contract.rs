//! What `wit/` asks for, parsed from the text that is built in.

use std::sync::LazyLock;

use wit_parser::{Function, Interface, PackageId, Resolve, SourceMap, Type, TypeDefKind};

/// The package `weir:plugin` of this host.
pub(super) struct Contract {
    pub(super) resolve: Resolve,
    package: PackageId,
    /// The version that this host serves.
    pub(super) version: semver::Version,
}

/// The contract that this host serves.
pub(super) static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the text is built in and a test of this file parses it")]
    Contract::parse().expect("wit/ is a valid package")
});

impl Contract {
    fn parse() -> Option<Self> {
        let mut sources = SourceMap::default();
        for (file, text) in [
            ("worlds.wit", include_str!("../../../../wit/worlds.wit")),
            ("types.wit", include_str!("../../../../wit/types.wit")),
            ("log.wit", include_str!("../../../../wit/log.wit")),
            ("connectors.wit", include_str!("../../../../wit/connectors.wit")),
            ("pre-call.wit", include_str!("../../../../wit/pre-call.wit")),
            ("post-response.wit", include_str!("../../../../wit/post-response.wit")),
            ("action.wit", include_str!("../../../../wit/action.wit")),
        ] {
            sources.push_str(file, text);
        }
        let mut resolve = Resolve::default();
        let package = resolve.push_group(sources.parse().ok()?).ok()?;
        let version = resolve.packages.get(package)?.name.version.clone()?;
        Some(Self { resolve, package, version })
    }

    /// The interface of that name.
    pub(super) fn interface(&self, name: &str) -> Option<&Interface> {
        let package = self.resolve.packages.get(self.package)?;
        self.resolve.interfaces.get(*package.interfaces.get(name)?)
    }

    /// The function of that interface.
    pub(super) fn function(&self, interface: &str, function: &str) -> Option<&Function> {
        self.interface(interface)?.functions.get(function)
    }

    /// The kind of a type, through its aliases; `None` for a primitive one.
    pub(super) fn kind(&self, ty: &Type) -> Result<&TypeDefKind, Type> {
        let mut ty = *ty;
        loop {
            let Type::Id(id) = ty else { return Err(ty) };
            match self.resolve.types.get(id).map(|definition| &definition.kind) {
                Some(TypeDefKind::Type(alias)) => ty = *alias,
                Some(kind) => return Ok(kind),
                None => return Err(ty),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_contract_is_valid() {
        assert_eq!(CONTRACT.version.to_string(), "0.1.0");
        assert!(CONTRACT.function("action", "handle").is_some());
    }
}
