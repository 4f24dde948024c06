//! Help as `oc` lays it out: what it does, examples, options, usage, where to read on.

use std::fmt::Write;

use clap::Command;

use crate::cli::exit;
use crate::cli::program::Program;
use crate::cli::tree;

/// The groups of the first page, in `oc`'s order; `tree`'s test holds that every command stands in one.
pub const GROUPS: &[(&str, &[&str])] = &[
    (
        "Basic Commands",
        &["new-project", "new-app", "status", "project", "projects"],
    ),
    (
        "Build and Deploy Commands",
        &[
            "deploy",
            "rollback",
            "rollout",
            "promote",
            "new-build",
            "start-build",
            "cancel-build",
        ],
    ),
    (
        "Application Management Commands",
        &[
            "create", "apply", "get", "describe", "label", "annotate", "expose", "delete", "scale",
        ],
    ),
    (
        "Troubleshooting and Debugging Commands",
        &["logs", "exec", "wait"],
    ),
    (
        "Advanced Commands",
        &[
            "patch",
            "cordon",
            "uncordon",
            "api-resources",
            "api-versions",
        ],
    ),
    ("Server Commands", &["serve", "node", "router"]),
    ("Settings Commands", &["config", "whoami", "completion"]),
    ("Other Commands", &["version", "help", "options"]),
];

/// The help page of the command at `path`; the first page when that is empty.
pub fn page(program: Program, path: &[String]) -> String {
    let mut root = tree::command(program);
    if path.is_empty() {
        return first_page(program, &root);
    }
    root = root.mut_args(|arg| {
        let is_global = arg.is_global_set();
        arg.hide(is_global)
    });
    root.build();
    let command = descend(&root, path);
    let about = command
        .get_long_about()
        .or(command.get_about())
        .map(ToString::to_string)
        .unwrap_or_default();
    let command = command
        .clone()
        .about(about)
        .long_about(None)
        .help_template(template(program, command));
    let text = command.clone().render_help().to_string();
    let mut text = text.replace("[OPTIONS]", "[options]");
    if program != Program::Upshift {
        text = text.replace(" upshift ", &format!(" {} ", program.name()));
    }
    text
}

/// The list of global flags.
pub fn options(program: Program) -> String {
    let root = tree::command(program)
        .disable_help_flag(true)
        .disable_version_flag(true);
    let text = root
        .help_template("The following options can be passed to any command:\n\n{options}\n")
        .render_help();
    text.to_string()
}

/// The command at the end of `path`, or as far as it leads.
pub fn descend<'a>(root: &'a Command, path: &[String]) -> &'a Command {
    path.iter().fold(root, |command, word| {
        command.find_subcommand(word).unwrap_or(command)
    })
}

fn template(program: Program, command: &Command) -> String {
    let name = program.name();
    let mut template = "{about}{after-help}\n\n".to_owned();
    if command.has_subcommands() {
        template.push_str("Available Commands:\n{subcommands}\n\n");
    }
    if command
        .get_arguments()
        .any(|arg| !arg.is_hide_set() && !arg.is_positional())
    {
        template.push_str("Options:\n{options}\n\n");
    }
    template.push_str("Usage:\n  {usage}\n\n");
    if command.has_subcommands() {
        add(
            &mut template,
            format_args!(
                "Use \"{} <command> --help\" for more information about a given command.\n",
                command.get_bin_name().unwrap_or(name)
            ),
        );
    }
    add(
        &mut template,
        format_args!(
            "Use \"{name} options\" for a list of global command-line options (applies to all commands).\n"
        ),
    );
    template
}

fn first_page(program: Program, root: &Command) -> String {
    let name = program.name();
    let title = match program {
        Program::Oc => "OpenShift Client",
        _ => "Upshift Client",
    };
    let mut text = format!(
        "{title}\n\nDeploys applications to your hosts and upgrades them in place, step by step, on a server that is part of this\n\
         program or on any other that speaks its API.\n"
    );
    for (group, names) in GROUPS {
        add(&mut text, format_args!("\n{group}:\n"));
        for word in *names {
            let about = root
                .find_subcommand(word)
                .and_then(Command::get_about)
                .map_or_else(|| "Help about any command".to_owned(), ToString::to_string);
            add(&mut text, format_args!("  {word:<16}{about}\n"));
        }
    }
    add(&mut text, format_args!("\n{}\n", exit::TABLE));
    add(
        &mut text,
        format_args!(
            "\nUsage:\n  {name} [flags] [options]\n\n\
         Use \"{name} <command> --help\" for more information about a given command.\n\
         Use \"{name} options\" for a list of global command-line options (applies to all commands).\n"
        ),
    );
    text
}

/// Appends text; a String takes everything.
fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text)
        .expect("writing to a String does not fail");
}
