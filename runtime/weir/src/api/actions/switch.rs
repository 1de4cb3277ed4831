//! The status of an action in the text of its author: what is stored says the same as what is read.

use serde_json::{Value, json};
use weir_engine::catalogue::StoredDocument;
use weir_engine::document::{Document, Faults, Format};
use weir_engine::flow::ActionStatus;

use super::super::body::DocumentText;
use super::super::documents::Checked;

/// The status that a document says; `active` where it says nothing.
pub(super) fn status_of(document: &Value) -> ActionStatus {
    let status = document.get("status").cloned();
    status.and_then(|status| serde_json::from_value(status).ok()).unwrap_or_default()
}

/// The document with another status. Comments and order of the author's text stay, where its form allows that.
pub(super) fn switch(stored: StoredDocument, status: ActionStatus) -> Checked {
    let StoredDocument { source, format, mut document } = stored;
    let word = if status == ActionStatus::Active { "active" } else { "inactive" };
    if let Some(members) = document.as_object_mut() {
        members.insert("status".to_owned(), json!(word));
    }
    let text = edited(&source, format, word, &document).map_or_else(
        || DocumentText { source: format!("{document:#}\n"), format: Format::Json },
        |source| DocumentText { source, format },
    );
    Checked { text, document, warnings: Faults::default() }
}

/// The author's text with the status in it; `None` where it would not say what is meant then.
fn edited(source: &str, format: Format, word: &str, wanted: &Value) -> Option<String> {
    if format == Format::Json {
        return None;
    }
    let is_status = |line: &str| line.starts_with("status:");
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    match lines.iter_mut().find(|line| is_status(line)) {
        Some(line) => *line = format!("status: {word}"),
        None => lines.push(format!("status: {word}")),
    }
    let text = lines.join("\n") + "\n";
    let says = Document::parse(&text, format).ok()?;
    (says.value == *wanted).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switched(source: &str, format: Format, status: ActionStatus) -> (String, Format, Value) {
        let document = Document::parse(source, format).expect("a document").value;
        let Checked { text, document, .. } =
            switch(StoredDocument { source: source.to_owned(), format, document }, status);
        (text.source, text.format, document)
    }

    #[test]
    fn the_text_of_an_author_keeps_its_form() {
        //
        let (text, format, document) = switched("# mine\naction: a\n", Format::Yaml, ActionStatus::Inactive);
        assert_eq!((text.as_str(), format), ("# mine\naction: a\nstatus: inactive\n", Format::Yaml));
        assert_eq!(status_of(&document), ActionStatus::Inactive);
        let (text, ..) = switched("status: inactive\naction: a\n", Format::Yaml, ActionStatus::Active);
        assert_eq!(text, "status: active\naction: a\n");
        for (source, format) in [("{ action: a }\n", Format::Yaml), ("{\"action\": \"a\"}", Format::Json)] {
            let (text, format, document) = switched(source, format, ActionStatus::Inactive);
            assert_eq!(Document::parse(&text, format).expect("a document").value, document, "{source}");
            assert_eq!(status_of(&document), ActionStatus::Inactive);
        }
    }
}
