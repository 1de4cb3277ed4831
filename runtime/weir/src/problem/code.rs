//! The codes of the API: the one place that says which status and title each has.
//!
//! Codes of the other crates (`plugin.trap`, `flow.unknown-step`, …) pass through by their own names.

/// A stable name of what can go wrong with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Code {
    /// For programs; never changes its meaning.
    pub(crate) name: &'static str,
    /// HTTP status (RFC 9110).
    pub(crate) status: u16,
    /// For people: the same for every problem of this code (RFC 9457 section 3.1.3).
    pub(crate) title: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $name:literal $status:literal $title:literal;)*) => {
        $(
            #[doc = $title]
            pub(crate) const $constant: Code = Code { name: $name, status: $status, title: $title };
        )*
        /// Every code of the API.
        #[cfg(test)]
        pub(crate) const ALL: &[Code] = &[$($constant),*];
    };
}

codes! {
    MISSING_KEY = "auth.missing-key" 401 "The request has no API key";
    INVALID_KEY = "auth.invalid-key" 401 "The API key is not valid";
    NOT_PERMITTED = "auth.not-permitted" 403 "The API key may not do this";
    TENANT_DISABLED = "auth.tenant-disabled" 403 "The tenant is disabled";
    NO_ROUTE = "request.no-route" 404 "There is nothing at this path";
    METHOD_NOT_ALLOWED = "request.method-not-allowed" 405 "The path does not take this method";
    INVALID_NAME = "request.invalid-name" 400 "A name or id in the path is malformed";
    INVALID_QUERY = "request.invalid-query" 400 "A query parameter is malformed or unknown";
    INVALID_HEADER = "request.invalid-header" 400 "A header field is malformed";
    INVALID_JSON = "request.invalid-json" 400 "The body is not JSON";
    INVALID_UTF8 = "request.invalid-utf8" 400 "The body is not UTF-8";
    INVALID_BODY = "request.invalid-body" 400 "The body does not have the expected members";
    MALFORMED = "request.malformed" 400 "The request cannot be understood";
    JSON_TOO_DEEP = "request.json-too-deep" 400 "The body is nested too deeply";
    BODY_TIMEOUT = "request.body-timeout" 408 "The body did not arrive in time";
    CONTENT_TYPE = "request.content-type" 415 "The body has a content type that is not taken here";
    BODY_TOO_LARGE = "request.body-too-large" 413 "The body is too large";
    DOCUMENT_TOO_LARGE = "request.document-too-large" 413 "The document is too large";
    EVENT_TOO_LARGE = "request.event-too-large" 413 "The event is too large";
    TEST_TOO_LARGE = "request.test-too-large" 413 "The body that tries a call is too large";
    COMPONENT_TOO_LARGE = "request.component-too-large" 413 "The component is too large";
    TOO_MANY_REQUESTS = "limit.requests" 503 "The server has its hands full";
    TOO_MANY_OF_TENANT = "limit.tenant-requests" 429 "The tenant has too many requests at once";
    TOO_MANY_OF_PROMPTS = "limit.prompt-requests" 429 "Too many requests with tokens of prompts at once";
    TOO_MANY_STREAMS = "limit.event-streams" 429 "The tenant has too many live streams";
    TOO_MANY_TESTS = "limit.connector-tests" 429 "The tenant tries too many calls at once";
    TEST_HOOKS = "connector.test-hooks" 422 "The hooks around the call have faults";
    TEST_TIMEOUT = "connector.test-timeout" 504 "The call took too long";
    TOO_MANY_ACTIONS = "limit.actions-per-type" 400 "The tenant has as many actions of this type as it may have";
    INVALID_ACTION = "action.invalid" 400 "The action cannot be saved like this";
    ACTION_TYPE_NOT_BUILT = "action.type-not-built" 501 "The server has no actions of this type";
    ACTION_TEST_INVALID = "action.test-invalid" 422 "The action that is tried has faults";
    ACTION_TEST_TIMEOUT = "action.test-timeout" 504 "The action took too long";
    NOT_FOUND = "object.not-found" 404 "There is no such object";
    EXISTS = "object.exists" 409 "The object exists already";
    PRECONDITION = "object.precondition-failed" 412 "The stored version is not the expected one";
    INVALID_DOCUMENT = "document.invalid" 422 "The document has faults";
    NAME_MISMATCH = "document.name-mismatch" 422 "The document has another name than the path";
    TEMPLATE_SETTINGS = "connector.template-settings" 422 "The template's settings cannot be used";
    INVALID_IDENTITY = "identity.invalid" 422 "The certificates or the private key cannot be used";
    INVALID_EVENT = "run.invalid-event" 422 "The event does not match the flow's schema";
    UNREADABLE = "flow.unreadable" 409 "What is stored cannot be read by this server any more";
    NO_CLIENT_RESULT = "run.no-client-result" 409 "There is nothing for a client";
    INVALID_INPUT = "run.invalid-input" 422 "The input cannot be taken";
    NOT_SUSPENDED = "run.not-suspended" 409 "The run is not suspended";
    NOT_ENDED = "run.not-ended" 409 "The run has not ended";
    RUN_HELD = "run.held" 409 "Something of the run is not done";
    RESUME_AMBIGUOUS = "run.resume-ambiguous" 409 "The resume does not say which suspension it means";
    NOT_CANCELLABLE = "run.not-cancellable" 409 "The run cannot be cancelled any more";
    RUN_CHANGED = "run.changed" 409 "The run is at another revision";
    INVALID_REASON = "run.invalid-reason" 422 "The reason cannot be taken";
    SUSPENSION_EXPIRED = "run.suspension-expired" 409 "The run waited too long";
    NOT_PAUSED = "run.not-paused" 409 "The run is not paused";
    CONTINUE_VERSION = "run.continue-version" 422 "The run cannot go on with this version";
    UNKNOWN_PROMPT = "prompt.unknown" 404 "There is no such prompt";
    PROMPT_EXPIRED = "prompt.expired" 410 "The prompt waited too long";
    PROMPT_ANSWERED = "prompt.answered" 409 "The prompt needs no answer any more";
    INVALID_COMPONENT = "component.invalid" 422 "The component is refused";
    UPLOADS_UNAVAILABLE = "component.unavailable" 503 "Components cannot be looked at";
    INVALID_CURSOR = "request.invalid-cursor" 400 "The cursor is not one that this listing gave";
    STORE_FULL = "store.full" 503 "The store takes no writes";
    BACKUP_IN_PROGRESS = "backup.in-progress" 409 "A backup is being made";
    DRAINING = "server.draining" 503 "The server is about to stop";
    INTERNAL = "server.internal" 500 "Internal error";
}
