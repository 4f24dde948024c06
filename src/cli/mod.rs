//! The commands: what was typed becomes a request, what came back becomes text.
