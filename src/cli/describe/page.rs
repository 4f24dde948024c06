//! A page of `describe`: `Name:  value` lines with aligned values, tables, and sections, indented by two.

use std::collections::BTreeMap;

use crate::api::meta::Metadata;
use crate::cli::output::summary;

/// Lines under way; values are aligned per run of fields.
#[derive(Clone, Debug, Default)]
pub struct Page {
    done: String,
    fields: Vec<(String, String)>,
    indent: usize,
}

impl Page {
    /// A line `NAME:  VALUE`; a value of several lines goes on under itself.
    pub fn field(&mut self, name: &str, value: impl AsRef<str>) {
        let value = match value.as_ref() {
            "" => "<none>",
            value => value,
        };
        self.fields.push((format!("{name}:"), value.to_owned()));
    }

    /// A line `NAME:  VALUE` unless the value is empty.
    pub fn field_if(&mut self, name: &str, value: impl AsRef<str>) {
        if !value.as_ref().is_empty() {
            self.field(name, value);
        }
    }

    /// `k=v` lines, as labels and annotations are shown.
    pub fn map(&mut self, name: &str, map: &BTreeMap<String, String>) {
        let lines: Vec<String> = map
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        self.field(name, lines.join("\n"));
    }

    /// Name, namespace, labels, annotations and age: what every object has.
    pub fn metadata(&mut self, metadata: &Metadata) {
        self.field("Name", &metadata.name);
        self.field_if("Namespace", &metadata.namespace);
        self.map("Labels", &metadata.labels);
        let annotations = metadata
            .annotations
            .iter()
            .filter(|(key, _)| !key.contains("last-applied"));
        self.map(
            "Annotations",
            &annotations
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        );
        if let Some(created) = metadata.creation_timestamp {
            self.field("Created", created.to_string());
        }
        if let Some(deleted) = metadata.deletion_timestamp {
            self.field("Terminating since", deleted.to_string());
        }
    }

    /// A heading; what `write` adds stands under it, indented.
    pub fn section(&mut self, name: &str, write: impl FnOnce(&mut Page)) {
        self.flush();
        self.line(&format!("{name}:"));
        self.indent += 2;
        write(self);
        self.flush();
        self.indent -= 2;
    }

    /// Rows with a header, or `<none>`.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) {
        self.flush();
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
        for line in summary::aligned(&all, 6).lines() {
            self.line(line.trim_end());
        }
    }

    /// A line as it is.
    pub fn line(&mut self, text: &str) {
        self.flush();
        self.done.extend(std::iter::repeat_n(' ', self.indent));
        self.done.push_str(text);
        self.done.push('\n');
    }

    fn flush(&mut self) {
        let fields = std::mem::take(&mut self.fields);
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 3;
        for (name, value) in fields {
            for (index, line) in value.lines().enumerate() {
                let name = if index == 0 { name.as_str() } else { "" };
                let text = format!("{:indent$}{name:width$}{line}", "", indent = self.indent);
                self.done.push_str(text.trim_end());
                self.done.push('\n');
            }
        }
    }

    /// The whole page.
    pub fn text(mut self) -> String {
        self.flush();
        self.done
    }
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
            "Name:     a\nLabels:   x=1\n          y=2\nSteps:\n  STEP      PHASE\n  ----      -----\n  Install   Done\n  Reason:   <none>\n"
        );
    }
}
