//! Which language a source is in, from the names of the files at its top. Pure.
//!
//! Source: facts/oc.md 3.4; the first hit wins. The last line is ours: pages that only have to be served.

const LANGUAGES: &[(&[&str], &[&str])] = &[
    (&["ruby"], &["Gemfile", "Rakefile", "config.ru"]),
    (&["jee"], &["pom.xml"]),
    (&["nodejs"], &["app.json", "package.json"]),
    (&["php"], &["index.php", "composer.json"]),
    (&["python"], &["requirements.txt", "setup.py"]),
    (&["perl"], &["index.pl", "cpanfile"]),
    (&["scala"], &["build.sbt"]),
    (&["dotnet", ".net"], &["project.json", "*.csproj"]),
    (&["golang"], &["main.go", "Godeps"]),
    (&["rust"], &["Cargo.toml"]),
    (&["static"], &["index.html"]),
];

/// The words to look for a builder with; empty when the files tell nothing.
pub fn language(names: &[String]) -> &'static [&'static str] {
    let found = LANGUAGES
        .iter()
        .find(|(_, marks)| marks.iter().any(|mark| has(names, mark)));
    found.map_or(&[], |(language, _)| language)
}

/// Whether a file of that name is there; `*` stands for anything.
pub fn has(names: &[String], mark: &str) -> bool {
    names.iter().any(|name| match mark.strip_prefix('*') {
        Some(end) => name.ends_with(end),
        None => name == mark,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_of_the_table_wins() {
        let check = |names: &str, expect: &str| {
            let names: Vec<String> = names.split(' ').map(str::to_owned).collect();
            assert_eq!(language(&names).join(" "), expect, "{names:?}");
        };
        check("app.py requirements.txt", "python");
        check("setup.py package.json", "nodejs");
        check("config.ru index.php", "ruby");
        check("a.csproj", "dotnet .net");
        check("cpanfile README", "perl");
        check("index.html style.css", "static");
        check("index.html index.php", "php");
        check("README", "");
    }
}
