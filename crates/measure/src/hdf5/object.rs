//! Objects of a file: groups, datasets and committed datatypes.

use std::mem::MaybeUninit;

use hdf5_metno_sys::h5d::H5Dget_create_plist;
use hdf5_metno_sys::h5g::{H5Gcreate2, H5Gget_create_plist};
use hdf5_metno_sys::h5i::{H5Iget_file_id, H5Iget_name};
use hdf5_metno_sys::h5l::H5Lexists;
use hdf5_metno_sys::h5o::{
    H5O_INFO_BASIC, H5O_INFO_NUM_ATTRS, H5O_info2_t, H5O_type_t, H5Ocopy, H5Oget_comment,
    H5Oget_info3, H5Olink, H5Oopen,
};
use hdf5_metno_sys::h5t::{H5Tcommit_anon, H5Tcopy, H5Tget_create_plist};

use super::{DEFAULT, H5Error, Id, Result, c_string, plist, text};

/// Names an object within its file, whatever links lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token(pub(super) [u8; 16]);

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Group,
    Dataset,
    Datatype,
}

/// Opens the object at `path`, seen from a file or group.
pub(crate) fn open(from: &Id, path: &str) -> Result<Id> {
    let path = c_string(path)?;
    Ok(Id::own(h5!(H5Oopen(from.raw(), path.as_ptr(), DEFAULT))?))
}

/// What `object` is and its token.
pub(crate) fn identity(object: &Id) -> Result<(Kind, Token)> {
    let info = info(object, H5O_INFO_BASIC)?;
    let kind = match info.type_ {
        H5O_type_t::H5O_TYPE_GROUP => Kind::Group,
        H5O_type_t::H5O_TYPE_DATASET => Kind::Dataset,
        H5O_type_t::H5O_TYPE_NAMED_DATATYPE => Kind::Datatype,
        _ => {
            return Err(H5Error::new(
                "the object is of a kind that this version of HDF5 does not know",
            ));
        }
    };
    Ok((kind, Token::of(&info.token)))
}

/// Whether two open objects are in one file.
pub(crate) fn are_in_one_file(one: &Id, other: &Id) -> Result<bool> {
    Ok(info(one, H5O_INFO_BASIC)?.fileno == info(other, H5O_INFO_BASIC)?.fileno)
}

/// The file that holds `object`, and its path there.
pub(crate) fn home(object: &Id) -> Result<(Id, String)> {
    let file = Id::own(h5!(H5Iget_file_id(object.raw()))?);
    let path = text(|buffer, len| h5!(H5Iget_name(object.raw(), buffer, len)))?;
    Ok((file, path))
}

/// Number of attributes of `object`.
pub(super) fn attribute_count(object: &Id) -> Result<u64> {
    Ok(info(object, H5O_INFO_NUM_ATTRS)?.num_attrs)
}

fn info(object: &Id, fields: u32) -> Result<H5O_info2_t> {
    let mut info = MaybeUninit::<H5O_info2_t>::zeroed();
    h5!(H5Oget_info3(object.raw(), info.as_mut_ptr(), fields))?;
    // SAFETY: zeroes are valid for every field, and HDF5 has filled the ones that were asked for.
    Ok(unsafe { info.assume_init() })
}

impl Token {
    pub(super) fn of_words(words: [u64; 2]) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&words[0].to_ne_bytes());
        bytes[8..].copy_from_slice(&words[1].to_ne_bytes());
        Self(bytes)
    }

    pub(super) fn of(token: &hdf5_metno_sys::h5o::H5O_token_t) -> Self {
        // SAFETY: H5O_token_t is 16 plain bytes (asserted by the transmute's size check); its field is private.
        Self(unsafe { std::mem::transmute_copy::<_, [u8; 16]>(token) })
    }
}

/// The creation list of a group.
pub(crate) fn group_plist(group: &Id) -> Result<Id> {
    Ok(Id::own(h5!(H5Gget_create_plist(group.raw()))?))
}

/// The creation list of any object.
pub(crate) fn creation_plist(object: &Id, kind: Kind) -> Result<Id> {
    Ok(Id::own(match kind {
        Kind::Group => h5!(H5Gget_create_plist(object.raw()))?,
        Kind::Dataset => h5!(H5Dget_create_plist(object.raw()))?,
        Kind::Datatype => h5!(H5Tget_create_plist(object.raw()))?,
    }))
}

/// Creates a group like `source` as `link` in `parent`.
pub(crate) fn create_group(parent: &Id, link: &super::link::Name, source: &Id) -> Result<Id> {
    let name = c_string(&link.text)?;
    let (links, creation) = (
        plist::link_plist(link.encoding)?,
        plist::group_like(&group_plist(source)?)?,
    );
    Ok(Id::own(h5!(H5Gcreate2(
        parent.raw(),
        name.as_ptr(),
        links.raw(),
        creation.raw(),
        DEFAULT
    ))?))
}

/// Creates the group `name` in `parent`, which remembers the order of links where `parent` does.
pub(crate) fn create_group_in(parent: &Id, name: &str) -> Result<Id> {
    create_group(parent, &super::link::Name::ascii(name), parent)
}

/// Whether `group` has a link of this name.
pub(crate) fn has_link(group: &Id, name: &str) -> Result<bool> {
    let name = c_string(name)?;
    Ok(h5!(H5Lexists(group.raw(), name.as_ptr(), DEFAULT))? > 0)
}

/// Commits a copy of the committed datatype `source` in `file`, without a link to it yet.
pub(crate) fn commit_datatype(file: &Id, source: &Id) -> Result<Id> {
    let creation = creation_plist(source, Kind::Datatype)?;
    let datatype = Id::own(h5!(H5Tcopy(source.raw()))?);
    h5!(H5Tcommit_anon(
        file.raw(),
        datatype.raw(),
        creation.raw(),
        DEFAULT
    ))?;
    Ok(datatype)
}

/// Gives `object` a (further) name.
pub(crate) fn link(object: &Id, parent: &Id, link: &super::link::Name) -> Result<()> {
    let name = c_string(&link.text)?;
    let links = plist::link_plist(link.encoding)?;
    h5!(H5Olink(
        object.raw(),
        parent.raw(),
        name.as_ptr(),
        links.raw(),
        DEFAULT
    ))
    .map(drop)
}

/// Copies a dataset with its chunks as they are, without its attributes.
pub(crate) fn copy_whole(
    source_group: &Id,
    destination_group: &Id,
    link: &super::link::Name,
) -> Result<()> {
    let name = c_string(&link.text)?;
    let (links, copying) = (plist::link_plist(link.encoding)?, plist::copy_plist()?);
    h5!(H5Ocopy(
        source_group.raw(),
        name.as_ptr(),
        destination_group.raw(),
        name.as_ptr(),
        copying.raw(),
        links.raw(),
    ))
    .map(drop)
}

/// Copies the comment of an object, a forerunner of attributes.
#[expect(
    deprecated,
    reason = "files have comments whether new ones should be written or not"
)]
pub(crate) fn copy_comment(source: &Id, destination: &Id) -> Result<()> {
    let comment = text(|buffer, len| h5!(H5Oget_comment(source.raw(), buffer, len)))?;
    if comment.is_empty() {
        return Ok(());
    }
    let comment = c_string(&comment)?;
    use hdf5_metno_sys::h5o::H5Oset_comment;
    h5!(H5Oset_comment(destination.raw(), comment.as_ptr())).map(drop)
}
