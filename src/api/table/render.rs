//! A Table on a terminal, in the layout of OpenShift 3: cells at least 10 wide, 3 between them, the last one open.

use serde_json::Value;

/// The least width of every column but the last.
const LEAST: usize = 10;
/// Between the longest cell of a column and the next column.
const PADDING: usize = 3;

/// What is shown of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub wide: bool,
    pub no_headers: bool,
    /// Put before each name with a slash: `application.upshift.dev`.
    pub prefix: Option<String>,
    /// A first column with each object's namespace.
    pub namespaces: bool,
    /// A last column with all labels.
    pub show_labels: bool,
    /// A column for each of these labels.
    pub label_columns: Vec<String>,
}

/// Renders tables one after the other under one header; columns only widen (watching).
#[derive(Clone, Debug, Default)]
pub struct Renderer {
    layout: Layout,
    widths: Vec<usize>,
    has_header: bool,
    /// Of the first table: a watch sends the columns once.
    columns: Vec<Shown>,
}

/// A column of the table that the layout shows.
#[derive(Clone, Debug)]
struct Shown {
    header: String,
    index: usize,
    is_name: bool,
}

impl Renderer {
    /// A renderer that has printed nothing yet.
    pub fn new(layout: Layout) -> Renderer {
        Renderer {
            layout,
            ..Renderer::default()
        }
    }

