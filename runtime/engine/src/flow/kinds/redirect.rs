//! `redirect`: sends the end user elsewhere (F-02).

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::check_redirect_url;
use crate::expression::{Scope, Template};
use crate::flow::compile::{Compiler, Parts, SHAPE};
use crate::flow::model::{StepKind, Target, Transitions};
use crate::ids::StepId;

/// Sends the end user elsewhere: the run is suspended until somebody resumes it, or ends there (F-02).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct RedirectDocument {
    /// Its name within the flow.
    pub id: StepId,
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// Where to, and how long the run waits.
    pub redirect: WhereTo,
    /// The next step, or `end`, once the run is resumed: what came back is at `steps.ID.resumed`.
    #[serde(default)]
    pub next: Option<String>,
    /// The next step where nobody comes back in time. The run ends as an error by default.
    #[serde(default)]
    pub on_expiry: Option<String>,
    /// The next step after a URL that cannot be had, or that nobody is sent to.
    #[serde(default)]
    pub on_error: Option<String>,
}

/// Where an end user is sent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::flow) struct WhereTo {
    /// A template; what stands behind other text is percent-encoded. Absolute, `https://` or `http://`.
    pub url: String,
    /// How long the run waits: `10m` by default, and at most the operator's `engine.suspension-max`.
    #[serde(default = "time_to_live", with = "crate::duration_text")]
    #[schemars(with = "String")]
    pub time_to_live: Duration,
    /// Whether the run completes with the redirect as its result, instead of waiting for the end user.
    #[serde(default)]
    pub ends: bool,
}

fn time_to_live() -> Duration {
    Duration::from_secs(600)
}

/// Where an end user is sent, compiled.
#[derive(Debug)]
pub struct RedirectStep {
    /// The URL.
    pub url: Template,
    /// How long the run waits.
    pub time_to_live: Duration,
    /// Whether the run completes with it.
    pub ends: bool,
}

impl Compiler<'_> {
    pub(in crate::flow) fn redirect(&mut self, pointer: &str, following: Target) -> Option<Parts> {
        let it: RedirectDocument = self.read_kind(pointer)?;
        let at = format!("{pointer}/redirect");
        let url = self.template(&format!("{at}/url"), &it.redirect.url);
        // One that no value of a run is in is known now.
        let constant = url.as_ref().filter(|url| url.expressions().next().is_none());
        if let Some(Ok(Value::String(text))) = constant.map(|url| url.evaluate(&Scope::default()))
            && let Err(reason) = check_redirect_url(&text)
        {
            self.error_of_save(&format!("{at}/url"), "flow.redirect-url", reason);
        }
        if it.redirect.time_to_live.is_zero() {
            self.error(&format!("{at}/time-to-live"), SHAPE, "with no time at all nobody could come back");
        }
        if it.redirect.ends && it.next.is_some() {
            let message = "the run ends with this redirect (`ends`); nothing is next";
            self.error(&format!("{pointer}/next"), SHAPE, message);
        }
        let mut transitions = self.transitions(pointer, it.next, following, [None, it.on_error]);
        transitions.on_expiry = it.on_expiry.and_then(|text| self.target(&format!("{pointer}/on-expiry"), &text));
        let transitions = match it.redirect.ends {
            true => Transitions { next: Target::End, ..transitions },
            false => transitions,
        };
        let WhereTo { time_to_live, ends, .. } = it.redirect;
        let step = RedirectStep { url: url?, time_to_live, ends };
        Some((it.id, StepKind::Redirect(step), transitions))
    }
}
