//! Which server a command talks to, where that was said, and the client for it.
//!
//! DESIGN section 2: `--local`, `--server`, `--kubeconfig`, `--context`, `$KUBECONFIG`, `~/.kube/config` with a current
//! context, else the embedded server. Nothing is sent here, and starting an embedded server is the caller's.
//!
//! # Decided
//!
//! * `--server` alone brings no stored credentials to a server they are not for: those of a context with that URL are
//!   used, or of the context or user named beside it. `oc` sends the current context's token to whatever is named.
//! * `$KUBECONFIG` that names no server at all (no file yet) means the embedded one, like an empty `~/.kube/config`;
//!   one that names servers and chooses none is an error, for guessing could reach the wrong one.
//! * `--data-dir` typed beside nothing else that names a server means `--local`; the variable does not.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::base::environment::Environment;
use crate::client::Client;
use crate::client::https::Https;
use crate::client::https::Options;
use crate::client::kubeconfig;
use crate::client::kubeconfig::Config;
use crate::client::kubeconfig::Section;
use crate::client::kubeconfig::login;

/// The project in use when nothing says otherwise.
const DEFAULT_NAMESPACE: &str = "default";
/// The embedded server's kubeconfig in its data dir.
pub const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";

/// The connection flags as typed.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub local: bool,
    pub data_dir: Option<PathBuf>,
    pub server: Option<String>,
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub cluster: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
    pub token: Option<String>,
    pub certificate_authority: Option<PathBuf>,
    pub client_certificate: Option<PathBuf>,
    pub client_key: Option<PathBuf>,
    pub tls_server_name: Option<String>,
    pub insecure_skip_tls_verify: bool,
    pub request_timeout: Option<Duration>,
}

/// The server that was chosen; nothing has been sent to it.
#[derive(Clone, Debug)]
pub struct Choice {
    pub target: Target,
    /// Where that was said, in words: `--server`, `context "x" in FILE`, `embedded, data in DIR`.
    pub origin: String,
    /// The project in use.
    pub namespace: String,
    /// The context it comes from, if it comes from one.
    pub context: Option<String>,
    /// The user's name at that server as the configuration has it, "" if it has none.
    pub user: String,
    /// What the user should know: a configuration that others may read.
    pub warnings: Vec<String>,
    /// Flags that count for an embedded server, too.
    token: Option<String>,
    timeout: Option<Duration>,
}

/// What kind of server it is.
#[derive(Clone, Debug)]
pub enum Target {
    /// The one in this program; its URL is in `DATA/server.json` while it runs, and it is started on demand.
    Embedded { data_dir: PathBuf },
    /// Another one.
    Remote(Box<Options>),
}

/// A client and what is known of its server.
#[derive(Clone, Debug)]
pub struct Connection {
    pub client: Client,
    /// Its URL.
    pub server: String,
    /// Where that was said, in words.
    pub origin: String,
    pub namespace: String,
    /// The context it comes from, if it comes from one.
    pub context: Option<String>,
    /// The data dir, when the server is the embedded one.
    pub data_dir: Option<PathBuf>,
    /// What was used to connect: for `whoami -t` and for remembering it in a kubeconfig.
    pub options: Options,
}

