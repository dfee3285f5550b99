//! Small files of the data directory: there whole, or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{Error, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Only its owner may read it.
pub const PRIVATE: u32 = 0o600;
/// Everybody may read it.
pub const PUBLIC: u32 = 0o644;

/// Writes a file aside and moves it into its place once it is on the disk. `content` is made from the file it will be in. The error names the
/// file, and its disk when that is full.
pub fn replace(path: &Path, mode: u32, content: impl FnOnce(&fs::Metadata) -> Result<Vec<u8>, String>) -> Result<(), String> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let done = write(part, path, mode, content);
    if done.is_err() {
        let _ = fs::remove_file(part);
    }
    done
}

fn write(
    part: &Path,
    path: &Path,
    mode: u32,
    content: impl FnOnce(&fs::Metadata) -> Result<Vec<u8>, String>,
) -> Result<(), String> {
    let named = |e: Error| told(path, &e);
    // What an earlier attempt left may have another mode.
    let _ = fs::remove_file(part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(part).map_err(named)?;
    let content = content(&file.metadata().map_err(named)?)?;
    file.write_all(&content).and_then(|()| file.sync_all()).map_err(named)?;
    fs::rename(part, path).map_err(named)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()).map_err(named)
}

/// Writes text aside and moves it into place, as [`replace`].
pub fn replace_text(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    replace(path, mode, |_| Ok(text.as_bytes().to_vec()))
}

/// An I/O error in words.
pub fn told(path: &Path, error: &Error) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("no space left on the disk of {}", path.display()),
        _ => format!("{}: {error}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        replace_text(&path, PRIVATE, "first").unwrap();
        replace_text(&path, PRIVATE, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        // A folder in the place of the file that is written aside stands for a disk that takes nothing.
        fs::create_dir(folder.path().join("admin.token.part")).unwrap();
        assert!(replace_text(&path, PRIVATE, "third").unwrap_err().contains("admin.token"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
    }

    #[test]
    fn a_full_disk_is_named() {
        let told = told(Path::new("/data/admin.token"), &Error::from(ErrorKind::StorageFull));
        assert_eq!(told, "no space left on the disk of /data/admin.token");
    }
}
