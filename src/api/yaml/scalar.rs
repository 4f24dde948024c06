//! What a plain scalar means in YAML 1.1, as Go's reader resolves it.
