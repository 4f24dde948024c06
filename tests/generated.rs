//! Completions and man pages are made from the command table, kept in the repository, and fresh.
//!
//! `UPSHIFT_BLESS=1 cargo test generated` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use upshift::cli::program::Program;
use upshift::cli::settings::completion;
use upshift::cli::tree;

use crate::site::needs;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn completions() -> Files {
    let scripts = completion::SHELLS.iter().map(|(shell, name)| {
        let script = completion::script(Program::Upshift, *shell);
        (Path::new("completions").join(name), script)
    });
    scripts.collect()
}

fn man_pages() -> Files {
    fn pages(command: &clap::Command, files: &mut Files) {
        let man = clap_mangen::Man::new(command.clone());
        let name = man.get_filename();
        let mut page = Vec::new();
        man.render(&mut page).unwrap();
        files.insert(Path::new("man").join(name), page);
        for below in command
            .get_subcommands()
            .filter(|below| !below.is_hide_set())
        {
            if below.get_name() != "help" {
                pages(below, files);
            }
        }
    }
    let mut root = tree::command(Program::Upshift).disable_help_subcommand(true);
    root.build();
    let mut files = Files::new();
    pages(&root, &mut files);
    files
}

/// What is in a folder of the repository.
fn kept(folder: &str) -> Files {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Ok(entries) = fs::read_dir(root.join(folder)) else {
        return Files::new();
    };
    let read = entries.flatten().map(|entry| {
        let content = fs::read(entry.path()).unwrap();
        (Path::new(folder).join(entry.file_name()), content)
    });
    read.collect()
}

/// The paths that are missing, left over or different.
fn stale(wanted: &Files, kept: &Files) -> Vec<PathBuf> {
    let all = wanted.keys().chain(kept.keys());
    let mut stale: Vec<PathBuf> = all
        .filter(|path| wanted.get(*path) != kept.get(*path))
        .cloned()
        .collect();
    stale.sort();
    stale.dedup();
    stale
}

fn check(folder: &str, wanted: &Files) {
    let stale = stale(wanted, &kept(folder));
    if std::env::var_os("UPSHIFT_BLESS").is_some() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        fs::create_dir_all(root.join(folder)).unwrap();
        for path in stale {
            match wanted.get(&path) {
                Some(content) => fs::write(root.join(path), content).unwrap(),
                None => fs::remove_file(root.join(path)).unwrap(),
            }
        }
        return;
    }
    assert!(
        stale.is_empty(),
        "stale: {stale:?}; UPSHIFT_BLESS=1 cargo test generated writes them anew"
    );
}

#[test]
fn completions_are_fresh() {
    check("completions", &completions());
}

#[test]
fn man_pages_are_fresh() {
    let pages = man_pages();
    assert!(
        pages.contains_key(Path::new("man/upshift-config-use-context.1")),
        "{:?}",
        pages.keys()
    );
    check("man", &pages);
}

#[test]
fn a_stale_file_is_found() {
    let fresh = man_pages();
    assert!(stale(&fresh, &fresh).is_empty());
    let mut changed = fresh.clone();
    changed.insert(PathBuf::from("man/upshift.1"), b"old".to_vec());
    changed.insert(PathBuf::from("man/upshift-gone.1"), b"left over".to_vec());
    changed.remove(Path::new("man/upshift-get.1"));
    let names = ["man/upshift-get.1", "man/upshift-gone.1", "man/upshift.1"].map(PathBuf::from);
    assert_eq!(stale(&fresh, &changed), names);
}

/// Feeds a script to a shell's standard input.
fn load(shell: &str, arguments: &[&str], script: &[u8]) -> (bool, String) {
    let mut child = Command::new(shell)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

fn loads(shell: &str, kind: clap_complete::Shell, arguments: &[&str]) {
    if !needs(shell) {
        return;
    }
    for program in [Program::Upshift, Program::Oc] {
        let (loaded, said) = load(shell, arguments, &completion::script(program, kind));
        assert!(
            loaded && said.is_empty(),
            "{shell} does not take {}'s script: {said}",
            program.name()
        );
    }
}

#[test]
fn zsh_and_fish_take_their_scripts() {
    loads("zsh", clap_complete::Shell::Zsh, &["-n"]);
    loads("fish", clap_complete::Shell::Fish, &["--no-execute"]);
}

/// Bash completes with nothing but itself, under both names.
#[test]
fn bash_completes_commands_and_flags() {
    if !needs("bash") {
        return;
    }
    for program in [Program::Upshift, Program::Oc] {
        let mut script = completion::script(program, clap_complete::Shell::Bash);
        let name = program.name();
        script.extend_from_slice(
            format!(
                "\ncomplete -p {name} >/dev/null || exit 1\n\
                 try() {{ COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); \
                 _{name} {name} \"${{@: -1}}\" \"${{@: -2:1}}\"; echo \"${{COMPREPLY[*]}}\"; }}\n\
                 try {name} new-\n\
                 try {name} get --all\n\
                 try {name} config use\n"
            )
            .as_bytes(),
        );
        let (loaded, said) = load("bash", &["--norc", "--noprofile"], &script);
        assert!(loaded, "{said}");
        assert_eq!(
            said, "new-project new-app new-build\n--all-namespaces\nuse-context\n",
            "{name}"
        );
    }
}