/// Why there is no server to talk to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The embedded server is not running; the caller may start it.
    #[error("the embedded server is not running (data in {})", data_dir.display())]
    NotRunning { data_dir: PathBuf },
    #[error(transparent)]
    Kubeconfig(#[from] kubeconfig::Error),
    /// The flags contradict each other: a usage error.
    #[error("{0}")]
    Usage(String),
    /// Flags and configuration name no usable server.
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Client(#[from] crate::client::Error),
}

/// Chooses the server from flags and surroundings.
pub fn choose(flags: &Flags, environment: &Environment) -> Result<Choice, Error> {
    Chooser { flags, environment }.choose()
}

/// `--data-dir`, `$UPSHIFT_DATA_DIR`, `/var/lib/upshift` as root, else `$XDG_DATA_HOME/upshift`.
pub fn data_dir(flag: Option<&Path>, environment: &Environment) -> Result<PathBuf, Error> {
    let absolute = |name: &str| {
        let path = environment.variable(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    if let Some(path) = flag {
        return Ok(environment.path(path));
    }
    if let Some(path) = environment.variable("UPSHIFT_DATA_DIR") {
        return Ok(environment.path(path));
    }
    if is_root() {
        return Ok(PathBuf::from("/var/lib/upshift"));
    }
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .map(|folder| folder.join("upshift"))
        .ok_or_else(|| {
            let message = "there is no place for the server's data: set --data-dir, \
                UPSHIFT_DATA_DIR, XDG_DATA_HOME or HOME";
            Error::Invalid(message.to_owned())
        })
}

impl Choice {
    /// Makes the client; [`Error::NotRunning`] when the embedded server has not announced itself.
    ///
    /// A server that was killed leaves its announcement behind: then the first request is refused.
    pub fn connect(&self) -> Result<Connection, Error> {
        let (options, data_dir) = match &self.target {
            Target::Remote(options) => ((**options).clone(), None),
            Target::Embedded { data_dir } => (self.embedded(data_dir)?, Some(data_dir.clone())),
        };
        let transport = Https::new(options.clone())?;
        Ok(Connection {
            client: Client::new(Arc::new(transport)),
            server: options.server.clone(),
            origin: self.origin.clone(),
            namespace: self.namespace.clone(),
            context: self.context.clone(),
            data_dir,
            options,
        })
    }

    /// The data dir, when the server is the embedded one.
    pub fn data_dir(&self) -> Option<&Path> {
        match &self.target {
            Target::Embedded { data_dir } => Some(data_dir),
            Target::Remote(_) => None,
        }
    }

    fn embedded(&self, data_dir: &Path) -> Result<Options, Error> {
        let not_running = || Error::NotRunning {
            data_dir: data_dir.to_owned(),
        };
        let announcement = Announcement::read(data_dir).ok_or_else(not_running)?;
        let path = data_dir.join(ADMIN_KUBECONFIG);
        let document = kubeconfig::read_private(&path)?.ok_or_else(not_running)?;
        let config = Config::of_document(&path, document);
        let context = config.entry(Section::Contexts, &config.current_context());
        let context = context.unwrap_or_default();
        let (cluster, user) = entries(&config, &context);
        let mut options = login::options(&cluster, &user)?;
        options.server = announcement.url;
        options.timeout = self.timeout;
        if let Some(token) = &self.token {
            options.token = Some(token.clone());
        }
        Ok(options)
    }
}

impl Connection {
    /// Names the server and where that came from: `server https://127.0.0.1:8443 (embedded, data in …)`.
    pub fn describe(&self) -> String {
        format!("server {} ({})", self.server, self.origin)
    }
}

/// What a running embedded server says of itself in `DATA/server.json`.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Announcement {
    pub url: String,
    pub version: String,
    pub pid: u32,
    /// Where its router takes requests for routes; empty without one.
    pub router: String,
}

impl Announcement {
    /// Reads it; `None` if there is none or it is not whole.
    pub fn read(data_dir: &Path) -> Option<Announcement> {
        let bytes = std::fs::read(data_dir.join("server.json")).ok()?;
        let announcement: Announcement = serde_json::from_slice(&bytes).ok()?;
        (!announcement.url.is_empty()).then_some(announcement)
    }
}

struct Chooser<'a> {
    flags: &'a Flags,
    environment: &'a Environment,
}

impl Chooser<'_> {
    fn choose(&self) -> Result<Choice, Error> {
        self.refuse_contradictions()?;
        if self.flags.local || self.only_says_data_dir() {
            let config = Config::load(None, self.environment).ok();
            return self.embedded(config.as_ref());
        }
        let config = Config::load(self.flags.kubeconfig.as_deref(), self.environment)?;
        if let Some(server) = &self.flags.server {
            return self.server(server, &config);
        }
        let current = config.current_context();
        let name = self.flags.context.clone().unwrap_or(current);
        if !name.is_empty() {
            return self.context(&name, &config);
        }
        if self.flags.cluster.is_some() {
            return self.remote(&json!({}), &config, "--cluster");
        }
        if self.flags.kubeconfig.is_some() || !self.may_default(&config) {
            return Err(Error::Invalid(Self::no_context(&config)));
        }
        self.embedded(Some(&config))
    }

    fn refuse_contradictions(&self) -> Result<(), Error> {
        let flags = self.flags;
        let elsewhere = [
            ("--server", flags.server.is_some()),
            ("--kubeconfig", flags.kubeconfig.is_some()),
            ("--context", flags.context.is_some()),
            ("--cluster", flags.cluster.is_some()),
        ];
        if let Some((name, _)) = elsewhere.iter().find(|(_, given)| *given && flags.local) {
            let message = format!("--local and {name} are mutually exclusive");
            return Err(Error::Usage(message));
        }
        if flags.insecure_skip_tls_verify && flags.certificate_authority.is_some() {
            let message =
                "--insecure-skip-tls-verify and --certificate-authority are mutually exclusive";
            return Err(Error::Usage(message.to_owned()));
        }
        if flags.client_certificate.is_some() != flags.client_key.is_some() {
            let message = "--client-certificate and --client-key must be given together";
            return Err(Error::Usage(message.to_owned()));
        }
        Ok(())
    }

    /// `--data-dir` alone names the embedded server of that folder, whatever the current context is.
    fn only_says_data_dir(&self) -> bool {
        let flags = self.flags;
        let elsewhere = flags.server.is_some()
            || flags.kubeconfig.is_some()
            || flags.context.is_some()
            || flags.cluster.is_some();
        flags.data_dir.is_some() && !elsewhere
    }

    /// Whether a configuration without a current context leaves the choice to us.
    fn may_default(&self, config: &Config) -> bool {
        config.is_empty() || self.environment.variable("KUBECONFIG").is_none()
    }

    fn no_context(config: &Config) -> String {
        let contexts = config.names(Section::Contexts);
        if contexts.is_empty() {
            let program = "Missing or incomplete configuration info.  Please point to an existing, complete config file:";
            return format!(
                "{program}\n\n\n  1. Via the command-line flag --kubeconfig\n  2. Via the KUBECONFIG environment \
                 variable\n  3. In your home directory as ~/.kube/config\n\nTo view or setup config directly use the \
                 'config' command."
            );
        }
        format!(
            "no context is chosen; name one with --context or 'config use-context': {}",
            contexts.join(", ")
        )
    }

    /// The embedded server, in the project that the current context names when it is of the same server.
    fn embedded(&self, config: Option<&Config>) -> Result<Choice, Error> {
        let data_dir = data_dir(self.flags.data_dir.as_deref(), self.environment)?;
        let name = config.map(Config::current_context).unwrap_or_default();
        let context = config
            .and_then(|config| config.entry(Section::Contexts, &name))
            .filter(|context| kubeconfig::embedded_data_dir(context).as_deref() == Some(&data_dir));
        let context_name = context.as_ref().map(|_| name);
        Ok(self.choice_of_embedded(data_dir, &context.unwrap_or_default(), context_name))
    }

    fn choice_of_embedded(
        &self,
        data_dir: PathBuf,
        context: &Value,
        name: Option<String>,
    ) -> Choice {
        Choice {
            origin: format!("embedded, data in {}", data_dir.display()),
            target: Target::Embedded { data_dir },
            namespace: self.namespace(context),
            context: name,
            user: "admin".to_owned(),
            warnings: Vec::new(),
            token: self.flags.token.clone(),
            timeout: self.flags.request_timeout,
        }
    }

    /// The server of a URL, with the credentials that are stored for it.
    fn server(&self, url: &str, config: &Config) -> Result<Choice, Error> {
        let url = normalized(url)?;
        let own = data_dir(self.flags.data_dir.as_deref(), self.environment).ok();
        if let Some(data_dir) = own
            && Announcement::read(&data_dir).is_some_and(|one| one.url == url)
            && self.flags.context.is_none()
            && self.flags.user.is_none()
        {
            return Ok(self.choice_of_embedded(data_dir, &Value::Null, None));
        }
        let named = match &self.flags.context {
            Some(name) => Some(known(config, Section::Contexts, name)?),
            None => Self::context_of(&url, config),
        };
        self.remote(&named.unwrap_or_else(|| json!({})), config, "--server")
    }

    /// The context of that server: the current one if it is, else the first.
    fn context_of(url: &str, config: &Config) -> Option<Value> {
        let mut names = config.names(Section::Contexts);
        names.insert(0, config.current_context());
        names
            .iter()
            .filter_map(|name| config.entry(Section::Contexts, name))
            .find(|context| {
                let (cluster, _) = entries(config, context);
                let server = cluster["server"].as_str().unwrap_or_default();
                normalized(server).is_ok_and(|server| server == url)
            })
    }

    fn context(&self, name: &str, config: &Config) -> Result<Choice, Error> {
        let context = known(config, Section::Contexts, name)?;
        let overridden = self.flags.cluster.is_some() || self.flags.user.is_some();
        let mut choice = match kubeconfig::embedded_data_dir(&context) {
            Some(data_dir) if !overridden => {
                self.choice_of_embedded(data_dir, &context, Some(name.to_owned()))
            }
            _ => {
                let file = config
                    .owner(Section::Contexts, name)
                    .unwrap_or(Path::new(""));
                let origin = format!("context {name:?} in {}", file.display());
                self.remote(&context, config, &origin)?
            }
        };
        choice.context = Some(name.to_owned());
        choice.warnings = config.warnings();
        Ok(choice)
    }

    /// The server of a context, each part of which a flag may replace.
    fn remote(&self, context: &Value, config: &Config, origin: &str) -> Result<Choice, Error> {
        let (mut cluster, mut user) = entries(config, context);
        if let Some(name) = &self.flags.cluster {
            cluster = known(config, Section::Clusters, name)?;
        }
        if let Some(name) = &self.flags.user {
            user = known(config, Section::Users, name)?;
        }
        if let Some(server) = &self.flags.server {
            cluster["server"] = normalized(server)?.into();
        }
        if cluster["server"].as_str().unwrap_or_default().is_empty() {
            let message = "Error in configuration: \n* cluster has no server defined";
            return Err(Error::Invalid(message.to_owned()));
        }
        let options = self.overridden(login::options(&cluster, &self.without_replaced(user))?)?;
        let user_name = self.flags.user.as_deref().or(context["user"].as_str());
        let user_name = user_name.unwrap_or_default();
        Ok(Choice {
            target: Target::Remote(Box::new(options)),
            origin: origin.to_owned(),
            namespace: self.namespace(context),
            context: None,
            user: user_name.split('/').next().unwrap_or_default().to_owned(),
            warnings: config.warnings(),
            token: None,
            timeout: None,
        })
    }

    /// The user's entry without what a flag says instead, so that it need not be usable.
    fn without_replaced(&self, mut user: Value) -> Value {
        let mut drop = |prefixes: &[&str]| {
            if let Value::Object(fields) = &mut user {
                fields.retain(|field, _| !prefixes.iter().any(|prefix| field.starts_with(prefix)));
            }
        };
        if self.flags.token.is_some() {
            drop(&["token", "exec", "auth-provider", "username", "password"]);
        }
        if self.flags.client_certificate.is_some() {
            drop(&["client-", "exec", "auth-provider", "username", "password"]);
        }
        user
    }

    fn overridden(&self, mut options: Options) -> Result<Options, Error> {
        let flags = self.flags;
        if let Some(path) = &flags.certificate_authority {
            let pem = login::read("certificate-authority", &self.environment.path(path))?;
            options.certificate_authority = Some(pem);
            options.insecure_skip_tls_verify = false;
        }
        options.insecure_skip_tls_verify |= flags.insecure_skip_tls_verify;
        if let (Some(certificate), Some(key)) = (&flags.client_certificate, &flags.client_key) {
            options.identity = Some((
                login::read("client-certificate", &self.environment.path(certificate))?,
                login::read("client-key", &self.environment.path(key))?,
            ));
        }
        if let Some(token) = &flags.token {
            options.token = Some(token.clone());
        }
        if let Some(name) = &flags.tls_server_name {
            options.tls_server_name = Some(name.clone());
        }
        options.timeout = flags.request_timeout;
        Ok(options)
    }

    fn namespace(&self, context: &Value) -> String {
        let said = self.flags.namespace.as_deref();
        said.or(context["namespace"].as_str())
            .filter(|name| !name.is_empty())
            .unwrap_or(DEFAULT_NAMESPACE)
            .to_owned()
    }
}

