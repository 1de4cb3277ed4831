//! A flow against what its tenant has: connectors, functions, arguments, plugins, hooks (F-03).

use serde_json::Value;

use super::action::{ActionProvider, ActionStep, check_saved};
use super::compile::argument_pointer;
use super::context_check;
use super::kinds::signing;
use super::model::{CallStep, Flow, HookUse, StepKind};
use super::prompt::{PromptCall, PromptStep};
use super::reference::{FunctionRef, PluginRequirement};
use super::type_check;
use crate::action::keeps_from_serving;
use crate::catalogue::{Catalogue, Selection};
use crate::connector::{Function, ResponseMode};
use crate::document::{Document, Faults, list_names};
use crate::expression::ValueTemplate;
use crate::run::HookKind;

/// Adds a fault for everything that the flow names and the tenant does not have.
pub(super) fn check(flow: &Flow, document: &Document, catalogue: &Catalogue, faults: &mut Faults) {
    let mut checker = Checker { document, catalogue, faults };
    for step in &flow.steps {
        match &step.kind {
            StepKind::Call(call) => checker.call(&step.pointer, call),
            StepKind::Action(action) => checker.action(&step.pointer, action),
            StepKind::Transform(transform) => {
                checker.hook(&format!("{}/transform", step.pointer), &transform.hook, HookKind::PostResponse);
            }
            StepKind::Prompt(prompt) => checker.prompt(&step.pointer, prompt),
            StepKind::Condition(_)
            | StepKind::Claims(_)
            | StepKind::Set(_)
            | StepKind::Wait(_)
            | StepKind::Redirect(_)
            | StepKind::Fail { .. }
            | StepKind::End => {}
        }
    }
    signing::check(flow, document, faults);
    context_check::check(flow, document, catalogue, faults);
    type_check::check(flow, document, catalogue, faults);
}

/// Adds a fault for everything that an action names and the tenant does not have.
pub(super) fn check_provider(
    provider: &ActionProvider,
    document: &Document,
    catalogue: &Catalogue,
    faults: &mut Faults,
) {
    Checker { document, catalogue, faults }.provider("", provider);
}

struct Checker<'a> {
    document: &'a Document,
    catalogue: &'a Catalogue,
    faults: &'a mut Faults,
}

