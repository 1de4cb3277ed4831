//! The codes that a flow names in `retry`, against those that there are (F-10). Warnings alone: a code that no step ends
//! with is never met, and does no harm.

use weir_engine::document::{Document, Faults};
use weir_engine::flow::Flow;

use crate::codes::{nearest, pages};

/// What stands before the dot of the codes that a step may end with.
const OF_STEPS: [&str; 11] =
    ["action", "component", "connector", "expression", "flow", "plugin", "prompt", "run", "signing", "step", "store"];

/// Adds a warning for each code of a `retry` after which nothing is ever tried again.
pub(super) fn check(flow: &Flow, document: &Document, mut warnings: Faults) -> Faults {
    for step in &flow.steps {
        let wanted = step.common.retry.iter().flat_map(|retry| &retry.codes);
        for (index, wanted) in wanted.enumerate().filter(|(_, wanted)| !is_known(wanted)) {
            let pointer = format!("{}/retry/codes/{index}", step.pointer);
            let message = format!("no step ends with the code `{wanted}`, so that this tries nothing again");
            let near = near(wanted).map_or_else(
                || "`weir explain` lists every code; a family is written like `connector.*`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            warnings.warning(document, &pointer, "flow.retry-code", message).help(near);
        }
    }
    warnings.sorted()
}

/// The codes that a step may end with.
fn codes() -> impl Iterator<Item = &'static str> {
    let area = |code: &str| code.split('.').next().unwrap_or_default().to_owned();
    pages().map(|(code, _)| code).filter(move |code| OF_STEPS.contains(&area(code).as_str()))
}

fn is_known(wanted: &str) -> bool {
    codes().any(|code| match wanted.strip_suffix('*') {
        Some(family) => code.starts_with(family),
        None => code == wanted,
    })
}

fn near(wanted: &str) -> Option<String> {
    // A family is meant by whoever writes one, or forgets its star.
    let families: Vec<String> = OF_STEPS.iter().map(|area| format!("{area}.*")).collect();
    let mut known: Vec<&str> = codes().collect();
    known.extend(families.iter().map(String::as_str));
    nearest(known, wanted).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_no_step_ends_with_has_its_nearest() {
        // covers F-10
        for known in ["connector.request-timeout", "connector.*", "step.deadline", "connector.re*", "*"] {
            assert!(is_known(known), "{known}");
        }
        for (unknown, meant) in [
            ("connector.requst-timeout", Some("connector.request-timeout")),
            ("step.dedline", Some("step.deadline")),
            ("conector.*", Some("connector.*")),
            ("connector", Some("connector.*")),
            ("auth.invalid-key", None),
            ("", None),
        ] {
            assert!(!is_known(unknown), "{unknown}");
            assert_eq!(near(unknown).as_deref(), meant, "{unknown}");
        }
    }
}
