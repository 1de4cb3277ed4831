//! What a sealed record is bound to, as associated data.

use weir_engine::ids::TenantId;

/// Which record a seal belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding<'a> {
    /// Whose.
    pub(super) tenant: &'a TenantId,
    /// `credential`, `identity` or `data-key`.
    pub(super) kind: &'static str,
    /// Its name.
    pub(super) name: &'a str,
    /// Which version of it.
    pub(super) version: u32,
}

impl Binding<'_> {
    /// The binding as bytes. Names hold no zero byte, so that no two bindings have the same bytes.
    pub(super) fn associated_data(&self) -> Vec<u8> {
        let Self { tenant, kind, name, version } = self;
        format!("weir seal 1\0{tenant}\0{kind}\0{name}\0{version}").into_bytes()
    }
}
