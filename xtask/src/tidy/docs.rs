//! What is written beside the code: the requirement table, the page made from it, links, the list of fuzz targets.

use super::Finding;
use crate::rust::words;
use crate::spec::{self, Row, Status};
use crate::support;
use crate::tree::Tree;

pub(super) fn spec_index(tree: &Tree) -> Vec<Finding> {
    let rows = match tree.text(spec::INDEX).map(spec::parse) {
        Err(_) => return vec![Finding::new(spec::INDEX, 1, "is missing")],
        Ok(Err(faults)) => return faults.into_iter().map(|(line, m)| Finding::new(spec::INDEX, line, m)).collect(),
        Ok(Ok(rows)) => rows,
    };
    let wrong = |row: &Row| {
        let claims = matches!(row.status, Status::Yes | Status::Partly);
        let message = match &row.file {
            Some(file) if !tree.exists(file) => format!("{} names {file}, which is not there", row.id),
            None if claims => format!("{} is `{}` and must name the file that meets it", row.id, row.status.word()),
            Some(file) if claims && !cites(tree, file, row.requirement()) => {
                format!("{} names {file}, which does not cite {}", row.id, row.requirement())
            }
            _ => return None,
        };
        Some(Finding::new(spec::INDEX, row.line, message))
    };
    rows.iter().filter_map(wrong).collect()
}

/// Whether a source file cites the section it meets, such as `1.4.1`; other names and folders are taken on trust.
fn cites(tree: &Tree, file: &str, section: &str) -> bool {
    let is_section = section.chars().all(|c| c.is_ascii_digit() || c == '.');
    let text = tree.text(file).ok().filter(|_| is_section && file.ends_with(".rs"));
    text.is_none_or(|text| words(text, section).next().is_some())
}

pub(super) fn support_page(tree: &Tree) -> Vec<Finding> {
    let Some(rows) = tree.text(spec::INDEX).ok().and_then(|text| spec::parse(text).ok()) else { return Vec::new() };
    let (want, have) = (support::render(&rows), tree.text(support::PATH).unwrap_or_default());
    if want == have {
        return Vec::new();
    }
    let same = want.lines().zip(have.lines()).take_while(|(a, b)| a == b).count();
    vec![Finding::new(support::PATH, same + 1, "is not what `make support` makes of the requirement table")]
}

pub(super) fn links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().iter().filter(|f| f.path.ends_with(".md")) {
        let mut fenced = false;
        for (number, line) in (1..).zip(file.text.lines()) {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            for target in targets(line).filter(|_| !fenced) {
                if !tree.exists(&resolve(&file.path, target)) {
                    findings.push(Finding::new(&file.path, number, format!("links to {target}, which is not there")));
                }
            }
        }
    }
    findings
}

/// The local files that a line of Markdown links to, outside of inline code.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let prose = line.split('`').step_by(2);
    let linked = prose.flat_map(|text| text.split("](").skip(1)).filter_map(|rest| rest.split([')', ' ']).next());
    let local = |target: &&str| {
        !target.is_empty() && !target.contains("://") && !target.starts_with(['#', '<']) && !target.starts_with("mailto:")
    };
    linked.filter(local).map(|target| target.split('#').next().unwrap_or(target))
}

/// `target` as seen from the file at `from`, from the root of the tree.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    if target.starts_with('/') {
        parts.clear();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub(super) fn fuzz_targets(tree: &Tree) -> Vec<Finding> {
    const MANIFEST: &str = "fuzz/Cargo.toml";
    const SEEDS: &str = "fuzz/seeds.rs";
    let Ok(manifest) = tree.text(MANIFEST) else { return Vec::new() };
    let seeds = tree.text(SEEDS).unwrap_or_default();
    let mut findings = Vec::new();
    for target in tree.files().iter().filter_map(|f| f.path.strip_prefix("fuzz/fuzz_targets/")) {
        if !manifest.lines().any(|line| line.trim() == format!("path = \"fuzz_targets/{target}\"")) {
            findings.push(Finding::new(MANIFEST, 1, format!("lists no [[bin]] for fuzz_targets/{target}")));
        }
        let name = target.strip_suffix(".rs").unwrap_or(target);
        if !seeds.lines().any(|line| line.trim().starts_with(&format!("(\"{name}\", "))) {
            findings.push(Finding::new(SEEDS, 1, format!("makes no seeds for {name}")));
        }
    }
    findings
}

