//! One attempt, with the redirects that the function follows (C-08).

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;
use weir_engine::message::Response;
use weir_engine::ports::{Attempt, Attempts, ConnectorError, ConnectorErrorKind as Kind, Hop, Timings};

use super::call::{Call, outlives_a_request};
use super::clients::Client;
use super::gate::Verdict;
use super::outgoing::Outgoing;
use super::timings::Recorder;
use super::transport::Target;
use super::{micros_since, read, redirect, retry};
use crate::authenticate::Challenge;
use crate::error::error;

/// A request to one origin.
pub(super) struct Leg {
    pub(super) client: Arc<Client>,
    pub(super) target: Target,
    pub(super) outgoing: Outgoing,
    /// The redirects have led to another origin, and no credential goes with them any more: not even back, for it
    /// would be the other origin that says what is done with it.
    pub(super) abroad: bool,
}

/// An attempt that is over.
pub(super) struct Tried {
    pub(super) attempt: Attempt,
    pub(super) outcome: Result<Answer, ConnectorError>,
    pub(super) traces: Traces,
}

/// What the outside system said.
pub(super) enum Answer {
    /// What the step goes on with.
    Response(Response),
    /// Who are you?
    Challenge(Challenge),
}

/// What decides about another attempt, and about the circuit breaker.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Traces {
    /// Where an answer began after the last redirect.
    pub(super) status: Option<u16>,
    pub(super) error: Option<Kind>,
    /// The outside system has redirected, and so may have acted.
    pub(super) redirected: bool,
    /// The connection broke before an answer.
    pub(super) broke: bool,
    /// Nothing of the request had been sent.
    pub(super) unsent: bool,
    /// The budget of the call was over, and not the time-out of the attempt.
    pub(super) budget_over: bool,
    pub(super) retry_after: Option<Duration>,
}

impl Traces {
    /// What the attempt says of the outside system.
    pub(super) fn verdict(&self) -> Verdict {
        let by_status = match self.status {
            Some(status) if status < 500 => Verdict::Well,
            Some(_) => Verdict::Unwell,
            None => Verdict::Unknown,
        };
        match self.error {
            None | Some(Kind::ResponseTooLarge | Kind::Redirect) => by_status,
            Some(Kind::RequestTimeout) if self.budget_over => Verdict::Unknown,
            Some(
                Kind::RequestTimeout
                | Kind::ConnectTimeout
                | Kind::Connect
                | Kind::Resolve
                | Kind::Tls
                | Kind::Protocol,
            ) => Verdict::Unwell,
            Some(_) => Verdict::Unknown,
        }
    }
}

/// An attempt under way.
struct Progress {
    started: Instant,
    target: Target,
    recorder: Recorder,
    hops: Vec<Hop>,
    /// Where an answer began, also one that redirected.
    status: Option<u16>,
    timings: Timings,
    traces: Traces,
}

