//! `SELinux` contexts of an appspec: user, type, and a range such as `s3-s7:c5,c8.c10`.

/// The label an object gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub user: Option<String>,
    pub kind: String,
    pub range: Option<String>,
}
