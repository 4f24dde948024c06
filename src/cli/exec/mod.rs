//! `exec`: a program beside a pod's container or on a node, with its streams and its exit code.

mod terminal;

use std::cell::Cell;
use std::io::ErrorKind;
use std::io::Read;

use tokio::sync::mpsc;

use crate::api::kinds;
use crate::api::meta::Key;
use crate::api::pod::ANNOTATION_DEFAULT_CONTAINER;
use crate::api::pod::Pod;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::context::Purpose;
use crate::cli::exec::terminal::Changes;
use crate::cli::exec::terminal::Raw;
use crate::cli::usage;
use crate::client;
use crate::client::exec;
use crate::client::exec::Channel;
use crate::client::exec::End;
use crate::client::exec::LONGEST;
use crate::client::exec::size_to_bytes;
use crate::client::request::escaped;

/// The number of the signal that Ctrl-C is.
const INTERRUPT: u8 = 2;

/// Execute a command in a container of a pod, or on a node
///
/// Beside a container it runs as the container's own program does: as its user, in its folder, environment and network. On a
/// node it runs as the user that the node allows for the project. No shell is between; it ends with the connection. Its
/// exit code is this command's.
#[derive(Clone, Debug, clap::Args)]
#[command(
    override_usage = "upshift exec (POD | node/NODE) [-c CONTAINER] [-i] [-t] -- COMMAND [ARG...] [options]",
    after_help = "\
Examples:
  # Get output from running the 'date' command in the pod 'mypod', in its only or first container
  upshift exec mypod -- date

  # A shell of its own in the container 'ruby', with a terminal
  upshift exec mypod -c ruby -i -t -- bash -il

  # What does an application on a host say in its log?
  upshift exec node/web-1 -- tail -n 20 /srv/shop/log

  # A file is brought there
  upshift exec node/web-1 -i -- tee /srv/shop/motd < motd"
)]
pub struct Args {
    /// Where: a pod, or node/NODE
    #[arg(value_name = "WHERE")]
    words: Vec<String>,
    /// The container of the pod; without it, the first one
    #[arg(short = 'c', long, value_name = "NAME")]
    container: Option<String>,
    /// Pass standard input to the command
    #[arg(short = 'i', long)]
    stdin: bool,
    /// With -i: give the command a terminal, this one
    #[arg(short = 't', long)]
    tty: bool,
    /// What to run, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Where a command runs.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Node(&'a str),
    Pod(&'a str),
}

/// Reads the words; what is wrong with them is said in oc's words where it has some.
fn place(words: &[String]) -> Result<Place<'_>, String> {
    let [word] = words else {
        return Err(if words.is_empty() {
            "a pod or a node must be specified, as in web-1-abcde or node/web-1".to_owned()
        } else {
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead"
                .to_owned()
        });
    };
    let (kind, name) = match word.split_once('/') {
        Some((kind, name)) => (kinds::named(kind), name),
        None => (Some(&kinds::POD), word.as_str()),
    };
    match kind {
        _ if name.is_empty() || name.contains('/') => {
            Err("arguments in resource/name form must have a single resource and name".to_owned())
        }
        Some(kind) if *kind == kinds::POD => Ok(Place::Pod(name)),
        Some(kind) if *kind == kinds::NODE => Ok(Place::Node(name)),
        _ => Err(format!(
            "{word:?} is neither a pod nor a node: commands run in those, as in web-1-abcde or node/web-1"
        )),
    }
}

