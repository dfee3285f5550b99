//! Tidy: the rules of this repository that a text can show, as a test. Limits are ratchets: they may only get tighter.

mod docs;
mod layers;
mod rooms;
mod shape;
mod words;

use std::fmt;

use crate::tree::Tree;

/// One rule.
struct Check {
    name: &'static str,
    run: fn(&Tree) -> Vec<Finding>,
}

/// Every rule, sorted by name; a new one is a row here.
const CHECKS: [Check; 20] = [
    Check { name: "dependency direction", run: layers::dependencies },
    Check { name: "dependency reasons", run: docs::dependency_reasons },
    Check { name: "dialects apart", run: layers::dialects },
    Check { name: "file length", run: shape::file_length },
    Check { name: "folder size", run: rooms::folders },
    Check { name: "function length", run: shape::function_length },
    Check { name: "fuzz targets", run: docs::fuzz_targets },
    Check { name: "links", run: docs::links },
    Check { name: "module docs", run: shape::module_docs },
    Check { name: "module names", run: shape::module_names },
    Check { name: "no SQL or device protocol north", run: layers::north },
    Check { name: "places", run: words::places },
    Check { name: "protocols apart", run: layers::protocols },
    Check { name: "pure crates", run: layers::pure },
    Check { name: "spawns", run: layers::spawns },
    Check { name: "spec index", run: docs::spec_index },
    Check { name: "support page", run: docs::support_page },
    Check { name: "unfinished", run: words::unfinished },
    Check { name: "unwraps", run: shape::unwraps },
    Check { name: "worlds in their folders", run: rooms::worlds },
];

/// What a rule has to say about a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// Everything all rules have to say, sorted by place.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let tagged = |check: &Check| {
        let tag = |mut finding: Finding| {
            finding.message = format!("{} ({})", finding.message, check.name);
            finding
        };
        (check.run)(tree).into_iter().map(tag).collect::<Vec<_>>()
    };
    let mut all: Vec<Finding> = CHECKS.iter().flat_map(tagged).collect();
    all.sort();
    all
}

/// Runs one rule over files given as text and returns what it says, one line each.
#[cfg(test)]
fn said(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    rule(&Tree::of(files)).iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let tree = Tree::read().unwrap();
        assert!(tree.files().len() > 20, "only {} files were found", tree.files().len());
        let findings: Vec<String> = findings(&tree).iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
    }

    #[test]
    fn the_rules_are_sorted_by_name() {
        assert!(CHECKS.is_sorted_by_key(|check| check.name.to_lowercase()));
    }
}
