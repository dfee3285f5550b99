//! The files of the repository, read once: what git tracks or would track, or everything below the root without git.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::rust::Source;

/// Directories that a walk without git leaves out.
const SKIPPED: [&str; 6] = [".git", "target", ".cache", ".venv", "node_modules", "__pycache__"];

/// One file; binary files have no text.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
    source: OnceLock<Source>,
}

impl File {
    fn new(path: String, text: String) -> Self {
        Self { path, text, source: OnceLock::new() }
    }

    /// The text taken apart as Rust, once for all rules that ask.
    pub(crate) fn source(&self) -> &Source {
        self.source.get_or_init(|| Source::new(&self.text))
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Code beside the product by its place: `tests.rs`, or below a folder for tests, examples or measurements.
    pub(crate) fn is_test(&self) -> bool {
        let folders = self.path.split('/').rev().skip(1);
        self.path.ends_with("/tests.rs") || folders.into_iter().any(|f| ["tests", "examples", "benches"].contains(&f))
    }
}

/// All files, sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    root: PathBuf,
    files: Vec<File>,
}

impl Tree {
    /// Reads the repository that cargo runs this program in; two checkouts may share one built program.
    pub(crate) fn read() -> Result<Self, String> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run it through cargo: `cargo run -p xtask`")?;
        let root = Path::new(&manifest).parent().ok_or("the manifest has no parent directory")?.to_owned();
        let mut paths = tracked(&root).unwrap_or_default();
        if paths.is_empty() {
            walk(&root, "", &mut paths)?;
        }
        paths.sort();
        paths.dedup();
        // A deleted file that git still lists is no file.
        let read = |path: String| {
            let text = String::from_utf8(std::fs::read(root.join(&path)).ok()?).unwrap_or_default();
            Some(File::new(path, text))
        };
        let files = paths.into_iter().filter_map(read).collect();
        Ok(Self { root, files })
    }

    /// A tree of texts, for checks under test.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File::new((*path).to_owned(), (*text).to_owned());
        Self { root: PathBuf::new(), files: files.iter().map(file).collect() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|f| f.is_rust())
    }

    pub(crate) fn text(&self, path: &str) -> Result<&str, String> {
        self.files.iter().find(|f| f.path == path).map(|f| f.text.as_str()).ok_or_else(|| format!("{path}:1: is missing"))
    }

    /// Whether `path` is a file or a folder with files.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        path.is_empty() || self.files.iter().any(|f| f.path == path || f.path.starts_with(&folder))
    }
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let output = Command::new("git").args(arguments).current_dir(root).output().ok().filter(|o| o.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split('\0').filter(|p| !p.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) -> Result<(), String> {
    let entries = std::fs::read_dir(root.join(folder)).map_err(|e| format!("{folder}: {e}"))?;
    for entry in entries {
        let entry = entry.map_err(|e| format!("{folder}: {e}"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type().map_err(|e| format!("{path}: {e}"))?;
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(root, &path, paths)?;
        } else if kind.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}
