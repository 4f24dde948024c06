//! A page of `describe`: rows `Name:  value`, tables, and sections, indented by two.
//!
//! Rows are written with tabs and aligned at the end ([`tabs`]), so that what stands in one column is what kubectl and oc
//! put there. What several kinds show alike is written here once.

use std::collections::BTreeMap;

use crate::api::meta::Metadata;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::cli::output::tabs;
use crate::cli::output::tabs::Style;

/// How long an annotation may be before it gets lines of its own, as in kubectl.
const WIDTH: usize = 140;

/// Lines under way.
#[derive(Clone, Debug, Default)]
pub struct Page {
    text: String,
    indent: usize,
    style: Style,
}

impl Page {
    /// A page whose columns stand as oc's own kinds have them.
    pub fn openshift() -> Page {
        Page {
            style: Style::Tabs,
            ..Page::default()
        }
    }

    /// A row `NAME:  VALUE`; a value of several lines goes on under itself, an empty one is `<none>`.
    pub fn field(&mut self, name: &str, value: impl AsRef<str>) {
        let value = match value.as_ref() {
            "" => "<none>",
            value => value,
        };
        let mut head = format!("{name}:");
        for line in value.lines() {
            self.line(&format!("{head}\t{}", line.replace('\t', " ")));
            head.clear();
        }
    }

    /// A row `NAME:  VALUE` unless the value is empty.
    pub fn field_if(&mut self, name: &str, value: impl AsRef<str>) {
        if !value.as_ref().is_empty() {
            self.field(name, value);
        }
    }

    /// `k=v` rows, as labels are shown.
    pub fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        self.pairs(name, map, "=");
    }

    /// `k: v` rows, as kubectl shows annotations; what `apply` keeps for itself is left out.
    pub fn annotations(&mut self, metadata: &Metadata) {
        self.pairs("Annotations", &shown(metadata), ": ");
    }

    fn pairs(&mut self, name: &str, map: &BTreeMap<String, String>, between: &str) {
        let mut lines = Vec::new();
        for (key, value) in map {
            let value = value.trim_end_matches('\n');
            if key.len() + value.len() + between.len() > WIDTH || value.contains('\n') {
                lines.push(format!("{key}{}", between.trim_end()));
                lines.extend(value.lines().map(|line| format!("  {}", shortened(line))));
            } else {
                lines.push(format!("{key}{between}{value}"));
            }
        }
        self.field(name, lines.join("\n"));
    }

    /// Name, namespace, labels, annotations and age: what our own objects have.
    pub fn metadata(&mut self, metadata: &Metadata) {
        self.name(metadata);
        self.map("Labels", &metadata.labels);
        self.map("Annotations", &shown(metadata));
        if let Some(created) = metadata.creation_timestamp {
            self.field("Created", created.to_string());
        }
        if let Some(deleted) = metadata.deletion_timestamp {
            self.field("Terminating since", deleted.to_string());
        }
    }

    /// Name and namespace.
    pub fn name(&mut self, metadata: &Metadata) {
        self.field("Name", &metadata.name);
        self.field_if("Namespace", &metadata.namespace);
    }

    /// What oc's own kinds begin with.
    pub fn openshift_metadata(&mut self, metadata: &Metadata, now: Timestamp) {
        self.name(metadata);
        if let Some(created) = metadata.creation_timestamp {
            self.field("Created", ago(created, now));
        }
        self.map("Labels", &metadata.labels);
        self.map("Annotations", &shown(metadata));
    }

    /// A heading; what `write` adds stands under it, indented.
    pub fn section(&mut self, name: &str, write: impl FnOnce(&mut Page)) {
        self.line(&format!("{name}:"));
        self.indented(2, write);
    }

    /// What `write` adds, so many spaces further in.
    pub fn indented(&mut self, by: usize, write: impl FnOnce(&mut Page)) {
        self.indent += by;
        write(self);
        self.indent -= by;
    }

    /// Rows with a header, or `<none>`.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            self.line("<none>");
            return;
        }
        let dashes = header.iter().map(|word| "-".repeat(word.len())).collect();
        let mut all = vec![
            header.iter().map(|word| (*word).to_owned()).collect(),
            dashes,
        ];
        all.extend(rows);
        self.end_columns();
        self.rows(&all);
        self.end_columns();
    }

    /// Rows as they are; their cells stand under each other.
    pub fn rows(&mut self, rows: &[Vec<String>]) {
        for row in rows {
            self.line(&row.join("\t"));
        }
    }

    /// A line as it is; tabs end cells.
    pub fn line(&mut self, text: &str) {
        self.text.extend(std::iter::repeat_n(' ', self.indent));
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// An empty line.
    pub fn gap(&mut self) {
        self.text.push('\n');
    }

    /// What follows is aligned anew.
    fn end_columns(&mut self) {
        if self.text.ends_with('\n') {
            self.text.pop();
            self.text.push('\u{c}');
        }
    }

    /// The whole page.
    pub fn text(self) -> String {
        tabs::aligned(&self.text, self.style)
    }
}

/// A line as far as kubectl shows one of an annotation.
fn shortened(line: &str) -> String {
    let shown: String = line.chars().take(WIDTH - 2).collect();
    if shown.len() < line.len() {
        format!("{shown}...")
    } else {
        shown
    }
}

/// `2 hours ago`.
pub fn ago(moment: Timestamp, now: Timestamp) -> String {
    format!("{} ago", text::about(now.since(moment)).to_lowercase())
}

/// `a=b,c=d`, or `<none>`.
pub fn joined(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    match pairs.as_slice() {
        [] => "<none>".to_owned(),
        pairs => pairs.join(","),
    }
}

/// The annotations that are for people.
fn shown(metadata: &Metadata) -> BTreeMap<String, String> {
    let annotations = metadata.annotations.iter();
    annotations
        .filter(|(key, _)| !key.contains("last-applied"))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns_fields_and_indents_sections() {
        let mut page = Page::default();
        page.field("Name", "a");
        page.field("Labels", "x=1\ny=2");
        page.section("Steps", |page| {
            page.table(
                &["STEP", "PHASE"],
                vec![vec!["Install".to_owned(), "Done".to_owned()]],
            );
            page.field("Reason", "");
        });
        assert_eq!(
            page.text(),
            "Name:    a\nLabels:  x=1\n         y=2\nSteps:\n  STEP     PHASE\n  ----     -----\n  Install  Done\n  Reason:  <none>\n"
        );
    }
}
