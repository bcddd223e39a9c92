//! A file that gets its name when it is complete: written as `.NAME.etalon-XXXX.tmp` beside it, synced, then renamed.
//!
//! Whatever happens before, nothing stands under the name. Dropping an unfinished file removes it; only a process that
//! is killed leaves the temporary file behind.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;

use crate::fault::{Blame, Fault};

/// A file under a temporary name.
pub(crate) struct StagedFile {
    temporary: PathBuf,
    destination: PathBuf,
    replace: bool,
    is_done: bool,
}

impl StagedFile {
    /// Checks that `destination` may be written and is not `source`, and chooses a temporary name for it.
    pub(crate) fn new(source: &Path, destination: &Path, replace: bool) -> Result<Self, Fault> {
        let name = destination.file_name().ok_or_else(|| {
            Fault::Arguments(anyhow!("{} is no file name", destination.display()))
        })?;
        if let Ok(existing) = fs::metadata(destination) {
            if is_same_file(source, destination) {
                return Err(Fault::Arguments(anyhow!(
                    "source and destination are the same file"
                )));
            }
            if !existing.is_file() {
                return Err(Fault::Arguments(anyhow!(
                    "{} is not a file",
                    destination.display()
                )));
            }
        }
        if !replace && destination.symlink_metadata().is_ok() {
            return Err(Fault::Arguments(anyhow!(
                "{} exists; it is replaced with --force",
                destination.display()
            )));
        }
        let mark = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.subsec_nanos());
        let mark = u64::from(std::process::id()) << 32 ^ u64::from(mark);
        let temporary = format!(".{}.etalon-{mark:x}.tmp", name.to_string_lossy());
        Ok(Self {
            temporary: destination.with_file_name(temporary),
            destination: destination.to_owned(),
            replace,
            is_done: false,
        })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.temporary
    }

    /// The folder of the file.
    pub(crate) fn folder(&self) -> &Path {
        match self.destination.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Waits until the disk has what was written.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        File::open(&self.temporary)
            .and_then(|file| file.sync_all())
            .output(|| format!("cannot write {} to disk", self.temporary.display()))
    }

    /// Gives the file its name.
    pub(crate) fn finish(mut self) -> Result<(), Fault> {
        self.rename()
            .output(|| format!("cannot name the result {}", self.destination.display()))?;
        self.is_done = true;
        // The name is in the folder, which is synced by itself; not every file system can.
        let _ = File::open(self.folder()).and_then(|folder| folder.sync_all());
        Ok(())
    }

    fn rename(&self) -> std::io::Result<()> {
        if self.replace {
            return fs::rename(&self.temporary, &self.destination);
        }
        // A hard link fails where the name has been taken meanwhile; a rename would replace that file.
        match fs::hard_link(&self.temporary, &self.destination) {
            Ok(()) => fs::remove_file(&self.temporary),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            Err(_) if self.destination.symlink_metadata().is_ok() => {
                Err(ErrorKind::AlreadyExists.into())
            }
            // File systems without hard links.
            Err(_) => fs::rename(&self.temporary, &self.destination),
        }
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_appears_when_the_file_is_finished_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let (source, destination) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&source, "source").unwrap();
        let staged = StagedFile::new(&source, &destination, false).unwrap();
        fs::write(staged.path(), "copy").unwrap();
        assert!(!destination.exists());
        staged.sync().unwrap();
        staged.finish().unwrap();
        assert_eq!(fs::read_to_string(&destination).unwrap(), "copy");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let staged = StagedFile::new(Path::new("x"), &folder.path().join("b"), false).unwrap();
        fs::write(staged.path(), "half").unwrap();
        drop(staged);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_source_and_files_that_exist_are_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (source, other, link) = (
            folder.path().join("a"),
            folder.path().join("b"),
            folder.path().join("c"),
        );
        fs::write(&source, "source").unwrap();
        fs::write(&other, "other").unwrap();
        std::os::unix::fs::symlink(&source, &link).unwrap();
        for (destination, replace) in [(&source, true), (&link, true), (&other, false)] {
            assert!(matches!(
                StagedFile::new(&source, destination, replace),
                Err(Fault::Arguments(_))
            ));
        }
        let staged = StagedFile::new(&source, &other, true).unwrap();
        fs::write(staged.path(), "new").unwrap();
        staged.finish().unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "new");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("b");
        let staged = StagedFile::new(Path::new("x"), &destination, false).unwrap();
        fs::write(staged.path(), "mine").unwrap();
        fs::write(&destination, "theirs").unwrap();
        assert!(matches!(staged.finish(), Err(Fault::Output(_))));
        assert_eq!(fs::read_to_string(&destination).unwrap(), "theirs");
    }
}
