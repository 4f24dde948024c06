//! The flags that every command takes (`upshift options`).

/// Where the server is, who is asking, and in which project. Typed, not yet resolved: `client::connection` does that.
use std::path::PathBuf;
use std::time::Duration;

use crate::api::duration::Span;
use crate::cli::Context;
use crate::cli::Failure;
use crate::client::connection;
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// The project of this call, instead of the current one
    #[arg(short = 'n', long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Use the embedded server of this machine, whatever the kubeconfig says
    #[arg(long, global = true)]
    pub local: bool,
    /// The folder of the embedded server
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The address of the API server
    #[arg(short = 's', long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Bearer token for the API server
    #[arg(long, global = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The cluster of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// The user of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,
    /// File with the authorities that may have signed the server's certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub certificate_authority: Option<PathBuf>,
    /// File with the client certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub client_certificate: Option<PathBuf>,
    /// File with the key of the client certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub client_key: Option<PathBuf>,
    /// The name to expect in the server's certificate
    #[arg(long, global = true, value_name = "NAME")]
    pub tls_server_name: Option<String>,
    /// Do not check the server's certificate; anybody can then read and change what is sent
    #[arg(long, global = true)]
    pub insecure_skip_tls_verify: bool,
    /// How long one request may take: a number of seconds, or 1s, 2m, 3h; 0 is for ever
    #[arg(long, global = true, value_name = "TIME", default_value = "0")]
    pub request_timeout: String,
    /// How much to tell about requests, 0 to 10
    #[arg(
        short = 'v',
        long = "v",
        visible_alias = "loglevel",
        global = true,
        value_name = "LEVEL",
        default_value_t = 0
    )]
    pub verbosity: u8,
}

impl Flags {
    /// The flags as the client takes them: files seen from the working folder, times as durations.
    pub fn resolve(&self, context: &Context) -> Result<connection::Flags, Failure> {
        let file =
            |path: &Option<PathBuf>| path.as_ref().map(|path| context.environment.path(path));
        Ok(connection::Flags {
            local: self.local,
            data_dir: file(&self.data_dir),
            server: self.server.clone(),
            kubeconfig: file(&self.kubeconfig),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            namespace: self.namespace.clone(),
            token: self.token.clone(),
            certificate_authority: file(&self.certificate_authority),
            client_certificate: file(&self.client_certificate),
            client_key: file(&self.client_key),
            tls_server_name: self.tls_server_name.clone(),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            request_timeout: timeout(&self.request_timeout)?,
        })
    }
}

/// `0` is none, `5` and `5s` are five seconds.
fn timeout(text: &str) -> Result<Option<Duration>, Failure> {
    let time = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => text.parse::<Span>().ok().map(|span| span.0),
    };
    match time {
        Some(Duration::ZERO) => Ok(None),
        Some(time) => Ok(Some(time)),
        None => Err(Failure::usage(
            "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a \
             corresponding time unit (e.g. 1s | 2m | 3h)",
        )),
    }
}
