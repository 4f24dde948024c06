//! `exec`: a program on a node, with its streams and its exit code.

use std::cell::Cell;
use std::io::Read;

use tokio::sync::mpsc;

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::usage;
use crate::client;
use crate::client::exec;
use crate::client::exec::Channel;
use crate::client::exec::End;
use crate::client::exec::LONGEST;
use crate::client::request::escaped;

/// The number of the signal that Ctrl-C is.
const INTERRUPT: u8 = 2;

/// Execute a command on a node
///
/// It runs as the user that the node allows for the project, without a shell, and ends with the connection. Its exit code
/// is this command's.
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift exec node/NODE [-i] -- COMMAND [ARG...] [options]",
    after_help = "\
Examples:
  # What does the application's log say?
  upshift exec node/web-1 -- tail -n 20 /srv/shop/log

  # A file is brought there
  upshift exec node/web-1 -i -- tee /srv/shop/motd < motd"
)]
pub struct Args {
    /// Where: node/NODE
    #[arg(value_name = "WHERE")]
    words: Vec<String>,
    /// Pass standard input to the command
    #[arg(short = 'i', long)]
    stdin: bool,
    /// What to run, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs `exec`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let wrong = |message: String| usage::see(context.program, "exec", message);
    let node = match args.words.as_slice() {
        [one] => match one.split_once('/') {
            Some(("node" | "nodes" | "no", node)) if !node.is_empty() => node,
            _ => {
                return Err(wrong(format!(
                    "{one:?} is no node: commands run on nodes, as in node/web-1"
                )));
            }
        },
        [] => {
            return Err(wrong(
                "a node must be specified, as in node/web-1".to_owned(),
            ));
        }
        _ => {
            return Err(wrong("the command stands after --".to_owned()));
        }
    };
    if args.command.is_empty() {
        return Err(wrong(
            "you must specify at least one command for the container".to_owned(),
        ));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let mut path = format!(
        "/api/v1/nodes/{}/exec?namespace={}&stdin={}",
        escaped(node),
        escaped(&connection.namespace),
        args.stdin
    );
    for word in &args.command {
        path.push_str("&command=");
        path.push_str(&escaped(word));
    }
    let stream = connection.client.tunnel(&path).await?;
    let end = attend(stream, args.stdin, context).await?;
    match end {
        Attended::Interrupted => Ok(Exit::Interrupted),
        Attended::Ended(end) if !end.message.is_empty() => {
            context.say(format_args!("error: {}\n", end.message))?;
            Ok(Exit::Remote(end.code))
        }
        Attended::Ended(End { code: 0, .. }) => Ok(Exit::Done),
        Attended::Ended(End { code, .. }) => {
            context.say(format_args!("command terminated with exit code {code}\n"))?;
            Ok(Exit::Remote(code))
        }
    }
}

enum Attended {
    Ended(End),
    Interrupted,
}

/// Copies input and output until the program has ended.
async fn attend(
    stream: Box<dyn client::Io>,
    has_input: bool,
    context: &Context,
) -> Result<Attended, Failure> {
    let (mut from, mut to) = tokio::io::split(stream);
    let (sender, mut outgoing) = mpsc::channel(4);
    if has_input {
        // A thread of its own: a read from a terminal ends when it likes, and must not hold us up.
        let (reader, sender) = (context.streams.input_reader(), sender.clone());
        std::thread::spawn(move || forward(reader, &sender));
    }
    let interrupted = Cell::new(false);
    let reading = async {
        let over = loop {
            let frame = exec::read(&mut from).await;
            match frame.map_err(|error| broke_off(&error.to_string()))? {
                Some((Channel::Output, bytes)) => context.streams.out_bytes(&bytes)?,
                Some((Channel::Error, bytes)) => context.streams.err_bytes(&bytes)?,
                Some((Channel::End, words)) => break Some(words),
                Some(_) => {}
                None => break None,
            }
        };
        match over {
            _ if interrupted.get() => Ok(Attended::Interrupted),
            Some(words) => serde_json::from_slice(&words)
                .map(Attended::Ended)
                .map_err(|error| client::Error::Decode(error.to_string()).into()),
            None => Err(broke_off("the node or the server ended")),
        }
    };
    let writing = async {
        while let Some((channel, content)) = outgoing.recv().await {
            if exec::write(&mut to, channel, &content).await.is_err() {
                break;
            }
        }
        // Why nothing can be sent any more is found out by reading.
        std::future::pending::<()>().await;
    };
    let interrupting = async {
        tokio::signal::ctrl_c().await?;
        interrupted.set(true);
        let told = async {
            let _ = sender.send((Channel::Signal, vec![INTERRUPT])).await;
            std::future::pending::<()>().await;
        };
        // The second time the program need not agree: it ends with the connection. It need not even have been told: behind
        // input that it does not read, nothing gets through.
        tokio::select! {
            again = tokio::signal::ctrl_c() => again,
            () = told => unreachable!("it waits for ever"),
        }
    };
    tokio::select! {
        over = reading => over,
        () = writing => unreachable!("it waits for ever"),
        pressed = interrupting => {
            pressed?;
            Ok(Attended::Interrupted)
        }
    }
}

/// Sends everything that is read, then an empty piece for its end.
fn forward(mut from: impl Read, to: &mpsc::Sender<(Channel, Vec<u8>)>) {
    let mut buffer = vec![0; LONGEST];
    loop {
        let count = from.read(&mut buffer).unwrap_or(0);
        let piece = (Channel::Input, buffer[..count].to_vec());
        if to.blocking_send(piece).is_err() || count == 0 {
            return;
        }
    }
}

fn broke_off(why: &str) -> Failure {
    client::Error::Interrupted(why.to_owned()).into()
}
