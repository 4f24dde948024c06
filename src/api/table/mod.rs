//! Tables: the columns of every kind, `meta.k8s.io/v1` Table objects, and how a terminal shows them.

mod render;

use serde_json::Value;

use crate::api::kinds::Kind;
use crate::base::clock::Timestamp;

pub use render::Layout;
pub use render::Renderer;
pub use render::render;

/// One column of a kind's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// Shown only with `-o wide`.
    pub wide: bool,
    pub description: &'static str,
}

/// What a row carries of its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

/// The columns of a kind.
pub fn columns(_kind: &Kind) -> &'static [Column] {
    unimplemented!()
}

/// A whole `Table` object; the caller sets `metadata.resourceVersion` and `continue`.
pub fn of<'a>(
    _kind: &Kind,
    _items: impl IntoIterator<Item = &'a Value>,
    _include: IncludeObject,
    _now: Timestamp,
) -> Value {
    unimplemented!()
}
