//! Faults as a compiler shows them: the line of the source, with a mark under it.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::fault::{Fault, Faults, Severity};

impl Faults {
    /// The faults over their source lines, for people. `source_name` is the file's name.
    pub fn render(&self, source_name: &str, source: &str, renderer: &Renderer) -> String {
        let line_starts = line_starts(source);
        self.0.iter().map(|fault| render_one(fault, source_name, source, &line_starts, renderer) + "\n").collect()
    }
}

fn render_one(fault: &Fault, name: &str, source: &str, line_starts: &[usize], renderer: &Renderer) -> String {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let start = offset(source, line_starts, fault.line, fault.column);
    let end = offset(source, line_starts, fault.end_line, fault.end_column).max(start);
    // A block that goes over many lines is marked by its first one.
    let line_end = source.get(start..).and_then(|rest| rest.find('\n')).map_or(source.len(), |length| start + length);
    let range = start..end.min(line_end).max(start);
    let snippet = Snippet::source(source).path(name).annotation(AnnotationKind::Primary.span(range));
    let mut group = level.primary_title(fault.message.as_str()).id(fault.code.as_str()).element(snippet);
    if let Some(help) = &fault.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

fn line_starts(source: &str) -> Vec<usize> {
    std::iter::once(0).chain(source.match_indices('\n').map(|(index, _)| index + 1)).collect()
}

fn offset(source: &str, line_starts: &[usize], line: u32, column: u32) -> usize {
    let line = (line as usize).saturating_sub(1);
    let Some(start) = line_starts.get(line).copied() else {
        return source.len();
    };
    let rest = source.get(start..).unwrap_or_default();
    let column = (column as usize).saturating_sub(1);
    start + rest.char_indices().nth(column).map_or(rest.len(), |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, Format};
    use expect_test::expect;

    #[test]
    fn a_fault_stands_under_its_line() {
        let source = "steps:\n  - id: é\n    next: nowhere\n";
        let document = Document::parse(source, Format::Yaml).expect("yaml");
        let mut faults = Faults::default();
        faults.error(&document, "/steps/0/next", "flow.unknown-step", "there is no step `nowhere`").help("write `end`");
        expect![[r#"
            error[flow.unknown-step]: there is no step `nowhere`
             --> f.yaml:3:11
              |
            3 |     next: nowhere
              |           ^^^^^^^
              |
              = help: write `end`
        "#]]
        .assert_eq(&faults.render("f.yaml", source, &Renderer::plain()));
    }
}
