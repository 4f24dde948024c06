//! Objects in, changes out: one decide function a file.
