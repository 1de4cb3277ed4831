//! The port to outside systems, over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest};
use weir_engine::expression::Scope;
use weir_engine::ids::FunctionName;
use weir_engine::message::Response;
use weir_engine::ports::{CallContext, ConnectorError, ConnectorErrorKind, Connectors, Exchange};

use crate::bind::Binder;
use crate::credentials::Credentials;
use crate::error::{error, of_function};
use crate::format::{self, JsonLimits};
use crate::resolve::Resolver;
use crate::send::{Sender, SetupError};
use crate::settings::{Ceilings, ConnectorSettings};

/// Calls functions of connectors over HTTP/1.1 and HTTP/2. Made once for a process; cheap to share.
pub struct HttpConnectors {
    binder: Binder,
    sender: Sender,
    ceilings: Ceilings,
}

impl HttpConnectors {
    /// Connectors under these settings. Settings do not change; new ones need a new value.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(
        settings: ConnectorSettings,
        credentials: Arc<dyn Credentials>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, SetupError> {
        let ceilings = settings.ceilings.clone();
        let binder = Binder::new(ceilings.request_bytes_max);
        Ok(Self { binder, sender: Sender::new(settings, credentials, resolver)?, ceilings })
    }
}

#[async_trait]
impl Connectors for HttpConnectors {
    fn bind(
        &self,
        connector: &Arc<Connector>,
        function: &FunctionName,
        arguments: &Map<String, Value>,
        scope: &Scope,
    ) -> Result<BoundRequest, ConnectorError> {
        self.binder.bind(connector, function, arguments, scope)
    }

    async fn send(&self, context: &CallContext, request: &PermittedRequest) -> Exchange {
        self.sender.send(context, request).await
    }

    fn parse_body(&self, request: &PermittedRequest, response: &Response) -> Result<Value, ConnectorError> {
        let document = &request.connector().document;
        let limits = JsonLimits {
            depth_max: self.ceilings.hold(&document.connection).json_depth_max,
            nodes_max: self.ceilings.json_nodes_max,
        };
        format::parse(request, response, limits)
            .map_err(|problem| error(ConnectorErrorKind::InvalidBody, problem))
            .map_err(of_function(document.connector.as_str(), request.function().name.as_str()))
    }
}
