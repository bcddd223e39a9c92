//! A copy of a damaged file without the chunks that are damaged: those have the fill value there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::fault::{Blame, Fault};
use crate::hdf5::file;
use crate::plan::{Plan, Treatment};
use crate::recompress::copy_userblock;
use crate::source_file::SourceFile;
use crate::staged_file::StagedFile;
use crate::tree_copy::TreeCopy;
use crate::value_copy::{LeftOut, check, copy_chunks, copy_values};

/// Coordinates of the first elements of damaged chunks, by the path of the dataset.
pub type Damaged = BTreeMap<String, BTreeSet<Vec<u64>>>;

/// Copies `source` to `destination` without the chunks that are `damaged`, and returns warnings. Everything that HDF5 can
/// read of groups, attributes, links and other datasets is kept; the copy gets its name when it is complete.
pub fn salvage(
    source: &Path,
    destination: &Path,
    damaged: &Damaged,
    force: bool,
    stop: &AtomicBool,
) -> Result<Vec<String>, Fault> {
    let source_file = SourceFile::open_complete(source)?;
    let staged = StagedFile::new(source, destination, force)?;
    let plan = Plan::copying(&source_file)?;
    let copy = file::create_like(staged.path(), &source_file.id)
        .output(|| format!("cannot create {}", staged.path().display()))?;
    let mut tree = TreeCopy::new(&source_file, &copy, &plan)?;
    for step in &source_file.tree.steps {
        check(stop)?;
        tree.make(step)?;
    }
    for token in &source_file.tree.order {
        tree.copy_attributes(token)?;
    }
    let warnings = copy_datasets(&source_file, &plan, &mut tree, damaged, stop)?;
    drop(tree);
    file::close(copy).output(|| format!("cannot write {}", staged.path().display()))?;
    copy_userblock(&source_file, &staged)?;
    staged.sync()?;
    staged.finish()?;
    Ok(warnings)
}

fn copy_datasets(
    source: &SourceFile,
    plan: &Plan,
    tree: &mut TreeCopy<'_>,
    damaged: &Damaged,
    stop: &AtomicBool,
) -> Result<Vec<String>, Fault> {
    let none = BTreeSet::new();
    let mut warnings = Vec::new();
    for token in source.tokens() {
        let dataset = source.dataset(&token)?;
        let damaged = damaged.get(&dataset.path).unwrap_or(&none);
        let left_out: LeftOut<'_> = &|offset| damaged.contains(offset);
        let treatment = &plan.treatments[&token];
        match treatment {
            Treatment::Chunks | Treatment::Values => {
                tree.copy_values(&token, |destination, remap| match treatment {
                    Treatment::Chunks => {
                        copy_chunks(&dataset, destination, left_out, stop, &mut |_| ())
                    }
                    _ => copy_values(&dataset, destination, remap, left_out, stop, &mut |_| ()),
                })?;
            }
            _ if !damaged.is_empty() => warnings.push(format!(
                "{}: its filters are not known here, so its damaged chunks are in the copy",
                dataset.path
            )),
            _ => {}
        }
    }
    Ok(warnings)
}
