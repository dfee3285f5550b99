//! Where things stand: what belongs to one dialect's world in its folders, and no folder too full to be taken in.

use super::Finding;
use crate::tree::{File, Tree};
use std::collections::BTreeMap;

/// A dialect whose world is more than its folder north: in each crate it has one folder of its name, and nothing outside of these names it.
const WORLD: &str = "onem2m";
/// Lists that name it all the same: modules, dialects, migrations, contracts, measurements, fuzz targets.
const LISTS: [&str; 28] = [
    "crates/bench/src/conditions.rs",
    "crates/bench/src/main.rs",
    "crates/bench/src/measure/mod.rs",
    "crates/core/src/extension.rs",
    "crates/core/src/lib.rs",
    "crates/core/src/store/mod.rs",
    "crates/core/tests/domain/main.rs",
    "crates/model/src/lib.rs",
    "crates/north/src/admin/mod.rs",
    "crates/north/src/admin/routes.rs",
    "crates/north/src/dialects.rs",
    "crates/north/src/lib.rs",
    "crates/server/src/cli/mod.rs",
    "crates/server/src/config/tests.rs",
    "crates/server/tests/it/wire/mod.rs",
    "crates/store/src/device/lists/tests.rs",
    "crates/store/src/engine/migrate.rs",
    "crates/store/src/extension.rs",
    "crates/store/src/lib.rs",
    "crates/store/src/versioned/tests.rs",
    "crates/store/src/write.rs",
    "crates/store/tests/conformance/main.rs",
    "crates/testkit/src/contract/mod.rs",
    "crates/testkit/src/contract/tests.rs",
    "crates/testkit/src/ground/mod.rs",
    "fuzz/fuzz_targets/provisioning_list.rs",
    "fuzz/seeds.rs",
    "fuzz/seeds/text.rs",
];
/// Sources in a folder of the crates that all others are built on.
const FOLDER_FILES: usize = 16;
const SORTED_CRATES: [&str; 3] = ["crates/core/src/", "crates/model/src/", "crates/store/src/"];

/// What belongs to one dialect's world stands in its folders.
pub(super) fn worlds(tree: &Tree) -> Vec<Finding> {
    let outside = |file: &&File| {
        let in_its_folder = file.path.split('/').any(|part| part.starts_with(WORLD));
        !in_its_folder && !file.path.starts_with("xtask/") && !LISTS.contains(&file.path.as_str())
    };
    let mut findings = Vec::new();
    for file in tree.rust().filter(outside) {
        for (number, line) in (1..).zip(file.text.lines()) {
            if line.to_lowercase().replace('_', "").contains(WORLD) {
                findings.push(Finding::new(&file.path, number, format!("names `{WORLD}` outside of its folders")));
            }
        }
    }
    findings
}

/// A folder that nobody can take in at a glance wants to be sorted.
pub(super) fn folders(tree: &Tree) -> Vec<Finding> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for file in tree.rust().filter(|file| SORTED_CRATES.iter().any(|root| file.path.starts_with(root))) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        *counts.entry(folder).or_default() += 1;
    }
    let full = counts.into_iter().filter(|(_, count)| *count > FOLDER_FILES);
    full.map(|(folder, count)| Finding::new(folder, 1, format!("holds {count} sources, at most {FOLDER_FILES}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    const NOTHING: Vec<String> = Vec::new();

    #[test]
    fn a_world_stands_in_its_folders() {
        let good = [("crates/store/src/onem2m/a.rs", "use crate::onem2m::x;"), ("crates/core/src/lib.rs", "mod onem2m;")];
        assert_eq!(said(worlds, &good), NOTHING);
        for line in ["use crate::onem2m::x;", "/// Of oneM2M.", "fn one_m2m() {}"] {
            assert_eq!(said(worlds, &[("crates/store/src/rows.rs", line)]).len(), 1, "{line}");
        }
    }

    #[test]
    fn folders_hold_few_files() {
        let paths: Vec<String> = (0..=FOLDER_FILES).map(|n| format!("crates/core/src/a/{n}.rs")).collect();
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        assert_eq!(said(folders, &files[1..]), NOTHING);
        assert_eq!(said(folders, &files), ["crates/core/src/a:1: holds 17 sources, at most 16"]);
    }
}