/// Runs `exec`.
pub async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let wrong = |message: String| usage::see(context.program, "exec", message);
    let place = place(&args.words).map_err(wrong)?;
    if matches!(place, Place::Node(_)) && args.container.is_some() {
        return Err(wrong(
            "-c names a container of a pod; a node has none".to_owned(),
        ));
    }
    if args.command.is_empty() {
        return Err(wrong(
            "you must specify at least one command for the container".to_owned(),
        ));
    }
    let connection = context.connect(Purpose::Reading).await?;
    let namespace = &connection.namespace;
    let (mut path, container) = match place {
        Place::Node(node) => {
            let path = kinds::NODE.path("", &escaped(node));
            (
                format!("{path}/exec?namespace={}", escaped(namespace)),
                None,
            )
        }
        Place::Pod(name) => {
            let key = Key::new(namespace, name);
            let pod: Pod = connection.client.get(&key).await?;
            let container = container(&pod, args.container.as_deref(), context)?;
            let path = kinds::POD.path(namespace, &escaped(name));
            (format!("{path}/exec?stdout=true"), container)
        }
    };
    let mut add = |name: &str, value: &str| path.extend(["&", name, "=", value]);
    if let Some(container) = container {
        add("container", &escaped(&container));
    }
    add("stdin", &args.stdin.to_string());
    let has_terminal = args.tty && args.stdin && context.streams.in_is_terminal;
    if has_terminal {
        let (columns, rows) = terminal::size();
        add("tty", "true");
        add("columns", &columns.to_string());
        add("rows", &rows.to_string());
    } else if args.tty && args.stdin {
        context.say(format_args!(
            "Unable to use a TTY - input is not a terminal or the right kind of file\n"
        ))?;
    } else if args.tty {
        context.say(format_args!("warning: -t has no effect without -i\n"))?;
    }
    for word in &args.command {
        add("command", &escaped(word));
    }
    let stream = connection.client.tunnel(&path).await?;
    let input = match (args.stdin, has_terminal) {
        (false, _) => Input::None,
        (true, false) => Input::Copied,
        (true, true) => Input::Typed,
    };
    let end = attend(stream, input, context).await?;
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

/// The container that is meant: the named one, the pod's default, or the first, which is said.
fn container(pod: &Pod, asked: Option<&str>, context: &Context) -> Result<Option<String>, Failure> {
    let annotated = pod.metadata.annotations.get(ANNOTATION_DEFAULT_CONTAINER);
    if let Some(name) = asked.or(annotated.map(String::as_str)) {
        return Ok(Some(name.to_owned()));
    }
    let all = pod.spec.containers.iter();
    let all: Vec<&str> = all.map(|one| one.name.as_str()).collect();
    if let [first, _, ..] = all.as_slice() {
        let list = all.join(", ");
        context.say(format_args!(
            "Defaulted container {first:?} out of: {list}\n"
        ))?;
    }
    Ok(all.first().map(|name| (*name).to_owned()))
}

/// What becomes of the caller's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    None,
    Copied,
    /// Key by key, from a terminal that the program has meanwhile.
    Typed,
}

enum Attended {
    Ended(End),
    Interrupted,
}

/// Copies input and output until the program has ended.
async fn attend(
    stream: Box<dyn client::Io>,
    input: Input,
    context: &Context,
) -> Result<Attended, Failure> {
    let (mut from, mut to) = tokio::io::split(stream);
    let (sender, mut outgoing) = mpsc::channel(4);
    let _raw = match input {
        Input::Typed => Some(Raw::begin()?),
        Input::None | Input::Copied => None,
    };
    if input != Input::None {
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
    let resizing = async {
        if input != Input::Typed {
            return std::future::pending::<std::io::Result<()>>().await;
        }
        let mut changes = Changes::begin()?;
        // It may have changed since it was said, unheard.
        let (mut columns, mut rows) = terminal::size();
        loop {
            let size = size_to_bytes(columns, rows).to_vec();
            let _ = sender.send((Channel::Resize, size)).await;
            (columns, rows) = changes.next().await;
        }
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
        failed = resizing => Err(failed.err().unwrap_or_else(|| ErrorKind::Interrupted.into()).into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_or_a_node_is_named() {
        let check = |typed: &str, expect: &str| {
            let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            let found = match place(&words) {
                Ok(place) => format!("{place:?}"),
                Err(message) => message,
            };
            assert!(found.starts_with(expect), "{typed}: {found}");
        };
        check("web-1-abcde", "Pod(\"web-1-abcde\")");
        check("po/a", "Pod(\"a\")");
        check("node/web-1", "Node(\"web-1\")");
        check("no/web-1", "Node(\"web-1\")");
        check("", "a pod or a node must be specified");
        check("a ls", "exec [POD] [COMMAND] is not supported anymore.");
        check("dc/a", "\"dc/a\" is neither a pod nor a node");
        check("node/", "arguments in resource/name form");
    }
}