/// Every third-party crate of the root manifest has a line that says why, and every line a crate.
pub(super) fn dependency_reasons(tree: &Tree) -> Vec<Finding> {
    const REASONS: &str = "docs/decisions/dependencies.md";
    let (Ok(manifest), Ok(reasons)) = (tree.text("Cargo.toml"), tree.text(REASONS)) else { return Vec::new() };
    let listed =
        manifest.lines().skip_while(|l| l.trim() != "[workspace.dependencies]").skip(1).take_while(|l| !l.starts_with('['));
    let crates: Vec<&str> =
        listed.filter_map(|l| Some(l.split_once('=')?.0.trim())).filter(|n| !n.starts_with("landfall-")).collect();
    let rows = (1..).zip(reasons.lines()).filter_map(|(n, l)| Some((n, l.strip_prefix("| ")?.split_once(" |")?.0)));
    let rows: Vec<(usize, &str)> = rows.filter(|(_, name)| *name != "crate").collect();
    let missing = crates.iter().filter(|name| !rows.iter().any(|(_, row)| row == *name));
    let mut findings: Vec<Finding> = missing.map(|name| Finding::new(REASONS, 1, format!("has no line for {name}"))).collect();
    let stale = rows.iter().filter(|(_, row)| !crates.contains(row));
    findings.extend(stale.map(|(line, row)| Finding::new(REASONS, *line, format!("{row} is no dependency"))));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    const NOTHING: Vec<String> = Vec::new();

    #[test]
    fn claims_name_their_proof() {
        let index = "id\tstatus\tfile\tnote\na/1\tyes\tsrc/a.rs\t\na/2\tpartly\tsrc\t\na/3\tplanned\t-\t\n";
        assert_eq!(said(spec_index, &[("spec/index.tsv", index), ("src/a.rs", "/// (1)")]), NOTHING);
        assert_eq!(
            said(spec_index, &[("spec/index.tsv", index), ("src/a.rs", "/// (12)")]),
            ["spec/index.tsv:2: a/1 names src/a.rs, which does not cite 1"]
        );
        assert_eq!(said(spec_index, &[]), ["spec/index.tsv:1: is missing"]);
        let index = "id\tstatus\tfile\tnote\na/1\tyes\t-\t\na/2\tplanned\tsrc/b.rs\t\n";
        let want = [
            "spec/index.tsv:2: a/1 is `yes` and must name the file that meets it",
            "spec/index.tsv:3: a/2 names src/b.rs, which is not there",
        ];
        assert_eq!(said(spec_index, &[("spec/index.tsv", index)]), want);
    }

    #[test]
    fn the_support_page_is_fresh() {
        let index = "id\tstatus\tfile\tnote\na/1\tno\t-\tx\n";
        let page = support::render(&spec::parse(index).unwrap());
        assert_eq!(said(support_page, &[("docs/support.md", &page), ("spec/index.tsv", index)]), NOTHING);
        assert_eq!(
            said(support_page, &[("docs/support.md", &page.replace("| x |", "| y |")), ("spec/index.tsv", index)]).len(),
            1
        );
        assert_eq!(said(support_page, &[("spec/index.tsv", index)]).len(), 1);
    }

    #[test]
    fn links_lead_somewhere() {
        let good =
            "[a](b.md#x) [w](https://x.y/z) [h](#here) [up](../README.md) [folder](sub/)\n`[c](none)`\n```\n[d](none)\n```\n";
        let files = [("README.md", ""), ("docs/a.md", good), ("docs/b.md", ""), ("docs/sub/c.md", "[r](/README.md)")];
        assert_eq!(said(links, &files), NOTHING);
        assert_eq!(
            said(links, &[("docs/a.md", "x\n[b](c.md) [d](../d.md)")]),
            ["docs/a.md:2: links to c.md, which is not there", "docs/a.md:2: links to ../d.md, which is not there"]
        );
    }

    #[test]
    fn fuzz_targets_are_declared_and_have_seeds() {
        let manifest = "[[bin]]\nname = \"a\"\npath = \"fuzz_targets/a.rs\"\n";
        let seeds = "    [\n        (\"b\", text::bs()),\n    ]\n";
        let files = [
            ("fuzz/Cargo.toml", manifest),
            ("fuzz/seeds.rs", seeds),
            ("fuzz/fuzz_targets/a.rs", ""),
            ("fuzz/fuzz_targets/b.rs", ""),
        ];
        let expected = ["fuzz/Cargo.toml:1: lists no [[bin]] for fuzz_targets/b.rs", "fuzz/seeds.rs:1: makes no seeds for a"];
        let mut found = said(fuzz_targets, &files);
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_dependency_has_its_reason() {
        let manifest = "[workspace.dependencies]\nlandfall-core = { path = \"x\" }\n\nserde = \"1\"\nzip = \"9\"\n\n[profile.dev]\ndebug = 1\n";
        let (good, bad) =
            ("| crate | why |\n|---|---|\n| serde | s |\n| zip | z |\n", "| crate | why |\n| serde | s |\n| tar | t |\n");
        let path = "docs/decisions/dependencies.md";
        assert_eq!(said(dependency_reasons, &[("Cargo.toml", manifest), (path, good)]), NOTHING);
        let want = [format!("{path}:1: has no line for zip"), format!("{path}:3: tar is no dependency")];
        assert_eq!(said(dependency_reasons, &[("Cargo.toml", manifest), (path, bad)]), want);
    }
}
