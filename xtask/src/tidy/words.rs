//! Words that must not be in the tree: unfinished work, and the places where somebody happened to work.

use super::Finding;
use crate::rust::words;
use crate::tree::{File, Tree};

/// Written in halves so that the rule does not find itself in plain text.
const UNFINISHED: [&str; 5] = [concat!("TO", "DO"), concat!("FIX", "ME"), "dbg!", "todo!", "unimplemented!"];
const HOSTS: [&str; 8] = [
    concat!("crates", ".io"),
    concat!("deb.debian", ".org"),
    concat!("files.python", "hosted.org"),
    concat!("proxy.golang", ".org"),
    concat!("pypi", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("repo.maven", ".apache.org"),
    concat!("repo1.maven", ".org"),
];
const MACHINE_FOLDERS: [&str; 2] = [concat!("/", "work"), concat!("/", "root")];
/// The lock file names the registry of every package; that is its form.
const HOSTS_ALLOWED_IN: [&str; 2] = ["Cargo.lock", "fuzz/Cargo.lock"];

pub(super) fn unfinished(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        let source = file.is_rust().then(|| file.source());
        let text = source.map_or(file.text.as_str(), |s| s.unquoted.as_str());
        each_line(file, text, |line| {
            let found = UNFINISHED.iter().find(|word| words(line, word).next().is_some());
            found.map(|word| format!("`{word}`: finish it, or say in the text what is absent"))
        })
        .for_each(|finding| findings.push(finding));
    }
    findings
}

pub(super) fn places(tree: &Tree) -> Vec<Finding> {
    let files = tree.files().iter().filter(|file| !HOSTS_ALLOWED_IN.contains(&file.path.as_str()));
    let of = |file| each_line(file, &file.text, |line| place(line).map(|place| format!("`{place}` is a place, not the product")));
    files.flat_map(of).collect()
}

fn place(line: &str) -> Option<&'static str> {
    let host = HOSTS.into_iter().find(|host| line.contains(host));
    host.or_else(|| {
        MACHINE_FOLDERS.into_iter().find(|folder| line.match_indices(folder).any(|(at, _)| is_path(line, at, folder)))
    })
}

/// A folder at the root of a file system: nothing of a word or path before it, nothing of a word behind it.
fn is_path(line: &str, at: usize, folder: &str) -> bool {
    let (before, behind) = (line[..at].chars().next_back(), line[at + folder.len()..].chars().next());
    let inside = |c: char| c.is_alphanumeric() || "_-./})*".contains(c);
    !before.is_some_and(inside) && !behind.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c))
}

fn each_line<'a>(file: &'a File, text: &'a str, rule: impl Fn(&str) -> Option<String> + 'a) -> impl Iterator<Item = Finding> {
    (1..).zip(text.lines()).filter_map(move |(number, line)| Some(Finding::new(&file.path, number, rule(line)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    #[test]
    fn unfinished_work_is_found_where_it_means_something() {
        let word = UNFINISHED[0];
        let good = [("a.rs", "const W: &str = \"dbg!\";".to_owned()), ("a.md", format!("MA{word}ME"))];
        for (path, text) in good {
            assert_eq!(said(unfinished, &[(path, &text)]), Vec::<String>::new(), "{text}");
        }
        let bad = [("a.rs", format!("// {word}: x")), ("a.sh", format!("# {word}")), ("a.rs", format!("{}(x)", UNFINISHED[2]))];
        for (path, text) in bad {
            assert_eq!(said(unfinished, &[(path, &text)]).len(), 1, "{text}");
        }
    }

    #[test]
    fn places_of_work_are_found() {
        let good = ["https://example.com/work/x", "/var/lib/landfall", "/workspace", "./work/x", "/roots"];
        for line in good {
            assert_eq!(said(places, &[("a.md", line)]), Vec::<String>::new(), "{line}");
        }
        for place in HOSTS.iter().chain(&MACHINE_FOLDERS) {
            let line = format!("see {place}/x");
            assert_eq!(said(places, &[("a.md", &line)]), [format!("a.md:1: `{place}` is a place, not the product")]);
        }
        assert_eq!(said(places, &[("Cargo.lock", HOSTS[0])]), Vec::<String>::new());
    }
}
