//! A Table on a terminal, in the layout of OpenShift 3: cells at least 10 wide, 3 between them, the last one open.

use serde_json::Value;

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
pub struct Renderer;

impl Renderer {
    /// A renderer that has printed nothing yet.
    pub fn new(_layout: Layout) -> Renderer {
        unimplemented!()
    }

    /// The rows of a Table, under the header if this is the first one.
    pub fn rows(&mut self, _table: &Value) -> String {
        unimplemented!()
    }
}

/// One Table, whole.
pub fn render(table: &Value, layout: &Layout) -> String {
    Renderer::new(layout.clone()).rows(table)
}
