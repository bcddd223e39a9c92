//! What a user means by FILE: `file.h5` or `file.h5::/path/to/dataset`, the path with `*` and `?`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use etalon_measure::dataset::Dataset;
use etalon_measure::fault::Fault;
use etalon_measure::glob;
use etalon_measure::source_file::SourceFile;

use crate::failure::Failure;

/// A file, or some datasets of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The file.
    pub(crate) file: PathBuf,
    /// The pattern behind `::`.
    pub(crate) pattern: Option<String>,
}

/// From an argument, whose file name need not be UTF-8.
impl From<OsString> for Target {
    fn from(text: OsString) -> Self {
        let bytes = text.as_bytes();
        match bytes.windows(2).position(|pair| pair == b"::") {
            Some(end) => Self {
                file: OsStr::from_bytes(&bytes[..end]).into(),
                pattern: Some(String::from_utf8_lossy(&bytes[end + 2..]).into_owned()),
            },
            None => Self {
                file: text.into(),
                pattern: None,
            },
        }
    }
}

impl Target {
    /// A whole file.
    pub(crate) fn whole(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            pattern: None,
        }
    }

    /// The datasets that this target and the further patterns mean, which is all of them where there is no pattern.
    pub(crate) fn datasets(&self, patterns: &[String]) -> Result<Vec<Dataset>, Failure> {
        let asked: Vec<String> = self.pattern.iter().chain(patterns).cloned().collect();
        let file = SourceFile::open(&self.file)?;
        match file.datasets(&asked) {
            Err(Fault::Arguments(_)) => Err(self.nothing_found(&asked, &file.datasets(&[])?)),
            other => Ok(other?),
        }
    }

    /// Names what is there, so that the next try is right.
    fn nothing_found(&self, asked: &[String], there: &[Dataset]) -> Failure {
        const LISTED: usize = 12;
        let names: Vec<&str> = there.iter().map(|dataset| dataset.path.as_str()).collect();
        let missing: Vec<&str> = asked
            .iter()
            .filter(|pattern| !names.iter().any(|name| glob::is_match(pattern, name)))
            .map(String::as_str)
            .collect();
        let near = missing
            .iter()
            .find_map(|word| etalon_codec::nearest(word, names.iter().copied()));
        let known = match near {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("it has: {}", names[..names.len().min(LISTED)].join(", ")),
        };
        Failure::arguments(format!(
            "{} has no dataset '{}'; {known}",
            self.file.display(),
            missing.join("', '")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_stands_behind_two_colons() {
        let target = |text: &str| Target::from(OsString::from(text));
        let whole = target("a.h5");
        let target = target("/data/run:1.h5::/entry/*");
        assert_eq!(target.file, PathBuf::from("/data/run:1.h5"));
        assert_eq!(target.pattern.as_deref(), Some("/entry/*"));
        assert_eq!((whole.file, whole.pattern), ("a.h5".into(), None));
        let latin = OsStr::from_bytes(b"gr\xfcn.h5");
        let mut text = latin.to_owned();
        text.push("::/data");
        let target = Target::from(text);
        assert_eq!(target.file, PathBuf::from(latin));
        assert_eq!(target.pattern.as_deref(), Some("/data"));
    }
}
