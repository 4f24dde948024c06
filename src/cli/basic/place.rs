//! The user's place: server, user and project as a context of the kubeconfig, under the names that `oc` makes.
//!
//! Source: facts/oc.md 2.2. Written only by `project` and `new-project` (and `config`, which names contexts itself).

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
use crate::client::connection::Connection;
use crate::client::kubeconfig;
use crate::client::kubeconfig::Config;
use crate::client::kubeconfig::Place;
use crate::client::kubeconfig::Section;
use crate::client::kubeconfig::login;

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

/// Makes `project` the current one in the kubeconfig: a context for it, and, when this server is new there, its cluster
/// and user.
pub async fn switch(
    context: &Context,
    connection: &Connection,
    project: &str,
) -> Result<(), Failure> {
    let user = whoami::user(&connection.client).await?;
    let mut config = config::load(context)?;
    match known(&config, connection) {
        Some((cluster, user)) => {
            let short_user = user.split('/').next().unwrap_or(&user);
            let name = kubeconfig::context_name(project, &cluster, short_user);
            let entry = json!({"cluster": cluster, "user": user, "namespace": project});
            config.set_entry(Section::Contexts, &name, entry);
            config.set_current_context(&name);
        }
        None => enter(&mut config, connection, &user, project),
    }
    Ok(config.save()?)
}

/// Cluster and user of the context in use, when that is where this connection came from.
fn known(config: &Config, connection: &Connection) -> Option<(String, String)> {
    if connection.data_dir.is_some() {
        // The embedded server's address and token may be new: they are written each time.
        return None;
    }
    let entry = config.entry(Section::Contexts, connection.context.as_deref()?)?;
    let text = |field: &str| entry[field].as_str().map(str::to_owned);
    Some((text("cluster")?, text("user")?))
}

fn enter(config: &mut Config, connection: &Connection, user: &str, project: &str) {
    let options = &connection.options;
    let authority = options
        .certificate_authority
        .as_ref()
        .map(|pem| String::from_utf8_lossy(pem).into_owned());
    config.enter(&Place {
        url: &connection.server,
        certificate_authority: authority.as_deref(),
        insecure_skip_tls_verify: options.insecure_skip_tls_verify,
        user,
        token: options.token.as_deref(),
        namespace: project,
        data_dir: connection.data_dir.as_deref(),
    });
    if let Some((certificate, key)) = &options.identity {
        let cluster = kubeconfig::cluster_name(&connection.server);
        let entry = json!({
            "client-certificate-data": login::encoded(certificate),
            "client-key-data": login::encoded(key),
        });
        config.set_entry(
            Section::Users,
            &kubeconfig::user_name(user, &cluster),
            entry,
        );
    }
}
