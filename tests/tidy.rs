//! The rules that the compiler does not know: layers, bans, documentation, sizes, forgotten files.
//!
//! Each rule is a function from one file to complaints, and each is tried on a planted violation below, so that none of
//! them passes because it looks at nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What each top-level module may use: what stands to its right in DESIGN's picture of the layers.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("api", &["base"]),
    ("plan", &["api", "base"]),
    ("content", &["plan", "api", "base"]),
    ("client", &["content", "plan", "api", "base"]),
    ("store", &["api", "base"]),
    ("agent", &["client", "content", "plan", "api", "base"]),
    ("controllers", &["client", "content", "plan", "api", "base"]),
    ("router", &["client", "content", "plan", "api", "base"]),
    (
        "apiserver",
        &["store", "client", "content", "plan", "api", "base"],
    ),
    (
        "server",
        &[
            "apiserver",
            "controllers",
            "agent",
            "router",
            "store",
            "client",
            "content",
            "plan",
            "api",
            "base",
        ],
    ),
    (
        "cli",
        &[
            "server",
            "apiserver",
            "controllers",
            "agent",
            "router",
            "client",
            "content",
            "plan",
            "api",
            "base",
        ],
    ),
];

/// What may not stand in code, and the files that it may stand in after all.
const BANS: &[(&str, &[&str], &str)] = &[
    ("todo!", &[], "finish it"),
    ("unimplemented!", &[], "finish it"),
    ("dbg!", &[], "take it out"),
    ("println!", &[], "print through base::streams"),
    ("print!", &[], "print through base::streams"),
    (
        "io::stdout",
        &["src/base/streams.rs"],
        "print through base::streams",
    ),
    (
        "io::stderr",
        &["src/base/streams.rs"],
        "print through base::streams",
    ),
    (
        "std::env::",
        &["src/base/environment.rs", "src/base/crash.rs"],
        "take it from base::environment",
    ),
    ("SystemTime::now", &[], "take it from base::clock"),
    (
        "Timestamp::now",
        &["src/base/clock.rs"],
        "take it from base::clock",
    ),
    (".unwrap()", &[], "say why it cannot fail, with expect"),
    ("#[allow", &[], "use #[expect(…, reason = \"…\")]"),
    ("#![allow", &[], "use #[expect(…, reason = \"…\")]"),
];

/// How long a file may be.
const LONGEST: usize = 800;

/// One file of the source tree; `code` is without tests, comments and texts, line for line.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
            code: bare(without_tests(text)),
        }
    }

    /// `cli` of `src/cli/apps/get.rs`; "" for the crate's own two files.
    fn module(&self) -> &str {
        let rest = self.path.strip_prefix("src/").unwrap_or(&self.path);
        match rest.split_once('/') {
            Some((module, _)) => module,
            None => "",
        }
    }

    fn complain(&self, line: usize, what: &str) -> String {
        format!("{}:{}: {what}", self.path, line + 1)
    }
}

/// The part of a file before its inline tests, which stand last.
fn without_tests(text: &str) -> &str {
    let tests = text.match_indices("#[cfg(test)]").find(|(at, mark)| {
        let mut after = text[at + mark.len()..].trim_start();
        while after.starts_with("#[") {
            let end = after.find("]\n").map_or(after.len(), |end| end + 1);
            after = after[end..].trim_start();
        }
        let after = after.strip_prefix("pub(crate) ").unwrap_or(after);
        after.starts_with("mod ") && after.lines().next().is_some_and(|line| line.ends_with('{'))
    });
    tests.map_or(text, |(at, _)| &text[..at])
}

/// Code without comments and texts; line ends stay where they are.
fn bare(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if let Some(end) = raw_text_end(rest) {
            end
        } else if first == '"' {
            text_end(rest)
        } else if let Some(end) = character_end(rest) {
            end
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.extend(rest[..end].chars().filter(|letter| *letter == '\n'));
        rest = &rest[end..];
    }
    code
}

fn raw_text_end(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    let inside = hashes[count..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(count));
    let start = rest.len() - inside.len();
    inside.find(&close).map(|at| start + at + close.len())
}

fn text_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The end of `'x'` or `'\n'`; a lifetime is none.
fn character_end(rest: &str) -> Option<usize> {
    let inside = rest.strip_prefix('\'')?;
    if let Some(escape) = inside.strip_prefix('\\') {
        let close = escape
            .char_indices()
            .skip(1)
            .find(|(_, letter)| *letter == '\'')?
            .0;
        return Some(2 + close + 1);
    }
    let letter = inside.chars().next()?;
    inside[letter.len_utf8()..]
        .starts_with('\'')
        .then_some(letter.len_utf8() + 2)
}

