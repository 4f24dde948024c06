//! `logs`: what pods, builds, rollouts and hooks printed, whole or as it comes.
//!
//! Texts and errors: facts/oc.md section 6.4. What was typed becomes a [`target::Target`]; `sources` finds the streams
//! that it stands for, `streaming` copies them. Following ends when the streams end; Ctrl-C ends only the watching.

mod hooks;
mod sources;
mod streaming;
mod target;

use crate::api::duration::Span;
use crate::base::clock::Timestamp;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::logs::target::Target;
use crate::cli::progress::interrupt::Interrupts;
use crate::cli::usage;
use crate::client::connection::Connection;

/// Print the logs for a resource
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER] [options]",
    after_help = "\
Examples:
  # Follow the newest build of a build config to its end
  upshift logs -f bc/ruby-ex

  # The pod of the newest deployment
  upshift logs dc/ruby-ex

  # The last lines of a container that crashed
  upshift logs -p ruby-ex-1-zzhrc --tail=20

  # Everything of an application's last rollout
  upshift logs app/shop

  # One hook of a certain rollout, while it runs
  upshift logs rollout/shop-3 --hook ApplicationStart -f

  # The last lines of two of its hosts; what one of them printed last, whatever it was for
  upshift logs rollout/shop-3 --gear web-1 --gear web-7 --tail=20
  upshift logs gear/shop-web-7"
)]
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that oc has, and says what it means where it stands"
)]
pub struct Args {
    /// A pod, or TYPE/NAME: bc, build, dc, rc, deploy, svc, app, rollout, gear
    #[arg(value_name = "POD|TYPE/NAME")]
    words: Vec<String>,
    /// Go on until it is over
    #[arg(short = 'f', long)]
    follow: bool,
    /// What the container printed before it was started again; of dc/NAME, the deployment before
    #[arg(short = 'p', long)]
    previous: bool,
    /// The container, if there are several
    #[arg(
        short = 'c',
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    container: String,
    /// All containers of the pod
    #[arg(long)]
    all_containers: bool,
    /// All pods with these labels
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    selector: String,
    /// Only so many lines from the end, of hooks of each; -1 is all, with -l 10 unless said otherwise
    #[arg(long, value_name = "LINES", allow_negative_numbers = true)]
    tail: Option<i64>,
    /// Only what is younger, of hooks those that ended later: 5s, 2m, 3h
    #[arg(long, value_name = "TIME")]
    since: Option<Span>,
    /// Only what came after that moment: 2026-11-20T20:44:04Z
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    since_time: Option<Timestamp>,
    /// Each line with the moment at which it came
    #[arg(long)]
    timestamps: bool,
    /// At most so many bytes
    #[arg(long, value_name = "BYTES")]
    limit_bytes: Option<u64>,
    /// Each line with its pod and container
    #[arg(long)]
    prefix: bool,
    /// How many streams to follow at a time with -l
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    max_log_requests: usize,
    /// How long to wait until a pod is there
    #[arg(long, value_name = "TIME", default_value = "20s")]
    pod_running_timeout: Span,
    /// Of bc/NAME or dc/NAME: this build or deployment instead of the newest
    #[arg(long, value_name = "NUMBER")]
    version: Option<u64>,
    /// Of an application or a rollout: only this hook
    #[arg(long, value_parser = super::deploy::hook)]
    hook: Option<String>,
    /// Of an application or a rollout: only this gear, by its name or its node's (can be repeated)
    #[arg(long)]
    gear: Vec<String>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| format!("{text:?} is no moment, write it as in 2026-11-20T20:44:04Z"))
}

/// Runs `logs`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let target = check(&args, context)?;
    let connection = context.connect(Purpose::Reading).await?;
    match &target {
        Target::Hooks(word) => return hooks::run(word, &args, context, &connection).await,
        Target::Gear(name) => return hooks::run_gear(name, &args, context, &connection).await,
        Target::Pod(_) | Target::Object(..) | Target::Selector(_) => {}
    }
    let printing = async {
        let found = sources::find(&target, &args, context, &connection).await;
        match (found, &target) {
            // Before there were pods, a name alone was an application's.
            (Err(failure), Target::Pod(name)) if failure.reason() == "NotFound" => {
                match hooks::run(&format!("app/{name}"), &args, context, &connection).await {
                    Err(_) => Err(failure),
                    printed => printed,
                }
            }
            (Err(failure), _) => Err(failure),
            (Ok(sources), _) => streaming::copy(sources, &args, context, &connection.client).await,
        }
    };
    if !args.follow {
        return printing.await;
    }
    let mut interrupts = Interrupts::listen()?;
    tokio::select! {
        exit = interrupts.next() => Ok(exit),
        printed = printing => printed,
    }
}

/// Prints a build's log until the build is over.
pub async fn follow_build(
    name: &str,
    context: &Context,
    connection: &Connection,
) -> Result<Exit, Failure> {
    let args = Args {
        follow: true,
        ..Args::default()
    };
    let target = Target::Object("build".to_owned(), name.to_owned());
    let mut interrupts = Interrupts::listen()?;
    let printing = async {
        let found = sources::find(&target, &args, context, connection).await?;
        streaming::copy(found, &args, context, &connection.client).await
    };
    tokio::select! {
        exit = interrupts.next() => Ok(exit),
        printed = printing => printed,
    }
}

/// What is typed wrong regardless of the server.
fn check(args: &Args, context: &Context) -> Result<Target, Failure> {
    let target = target::read(&args.words, &args.selector)
        .map_err(|message| usage::see(context.program, "logs", &message))?;
    let is_ours = matches!(target, Target::Hooks(_) | Target::Gear(_));
    let wrong = if args.since.is_some() && args.since_time.is_some() {
        "at most one of `sinceTime` or `sinceSeconds` may be specified".to_owned()
    } else if args.tail.is_some_and(|lines| lines < -1) {
        "--tail must be greater than or equal to -1".to_owned()
    } else if args.limit_bytes == Some(0) {
        "--limit-bytes must be greater than 0".to_owned()
    } else if args.all_containers && !args.container.is_empty() {
        format!(
            "--all-containers=true should not be specified with container name {}",
            args.container
        )
    } else if args.version.is_some()
        && matches!(&target, Target::Object(kind, _) if target::is_build(kind))
    {
        "cannot specify a version and a build".to_owned()
    } else if !is_ours && (args.hook.is_some() || !args.gear.is_empty()) {
        "--hook and --gear are for app/NAME and rollout/NAME".to_owned()
    } else if matches!(target, Target::Gear(_)) && !args.gear.is_empty() {
        "--gear is for app/NAME and rollout/NAME; gear/NAME is one already".to_owned()
    } else {
        return Ok(target);
    };
    Err(Failure::usage(wrong))
}
