//! Files that are there whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Only its owner may read it.
pub const PRIVATE: u32 = 0o600;
/// Everybody may read it.
pub const PUBLIC: u32 = 0o644;

/// Writes a file aside and moves it into place. `content` is made from the file it will be in.
pub fn replace(path: &Path, mode: u32, content: impl FnOnce(&fs::Metadata) -> Result<Vec<u8>, String>) -> Result<(), String> {
    let named = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let _ = fs::remove_file(part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(part).map_err(named)?;
    let content = content(&file.metadata().map_err(named)?)?;
    file.write_all(&content).and_then(|()| file.sync_all()).map_err(named)?;
    fs::rename(part, path).map_err(named)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()).map_err(named)
}

/// Writes text aside and moves it into place.
pub fn replace_text(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    replace(path, mode, |_| Ok(text.as_bytes().to_vec()))
}
