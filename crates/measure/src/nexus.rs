//! What NeXus says in a file: classes of groups, the entry that holds a dataset, steps of processing so far.

use crate::hdf5::object::{Kind, open};
use crate::hdf5::{Id, Result as H5Result, attribute, scalar};
use crate::source_file::SourceFile;

/// What this program calls itself, and its groups, which may have a number behind.
pub(crate) const PROGRAM: &str = "etalon";
pub(crate) const PROCESS_NAME: &str = "compression";

/// The class of a group, where it says one.
pub(crate) fn class(group: &Id) -> Option<String> {
    attribute::read_any_text(group, "NX_class").ok()?
}

/// The group nearest to the object at `path` that is an entry; the root group where there is none.
pub(crate) fn entry_of(file: &Id, path: &str) -> String {
    let is_entry = |path: &str| {
        let class = open(file, path).ok().and_then(|group| class(&group));
        class.is_some_and(|class| class == "NXentry" || class == "NXsubentry")
    };
    let ends = path.rmatch_indices('/').map(|(at, _)| at);
    let mut groups = ends.filter(|&at| at > 0).map(|at| &path[..at]);
    groups
        .find(|group| is_entry(group))
        .unwrap_or("/")
        .to_owned()
}

/// The largest `sequence_index` of the groups that are an NXprocess; 0 where there is none.
pub(crate) fn last_sequence_index(source: &SourceFile) -> u64 {
    let groups = processes(source);
    let indices = groups.iter().filter_map(|(_, group)| {
        let index = scalar::read_number(group, "sequence_index").ok()??;
        (index.is_finite() && index >= 1.0).then_some(index as u64)
    });
    indices.max().unwrap_or(0)
}

/// Where the records of this program are, each with a slash at its end.
pub(crate) fn own_records(source: &SourceFile) -> Vec<String> {
    let named_so = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.starts_with(PROCESS_NAME)
    };
    let own = groups(source, named_so)
        .filter(|(_, group)| text(group, "program").is_some_and(|program| program == PROGRAM));
    own.map(|(path, _)| format!("{path}/")).collect()
}

/// Groups that are an NXprocess, with their paths, in the order of the walk.
pub(crate) fn processes(source: &SourceFile) -> Vec<(String, Id)> {
    groups(source, |_| true).collect()
}

/// Groups at paths that are `wanted` and are an NXprocess.
fn groups(
    source: &SourceFile,
    wanted: impl Fn(&str) -> bool,
) -> impl Iterator<Item = (String, Id)> {
    let tree = &source.tree;
    let groups = tree.order.iter().filter(|token| {
        let object = &tree.objects[*token];
        object.kind == Kind::Group
    });
    groups.filter_map(move |token| {
        let path = tree.path(token).filter(|path| wanted(path))?;
        let group = open(&source.id, path).ok()?;
        (class(&group)? == "NXprocess").then(|| (path.to_owned(), group))
    })
}

/// The text at `path` in `group`.
pub(crate) fn text(group: &Id, path: &str) -> Option<String> {
    let text = scalar::read_text(group, path).ok()??;
    (!text.is_empty()).then_some(text)
}

/// The text attribute of `object`, of any kind.
pub(crate) fn text_attribute(object: &Id, name: &str) -> H5Result<Option<String>> {
    attribute::read_any_text(object, name)
}
