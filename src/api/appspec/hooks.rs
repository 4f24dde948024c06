//! `hooks` of an appspec.
