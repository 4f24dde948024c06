//! YAML as `oc` reads and prints it: YAML 1.1 scalars in, Go's layout out.
//!
//! Reading gives plain JSON values with the position of every value and key, for messages that name a line.

mod print;
mod read;
mod scalar;
mod style;

pub use print::print;
pub use read::Document;
pub use read::Duplicate;
pub use read::Error;
pub use read::child;
pub use read::read;
