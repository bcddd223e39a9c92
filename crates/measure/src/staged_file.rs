//! A file that gets its name when it is complete: written as `.NAME.etalon-XXXX.tmp` beside it, synced, then renamed.
//!
//! Whatever happens before, nothing stands under the name. Dropping an unfinished file removes it; only a process that
//! is killed leaves the temporary file behind. The next one to write NAME removes it, where it can tell that the process is
//! gone (`process_mark`).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::anyhow;

use crate::fault::{Blame, Fault};
use crate::process_mark::ProcessMark;

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
        let staged = Self {
            temporary: destination.with_file_name(temporary_name(name)),
            destination: destination.to_owned(),
            replace,
            is_done: false,
        };
        staged.remove_orphans(name);
        Ok(staged)
    }

    /// Removes what killed processes of this machine left of the same destination.
    fn remove_orphans(&self, name: &OsStr) {
        let prefix = prefix(name);
        for entry in fs::read_dir(self.folder()).into_iter().flatten().flatten() {
            let file = entry.file_name();
            let mark = (file.as_encoded_bytes())
                .strip_prefix(prefix.as_encoded_bytes())
                .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()))
                .and_then(|mark| mark.rsplitn(2, |byte| *byte == b'-').nth(1));
            let mark = mark.and_then(|mark| std::str::from_utf8(mark).ok()?.parse().ok());
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && mark.is_some_and(|mark: ProcessMark| mark.is_gone()) {
                let _ = fs::remove_file(entry.path());
            }
        }
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

const SUFFIX: &str = ".tmp";

fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".etalon-");
    prefix
}

/// `.NAME.etalon-KERNEL-PROCESS-TIME.tmp`.
fn temporary_name(name: &OsStr) -> OsString {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.map_or(0, |time| time.subsec_nanos());
    let mut temporary = prefix(name);
    temporary.push(format!("{}-{nanoseconds:x}{SUFFIX}", ProcessMark::own()));
    temporary
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
    fn what_a_killed_process_left_of_the_same_destination_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("b");
        // No process has this number: Linux has at most 2^22.
        let own = ProcessMark::own();
        let gone = format!("{}-2000000000", own.to_string().rsplit_once('-').unwrap().0);
        let left = format!(".b.etalon-{gone}-1a.tmp");
        let kept = [
            format!(".b.etalon-{own}-1a.tmp"),
            format!(".c.etalon-{gone}-1a.tmp"),
            ".b.etalon-0123456789abcdef-2000000000-1a.tmp".into(),
            ".b.etalon-1f00000000.tmp".into(),
        ];
        for name in kept.iter().chain([&left]) {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        let staged = StagedFile::new(Path::new("x"), &destination, false).unwrap();
        let is_there = |name: &String| folder.path().join(name).exists();
        assert!(kept.iter().all(is_there));
        assert_eq!(is_there(&left), !cfg!(target_os = "linux"));
        drop(staged);
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
