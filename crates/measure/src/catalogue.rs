//! Certificates, metrics and links of many files in one table, which a query needs no join for.
//!
//! Files that did not change since the table was written are not read again. Rows of files that were read go at once to
//! a journal beside the table, so a run that is killed loses the file it was at; the next one takes up the journal. The
//! table is replaced as a whole when all is done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use serde_json::Value;

use crate::catalogue_columns::all_columns;
use crate::catalogue_results::Results;
use crate::catalogue_rows::{Identity, Row, rows};
use crate::fault::{Blame, Fault};
use crate::shard::Shard;
use crate::staged_file::StagedFile;
use crate::table_file::Form;

/// What HDF5 files are called.
const EXTENSIONS: [&str; 8] = ["h5", "hdf5", "hdf", "nxs", "nx", "cxi", "nc", "nc4"];

/// What to collect, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folders, searched to the bottom, and files.
    pub places: Vec<PathBuf>,
    /// The table.
    pub out: PathBuf,
    /// The part of the files.
    pub shard: Shard,
    /// Read every file again.
    pub anew: bool,
}

/// What was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Files in the table.
    pub files: usize,
    /// Those that were read in this run.
    pub read: usize,
    /// Those that were read before and did not change.
    pub unchanged: usize,
    /// Results with metrics.
    pub results: usize,
    /// Rows of datasets.
    pub datasets: usize,
    /// Rows of what could not be read.
    pub errors: usize,
}

/// Collects. `progress` is told how many files there are and how many are done. Once `stop` is true the run ends after
/// the file at hand.
pub fn collect(
    options: &Options,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(usize, usize, &Path),
) -> Result<Summary, Fault> {
    let form = Form::of(&options.out).ok_or_else(|| {
        let name = options.out.display();
        Fault::Arguments(anyhow!("{name}: a catalogue is called .parquet or .jsonl"))
    })?;
    let listing = Listing::of(options)?;
    let mut known = before(form, &options.out)?;
    if options.anew {
        known.clear();
    }
    let mut journal = Journal::open(&options.out)?;
    known.extend(journal.rows()?);
    let mut summary = Summary {
        files: listing.files.len(),
        ..Summary::default()
    };
    let mut all = FileRows::of(&listing.errors);
    for (done, file) in listing.files.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Err(interrupted(&journal));
        }
        progress(done, listing.files.len(), file);
        let kept = known.remove(&*file.to_string_lossy());
        match kept.filter(|rows| rows.are_of(file)) {
            Some(rows) => {
                summary.unchanged += 1;
                all.lines.extend(rows.lines);
            }
            None => {
                summary.read += 1;
                let rows = rows(file);
                journal.add(&rows)?;
                all.lines.extend(FileRows::of(&rows).lines);
            }
        }
    }
    drop(known);
    let results = Results::read(&listing.results);
    summary.results = results.len();
    let mut rows = all.lines.iter().filter_map(|line| {
        let mut row: Row = serde_json::from_str(line).ok()?;
        results.apply(&mut row);
        summary.datasets += usize::from(row.contains_key("dataset"));
        summary.errors += usize::from(row.contains_key("error"));
        Some(row)
    });
    replace(form, &options.out, &mut rows)?;
    journal.remove();
    Ok(summary)
}

/// Rows as JSON, which take a tenth of the memory that they take as trees.
#[derive(Default)]
struct FileRows {
    lines: Vec<String>,
    /// Of the file that all of them are of; `None` where there was an error, which may be gone.
    identity: Option<Identity>,
}

impl FileRows {
    fn of(rows: &[Row]) -> Self {
        let mut all = Self::default();
        rows.iter().for_each(|row| all.push(row));
        all
    }

    fn push(&mut self, row: &Row) {
        let identity = Identity::of_row(row).filter(|_| !row.contains_key("error"));
        if self.lines.is_empty() || self.identity != identity {
            self.identity = identity.filter(|_| self.lines.is_empty());
        }
        self.lines.push(Value::Object(row.clone()).to_string());
    }

    /// Whether `file` is the one that these were read from, unchanged.
    fn are_of(&self, file: &Path) -> bool {
        self.identity.is_some() && self.identity == Identity::of(file).ok()
    }
}

fn interrupted(journal: &Journal) -> Fault {
    Fault::Output(anyhow!(
        "interrupted; what was read is kept in {}, and the next run goes on from there",
        journal.path.display()
    ))
}

/// The rows of the table as it was by file, none where there is no table.
fn before(form: Form, out: &Path) -> Result<BTreeMap<String, FileRows>, Fault> {
    let mut files = BTreeMap::new();
    match fs::metadata(out) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        _ => form
            .read(out, &mut |row| add(&mut files, &row))
            .map_err(|error| {
                let text = format!("{} is no catalogue; give another name", out.display());
                Fault::Arguments(error.context(text))
            })?,
    }
    Ok(files)
}

