//! Label selectors (`a=b,c!=d,e in (x,y),!f`) and field selectors (`metadata.name=a`), parsed and matched.
//!
//! The grammar and the words of refusals are those of Kubernetes (apimachinery `labels/selector.go`, `fields/selector.go`).

mod fields;
mod labels;

pub use fields::Fields;
pub use labels::Labels;

/// Why a selector is refused, in the words of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);
