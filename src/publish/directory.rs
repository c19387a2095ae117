//! A folder of the local file system, such as a mounted volume.

use std::io::{self, Write as _};
use std::path::Path;

use super::Item;

/// Makes the folder where it is not there, and proves by a file that is removed again that it takes files.
pub(super) fn prove(root: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root)?;
    tempfile::tempfile_in(root).map(drop).map_err(|error| error.kind().into())
}

/// Writes a file, whole or not at all.
pub(super) fn write(root: &Path, item: &Item) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = root.join(&item.path);
    let folder = path.parent().unwrap_or(root);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".report.")
        .suffix(".tmp")
        // Readable for others as the umask says, since it is meant to be read.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    file.write_all(item.text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// Reads a file; `None` where there is none.
pub(super) fn read(root: &Path, path: &str) -> io::Result<Option<String>> {
    match std::fs::read_to_string(root.join(path)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
