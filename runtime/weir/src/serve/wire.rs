//! Fills the ports: the only place that knows which crate stands behind which.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use metrics::gauge;
use secrecy::zeroize::Zeroizing;
use tokio::sync::watch;
use weir_connectors::{
    Credential, CredentialError, Credentials, HttpConnectors, Identity, StoredCredential, SystemResolver,
};
use weir_engine::action::ActionTypes;
use weir_engine::digest::Digest;
use weir_engine::engine::{Definitions, Engine, Ports};
use weir_engine::ids::{CredentialName, IdentityName, TenantId};
use weir_engine::ports::{Clock, Connectors, Plugins, Store};
use weir_plugins::{Components, ComponentsError, Inspection, PluginHost};
use weir_stores::{Backups, MemoryStore, SledStore};

use super::bootstrap;
use super::error::ServeError;
use crate::api::{App, Inspected, Parts, Phase, Refused, Uploads};
use crate::clock::SystemClock;
use crate::config::{Config, StoreKind};
use crate::secrets::{
    CredentialSecret, ExpiryLog, KeyInUse, MASTER_KEY_VARIABLE, MasterKey, MasterKeySource, PromptTokens,
    StoredEncryption, StoredSigner, Vault, VaultError,
};
use crate::telemetry::{self, MeteredStore};
use crate::templates::Templates;
use crate::{action_types, output, private_file};

/// Opens the store that the configuration names.
///
/// # Errors
/// The folder or the store cannot be used.
async fn open_store(config: &Config) -> Result<(Arc<dyn Store>, Arc<dyn Backups>), ServeError> {
    match config.data.store {
        StoreKind::Memory => {
            let store = Arc::new(MemoryStore::default());
            Ok((Arc::clone(&store) as _, store))
        }
        StoreKind::Sled => {
            let (dir, settings) = (config.data.dir.join("store"), config.store.clone());
            let opened = tokio::task::spawn_blocking(move || SledStore::open(&dir, settings)).await;
            let store = Arc::new(opened.map_err(|error| ServeError::Runtime(std::io::Error::other(error)))??);
            Ok((Arc::clone(&store) as _, store))
        }
    }
}

/// Wires everything, ready to serve.
///
/// # Errors
/// See [`ServeError`].
pub(super) async fn wire(config: Config, phase: watch::Receiver<Phase>) -> Result<Arc<App>, ServeError> {
    let metrics = telemetry::start_metrics()?;
    let dir = config.data.dir.clone();
    private_file::create_folder(&dir).map_err(|source| ServeError::Folder { dir: dir.clone(), source })?;
    let (store, backups) = open_store(&config).await?;
    let store: Arc<dyn Store> = Arc::new(MeteredStore::new(store));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let master = master_key(&config, &*store).await?;
    let tokens = PromptTokens::new(&master, &config.server.public_url);
    let vault = Arc::new(Vault::new(Arc::clone(&store), Arc::clone(&clock), master));
    let plugins = Arc::new(PluginHost::start(config.plugins.clone(), Arc::new(Artifacts(Arc::clone(&store))))?);
    for note in plugins.notes() {
        tracing::warn!("{note}");
    }
    let opened: Arc<dyn Credentials> = Arc::new(Opened(Arc::clone(&vault), ExpiryLog::default()));
    let connectors = HttpConnectors::new(config.connectors.clone(), opened, Arc::new(SystemResolver))?;
    let types = read_types(config.types_dir.clone()).await?;
    let ports = Ports {
        plugins: Arc::clone(&plugins) as Arc<dyn Plugins>,
        connectors: Arc::new(connectors) as Arc<dyn Connectors>,
        store: Arc::clone(&store),
        clock: Arc::clone(&clock),
        tokens: Arc::new(tokens),
        encryption: Arc::new(StoredEncryption::new(Arc::clone(&vault))),
        signer: Arc::new(StoredSigner::new(Arc::clone(&vault))),
        definitions: Definitions::new(Arc::clone(&store), types),
        limits: config.plugins.ceiling,
    };
    let app = App::new(Parts {
        store,
        backups,
        clock,
        engine: Engine::new(config.engine, ports),
        uploads: Arc::new(Host(plugins)),
        vault,
        templates: templates(config.templates_dir).await?,
        ceilings: config.connectors.ceilings,
        limits: config.limits,
        metrics,
        phase,
    });
    let variable = std::env::var(bootstrap::VARIABLE).ok();
    bootstrap::operator_key(&app.keys, &dir, variable.as_deref()).await?;
    Ok(app)
}

/// Reads the operator's templates once, so that the log says at the start what is wrong with them.
async fn templates(folder: Option<PathBuf>) -> Result<Arc<Templates>, ServeError> {
    let templates = Arc::new(Templates::new(folder));
    let read = Arc::clone(&templates);
    let all = tokio::task::spawn_blocking(move || read.all().len()).await;
    let all = all.map_err(|error| ServeError::Runtime(std::io::Error::other(error)))?;
    tracing::info!(all, "connector templates");
    Ok(templates)
}

