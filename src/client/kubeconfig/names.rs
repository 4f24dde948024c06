//! The names that `oc` generates for what it remembers (facts/oc.md 2.2).

/// The cluster of a URL: `127-0-0-1:8443`.
pub fn cluster_name(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(url) => {
            let host = url.host_str().unwrap_or_default().replace('.', "-");
            format!("{host}:{}", url.port_or_known_default().unwrap_or(443))
        }
        Err(_) => url.replace('.', "-"),
    }
}

/// The user of a cluster: `USER/CLUSTER`.
pub fn user_name(user: &str, cluster: &str) -> String {
    format!("{user}/{cluster}")
}

/// A project of a user of a cluster: `NAMESPACE/CLUSTER/USER`.
pub fn context_name(namespace: &str, cluster: &str, user: &str) -> String {
    format!("{namespace}/{cluster}/{user}")
}
