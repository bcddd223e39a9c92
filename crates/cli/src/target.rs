//! What a user means by FILE: `file.h5` or `file.h5::/path/to/dataset`, the path with `*` and `?`.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::str::FromStr;

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

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.split_once("::") {
            Some((file, pattern)) => Self {
                file: file.into(),
                pattern: Some(pattern.into()),
            },
            None => Self {
                file: text.into(),
                pattern: None,
            },
        })
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
        let target: Target = "/data/run:1.h5::/entry/*".parse().unwrap();
        assert_eq!(target.file, PathBuf::from("/data/run:1.h5"));
        assert_eq!(target.pattern.as_deref(), Some("/entry/*"));
        assert_eq!("a.h5".parse::<Target>().unwrap().pattern, None);
    }
}
