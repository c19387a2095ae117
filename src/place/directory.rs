//! A folder of the local file system, such as a mounted volume.

use std::io::{self, Write as _};
use std::path::Path;

/// Makes the folder where it is not there, and proves by a file that is removed again that it takes files.
pub(super) fn prove(root: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    tempfile::tempfile_in(root).map(drop).map_err(|error| error.kind().into())
}

/// Writes a file, whole or not at all.
pub(super) fn write(root: &Path, path: &str, content: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = root.join(path);
    let folder = path.parent().unwrap_or(root);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".report.")
        .suffix(".tmp")
        // Readable for others as the umask says, since it is meant to be read.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// Reads a file; `None` where there is none.
pub(super) fn read(root: &Path, path: &str) -> io::Result<Option<Vec<u8>>> {
    existing(std::fs::read(root.join(path)))
}

/// The names of the files directly in a folder.
pub(super) fn list(root: &Path, folder: &str) -> io::Result<Vec<String>> {
    let Some(entries) = existing(std::fs::read_dir(root.join(folder)))? else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A link to a file is a file as well.
        if std::fs::metadata(entry.path()).is_ok_and(|about| about.is_file()) {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// Removes a file.
pub(super) fn delete(root: &Path, path: &str) -> io::Result<()> {
    existing(std::fs::remove_file(root.join(path))).map(drop)
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_listed_read_and_removed() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(list(root.path(), "blue").unwrap(), Vec::<String>::new());
        assert_eq!(read(root.path(), "blue/a.json").unwrap(), None);
        write(root.path(), "blue/a.json", b"1").unwrap();
        write(root.path(), "blue/a.json", b"2").unwrap();
        write(root.path(), "blue/below/b.json", b"3").unwrap();
        assert_eq!(read(root.path(), "blue/a.json").unwrap().as_deref(), Some(b"2".as_slice()));
        assert_eq!(list(root.path(), "blue").unwrap(), ["a.json"]);
        delete(root.path(), "blue/a.json").unwrap();
        delete(root.path(), "blue/a.json").unwrap();
        assert_eq!(read(root.path(), "blue/a.json").unwrap(), None);
    }
}