/// The shipped types of actions and the operator's own, with what is wrong with those in the log.
async fn read_types(folder: Option<PathBuf>) -> Result<Arc<ActionTypes>, ServeError> {
    let read = tokio::task::spawn_blocking(move || action_types::with_folder(folder.as_deref())).await;
    let types = read.map_err(|error| ServeError::Runtime(std::io::Error::other(error)))?;
    let (all, shipped) = (types.names().len(), ActionTypes::shipped().names().len());
    let own = all.saturating_sub(shipped);
    for (origin, count) in [("shipped", shipped), ("operator", own)] {
        gauge!("weir_action_types", "origin" => origin).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
    tracing::info!(all, own, "action types");
    Ok(types)
}

/// The master key of the store; a new one for a store that needs none yet.
async fn master_key(config: &Config, store: &dyn Store) -> Result<MasterKey, ServeError> {
    let path = &config.secrets.master_key_file;
    let variable = std::env::var(MASTER_KEY_VARIABLE).ok().map(Zeroizing::new);
    let in_use = KeyInUse::of(store).await?;
    if variable.is_none() && !path.exists() {
        in_use.may_be_made(path)?;
    }
    let (key, source) = MasterKey::load(variable.as_ref().map(|text| text.as_str()), path)?;
    in_use.opens_with(&key)?;
    if source == MasterKeySource::NewFile {
        output::remark(&format!(
            "weir: this is the first start: a master key was made in {}; without it no stored credential can be \
             opened, so keep a copy apart from the data",
            path.display()
        ));
    }
    Ok(key)
}

/// Stored credentials, opened for the connectors.
struct Opened(Arc<Vault>, ExpiryLog);

#[async_trait]
impl Credentials for Opened {
    async fn credential(
        &self,
        tenant: &TenantId,
        name: &CredentialName,
    ) -> Result<Option<StoredCredential>, CredentialError> {
        let found = self.0.open(tenant, name).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, %tenant, %name, "a credential could not be opened");
            not_opened(&error)
        })?;
        let Some((version, secret)) = found else { return Ok(None) };
        Ok(Some(StoredCredential { version, credential: opened(secret)? }))
    }

    async fn identity(&self, tenant: &TenantId, name: &IdentityName) -> Result<Option<Identity>, CredentialError> {
        let found = self.0.open_identity(tenant, name).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, %tenant, %name, "an identity could not be opened");
            not_opened(&error)
        })?;
        Ok(found.map(|found| {
            self.1.used(tenant, name, found.expires_at, SystemClock.now());
            found.identity
        }))
    }
}

fn not_opened(error: &VaultError) -> CredentialError {
    CredentialError(match error {
        VaultError::Store(error) => format!("the store failed ({})", error.code()),
        _ => "it cannot be opened with the server's master key; set it again, or ask the operator".to_owned(),
    })
}

/// The credential in the connectors' words.
fn opened(secret: CredentialSecret) -> Result<Credential, CredentialError> {
    Ok(match secret {
        CredentialSecret::Basic { username, password } => Credential::Basic { username, password },
        CredentialSecret::Bearer { token } => Credential::Bearer { token },
        CredentialSecret::ApiKey { key } => Credential::ApiKey { key },
        CredentialSecret::Oauth2Client { client_id, client_secret } => {
            Credential::Oauth2Client { client_id, client_secret }
        }
        CredentialSecret::Aws { access_key_id, secret_access_key, session_token } => {
            Credential::Aws { access_key_id, secret_access_key, session_token }
        }
        CredentialSecret::HmacKey { key, encoding } => {
            let key = encoding.decode(&key);
            Credential::HmacKey {
                key: key.ok_or_else(|| CredentialError("its key has no bytes; set it again".into()))?,
            }
        }
    })
}

/// Components are artifacts of the store.
struct Artifacts(Arc<dyn Store>);

#[async_trait]
impl Components for Artifacts {
    async fn component(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Bytes>, ComponentsError> {
        self.0.artifact(tenant, digest).await.map_err(|error| ComponentsError(error.to_string()))
    }
}

/// The plugin host as uploads see it.
struct Host(Arc<PluginHost>);

#[async_trait]
impl Uploads for Host {
    async fn inspect(&self, bytes: Bytes) -> Result<Inspected, Refused> {
        let host = Arc::clone(&self.0);
        let looked = tokio::task::spawn_blocking(move || host.validate(&bytes)).await;
        let refused = |code, message: String| Refused { code, message };
        let inspection = looked.map_err(|error| refused("plugin.host-error", error.to_string()))?;
        inspection.map(inspected).map_err(|error| refused(error.code(), error.to_string()))
    }

    async fn prepare(&self, bytes: Bytes) -> Result<Inspected, Refused> {
        let prepared = self.0.prepare(bytes).await;
        prepared.map(inspected).map_err(|error| Refused { code: error.code(), message: error.to_string() })
    }
}

/// The inspection in the engine's words.
pub(crate) fn inspected(inspection: Inspection) -> Inspected {
    let Inspection { digest, size, hooks, imports, exports, wit_version } = inspection;
    Inspected { digest, size, hooks, imports, exports, wit_version: wit_version.to_string() }
}
