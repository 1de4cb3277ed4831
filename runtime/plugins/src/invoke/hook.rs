//! The three hooks: what each is asked, and how its decision is read.

use std::future::Future;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};
use weir_engine::message::{Request, Response};
use weir_engine::ports::{ActionDecision, ActionEvent, PostResponseDecision, PreCallDecision};
use weir_engine::run::HookKind;

use super::bindings::{action, post_response, pre_call, types};
use super::from_guest::{Reader, Rejected};
use super::state::HostState;
use super::to_guest;

/// Where a component's hooks are. Looked up once, when it is loaded.
pub(crate) struct Hooks {
    pre_call: Option<pre_call::GuestIndices>,
    post_response: Option<post_response::GuestIndices>,
    action: Option<action::GuestIndices>,
}

impl Hooks {
    /// Looks the hooks up. One that is not there, or not of the contract's shape, is none.
    pub(crate) fn find(component: &InstancePre<HostState>) -> Self {
        Self {
            pre_call: pre_call::GuestIndices::new(component).ok(),
            post_response: post_response::GuestIndices::new(component).ok(),
            action: action::GuestIndices::new(component).ok(),
        }
    }

    /// The hooks that are there.
    pub(crate) fn kinds(&self) -> Vec<HookKind> {
        let present = [
            self.pre_call.is_some().then_some(HookKind::PreCall),
            self.post_response.is_some().then_some(HookKind::PostResponse),
            self.action.is_some().then_some(HookKind::Action),
        ];
        present.into_iter().flatten().collect()
    }
}

/// The answer of a guest: a decision, or a fault.
pub(crate) type Answer<R> = wasmtime::Result<Result<R, types::Fault>>;

/// One kind of hook with what it is asked.
pub(crate) trait Hook: Send + Sync {
    /// The decision in the contract's types.
    type Raw: Send;
    /// The decision in ours.
    type Decision: Send;
    /// Which hook.
    const KIND: HookKind;

    /// Calls the guest. `None` where the component lacks the hook.
    fn call(
        &self,
        hooks: &Hooks,
        store: &mut Store<HostState>,
        instance: &Instance,
        invocation: &types::Invocation,
    ) -> impl Future<Output = Option<Answer<Self::Raw>>> + Send;

    /// Checks the decision.
    fn read(raw: Self::Raw, reader: &mut Reader) -> Result<Self::Decision, Rejected>;
}

/// `pre-call`.
pub(crate) struct PreCall {
    request: types::Request,
}

impl PreCall {
    pub(crate) fn new(request: &Request) -> Self {
        Self { request: to_guest::request(request) }
    }
}

impl Hook for PreCall {
    type Raw = pre_call::Decision;
    type Decision = PreCallDecision;
    const KIND: HookKind = HookKind::PreCall;

    async fn call(
        &self,
        hooks: &Hooks,
        store: &mut Store<HostState>,
        instance: &Instance,
        invocation: &types::Invocation,
    ) -> Option<Answer<Self::Raw>> {
        let guest = match hooks.pre_call.as_ref()?.load(&mut *store, instance) {
            Ok(guest) => guest,
            Err(error) => return Some(Err(error)),
        };
        Some(guest.call_transform(store, invocation, &self.request).await)
    }

    fn read(raw: Self::Raw, reader: &mut Reader) -> Result<PreCallDecision, Rejected> {
        Ok(match raw {
            pre_call::Decision::Call(request) => PreCallDecision::Call(reader.request(request)?),
            pre_call::Decision::Respond(response) => PreCallDecision::Respond(reader.response(response)?),
            pre_call::Decision::Fail(failure) => PreCallDecision::Fail(reader.failure(failure)?),
        })
    }
}

/// `post-response`.
pub(crate) struct PostResponse {
    request: types::Request,
    response: types::Response,
}

impl PostResponse {
    pub(crate) fn new(request: &Request, response: &Response) -> Self {
        Self { request: to_guest::request(request), response: to_guest::response(response) }
    }
}

impl Hook for PostResponse {
    type Raw = post_response::Decision;
    type Decision = PostResponseDecision;
    const KIND: HookKind = HookKind::PostResponse;

    async fn call(
        &self,
        hooks: &Hooks,
        store: &mut Store<HostState>,
        instance: &Instance,
        invocation: &types::Invocation,
    ) -> Option<Answer<Self::Raw>> {
        let guest = match hooks.post_response.as_ref()?.load(&mut *store, instance) {
            Ok(guest) => guest,
            Err(error) => return Some(Err(error)),
        };
        Some(guest.call_transform(store, invocation, &self.request, &self.response).await)
    }

    fn read(raw: Self::Raw, reader: &mut Reader) -> Result<PostResponseDecision, Rejected> {
        Ok(match raw {
            post_response::Decision::Keep(response) => PostResponseDecision::Keep(reader.response(response)?),
            post_response::Decision::Fail(failure) => PostResponseDecision::Fail(reader.failure(failure)?),
        })
    }
}

/// `action`.
pub(crate) struct Action {
    event: action::Event,
}

impl Action {
    pub(crate) fn new(event: &ActionEvent) -> Self {
        Self { event: to_guest::event(event) }
    }
}

impl Hook for Action {
    type Raw = action::Decision;
    type Decision = ActionDecision;
    const KIND: HookKind = HookKind::Action;

    async fn call(
        &self,
        hooks: &Hooks,
        store: &mut Store<HostState>,
        instance: &Instance,
        invocation: &types::Invocation,
    ) -> Option<Answer<Self::Raw>> {
        let guest = match hooks.action.as_ref()?.load(&mut *store, instance) {
            Ok(guest) => guest,
            Err(error) => return Some(Err(error)),
        };
        Some(guest.call_handle(store, invocation, &self.event).await)
    }

    fn read(raw: Self::Raw, reader: &mut Reader) -> Result<ActionDecision, Rejected> {
        Ok(match raw {
            action::Decision::Success(operations) => ActionDecision::Success(reader.operations(operations)?),
            action::Decision::Incomplete(operations) => ActionDecision::Incomplete(reader.operations(operations)?),
            action::Decision::Failed(failure) => ActionDecision::Failed(reader.failure(failure)?),
        })
    }
}
