//! The port to outside systems, over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use weir_engine::connector::{BoundRequest, Connector, PermittedRequest};
use weir_engine::expression::Scope;
use weir_engine::ids::FunctionName;
use weir_engine::message::Response;
use weir_engine::ports::{CallContext, ConnectorError, ConnectorErrorKind, Connectors, Exchange, ReadResponse};

use crate::bind::Binder;
use crate::credentials::Credentials;
use crate::error::{error, of_function};
use crate::format::Limits;
use crate::resolve::Resolver;
use crate::response::{Received, ResponseReader};
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

    async fn read_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        elapsed_us: u64,
    ) -> Result<ReadResponse, ConnectorError> {
        self.on_response(request, response, move |reader, it| reader.read(&it, elapsed_us)).await
    }

    async fn conclude_response(
        &self,
        request: &PermittedRequest,
        response: &Response,
        body: Option<Value>,
    ) -> Result<Value, ConnectorError> {
        self.on_response(request, response, move |reader, it| reader.conclude(&it, body)).await
    }
}

/// The longest body, in bytes, that is read on a thread that serves other calls too.
const READ_HERE_MAX: usize = 64 << 10;

impl HttpConnectors {
    /// Reads on a thread of its own what takes a while.
    async fn on_response<T: Send + 'static>(
        &self,
        request: &PermittedRequest,
        response: &Response,
        read: impl FnOnce(&ResponseReader, Received<'_>) -> Result<T, ConnectorError> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let document = &request.connector().document;
        let place = of_function(document.connector.as_str(), request.function().name.as_str());
        let limits = Limits {
            depth_max: self.ceilings.hold(&document.connection).json_depth_max,
            nodes_max: self.ceilings.json_nodes_max,
        };
        let reader = self.binder.response_reader(request).map_err(&place)?;
        if response.body.len() <= READ_HERE_MAX {
            return read(&reader, Received { request, response, limits }).map_err(place);
        }
        let (request, response) = (request.clone(), response.clone());
        let reading = move || read(&reader, Received { request: &request, response: &response, limits });
        tokio::task::spawn_blocking(reading)
            .await
            .unwrap_or_else(|_| Err(error(ConnectorErrorKind::InvalidBody, "the body was not read; the host stops")))
            .map_err(place)
    }
}