/// The cluster and user that a context names; an entry that is not there is empty, as in client-go.
fn entries(config: &Config, context: &Value) -> (Value, Value) {
    let entry = |section: Section| {
        let name = context[section.content()].as_str().unwrap_or_default();
        config.entry(section, name).unwrap_or_else(|| json!({}))
    };
    (entry(Section::Clusters), entry(Section::Users))
}

/// The entry that a flag names, which must be there.
fn known(config: &Config, section: Section, name: &str) -> Result<Value, Error> {
    config.entry(section, name).ok_or_else(|| {
        Error::Invalid(match section {
            Section::Contexts => format!(
                "Error in configuration: \n* context was not found for specified context: {name}\n* cluster has no \
                 server defined"
            ),
            Section::Clusters => format!("cluster {name:?} does not exist"),
            Section::Users => format!("auth info {name:?} does not exist"),
        })
    })
}

/// A URL as `login` and `--server` take it: `localhost` means `https://localhost:443` (facts/oc.md 2.4).
pub fn normalized(server: &str) -> Result<String, Error> {
    let with_scheme = if server.contains("://") {
        server.to_owned()
    } else {
        format!("https://{server}")
    };
    let wrong = || Error::Invalid(format!("{server:?} is not a server URL"));
    let url = reqwest::Url::parse(&with_scheme).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong());
    }
    let host = url.host_str().ok_or_else(wrong)?;
    let port = url.port_or_known_default().ok_or_else(wrong)?;
    let path = url.path().trim_end_matches('/');
    Ok(format!("{}://{host}:{port}{path}", url.scheme()))
}

#[cfg(unix)]
fn is_root() -> bool {
    #[cfg(target_os = "linux")]
    return nix::unistd::geteuid().is_root();
    #[cfg(not(target_os = "linux"))]
    return false;
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

#[cfg(test)]
mod tests;
