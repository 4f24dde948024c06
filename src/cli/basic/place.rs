//! The user's place: server, user and project as a context of the kubeconfig, under the names that `oc` makes.
//!
//! Source: facts/oc.md 2.2. Written only by `project` and `new-project` (and `config`, which names contexts itself).

use base64::Engine;
use serde_json::Value;
use serde_json::json;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::cli::Context;
use crate::cli::Failure;
use crate::cli::settings::config;
use crate::cli::settings::whoami;
use crate::client::Client;
use crate::client::ListOptions;
use crate::client::connection;
use crate::client::connection::Connection;
use crate::client::connection::Target;
use crate::client::kubeconfig::Config;
use crate::client::kubeconfig::Section;

/// The extension of a context that names the data folder of the embedded server it is of.
const EXTENSION: &str = "upshift.dev";

/// A project that the user can see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub name: String,
    pub display_name: String,
}

impl Project {
    /// `My Project (project1)`, or just the name.
    pub fn title(&self) -> String {
        if self.display_name.is_empty() || self.display_name == self.name {
            self.name.clone()
        } else {
            format!("{} ({})", self.display_name, self.name)
        }
    }

    fn of(object: &Value) -> Project {
        let metadata = &object["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Project {
            name: text(&metadata["name"]),
            display_name: text(&metadata["annotations"]["openshift.io/display-name"]),
        }
    }
}

/// The projects of the server, by name; the namespaces of one that has no projects.
pub async fn projects(client: &Client) -> Result<Vec<Project>, Failure> {
    let options = ListOptions::default();
    let listed = match client.list_objects(&kinds::PROJECT, "", &options).await {
        Err(error) if error.is_not_found() => {
            client.list_objects(&kinds::NAMESPACE, "", &options).await?
        }
        listed => listed?,
    };
    let mut projects: Vec<Project> = listed.items.iter().map(Project::of).collect();
    projects.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(projects)
}

/// Whether there is such a project for this user.
pub async fn exists(client: &Client, name: &str) -> Result<(), crate::client::Error> {
    let key = Key::new("", name);
    match client.read(&kinds::PROJECT, &key).await {
        Ok(_) => Ok(()),
        // A server without projects says the same of the whole path as of one name; namespaces tell.
        Err(error) if error.is_not_found() => {
            client.read(&kinds::NAMESPACE, &key).await.map(|_| ())
        }
        Err(error) => Err(error),
    }
}

/// `127-0-0-1:8443` of `https://127.0.0.1:8443`: how `oc` names a cluster.
pub fn cluster_name(server: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("https", server));
    let host = rest.split('/').next().unwrap_or(rest);
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = match (has_port, scheme) {
        (true, _) => "",
        (false, "http") => ":80",
        (false, _) => ":443",
    };
    format!("{}{port}", host.replace('.', "-"))
}

/// Makes `project` the current one in the kubeconfig: a context for it, and, when this server is new there, its cluster
/// and user.
pub async fn switch(
    context: &Context,
    connection: &Connection,
    project: &str,
) -> Result<(), Failure> {
    let user_name = whoami::user(&connection.client).await?;
    let mut config = config::load(context)?;
    let known = known(context, &config, connection);
    let (cluster, user) = known.unwrap_or_else(|| {
        let cluster = cluster_name(&connection.server);
        (cluster.clone(), format!("{user_name}/{cluster}"))
    });
    // The embedded server's address and token may be new; of another server the file knows best.
    let is_embedded = connection.data_dir.is_some();
    let has_both = config.entry(Section::Clusters, &cluster).is_some()
        && config.entry(Section::Users, &user).is_some();
    if is_embedded || !has_both {
        let (cluster_entry, user_entry) = credentials(context, connection)?;
        config.set_entry(Section::Clusters, &cluster, cluster_entry);
        config.set_entry(Section::Users, &user, user_entry);
    }
    let short_user = user.split('/').next().unwrap_or(&user);
    let name = format!("{project}/{cluster}/{short_user}");
    let mut entry = json!({"cluster": cluster, "user": user, "namespace": project});
    if let Some(data_dir) = &connection.data_dir {
        entry["extensions"] = json!([{"name": EXTENSION, "extension": {"dataDir": data_dir}}]);
    }
    config.set_entry(Section::Contexts, &name, entry);
    config.set_current_context(&name);
    Ok(config.save()?)
}

/// Cluster and user of the context in use, when that is where this connection came from.
fn known(context: &Context, config: &Config, connection: &Connection) -> Option<(String, String)> {
    if context.flags.local || context.flags.server.is_some() || connection.data_dir.is_some() {
        return None;
    }
    let name = context
        .flags
        .context
        .clone()
        .unwrap_or_else(|| config.current_context());
    let entry = config.entry(Section::Contexts, &name)?;
    let text = |field: &str| entry[field].as_str().map(str::to_owned);
    Some((
        context.flags.cluster.clone().or_else(|| text("cluster"))?,
        context.flags.user.clone().or_else(|| text("user"))?,
    ))
}

/// Cluster and user, for files that lead others here.
pub fn credentials(context: &Context, connection: &Connection) -> Result<(Value, Value), Failure> {
    if let Some(data_dir) = &connection.data_dir {
        let file = data_dir.join("admin.kubeconfig");
        let admin = Config::load(Some(&file), &context.environment)?.merged();
        return Ok((
            admin["clusters"][0]["cluster"].clone(),
            admin["users"][0]["user"].clone(),
        ));
    }
    let choice = connection::choose(&context.flags.resolve(context)?, &context.environment)?;
    let Target::Remote(options) = choice.target else {
        return Ok((json!({"server": connection.server}), json!({})));
    };
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut cluster = json!({"server": options.server});
    if let Some(authority) = &options.certificate_authority {
        cluster["certificate-authority-data"] = base64(authority).into();
    }
    if options.insecure_skip_tls_verify {
        cluster["insecure-skip-tls-verify"] = true.into();
    }
    if let Some(name) = &options.tls_server_name {
        cluster["tls-server-name"] = name.as_str().into();
    }
    let mut user = json!({});
    if let Some(token) = &options.token {
        user["token"] = token.as_str().into();
    }
    if let Some((certificate, key)) = &options.identity {
        user["client-certificate-data"] = base64(certificate).into();
        user["client-key-data"] = base64(key).into();
    }
    Ok((cluster, user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_clusters_as_oc_does() {
        for (server, name) in [
            ("https://127.0.0.1:8443", "127-0-0-1:8443"),
            ("https://api.example.com", "api-example-com:443"),
            ("http://localhost/x", "localhost:80"),
        ] {
            assert_eq!(cluster_name(server), name);
        }
    }
}
