//! The port `Plugins`, and what the service asks besides.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use weir_engine::digest::Digest;
use weir_engine::ids::TenantId;
use weir_engine::message::{Request, Response};
use weir_engine::ports::{
    ActionDecision, ActionEvent, GrantedCalls, HookErrorKind, HookReport, Invocation, Plugins, PostResponseDecision,
    PreCallDecision,
};

use crate::compile::{Cache, CompileError, CompileProgram, Compiler};
use crate::engine::{Sandbox, SetupError};
use crate::invoke::{self, Action, Hook, PostResponse, PreCall, Start};
use crate::library::{Library, LoadError, Loaded};
use crate::settings::HostSettings;
use crate::turns::Turns;
use crate::upload::{self, Inspection, UploadError};

/// Where the bytes of components come from: the artifacts of a tenant.
#[async_trait]
pub trait Components: Send + Sync {
    /// The component of that digest, where the tenant has one.
    async fn component(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Bytes>, ComponentsError>;
}

/// Why no component could be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ComponentsError(pub String);

/// Why a component cannot be used on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// It is not what the worlds ask for.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// It does not compile within the limits.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It compiles, but does not fit the host: an import of another type, or too many memories, tables or instances.
    #[error("the component cannot be linked: {0}; build it with a current toolchain for WASI 0.2 or without WASI")]
    Link(String),
}

impl PrepareError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Upload(error) => error.code(),
            Self::Compile(error) => error.code(),
            Self::Link(_) => "plugin.upload.unlinkable",
        }
    }
}

/// Runs hooks of plugins.
pub struct PluginHost {
    settings: HostSettings,
    components: Arc<dyn Components>,
    library: Library,
    turns: Turns,
    notes: Vec<String>,
}

impl PluginHost {
    /// Starts the host. Compilations run this executable with [`COMPILE_VERB`](crate::COMPILE_VERB).
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn start(settings: HostSettings, components: Arc<dyn Components>) -> Result<Self, SetupError> {
        let program = CompileProgram::this().map_err(|error| SetupError::Engine(error.to_string()))?;
        Self::start_with(settings, components, program)
    }

    /// Starts the host with another program to compile.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn start_with(
        settings: HostSettings,
        components: Arc<dyn Components>,
        program: CompileProgram,
    ) -> Result<Self, SetupError> {
        settings.check()?;
        let Sandbox { engine, shape, notes } = Sandbox::start(&settings)?;
        let cache = Cache::open(&settings.cache_folder, &engine, settings.cache_bytes_max)?;
        let compiler = Compiler::new(program, settings.compile.clone(), shape, cache.folder());
        let linker = invoke::linker(&engine).map_err(|error| SetupError::Engine(format!("{error:#}")))?;
        let library = Library::new(engine, linker, compiler, cache, settings.loaded_max);
        let turns = Turns::new(settings.invocations_max, settings.per_tenant_max(), settings.queue_time());
        Ok(Self { settings, components, library, turns, notes })
    }

    /// What is not as good as it could be on this machine, and why: for the log at start and for `weir doctor`.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Checks an upload without compiling or running it. Takes time in proportion to its size: call it where that does
    /// not hold up others.
    ///
    /// # Errors
    /// See [`UploadError`].
    pub fn validate(&self, bytes: &[u8]) -> Result<Inspection, UploadError> {
        upload::validate(bytes, self.settings.upload_bytes_max)
    }

    /// Checks an upload, compiles it and links it, so that its first invocation finds it ready. Nothing of it runs.
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub async fn prepare(&self, bytes: Bytes) -> Result<Inspection, PrepareError> {
        let max = self.settings.upload_bytes_max;
        let checked = bytes.clone();
        let inspection = tokio::task::spawn_blocking(move || upload::validate(&checked, max))
            .await
            .map_err(|error| PrepareError::Link(format!("the check failed: {error}")))??;
        match self.library.get(&inspection.digest, async || Ok(bytes)).await {
            Ok(_) => Ok(inspection),
            Err(LoadError::Compile(error)) => Err(error.into()),
            Err(LoadError::Bytes(words) | LoadError::Link(words)) => Err(PrepareError::Link(words)),
        }
    }

    /// Loads the plugin, waits for a turn, runs the hook.
    async fn invoke<H: Hook>(
        &self,
        invocation: &Invocation,
        hook: H,
        calls: &dyn GrantedCalls,
    ) -> HookReport<H::Decision> {
        let plugin = match self.load(invocation).await {
            Ok(plugin) => plugin,
            Err(error) => {
                let words = format!("it cannot be loaded: {error}");
                return invoke::failed::<H>(invocation, HookErrorKind::Unloadable, &words);
            }
        };
        let _turn = match self.turns.turn(&invocation.tenant).await {
            Ok(turn) => turn,
            Err(error) => return invoke::failed::<H>(invocation, HookErrorKind::Busy, &error.to_string()),
        };
        let limits = invocation.limits.at_most(&self.settings.ceiling);
        invoke::run(Start { plugin, invocation, limits, calls }, &hook).await
    }

    async fn load(&self, invocation: &Invocation) -> Result<Arc<Loaded>, LoadError> {
        let (tenant, digest) = (&invocation.tenant, &invocation.plugin.digest);
        self.library.get(digest, async || self.bytes(tenant, digest).await).await
    }

    /// The bytes of a component, checked against its digest (P-02).
    async fn bytes(&self, tenant: &TenantId, digest: &Digest) -> Result<Bytes, LoadError> {
        let found = self.components.component(tenant, digest).await;
        let found = found.map_err(|error| LoadError::Bytes(format!("its bytes could not be read: {error}")))?;
        let bytes =
            found.ok_or_else(|| LoadError::Bytes(format!("there is no component {digest}; upload it again")))?;
        if Digest::of(&bytes) != *digest {
            return Err(LoadError::Bytes(format!("the stored component {digest} is damaged; upload it again")));
        }
        Ok(bytes)
    }
}

#[async_trait]
impl Plugins for PluginHost {
    async fn pre_call(
        &self,
        invocation: &Invocation,
        request: &Request,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PreCallDecision> {
        self.invoke(invocation, PreCall::new(request), calls).await
    }

    async fn post_response(
        &self,
        invocation: &Invocation,
        request: &Request,
        response: &Response,
        calls: &dyn GrantedCalls,
    ) -> HookReport<PostResponseDecision> {
        self.invoke(invocation, PostResponse::new(request, response), calls).await
    }

    async fn action(
        &self,
        invocation: &Invocation,
        event: &ActionEvent,
        calls: &dyn GrantedCalls,
    ) -> HookReport<ActionDecision> {
        self.invoke(invocation, Action::new(event), calls).await
    }
}
