//! HTTP in; objects, Tables and Status out.
