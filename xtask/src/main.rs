//! The automation of this repository: `cargo run -p xtask -- tidy | support | fuzz-list`.
//!
//! Absent: anything that a user of the product needs.

mod rust;
mod spec;
mod support;
mod tidy;
mod tree;

use std::process::ExitCode;

use tree::Tree;

/// What a command says on success, or why it failed.
type Command = fn(&Tree) -> Result<String, String>;

/// One line each, sorted; registration of a command is a row here.
const COMMANDS: [(&str, &str, Command); 3] = [
    ("fuzz-list", "print the fuzz targets, one a line", fuzz_list),
    ("support", "write docs/support.md from spec/index.tsv", write_support),
    ("tidy", "check layout, style and invariants", report),
];

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks on its streams")]
fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some((_, _, command)) = COMMANDS.iter().find(|(n, _, _)| *n == name) else {
        let rows: Vec<String> = COMMANDS.iter().map(|(name, about, _)| format!("  {name:<10} {about}")).collect();
        eprintln!("usage: cargo run -p xtask -- COMMAND\n\n{}", rows.join("\n"));
        return ExitCode::FAILURE;
    };
    match Tree::read().and_then(|tree| command(&tree)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

fn report(tree: &Tree) -> Result<String, String> {
    let findings = tidy::findings(tree);
    if findings.is_empty() {
        return Ok(format!("tidy: {} files, nothing to say\n", tree.files().len()));
    }
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    Err(format!("{}\ntidy: {} findings", lines.join("\n"), lines.len()))
}

fn write_support(tree: &Tree) -> Result<String, String> {
    let rows = spec::parse(tree.text(spec::INDEX)?).map_err(|faults| {
        let lines: Vec<String> = faults.into_iter().map(|(line, message)| format!("{}:{line}: {message}", spec::INDEX)).collect();
        lines.join("\n")
    })?;
    std::fs::write(tree.root().join(support::PATH), support::render(&rows)).map_err(|e| format!("{}: {e}", support::PATH))?;
    Ok(format!("wrote {} from {} requirements\n", support::PATH, rows.len()))
}

fn fuzz_list(tree: &Tree) -> Result<String, String> {
    let targets = tree.files().iter().filter_map(|f| f.path.strip_prefix("fuzz/fuzz_targets/")?.strip_suffix(".rs"));
    Ok(targets.map(|name| format!("{name}\n")).collect())
}
