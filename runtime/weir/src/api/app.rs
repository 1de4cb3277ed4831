//! What handlers can reach.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::{Semaphore, watch};
use weir_engine::engine::Engine;
use weir_engine::ports::{Clock, Store};
use weir_stores::Backups;

use super::plugins::Uploads;
use super::slots::{PromptSlots, TenantSlots};
use crate::auth::KeyRing;
use crate::config::Limits;
use crate::secrets::Vault;
use crate::templates::Templates;
use crate::tenants::Tenants;

/// Where the process stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Unfinished runs of the process before are being claimed.
    Recovering,
    /// It serves.
    Serving,
    /// It finishes what is in flight and takes nothing new.
    Draining,
}

/// Everything behind the routes.
pub(crate) struct App {
    /// What survives.
    pub(crate) store: Arc<dyn Store>,
    /// The same, for backups.
    pub(crate) backups: Arc<dyn Backups>,
    /// The time of day.
    pub(crate) clock: Arc<dyn Clock>,
    /// Runs flows.
    pub(crate) engine: Arc<Engine>,
    /// Looks at components before they are kept.
    pub(crate) uploads: Arc<dyn Uploads>,
    /// API keys.
    pub(crate) keys: KeyRing,
    /// Tenants.
    pub(crate) tenants: Tenants,
    /// Credentials and TLS identities.
    pub(crate) vault: Arc<Vault>,
    /// Ready-made connectors.
    pub(crate) templates: Arc<Templates>,
    /// How far connector documents may go.
    pub(crate) ceilings: weir_connectors::Ceilings,
    /// What one request or tenant may use up.
    pub(crate) limits: Limits,
    /// Renders the metrics.
    pub(crate) metrics: PrometheusHandle,
    /// Where the process stands; handlers that wait watch it.
    pub(crate) phase: watch::Receiver<Phase>,
    /// Requests at once.
    pub(super) requests: Arc<Semaphore>,
    /// Requests of one tenant at once.
    pub(super) tenant_requests: TenantSlots,
    /// Requests at once of those who hold tokens of one tenant's prompts.
    pub(super) prompt_requests: PromptSlots,
    /// Live streams of one tenant at once.
    pub(super) event_streams: TenantSlots,
    /// Calls of one tenant that are tried at once.
    pub(super) connector_tests: TenantSlots,
    /// One place: held while an action is saved with its connector and its credential, from reading them to the end.
    pub(super) saving_actions: TenantSlots,
    /// Held while a further action is saved, from counting those that there are to the save.
    pub(super) adding_actions: tokio::sync::Mutex<()>,
}

/// What an [`App`] is made of.
pub(crate) struct Parts {
    /// See [`App::store`].
    pub(crate) store: Arc<dyn Store>,
    /// See [`App::backups`].
    pub(crate) backups: Arc<dyn Backups>,
    /// See [`App::clock`].
    pub(crate) clock: Arc<dyn Clock>,
    /// See [`App::engine`].
    pub(crate) engine: Arc<Engine>,
    /// See [`App::uploads`].
    pub(crate) uploads: Arc<dyn Uploads>,
    /// See [`App::vault`].
    pub(crate) vault: Arc<Vault>,
    /// See [`App::templates`].
    pub(crate) templates: Arc<Templates>,
    /// See [`App::ceilings`].
    pub(crate) ceilings: weir_connectors::Ceilings,
    /// See [`App::limits`].
    pub(crate) limits: Limits,
    /// See [`App::metrics`].
    pub(crate) metrics: PrometheusHandle,
    /// See [`App::phase`].
    pub(crate) phase: watch::Receiver<Phase>,
}

impl App {
    /// From its parts.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts { store, backups, clock, engine, uploads, vault, templates, ceilings, limits, metrics, phase } =
            parts;
        Arc::new(Self {
            keys: KeyRing::new(Arc::clone(&store), Arc::clone(&clock)),
            tenants: Tenants::new(Arc::clone(&store), Arc::clone(&clock)),
            requests: Arc::new(Semaphore::new(limits.requests)),
            tenant_requests: TenantSlots::new(limits.tenant_requests),
            prompt_requests: PromptSlots::new(limits.prompt_requests),
            event_streams: TenantSlots::new(limits.event_streams),
            connector_tests: TenantSlots::new(limits.connector_tests),
            saving_actions: TenantSlots::new(1),
            adding_actions: tokio::sync::Mutex::default(),
            store,
            backups,
            clock,
            engine,
            uploads,
            vault,
            templates,
            ceilings,
            limits,
            metrics,
            phase,
        })
    }

    /// Returns when the process begins to drain.
    pub(crate) async fn draining(&self) {
        let mut phase = self.phase.clone();
        // An error means that the sender is gone, and with it the server.
        let _ = phase.wait_for(|phase| *phase == Phase::Draining).await;
    }
}