    /// The rows of a Table, under the header if this is the first one with rows.
    pub fn rows(&mut self, table: &Value) -> String {
        if let Some(definitions) = table["columnDefinitions"].as_array() {
            self.columns = self.shown(definitions);
        }
        let rows = table["rows"].as_array().map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            return String::new();
        }
        let mut lines = Vec::new();
        if !self.layout.no_headers && !self.has_header {
            lines.push(self.header());
            self.has_header = true;
        }
        lines.extend(rows.iter().map(|row| self.cells(row)));
        self.widen(&lines);
        lines.iter().map(|cells| self.line(cells)).collect()
    }

    fn shown(&self, definitions: &[Value]) -> Vec<Shown> {
        let name = definitions.iter().position(|one| one["format"] == "name");
        definitions
            .iter()
            .enumerate()
            .filter(|(_, one)| self.layout.wide || one["priority"].as_i64().unwrap_or(0) == 0)
            .map(|(index, one)| Shown {
                header: one["name"].as_str().unwrap_or_default().to_uppercase(),
                index,
                is_name: name.unwrap_or(0) == index,
            })
            .collect()
    }

    fn header(&self) -> Vec<String> {
        let mut cells: Vec<String> = Vec::new();
        if self.layout.namespaces {
            cells.push("NAMESPACE".to_owned());
        }
        cells.extend(self.columns.iter().map(|column| column.header.clone()));
        let last_part =
            |label: &String| label.rsplit('/').next().unwrap_or_default().to_uppercase();
        cells.extend(self.layout.label_columns.iter().map(last_part));
        if self.layout.show_labels {
            cells.push("LABELS".to_owned());
        }
        cells
    }

    fn cells(&self, row: &Value) -> Vec<String> {
        let metadata = &row["object"]["metadata"];
        let mut cells = Vec::new();
        if self.layout.namespaces {
            cells.push(
                metadata["namespace"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        for column in &self.columns {
            let mut text = text(&row["cells"][column.index]);
            if let Some(prefix) = self.layout.prefix.as_ref().filter(|_| column.is_name) {
                text = format!("{prefix}/{text}");
            }
            cells.push(text);
        }
        let label = |name: &String| {
            metadata["labels"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        cells.extend(self.layout.label_columns.iter().map(label));
        if self.layout.show_labels {
            cells.push(labels(&metadata["labels"]));
        }
        cells
    }

    fn widen(&mut self, lines: &[Vec<String>]) {
        for cells in lines {
            self.widths
                .resize(cells.len().max(self.widths.len()), LEAST);
            for (width, cell) in self.widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count() + PADDING);
            }
        }
    }

    fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        for (n, cell) in cells.iter().enumerate() {
            line.push_str(cell);
            if n + 1 < cells.len() {
                let gap = self.widths[n].saturating_sub(cell.chars().count());
                line.extend(std::iter::repeat_n(' ', gap));
            }
        }
        line.push('\n');
        line
    }
}

/// One Table, whole.
pub fn render(table: &Value, layout: &Layout) -> String {
    Renderer::new(layout.clone()).rows(table)
}

/// A cell on one line, with nothing in it that a terminal would obey.
fn text(cell: &Value) -> String {
    let whole = match cell {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut line = match whole.find(['\n', '\r', '\u{c}']) {
        Some(end) => format!("{}...", &whole[..end]),
        None => whole,
    };
    if line.contains(char::is_control) {
        line = line
            .chars()
            .map(|c| match c {
                '\t' => " ".to_owned(),
                '\u{1b}' => "^[".to_owned(),
                c if c.is_control() => c.escape_default().to_string(),
                c => c.to_string(),
            })
            .collect();
    }
    line
}

fn labels(labels: &Value) -> String {
    let pairs: Vec<String> = labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if pairs.is_empty() {
        "<none>".to_owned()
    } else {
        pairs.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(rows: &[(&str, &str, &str)]) -> Value {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(name, ready, note)| {
                json!({"cells": [name, ready, note], "object": {"metadata": {"namespace": "d", "labels": {"x/app": name}}}})
            })
            .collect();
        json!({
            "columnDefinitions": [
                {"name": "Name", "format": "name", "priority": 0},
                {"name": "Ready", "priority": 0},
                {"name": "Note", "priority": 1},
            ],
            "rows": rows,
        })
    }

    #[track_caller]
    fn check(layout: &Layout, rows: &[(&str, &str, &str)], expect: &str) {
        assert_eq!(render(&table(rows), layout), expect);
    }

    #[test]
    fn columns_are_at_least_ten_wide() {
        let rows = [("a", "1/1", "n"), ("a-long-name", "0/1", "x")];
        check(
            &Layout::default(),
            &rows,
            "NAME          READY\na             1/1\na-long-name   0/1\n",
        );
        let wide = Layout {
            wide: true,
            ..Layout::default()
        };
        check(
            &wide,
            &rows[..1],
            "NAME      READY     NOTE\na         1/1       n\n",
        );
        check(&Layout::default(), &[], "");
    }

    #[test]
    fn the_layout_adds_columns() {
        let layout = Layout {
            namespaces: true,
            show_labels: true,
            label_columns: vec!["x/app".to_owned(), "none".to_owned()],
            prefix: Some("pod".to_owned()),
            ..Layout::default()
        };
        check(
            &layout,
            &[("a", "1/1", "n")],
            "NAMESPACE   NAME      READY     APP       NONE      LABELS\n\
             d           pod/a     1/1       a                   x/app=a\n",
        );
        let bare = Layout {
            no_headers: true,
            ..Layout::default()
        };
        check(&bare, &[("a", "1/1", "n")], "a         1/1\n");
    }

    #[test]
    fn watching_keeps_the_header_and_only_widens() {
        let mut renderer = Renderer::new(Layout::default());
        assert_eq!(renderer.rows(&table(&[])), "");
        assert_eq!(
            renderer.rows(&table(&[("a", "1", "")])),
            "NAME      READY\na         1\n"
        );
        let mut later = table(&[("a-long-name", "1", "")]);
        later.as_object_mut().unwrap().remove("columnDefinitions");
        assert_eq!(renderer.rows(&later), "a-long-name   1\n");
        assert_eq!(
            renderer.rows(&table(&[("a", "2", "")])),
            "a             2\n"
        );
    }

    #[test]
    fn cells_stay_on_their_line() {
        check(
            &Layout::default(),
            &[("a\nb", "\u{1b}[31mred\t!", "")],
            "NAME      READY\na...      ^[[31mred !\n",
        );
    }
}
