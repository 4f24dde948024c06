//! The flags that every command takes (`upshift options`).

/// Where the server is, who is asking, and in which project. Typed, not yet resolved: `client::connection` does that.
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
    pub data_dir: Option<std::path::PathBuf>,
    /// The address of the API server
    #[arg(short = 's', long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// Bearer token for the API server
    #[arg(long, global = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<std::path::PathBuf>,
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
    pub certificate_authority: Option<std::path::PathBuf>,
    /// File with the client certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub client_certificate: Option<std::path::PathBuf>,
    /// File with the key of the client certificate
    #[arg(long, global = true, value_name = "FILE")]
    pub client_key: Option<std::path::PathBuf>,
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