fn layers(source: &Source) -> Vec<String> {
    let module = source.module();
    if module.is_empty() {
        return Vec::new();
    }
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![source.complain(
            0,
            "the module stands in no layer: add it to LAYERS in tests/tidy.rs",
        )];
    };
    let mut complaints = Vec::new();
    for (number, line) in source.code.lines().enumerate() {
        for (at, mark) in line.match_indices("crate::") {
            let used = name_at(&line[at + mark.len()..]);
            if !used.is_empty() && used != module && !allowed.contains(&used) {
                complaints.push(source.complain(number, &format!("{module} may not use {used}")));
            }
        }
    }
    complaints
}

fn name_at(text: &str) -> &str {
    let end = text
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(text.len());
    &text[..end]
}

fn imports(source: &Source) -> Vec<String> {
    let lines = source.code.lines().enumerate();
    let grouped = lines.filter(|(_, line)| {
        let line = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ");
        line.starts_with("use crate::") && line.contains('{')
    });
    grouped
        .map(|(number, _)| source.complain(number, "one `use crate::…` a line, without braces"))
        .collect()
}

fn documentation(source: &Source) -> Vec<String> {
    let first = source.text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.complain(0, "a file opens with //! and says what it owns")]
}

fn bans(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (number, line) in source.code.lines().enumerate() {
        for (word, homes, instead) in BANS {
            let found = line
                .match_indices(word)
                .any(|(at, _)| !belongs_to_a_longer_word(line, at, word));
            if found && !homes.contains(&source.path.as_str()) {
                complaints.push(source.complain(number, &format!("{word}: {instead}")));
            }
        }
    }
    for (number, line) in source.text.lines().enumerate() {
        let line = line.to_lowercase();
        if ["fixme", "xxx"].iter().any(|word| line.contains(word)) || line.contains("// todo") {
            complaints
                .push(source.complain(number, "a note to come back to: do it, or open an issue"));
        }
    }
    complaints
}

/// `eprintln!` holds `print!`, and `std::env::consts` is no environment.
fn belongs_to_a_longer_word(line: &str, at: usize, word: &str) -> bool {
    let starts_with_letter = word.starts_with(|letter: char| letter.is_alphanumeric());
    let before = line[..at].chars().next_back().unwrap_or(' ');
    let is_inside =
        starts_with_letter && (before.is_alphanumeric() || before == '_') && before != 'e';
    is_inside || line[at..].starts_with("std::env::consts")
}

fn length(source: &Source) -> Vec<String> {
    let lines = without_tests(&source.text).lines().count();
    if lines <= LONGEST {
        return Vec::new();
    }
    vec![source.complain(
        0,
        &format!("{lines} lines: split it by noun (at most {LONGEST})"),
    )]
}

/// Complaints about one file.
type Rule = fn(&Source) -> Vec<String>;

const RULES: &[(&str, Rule)] = &[
    ("layers", layers),
    ("imports", imports),
    ("documentation", documentation),
    ("bans", bans),
    ("length", length),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder, by its path from the root.
fn files(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&path));
        } else if Path::new(&path)
            .extension()
            .is_some_and(|extension| extension == "rs")
        {
            found.push((path.clone(), fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found.sort();
    found
}

/// The files that are only compiled for tests: `#[cfg(test)] mod name;` somewhere says so.
fn test_files(files: &[(String, String)]) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut folders = Vec::new();
    for (path, text) in files {
        let folder = folder_of(path);
        for (at, mark) in text.match_indices("#[cfg(test)]") {
            let after = text[at + mark.len()..].trim_start();
            let after = after
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ");
            if let Some(name) = after.strip_prefix("mod ").map(name_at)
                && after["mod ".len() + name.len()..].starts_with(';')
            {
                tests.insert(format!("{folder}/{name}.rs"));
                folders.push(format!("{folder}/{name}/"));
            }
        }
    }
    let below = |path: &&String| folders.iter().any(|folder| path.starts_with(folder));
    tests.extend(files.iter().map(|(path, _)| path).filter(below).cloned());
    tests
}

/// Where the modules that a file declares are: beside `mod.rs`, `lib.rs` and `main.rs`, else in a folder of its name.
fn folder_of(path: &str) -> String {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        _ => path.trim_end_matches(".rs").to_owned(),
    }
}