impl Checker<'_> {
    fn call(&mut self, pointer: &str, call: &CallStep) {
        if let Some(function) = self.function(&format!("{pointer}/call"), &call.function) {
            self.arguments(pointer, call, &function);
            if let Some(plugin) = function.response.transformation.and_then(|it| it.plugin) {
                self.plugin(&format!("{pointer}/call"), &plugin, HookKind::PostResponse);
            }
        }
        self.hooks(&format!("{pointer}/pre-call"), &call.pre_call, HookKind::PreCall);
        self.hooks(&format!("{pointer}/post-response"), &call.post_response, HookKind::PostResponse);
    }

    fn prompt(&mut self, pointer: &str, prompt: &PromptStep) {
        for PromptCall { place, call, .. } in &prompt.calls {
            let at = format!("{pointer}/{place}");
            self.call(&at, call);
            let connector = self.catalogue.connector(&call.function.connector);
            let function = connector.and_then(|it| it.document.function(&call.function.function));
            if function.is_some_and(|function| function.mode == ResponseMode::Background) {
                let message =
                    format!("`{}` is called in the background, which would store the prompt's token", call.function);
                let fault = self.faults.error(self.document, &format!("{at}/call"), "flow.prompt-call", message);
                fault.help("name a function whose response is waited for");
            }
        }
    }

    fn action(&mut self, pointer: &str, action: &ActionStep) {
        match action.own() {
            Some(set_up) => self.provider(pointer, &set_up.provider),
            None => check_saved(action, pointer, self.document, self.catalogue, self.faults),
        }
    }

    fn provider(&mut self, pointer: &str, provider: &ActionProvider) {
        match provider {
            ActionProvider::Plugin(hook) => self.hook(pointer, hook, HookKind::Action),
            ActionProvider::Service(service) => {
                let at = format!("{pointer}/service");
                if let Some(problem) = self.function(&at, service).as_ref().and_then(keeps_from_serving) {
                    let message = format!("`{service}` cannot serve an action: {problem}");
                    self.faults.error(self.document, &at, "flow.service-function", message);
                }
            }
        }
    }

    fn function(&mut self, pointer: &str, reference: &FunctionRef) -> Option<Function> {
        let Some(connector) = self.catalogue.connector(&reference.connector) else {
            let known = self.catalogue.connector_names();
            let message = format!("there is no connector `{}`", reference.connector);
            let fault = self.faults.error(self.document, pointer, "flow.unknown-connector", message);
            fault.help(if known.is_empty() {
                "there is none yet; save one with `weir connector apply FILE`".to_owned()
            } else {
                format!("there are {}; save another with `weir connector apply FILE`", list_names(known))
            });
            return None;
        };
        let function = connector.document.function(&reference.function).cloned();
        if function.is_none() {
            let known = list_names(connector.document.functions.iter().map(|function| function.name.as_str()));
            let message = format!("connector `{}` has no function `{}`", reference.connector, reference.function);
            let fault = self.faults.error(self.document, pointer, "flow.unknown-function", message);
            fault.help(format!("it has {known}"));
        }
        function
    }

    fn arguments(&mut self, step: &str, call: &CallStep, function: &Function) {
        let ValueTemplate::Object(given) = &call.arguments else { return };
        for (name, template) in given {
            let pointer = argument_pointer(step, name);
            let Some(declared) = function.arguments.iter().find(|argument| argument.name == *name) else {
                let known = list_names(function.arguments.iter().map(|argument| argument.name.as_str()));
                let message = format!("`{}` takes no argument `{name}`", call.function);
                let fault = self.faults.error(self.document, &pointer, "flow.unknown-argument", message);
                fault.help(format!("it takes {known}"));
                continue;
            };
            if let Some(literal) = literal_of(template)
                && !declared.kind.accepts(&literal)
            {
                let message = format!("`{name}` must be {}", declared.kind.with_article());
                self.faults.error(self.document, &pointer, "flow.argument-type", message);
            }
        }
        for declared in function.arguments.iter().filter(|argument| argument.required) {
            if !given.iter().any(|(name, _)| *name == declared.name) {
                let message = format!("`{}` needs the argument `{}`", call.function, declared.name);
                let pointer = format!("{step}/call");
                self.faults.error(self.document, &pointer, "flow.missing-argument", message);
            }
        }
    }

    fn hooks(&mut self, pointer: &str, hooks: &[HookUse], kind: HookKind) {
        for (index, hook) in hooks.iter().enumerate() {
            self.hook(&format!("{pointer}/{index}"), hook, kind);
        }
    }

    fn hook(&mut self, pointer: &str, hook: &HookUse, kind: HookKind) {
        self.plugin(&format!("{pointer}/plugin"), &hook.plugin, kind);
        for (index, grant) in hook.grants.iter().enumerate() {
            self.function(&format!("{pointer}/grants/{index}"), grant);
        }
    }

    fn plugin(&mut self, at: &str, wanted: &PluginRequirement, kind: HookKind) {
        match self.catalogue.select(wanted) {
            Selection::Found(plugin) if plugin.hooks.contains(&kind) => {}
            Selection::Found(plugin) => {
                let has: Vec<&str> = plugin.hooks.iter().map(|hook| hook.as_str()).collect();
                let message = format!("plugin `{}@{}` has no `{}` hook", plugin.name, plugin.version, kind.as_str());
                self.faults
                    .error(self.document, at, "flow.missing-hook", message)
                    .help(format!("it has `{}`", has.join("`, `")));
            }
            Selection::NoSuchVersion(versions) => {
                let message = format!("no enabled version of plugin `{}` is in `{wanted}`", wanted.name);
                let fault = self.faults.error(self.document, at, "flow.unknown-plugin-version", message);
                fault.help(format!("there are {}", list_names(versions.iter().map(String::as_str))));
            }
            Selection::NoSuchPlugin => {
                let message = format!("there is no plugin `{}`", wanted.name);
                let fault = self.faults.error(self.document, at, "flow.unknown-plugin", message);
                fault.help(format!("upload it with `weir plugin push {}@VERSION FILE`", wanted.name));
            }
        }
    }
}

/// The value of a template without expressions.
fn literal_of(template: &ValueTemplate) -> Option<Value> {
    let none_inside = template.expressions().is_empty();
    none_inside.then(|| template.evaluate(&crate::expression::Scope::default()).ok()).flatten()
}