fn add(files: &mut BTreeMap<String, FileRows>, row: &Row) {
    if let Some(file) = row.get("file").and_then(Value::as_str) {
        files.entry(file.to_owned()).or_default().push(row);
    }
}

fn replace(form: Form, out: &Path, rows: &mut dyn Iterator<Item = Row>) -> Result<(), Fault> {
    // Nothing can be the source of a table but the table itself.
    let staged = StagedFile::new(Path::new(""), out, true)?;
    form.write(staged.path(), &all_columns(), rows)
        .output(|| format!("cannot write {}", staged.path().display()))?;
    staged.sync()?;
    staged.finish()
}

/// The absolute path that a file is known by, whichever way a folder was named.
fn whole_path(place: &Path) -> Result<PathBuf, Fault> {
    let goes_up = (place.components()).any(|part| part == std::path::Component::ParentDir);
    let whole = match goes_up {
        true => fs::canonicalize(place),
        false => std::path::absolute(place),
    };
    whole.input(|| format!("cannot look at {}", place.display()))
}

/// Files to collect from.
#[derive(Default)]
struct Listing {
    /// HDF5 files of the shard, by absolute path.
    files: BTreeSet<PathBuf>,
    /// JSON files, of all shards.
    results: BTreeSet<PathBuf>,
    /// Rows of folders that cannot be read.
    errors: Vec<Row>,
}

impl Listing {
    fn of(options: &Options) -> Result<Self, Fault> {
        let mut listing = Self::default();
        for place in &options.places {
            let root = whole_path(place)?;
            let kind =
                fs::metadata(&root).input(|| format!("cannot look at {}", root.display()))?;
            if kind.is_dir() {
                listing.search(&root, options.shard);
            } else if !kind.is_file() {
                let text = format!("{} is not a regular file", root.display());
                return Err(Fault::Input(anyhow!(text)));
            } else {
                let name = root.file_name().unwrap_or_default();
                if options.shard.takes(&name.to_string_lossy()) {
                    listing.files.insert(root);
                }
            }
        }
        Ok(listing)
    }

    /// Goes through a folder and those in it; links to folders may form circles and are not followed.
    fn search(&mut self, root: &Path, shard: Shard) {
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    let row = serde_json::json!({
                        "file": folder.to_string_lossy(), "error": error.to_string(),
                    });
                    self.errors.extend(row.as_object().cloned());
                    continue;
                }
            };
            for entry in entries.flatten() {
                let path = entry.path();
                match path.extension().and_then(|extension| extension.to_str()) {
                    _ if entry.file_type().is_ok_and(|kind| kind.is_dir()) => folders.push(path),
                    Some("json") => drop(self.results.insert(path)),
                    Some(extension) if EXTENSIONS.contains(&extension) => {
                        // Relative to the folder that was named: the same for every machine, wherever it is mounted.
                        let name = path.strip_prefix(root).unwrap_or(&path);
                        if shard.takes(&name.to_string_lossy()) {
                            self.files.insert(path);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Rows that were read and are not in the table yet, a line for each file.
struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal of the table `out`, which only one run at a time may have.
    fn open(out: &Path) -> Result<Self, Fault> {
        let mut name = out.as_os_str().to_owned();
        name.push(".journal");
        let path = PathBuf::from(name);
        let opened = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path);
        let file = opened.output(|| format!("cannot write {}", path.display()))?;
        if file.try_lock().is_err() {
            let text = format!("another run is at work on {}", out.display());
            return Err(Fault::Output(anyhow!(text)));
        }
        Ok(Self { path, file })
    }

    /// The rows of complete lines; a run that is killed may leave half a line.
    fn rows(&mut self) -> Result<BTreeMap<String, FileRows>, Fault> {
        let doing = || format!("cannot read {}", self.path.display());
        let mut files = BTreeMap::new();
        let is_empty = self.file.metadata().output(doing)?.len() == 0;
        let lines = BufReader::new(File::open(&self.path).output(doing)?).split(b'\n');
        for line in lines {
            let rows: Option<Vec<Row>> = serde_json::from_slice(&line.output(doing)?).ok();
            let mut read = BTreeMap::new();
            rows.iter().flatten().for_each(|row| add(&mut read, row));
            // The later line counts.
            files.extend(read);
        }
        if !is_empty {
            // Whatever is half a line must not take the next one with it.
            self.file.write_all(b"\n").output(doing)?;
        }
        Ok(files)
    }

    /// Adds the rows of one file.
    fn add(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let doing = || format!("cannot write {}", self.path.display());
        let mut line = serde_json::to_vec(rows).output(doing)?;
        line.push(b'\n');
        self.file.write_all(&line).output(doing)
    }

    /// Removes it, when everything is in the table.
    fn remove(self) {
        // Rows in a journal that stays are those of the table.
        let _ = fs::remove_file(&self.path);
    }
}