#[test]
fn the_source_keeps_its_rules() {
    let files = files("src");
    let tests = test_files(&files);
    let mut complaints = Vec::new();
    for (path, text) in &files {
        let source = Source::new(path, text);
        if tests.contains(path) {
            complaints.extend(documentation(&source));
            continue;
        }
        complaints.extend(RULES.iter().flat_map(|(_, rule)| rule(&source)));
    }
    assert!(files.len() > 50, "the source tree is somewhere else");
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// A file that no `mod` names is not compiled, and its tests never run.
#[test]
fn no_file_is_forgotten() {
    for folder in ["src", "tests"] {
        let files = files(folder);
        let forgotten = forgotten(
            &files,
            &[&format!("{folder}/lib.rs"), &format!("{folder}/main.rs")],
        );
        assert!(forgotten.is_empty(), "no `mod` line names {forgotten:?}");
    }
}

fn forgotten(files: &[(String, String)], roots: &[&str]) -> Vec<String> {
    let mut declared: BTreeSet<String> = roots.iter().map(|root| (*root).to_owned()).collect();
    for (path, text) in files {
        let folder = folder_of(path);
        for line in bare(text).lines() {
            let Some((_, name)) = line.trim().trim_end_matches(';').rsplit_once("mod ") else {
                continue;
            };
            declared.insert(format!("{folder}/{name}.rs"));
            declared.insert(format!("{folder}/{name}/mod.rs"));
        }
    }
    let paths = files.iter().map(|(path, _)| path.clone());
    paths
        .filter(|path| !declared.contains(path) && !path.starts_with("tests/apps/"))
        .collect()
}

/// Complaints about a planted file.
fn plant(rule: &str, path: &str, text: &str) -> Vec<String> {
    let (_, rule) = RULES.iter().find(|(name, _)| *name == rule).unwrap();
    rule(&Source::new(path, text))
}

#[test]
fn a_planted_violation_is_found() {
    for (rule, path, text) in [
        ("layers", "src/api/x.rs", "use crate::client::Client;"),
        (
            "layers",
            "src/cli/x.rs",
            "fn f() { crate::store::Store::open(); }",
        ),
        ("layers", "src/client/x.rs", "pub use crate::server::pki;"),
        ("layers", "src/newcomer/x.rs", "fn f() {}"),
        ("imports", "src/cli/x.rs", "use crate::api::{kinds, meta};"),
        ("imports", "src/cli/x.rs", "pub use crate::{api, base};"),
        ("documentation", "src/cli/x.rs", "use std::fs;"),
        ("bans", "src/cli/x.rs", "fn f() { todo!() }"),
        ("bans", "src/cli/x.rs", "fn f() { unimplemented!() }"),
        ("bans", "src/cli/x.rs", "fn f() { eprintln!(); }"),
        ("bans", "src/cli/x.rs", "fn f() { print!(); }"),
        ("bans", "src/cli/x.rs", "let home = std::env::var_os(HOME);"),
        ("bans", "src/cli/x.rs", "let now = SystemTime::now();"),
        ("bans", "src/cli/x.rs", "let now = jiff::Timestamp::now();"),
        ("bans", "src/cli/x.rs", "let x = y.unwrap();"),
        ("bans", "src/cli/x.rs", "#[allow(dead_code)]"),
        ("bans", "src/cli/x.rs", "// FIXME later"),
        ("bans", "src/cli/x.rs", "// TODO: later"),
        ("length", "src/cli/x.rs", "\n".repeat(LONGEST + 1).as_str()),
    ] {
        let complaints = plant(rule, path, text);
        assert_eq!(complaints.len(), 1, "{rule} on {text:?}: {complaints:?}");
    }
}

#[test]
fn what_is_no_violation_is_not_found() {
    for (rule, path, text) in [
        (
            "layers",
            "src/cli/x.rs",
            "use crate::cli::Context;\nuse crate::client::Client;",
        ),
        (
            "layers",
            "src/api/x.rs",
            "//! crate::store is told of\nlet text = \"crate::store::x\";",
        ),
        (
            "layers",
            "src/api/x.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests {\n use crate::store::Store;\n}",
        ),
        (
            "imports",
            "src/cli/x.rs",
            "use crate::api::kinds;\nuse std::{fs, io};",
        ),
        ("documentation", "src/cli/x.rs", "//! What it owns."),
        (
            "bans",
            "src/cli/x.rs",
            "let text = \"println!\"; let raw = r#\"todo!()\"#; // not .unwrap()",
        ),
        ("bans", "src/cli/x.rs", "let os = std::env::consts::OS;"),
        (
            "bans",
            "src/cli/x.rs",
            "let letter = '\"'; let other = '\\''; fn f<'a>(x: &'a str) { x.unwrap_or(1) }",
        ),
        ("bans", "src/base/clock.rs", "jiff::Timestamp::now()"),
        (
            "bans",
            "src/cli/x.rs",
            "fn f() {}\n#[cfg(test)]\nmod tests {\n fn g() { x.unwrap() }\n}",
        ),
        ("length", "src/cli/x.rs", "\n".repeat(LONGEST).as_str()),
    ] {
        assert_eq!(
            plant(rule, path, text),
            Vec::<String>::new(),
            "{rule} on {text:?}"
        );
    }
}

#[test]
fn a_planted_file_is_missed() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let tree = [
        file("tests/main.rs", "mod known;\n// mod told;"),
        file("tests/known.rs", "mod below;"),
        file("tests/known/below.rs", ""),
        file("tests/told.rs", ""),
    ];
    assert_eq!(forgotten(&tree, &["tests/main.rs"]), ["tests/told.rs"]);
    let tree = [file("src/cli/mod.rs", "#[cfg(test)]\nmod fake;\nmod real;")];
    assert!(test_files(&tree).contains("src/cli/fake.rs"));
    assert!(!test_files(&tree).contains("src/cli/real.rs"));
}
