//! The shape of source files: lengths, names, module docs, and how often code may give up.

use super::Finding;
use crate::tree::{File, Tree};

const FILE_LINES_MAX: usize = 1000;
const LIVE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
/// Of every thousand functions, so many may be longer.
const LONG_FUNCTIONS_PER_1000_MAX: usize = 10;
/// `unwrap` and `expect` outside of tests, in every thousand lines.
const UNWRAPS_PER_1000_LINES_MAX: usize = 1;
const FORBIDDEN_NAMES: [&str; 9] = ["common", "helper", "helpers", "manager", "managers", "misc", "types", "util", "utils"];

pub(super) fn file_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.push(Finding::new(&file.path, FILE_LINES_MAX + 1, format!("{lines} lines, at most {FILE_LINES_MAX}")));
        }
        let live = live_lines(file);
        if live > LIVE_LINES_MAX {
            findings.push(Finding::new(
                &file.path,
                LIVE_LINES_MAX + 1,
                format!("{live} lines without tests, at most {LIVE_LINES_MAX}"),
            ));
        }
    }
    findings
}

fn live_lines(file: &File) -> usize {
    let source = file.source();
    if file.is_test() { 0 } else { source.live(&source.code).count() }
}

pub(super) fn function_length(tree: &Tree) -> Vec<Finding> {
    let (mut all, mut long) = (0, Vec::new());
    for file in tree.rust() {
        for function in file.source().functions() {
            all += 1;
            if function.lines > FUNCTION_LINES_MAX {
                let message = format!("{} has {} lines, over {FUNCTION_LINES_MAX}", function.name, function.lines);
                long.push(Finding::new(&file.path, function.line, message));
            }
        }
    }
    if long.len() * 1000 > all * LONG_FUNCTIONS_PER_1000_MAX { long } else { Vec::new() }
}

pub(super) fn module_docs(tree: &Tree) -> Vec<Finding> {
    let documented = |file: &&File| {
        let mut lines = file.text.lines().map(str::trim).skip_while(|l| l.is_empty() || l.starts_with("#!"));
        lines.next().is_some_and(|l| l.starts_with("//!"))
    };
    let undocumented = tree.rust().filter(|file| !documented(file));
    undocumented.map(|file| Finding::new(&file.path, 1, "starts without `//!` saying what it is and what is absent")).collect()
}

pub(super) fn module_names(tree: &Tree) -> Vec<Finding> {
    let named = |file: &File| {
        let part = file.path.trim_end_matches(".rs").split('/').find(|part| FORBIDDEN_NAMES.contains(part))?;
        Some(Finding::new(&file.path, 1, format!("`{part}` says nothing about what is inside")))
    };
    tree.rust().filter_map(named).collect()
}

pub(super) fn unwraps(tree: &Tree) -> Vec<Finding> {
    let (mut lines, mut findings) = (0, Vec::new());
    for file in tree.rust().filter(|file| !file.is_test()) {
        let source = file.source();
        for (number, line) in source.live(&source.code) {
            lines += 1;
            let count = line.matches(".unwrap()").count() + line.matches(".expect(").count();
            findings.extend(std::iter::repeat_n(Finding::new(&file.path, number, "unwrap or expect outside of tests"), count));
        }
    }
    let allowed = (lines * UNWRAPS_PER_1000_LINES_MAX).div_ceil(1000);
    if findings.len() > allowed { findings } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    #[test]
    fn lengths_are_limited() {
        let tests = format!("//! x\n#[cfg(test)]\nmod tests {{\n{}}}\n", "// t\n".repeat(600));
        let (live, whole) = ("let x;\n".repeat(501), "\n".repeat(1001));
        assert_eq!(said(file_length, &[("a.rs", &tests), ("a.md", &whole)]), Vec::<String>::new());
        assert_eq!(said(file_length, &[("a.rs", &live)]), ["a.rs:501: 501 lines without tests, at most 500"]);
        assert_eq!(said(file_length, &[("a/tests.rs", &whole)]), ["a/tests.rs:1001: 1001 lines, at most 1000"]);
        let long = format!("fn f() {{\n{}}}\n", "x();\n".repeat(69));
        assert_eq!(said(function_length, &[("a.rs", &long)]), ["a.rs:1: f has 71 lines, over 70"]);
        let diluted = format!("{long}{}", "fn g() {}\n".repeat(99));
        assert_eq!(said(function_length, &[("a.rs", &diluted)]), Vec::<String>::new());
    }

    #[test]
    fn modules_say_what_they_are() {
        assert_eq!(said(module_docs, &[("a.rs", "//! A.\n"), ("b.rs", "#![no_std]\n\n//! B.\n")]), Vec::<String>::new());
        assert_eq!(said(module_docs, &[("a.rs", "use x;\n//! A.\n"), ("b.rs", "")]).len(), 2);
        assert_eq!(said(module_names, &[("c/src/device.rs", ""), ("c/src/utils.md", "")]), Vec::<String>::new());
        for path in ["c/src/utils.rs", "c/src/common/x.rs", "c/src/types.rs"] {
            assert_eq!(said(module_names, &[(path, "")]).len(), 1, "{path}");
        }
    }

    #[test]
    fn giving_up_is_rare() {
        let once = "//! A.\nfn f() { a.unwrap() }\n";
        let in_tests = "#[cfg(test)]\nmod tests { fn f() { a.unwrap().expect(\"b\") } }\n";
        assert_eq!(said(unwraps, &[("a.rs", once), ("b.rs", in_tests), ("c/tests.rs", once)]), Vec::<String>::new());
        let twice = "fn f() { a.unwrap() }\nfn g() { b.expect(\"c\") } // .unwrap()\n";
        assert_eq!(said(unwraps, &[("a.rs", twice)]).len(), 2);
    }
}
