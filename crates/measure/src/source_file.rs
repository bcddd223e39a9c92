//! An HDF5 file that is read: what it holds, and its datasets.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

use crate::dataset::Dataset;
use crate::fault::{Blame, Fault};
use crate::glob::is_match;
use crate::hdf5::object::{self, Kind, Token};
use crate::hdf5::{Id, file};
use crate::nexus;
use crate::tree::Tree;
use crate::writer_mark::{WriterMark, writer_mark};

/// A file opened for reading.
pub struct SourceFile {
    path: PathBuf,
    pub(crate) id: Id,
    pub(crate) tree: Tree,
}

/// Where a path through soft or external links leads.
enum Linked {
    Here(Token),
    /// To another file.
    Elsewhere(Box<Dataset>),
}

/// What to do with a file that is being written for readers.
#[derive(Clone, Copy)]
enum WhileWritten {
    Read,
    Refuse,
}

impl SourceFile {
    /// Opens a file read-only and reads its structure. One that is being written for readers (SWMR) is read as it stands.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        Self::open_as(path, WhileWritten::Read)
    }

    /// As [`Self::open`], for a copy: a file that is being written is refused, of which a copy would be a part.
    pub fn open_complete(path: &Path) -> Result<Self, Fault> {
        Self::open_as(path, WhileWritten::Refuse)
    }

    fn open_as(path: &Path, while_written: WhileWritten) -> Result<Self, Fault> {
        let mark = writer_mark(path).input(|| format!("cannot open {}", path.display()))?;
        let opened = match (mark, while_written) {
            (WriterMark::Swmr, WhileWritten::Read) => file::open_while_written(path),
            (WriterMark::None, _) => file::open(path),
            (mark, _) => return Err(Fault::Input(being_written(path, mark))),
        };
        let id = opened.input(|| format!("cannot open {} as HDF5", path.display()))?;
        let tree =
            Tree::of(&id).input(|| format!("cannot read the structure of {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            id,
            tree,
        })
    }

    /// The name the file was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The datasets whose path matches one of the glob `patterns` (see [`crate::glob`]; all of them where there is no
    /// pattern), each object once. A pattern may be a path through soft and external links. One that matches nothing is
    /// [`Fault::Arguments`]. Fields of records that this program wrote are left out unless they are named: they are no data.
    pub fn datasets(&self, patterns: &[String]) -> Result<Vec<Dataset>, Fault> {
        let (mut known, mut elsewhere) = (Vec::new(), Vec::new());
        for pattern in patterns {
            if self.tokens().any(|token| self.matches(&token, pattern)) {
                known.push(pattern.clone());
                continue;
            }
            match self.linked(pattern) {
                Some(Linked::Here(token)) => {
                    known.extend(self.tree.path(&token).map(str::to_owned));
                }
                Some(Linked::Elsewhere(dataset)) => elsewhere.push(*dataset),
                None => {
                    return Err(Fault::Arguments(anyhow!(
                        "no dataset of {} matches '{pattern}'",
                        self.path.display()
                    )));
                }
            }
        }
        let here = match known.is_empty() && !patterns.is_empty() {
            true => Vec::new(),
            false => self.datasets_here(&known)?,
        };
        Ok(here.into_iter().chain(elsewhere).collect())
    }

    /// The dataset at a path through soft or external links.
    fn linked(&self, path: &str) -> Option<Linked> {
        let object = object::open(&self.id, path).ok()?;
        let root = object::open(&self.id, "/").ok()?;
        let (kind, token) = object::identity(&object).ok()?;
        if kind != Kind::Dataset {
            return None;
        }
        let is_here = object::are_in_one_file(&object, &root).ok()?;
        if is_here {
            let is_known = self.tree.objects.contains_key(&token);
            return is_known.then_some(Linked::Here(token));
        }
        let (home, path) = object::home(&object).ok()?;
        let name = file::name(&home).ok()?;
        // HDF5 opens what a link leads to in its own way, and opens no file in two ways at once.
        drop((object, home));
        let home = file::open(Path::new(&name)).ok()?;
        let dataset = Dataset::open(&home, &path).ok()?;
        Some(Linked::Elsewhere(Box::new(dataset)))
    }

    fn datasets_here(&self, patterns: &[String]) -> Result<Vec<Dataset>, Fault> {
        let records = nexus::own_records(self);
        self.tokens()
            .filter(|token| {
                let path = self.tree.path(token).unwrap_or_default();
                let of_record = |path: &str| records.iter().any(|record| path.starts_with(record));
                let is_record = of_record(path);
                let asked_for = |pattern: &String| {
                    (!is_record || of_record(pattern)) && self.matches(token, pattern)
                };
                patterns.is_empty() && !is_record || patterns.iter().any(asked_for)
            })
            .map(|token| self.dataset(&token))
            .collect()
    }

    /// Tokens of all datasets, in the order of the walk.
    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> {
        let is_dataset = |token: &&Token| self.tree.objects[*token].kind == Kind::Dataset;
        self.tree.order.iter().filter(is_dataset).copied()
    }

    /// Whether one of the object's paths matches `pattern`.
    pub(crate) fn matches(&self, token: &Token, pattern: &str) -> bool {
        self.tree.objects[token]
            .paths
            .iter()
            .any(|path| is_match(pattern, path))
    }

    /// Describes a dataset of this file.
    pub(crate) fn dataset(&self, token: &Token) -> Result<Dataset, Fault> {
        let path = self.tree.path(token).unwrap_or_default();
        Dataset::open(&self.id, path)
            .input(|| format!("cannot read dataset {path} of {}", self.path.display()))
    }
}

/// Why a file whose superblock has the mark of a writer is not read. HDF5 itself advises h5clear, which destroys a file that
/// is being written.
fn being_written(path: &Path, mark: WriterMark) -> anyhow::Error {
    let how = match mark {
        WriterMark::Swmr => "is being written (SWMR)",
        _ => "is being written",
    };
    anyhow!(
        "{} {how}: wait until its writer has closed it; only if the writer has died, `h5clear -s` makes the file readable",
        path.display()
    )
}
