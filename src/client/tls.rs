//! The one choice of a TLS implementation.

use std::sync::Once;

/// Makes ring this process's TLS implementation; harmless when called again.
pub fn provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Another library may have been first; then there is a provider, which is all that is asked for.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