impl Call<'_> {
    /// Sends an authenticated request; `leg` is what it was made from.
    pub(super) async fn attempt(
        &mut self,
        leg: Leg,
        request: reqwest::Request,
        challenge: Option<&Challenge>,
    ) -> Tried {
        let own = self.attempt_limit();
        let limit = self.budget.earlier(own);
        let mut progress = Progress {
            started: Instant::now(),
            target: leg.target.clone(),
            recorder: Recorder::default(),
            hops: Vec::new(),
            status: None,
            timings: Timings::default(),
            traces: Traces::default(),
        };
        let outcome = timeout_at(limit.at, self.exchange(leg, request, challenge, &mut progress)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(limit.passed(&progress.target)));
        let Progress { started, recorder, hops, status, mut timings, mut traces, .. } = progress;
        recorder.fill(&mut timings, traces.status.is_some());
        timings.total_us = micros_since(started);
        let error = outcome.as_ref().err().cloned();
        traces.error = error.as_ref().map(|error| error.kind);
        traces.budget_over = limit.at < own.at;
        Tried { attempt: Attempt { waited_us: 0, status, hops, error, timings }, outcome, traces }
    }

    async fn exchange(
        &mut self,
        mut leg: Leg,
        mut request: reqwest::Request,
        challenge: Option<&Challenge>,
        progress: &mut Progress,
    ) -> Result<Answer, ConnectorError> {
        let connector = self.request.connector();
        let redirects = &self.request.function().redirects;
        let method = leg.outgoing.method.clone();
        let mut challenge = challenge.cloned();
        loop {
            let answer = self.answer(&leg, request, progress).await?;
            let status = answer.status().as_u16();
            if !leg.abroad && !self.challenged {
                let authenticator = &self.sender.authenticator;
                let asked = authenticator.challenged(&connector.document, status, answer.headers(), challenge.as_ref());
                if let Some(asked) = asked {
                    if leg.outgoing.method == method {
                        return Ok(Answer::Challenge(asked));
                    }
                    // What was asked for first has been acted on, and the redirect led to what came of it: only that
                    // is asked for again.
                    drop(answer);
                    self.challenged = true;
                    progress.traces = Traces { redirected: true, ..Traces::default() };
                    request = self.request_of(&leg, Some(&asked)).await?;
                    challenge = Some(asked);
                    continue;
                }
            }
            let follows = self.context.attempts == Attempts::OfFunction && redirect::follows(redirects, status);
            if !follows {
                let response = read::response(answer, &self.sender.wire.reading(&leg.target, &self.connection)).await?;
                return self.masked(response, &leg.target).await.map(Answer::Response);
            }
            let hops_max = redirects.hops_max.min(HOPS_MAX);
            if progress.hops.len() >= hops_max.into() {
                return Err(redirect::too_many(&leg.outgoing.url, hops_max));
            }
            let to = redirect::next(&leg.outgoing.url, status, answer.headers())?;
            // Its body is not read: the connection goes with it.
            drop(answer);
            leg = self.redirected(leg, status, to, progress).await?;
            request = self.request_of(&leg, challenge.as_ref().filter(|asked| outlives_a_request(asked))).await?;
        }
    }

    /// The answer to one request, with its body still to be read.
    async fn answer(
        &self,
        leg: &Leg,
        request: reqwest::Request,
        progress: &mut Progress,
    ) -> Result<reqwest::Response, ConnectorError> {
        let sent = progress.recorder.listen(leg.client.execute(request, &leg.target, &self.connection)).await;
        let answer = sent.map_err(|no_answer| {
            progress.traces.broke = no_answer.broke;
            progress.traces.unsent = no_answer.unsent;
            no_answer.error
        })?;
        let status = Some(answer.status().as_u16());
        (progress.status, progress.traces.status) = (status, status);
        progress.traces.retry_after = retry::asked(answer.headers(), SystemTime::now());
        progress.timings.first_byte_us = micros_since(progress.started);
        Ok(answer)
    }

    /// The way that a redirect leads, if it may be gone.
    async fn redirected(
        &self,
        from: Leg,
        status: u16,
        mut to: Url,
        progress: &mut Progress,
    ) -> Result<Leg, ConnectorError> {
        let document = &self.request.connector().document;
        let abroad = from.abroad || to.origin() != document.base_url.origin();
        if abroad {
            redirect::carries_no_secret(&to, &self.masker)?;
        } else {
            redirect::without_key(&mut to, &document.authentication);
        }
        let target = Target::of(&to);
        let (wire, tenant) = (&self.sender.wire, &self.context.tenant);
        let tls = wire.tls_of(tenant, document, &target, abroad).await?;
        let client = wire.open(tenant, &target, &self.connection, &tls)?;
        progress.hops.push(redirect::hop(status, &to, &self.masker));
        progress.target = target.clone();
        progress.traces = Traces { redirected: true, ..Traces::default() };
        Ok(Leg { client, target, outgoing: from.outgoing.redirected(status, to, abroad), abroad })
    }

    /// The response without the secrets; large ones on a thread that may be busy for a while.
    async fn masked(&self, response: Response, target: &Target) -> Result<Response, ConnectorError> {
        if response.body.as_slice().len() <= MASKED_HERE_MAX {
            return Ok(self.masker.response(response));
        }
        let stopped = || {
            let message = format!("the response of `{target}` was not searched for secrets; the host stops");
            error(Kind::Protocol, message)
        };
        let place = MASKED_AT_ONCE.acquire().await.map_err(|_| stopped())?;
        let masker = self.masker.clone();
        let masking = move || {
            // Kept until it is done, also where the call is out of time.
            let _place = place;
            masker.response(response)
        };
        tokio::task::spawn_blocking(masking).await.map_err(|_| stopped())
    }
}

/// The most redirects of one attempt, whatever an older document says.
const HOPS_MAX: u8 = 10;

/// The longest body, in bytes, that is masked on a thread that serves other calls too.
const MASKED_HERE_MAX: usize = 64 << 10;

/// Longer ones are masked by no more threads than the machine has processors: each takes a few times the memory of its
/// response, and more at once are not done sooner.
static MASKED_AT_ONCE: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)));
