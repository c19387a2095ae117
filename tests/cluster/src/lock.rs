//! A lock file that keeps two commands from changing the same thing at once.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Held until dropped. The file stays, unless [`Lock::remove`] is called.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Waits until nobody else holds the lock.
    pub(crate) async fn take(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let waiting = path.clone();
        tokio::task::spawn_blocking(move || Self::take_blocking(path))
            .await
            .unwrap_or_else(|panic| Err(Error::file("lock", waiting)(std::io::Error::other(panic))))
    }

    fn take_blocking(path: PathBuf) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
        }
        loop {
            let file = File::options().create(true).append(true).open(&path).map_err(Error::file("open", &path))?;
            file.lock().map_err(Error::file("lock", &path))?;
            // Whoever held it before may have removed the file: then this lock guards nothing.
            if is_at(&file, &path) {
                return Ok(Self { file, path });
            }
        }
    }

    /// Removes the file while the lock is held. Who waits for it notices and makes a new one.
    pub(crate) fn remove(self) {
        let _ = std::fs::remove_file(&self.path);
        drop(self.file);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_second_one_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path).await.unwrap();
        let mut second = tokio::spawn(Lock::take(path.clone()));
        assert!(tokio::time::timeout(Duration::from_millis(50), &mut second).await.is_err());
        first.remove();
        let second = second.await.unwrap().unwrap();
        assert!(path.exists(), "the second one made the file anew");
        drop(second);
    }
}
