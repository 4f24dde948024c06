//! `node --print-unit`: what systemd needs to know to run this agent.

use std::fmt::Write;
use std::path::Path;

use crate::agent::join::JoinFile;
use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::server::node::Args;
use crate::cli::server::node::join_file;
use crate::cli::server::node::joined_before;
use crate::cli::server::node::nodes_folder;
use crate::cli::server::node::not_joined;

/// Prints the unit; paths become absolute, because systemd starts elsewhere.
pub(super) fn print(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let nodes = nodes_folder(context)?;
    let file = join_file(args, context, &nodes)?;
    let node = if let Some(file) = &file {
        JoinFile::read(file).map_err(not_joined)?.node
    } else {
        joined_before(&nodes, args.name.as_deref(), context)?.0.node
    };
    let program = std::fs::read_link("/proc/self/exe")?;
    let text = |path: &Path| path.display().to_string();
    let mut words = vec![text(&program), "node".to_owned()];
    let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
    if let Some(file) = &file {
        flag("--join", text(file));
    }
    flag("--name", node.clone());
    for allow in &args.allow {
        flag("--allow", allow.clone());
    }
    flag("--address", args.address.clone());
    for beside in &args.haproxy {
        flag("--haproxy", beside.to_string());
    }
    if let Some(root) = &args.root {
        flag("--root", text(&context.environment.path(root)));
    }
    for label in &args.label {
        flag("--label", label.clone());
    }
    if let Some(data) = nodes.parent() {
        flag("--data-dir", text(&context.environment.path(data)));
    }
    context.out(format_args!("{}", unit(&node, &words, user().as_deref())))?;
    Ok(Exit::Done)
}

/// The user that the unit names; none for root, whom systemd runs things as anyway.
fn user() -> Option<String> {
    let uid = nix::unistd::geteuid();
    let account = nix::unistd::User::from_uid(uid).ok().flatten();
    let name = account.map_or_else(|| uid.to_string(), |user| user.name);
    (!uid.is_root()).then_some(name)
}

fn unit(node: &str, words: &[String], user: Option<&str>) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let mut text = format!(
        "[Unit]\n\
         Description=Upshift node {node}\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         ExecStart={}\n",
        words.join(" ")
    );
    if let Some(user) = user {
        let _ = writeln!(text, "User={user}");
    }
    text.push_str(
        "Restart=always\n\
         RestartSec=5\n\
         # Hooks and applications go on while the agent is restarted; it finds them again.\n\
         KillMode=process\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
    );
    text
}

/// A word as systemd reads it: specifiers, variables and blanks mean themselves.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-_.=:,+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' | '$' => text.extend([c, c]),
            '\n' => text.push_str("\\n"),
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_restarts_the_agent_and_leaves_hooks_alone() {
        let words = ["/usr/bin/upshift", "node", "--join", "/a b/100%.join"].map(str::to_owned);
        assert_eq!(
            unit("web-1", &words, Some("deploy")),
            "\
[Unit]
Description=Upshift node web-1
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/bin/upshift node --join \"/a b/100%%.join\"
User=deploy
Restart=always
RestartSec=5
# Hooks and applications go on while the agent is restarted; it finds them again.
KillMode=process

[Install]
WantedBy=multi-user.target
"
        );
    }
}
