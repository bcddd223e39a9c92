//! The structure of a file made again in another one: groups, links, committed datatypes, empty datasets, attributes.
//!
//! First every object is made, in the order of the walk; then attributes, since a reference in an attribute may lead to
//! any object. Values of datasets come last (`value_copy`, `recode`).
//!
//! * Committed datatypes are made when first needed and get their links when the walk comes to them, so that datasets
//!   and attributes share them as in the source, also those without a link.
//! * Links of a kind that only their program understands end the copy: HDF5 cannot make them again.

use std::collections::HashMap;

use anyhow::anyhow;

use crate::fault::{Blame, Fault};
use crate::hdf5::dataset::OpenDataset;
use crate::hdf5::link::{self, Name, Target};
use crate::hdf5::object::{self, Kind, Token};
use crate::hdf5::reference::Remap;
use crate::hdf5::{BySide, Id, Result as H5Result, attribute, datatype, file, plist};
use crate::plan::{Plan, Treatment};
use crate::source_file::SourceFile;
use crate::tree::{Step, child};

/// A copy in the making.
pub(crate) struct TreeCopy<'a> {
    source: &'a SourceFile,
    source_name: String,
    destination: &'a Id,
    plan: &'a Plan,
    /// Committed datatypes of the destination by their token in the source.
    datatypes: HashMap<Token, Id>,
    /// References that led nowhere.
    pub(crate) dangling: u64,
}

impl<'a> TreeCopy<'a> {
    pub(crate) fn new(
        source: &'a SourceFile,
        destination: &'a Id,
        plan: &'a Plan,
    ) -> Result<Self, Fault> {
        Ok(Self {
            source_name: file::name(&source.id).input(|| "the source has no name".into())?,
            source,
            destination,
            plan,
            datatypes: HashMap::new(),
            dangling: 0,
        })
    }

    /// Makes one link, and the object it leads to where it is the first.
    pub(crate) fn make(&mut self, step: &Step) -> Result<(), Fault> {
        let path = child(&step.group, &step.link.name.text);
        if let Target::UserDefined(kind) = step.link.target {
            let text =
                format!("{path} is a link of kind {kind}, which only its own program can copy");
            return Err(Fault::Input(anyhow!(text)));
        }
        self.make_link(step, &path)
            .by_side(|| format!("cannot copy {path}"))
    }

    fn make_link(&mut self, step: &Step, path: &str) -> H5Result<()> {
        let group = object::open(self.destination, &step.group)?;
        let name = &step.link.name;
        match &step.link.target {
            Target::Hard(token) if step.is_first => self.make_object(token, step, &group, path),
            Target::Hard(token) => {
                let first = self.source.tree.path(token).unwrap_or_default();
                link::create_hard(self.destination, first, &group, name)
            }
            Target::Soft(value) => link::create_soft(value, &group, name),
            Target::External(value) => link::create_external(value, &group, name),
            Target::UserDefined(_) => Ok(()),
        }
    }

    fn make_object(&mut self, token: &Token, step: &Step, group: &Id, path: &str) -> H5Result<()> {
        let name = &step.link.name;
        match self.source.tree.objects[token].kind {
            Kind::Group => {
                let source = object::open(&self.source.id, path)?;
                object::create_group(group, name, &source).map(drop)
            }
            Kind::Datatype => {
                let source = object::open(&self.source.id, path)?;
                let datatype = self.datatype_for(&source)?;
                object::link(&datatype, group, name)
            }
            Kind::Dataset => match &self.plan.treatments[token] {
                Treatment::Whole => {
                    object::copy_whole(&object::open(&self.source.id, &step.group)?, group, name)
                }
                treatment => self.make_dataset(treatment, group, name, path),
            },
        }
    }

    fn make_dataset(
        &mut self,
        treatment: &Treatment,
        group: &Id,
        name: &Name,
        path: &str,
    ) -> H5Result<()> {
        let source = OpenDataset::open(&self.source.id, path, None)?;
        let datatype = self.datatype_for(&source.datatype)?;
        let recoded;
        let creation = match treatment {
            Treatment::Recode(recoding) => {
                recoded =
                    plist::with_filters(&source.creation, &recoding.chunk, &recoding.filters)?;
                &recoded
            }
            _ => &source.creation,
        };
        OpenDataset::create(group, name, &source, &datatype, creation)
    }

    fn datatype_for(&mut self, source: &Id) -> H5Result<Id> {
        datatype_for(&mut self.datatypes, self.destination, source)
    }

    /// Copies the attributes and the comment of one object.
    pub(crate) fn copy_attributes(&mut self, token: &Token) -> Result<(), Fault> {
        let path = self.source.tree.path(token).unwrap_or_default();
        self.copy_attributes_of(token, path)
            .by_side(|| format!("cannot copy the attributes of {path}"))
    }

    fn copy_attributes_of(&mut self, token: &Token, path: &str) -> H5Result<()> {
        let source = object::open(&self.source.id, path)?;
        let destination = object::open(self.destination, path)?;
        object::copy_comment(&source, &destination)?;
        let kind = self.source.tree.objects[token].kind;
        let tree = &self.source.tree;
        let path_of = |token: &Token| tree.path(token);
        let mut remap = remap(self.source, &self.source_name, self.destination, &path_of);
        let (datatypes, file) = (&mut self.datatypes, self.destination);
        let mut datatype_for = |datatype: &Id| datatype_for(datatypes, file, datatype);
        let outcome =
            attribute::copy_all(&source, kind, &destination, &mut remap, &mut datatype_for);
        self.dangling += remap.dangling;
        outcome
    }

    /// Copies the values of one dataset.
    pub(crate) fn copy_values(
        &mut self,
        token: &Token,
        copy: impl FnOnce(&OpenDataset, &mut Remap<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let path = self.source.tree.path(token).unwrap_or_default();
        let destination = OpenDataset::open(self.destination, path, None)
            .output(|| format!("cannot open the copy of {path}"))?;
        let tree = &self.source.tree;
        let path_of = |token: &Token| tree.path(token);
        let mut remap = remap(self.source, &self.source_name, self.destination, &path_of);
        let outcome = copy(&destination, &mut remap);
        self.dangling += remap.dangling;
        outcome
    }
}

fn remap<'a>(
    source: &'a SourceFile,
    source_name: &'a str,
    destination: &'a Id,
    path_of: &'a dyn Fn(&Token) -> Option<&'a str>,
) -> Remap<'a> {
    Remap {
        source: &source.id,
        source_name,
        destination,
        path_of,
        dangling: 0,
    }
}

/// The destination's datatype for one of the source: the same, or its committed twin.
fn datatype_for(datatypes: &mut HashMap<Token, Id>, destination: &Id, source: &Id) -> H5Result<Id> {
    if !datatype::is_committed(source)? {
        return Ok(source.clone());
    }
    let (_, token) = object::identity(source)?;
    if let Some(known) = datatypes.get(&token) {
        return Ok(known.clone());
    }
    let datatype = object::commit_datatype(destination, source)?;
    datatypes.insert(token, datatype.clone());
    Ok(datatype)
}
