//! Why an upload is refused.

/// An import or a hook that has another type than the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{item} has another type than the contract: {place}: expected {expected}, found {found}\n  \
     expected: {expected_line}\n  found:    {found_line}"
)]
pub struct TypeMismatch {
    /// Such as "the hook `weir:plugin/action@0.1.0`".
    pub item: String,
    /// Where in the type the first difference is.
    pub place: String,
    /// The type there in the contract.
    pub expected: String,
    /// The type there in the component.
    pub found: String,
    /// The whole function in the contract, as WIT.
    pub expected_line: String,
    /// The whole function in the component, as WIT.
    pub found_line: String,
}

/// Why an upload is refused. The messages are for the plugin's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    /// Over the size limit.
    #[error(
        "the component has {size} bytes, at most {max} are accepted; strip debug information and unused code, \
         or ask the operator to raise `plugins.upload-bytes-max`"
    )]
    TooLarge {
        /// Its size.
        size: u64,
        /// The limit.
        max: u64,
    },
    /// No Wasm at all.
    #[error("this is not WebAssembly: {found}; upload the `.wasm` file that `weir plugin build` makes")]
    NotWasm {
        /// What the first bytes look like.
        found: String,
    },
    /// A core module.
    #[error(
        "this is a core module, not a component; build with `weir plugin build`, or turn it into a component with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// Compiled code.
    #[error("this is compiled code; the host compiles for itself and accepts only the `.wasm` component")]
    Compiled,
    /// The end is missing.
    #[error("the component ends too early, after {size} bytes; the file was cut off, upload it again as a whole")]
    Truncated {
        /// How many bytes there are.
        size: u64,
    },
    /// Not a valid component.
    #[error("the component is not valid at byte {offset}: {reason}")]
    Invalid {
        /// Where.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// An import that no world offers.
    #[error("the component imports `{name}`, which the host does not offer. {hint}")]
    UnknownImport {
        /// The import.
        name: String,
        /// What the host offers.
        hint: String,
    },
    /// No hook.
    #[error("the component exports no hook; export at least one of {wanted}. {}", found_exports(exports))]
    NoHook {
        /// The hooks of the contract.
        wanted: String,
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// An import or a hook of another type.
    #[error(transparent)]
    WrongType(Box<TypeMismatch>),
    /// Another version of the contract.
    #[error(
        "`{name}` is of version {found} of the contract, this host serves {served}; build the plugin against \
         `weir:plugin@{served}`, or use a host of that version"
    )]
    WrongVersion {
        /// The import or export.
        name: String,
        /// Its version.
        found: String,
        /// The host's version.
        served: String,
    },
}

fn found_exports(exports: &[String]) -> String {
    if exports.is_empty() { "It exports nothing.".to_owned() } else { format!("It exports {}.", exports.join(", ")) }
}

impl UploadError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "plugin.upload.too-large",
            Self::NotWasm { .. } => "plugin.upload.not-wasm",
            Self::CoreModule => "plugin.upload.core-module",
            Self::Compiled => "plugin.upload.compiled",
            Self::Truncated { .. } => "plugin.upload.truncated",
            Self::Invalid { .. } => "plugin.upload.invalid",
            Self::UnknownImport { .. } => "plugin.upload.unknown-import",
            Self::NoHook { .. } => "plugin.upload.no-hook",
            Self::WrongType(_) => "plugin.upload.wrong-type",
            Self::WrongVersion { .. } => "plugin.upload.wrong-version",
        }
    }
}
