//! Links of a group: names that lead to objects, to paths, or into other files.

use std::ffi::{CStr, c_char, c_int, c_void};

use hdf5_metno_sys::h5::{H5_index_t, H5_iter_order_t, herr_t};
use hdf5_metno_sys::h5i::hid_t;
use hdf5_metno_sys::h5l::{
    H5L_info2_t, H5L_type_t, H5Lcreate_external, H5Lcreate_hard, H5Lcreate_soft, H5Lget_val,
    H5Literate2, H5Lunpack_elink_val,
};
use hdf5_metno_sys::h5t::H5T_cset_t;

use super::object::{Token, group_plist};
use super::{DEFAULT, H5Error, Id, Result, c_string, plist};

/// A name with its encoding.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(super) encoding: H5T_cset_t,
}

impl Name {
    /// A name of this program's own, in ASCII.
    pub(crate) fn ascii(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            encoding: H5T_cset_t::H5T_CSET_ASCII,
        }
    }
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To an object of this file.
    Hard(Token),
    /// To a path of this file, whether there is something or not. The bytes as stored.
    Soft(Vec<u8>),
    /// To a file and a path in it. The bytes as stored.
    External(Vec<u8>),
    /// Something that only the program that wrote it understands.
    UserDefined(i32),
}

/// A link.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(crate) name: Name,
    pub(crate) target: Target,
}

/// The links of `group` in the order in which they were made if the group knows it, else by name.
pub(crate) fn links(group: &Id) -> Result<Vec<Link>> {
    let index = if plist::tracks_link_order(&group_plist(group)?)? {
        H5_index_t::H5_INDEX_CRT_ORDER
    } else {
        H5_index_t::H5_INDEX_NAME
    };
    let mut found = Found::default();
    let walked = h5!(H5Literate2(
        group.raw(),
        index,
        H5_iter_order_t::H5_ITER_INC,
        std::ptr::null_mut(),
        Some(visit),
        std::ptr::from_mut(&mut found).cast(),
    ));
    if let Some(error) = found.error {
        return Err(error);
    }
    walked?;
    found
        .links
        .into_iter()
        .map(|(name, info)| link(group, name, &info))
        .collect()
}

/// `H5L_info2_t` with the link type as a number: its values are open-ended, and a Rust enum must not hold others.
#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    kind: c_int,
    order_is_valid: u8,
    order: i64,
    encoding: H5T_cset_t,
    /// A token for hard links, else the length of the value in the first word.
    token_or_len: [u64; 2],
}

const _: () = assert!(size_of::<Info>() == size_of::<H5L_info2_t>());

const HARD: c_int = H5L_type_t::H5L_TYPE_HARD as c_int;
const SOFT: c_int = H5L_type_t::H5L_TYPE_SOFT as c_int;
const EXTERNAL: c_int = H5L_type_t::H5L_TYPE_EXTERNAL as c_int;

#[derive(Default)]
struct Found {
    links: Vec<(Name, Info)>,
    error: Option<H5Error>,
}

extern "C" fn visit(
    _: hid_t,
    name: *const c_char,
    info: *const H5L_info2_t,
    data: *mut c_void,
) -> herr_t {
    // SAFETY: HDF5 passes a NUL-terminated name and an info that live through the call, and `data` is the `Found` of
    // `links`, which nothing else uses meanwhile.
    let (name, info, found) = unsafe {
        (
            CStr::from_ptr(name),
            *info.cast::<Info>(),
            &mut *data.cast::<Found>(),
        )
    };
    let Ok(text) = name.to_str() else {
        found.error = Some(H5Error::new(format!("the link name {name:?} is not UTF-8")));
        return -1;
    };
    let name = Name {
        text: text.to_owned(),
        encoding: info.encoding,
    };
    found.links.push((name, info));
    0
}

fn link(group: &Id, name: Name, info: &Info) -> Result<Link> {
    let len = info.token_or_len[0] as usize;
    let target = match info.kind {
        HARD => Target::Hard(Token::of_words(info.token_or_len)),
        SOFT => Target::Soft(value(group, &name.text, len)?),
        EXTERNAL => Target::External(value(group, &name.text, len)?),
        other => Target::UserDefined(other),
    };
    Ok(Link { name, target })
}

fn value(group: &Id, name: &str, len: usize) -> Result<Vec<u8>> {
    let name = c_string(name)?;
    let mut bytes = vec![0; len];
    h5!(H5Lget_val(
        group.raw(),
        name.as_ptr(),
        bytes.as_mut_ptr().cast(),
        len,
        DEFAULT
    ))?;
    Ok(bytes)
}

/// Makes a link to the object at `path` in `file`.
pub(crate) fn create_hard(file: &Id, path: &str, group: &Id, name: &Name) -> Result<()> {
    let (path, text) = (c_string(path)?, c_string(&name.text)?);
    let links = plist::link_plist(name.encoding)?;
    h5!(H5Lcreate_hard(
        file.raw(),
        path.as_ptr(),
        group.raw(),
        text.as_ptr(),
        links.raw(),
        DEFAULT
    ))
    .map(drop)
}

/// Makes a soft link from its stored bytes.
pub(crate) fn create_soft(value: &[u8], group: &Id, name: &Name) -> Result<()> {
    let target =
        CStr::from_bytes_until_nul(value).map_err(|_| H5Error::new("the soft link has no end"))?;
    let text = c_string(&name.text)?;
    let links = plist::link_plist(name.encoding)?;
    h5!(H5Lcreate_soft(
        target.as_ptr(),
        group.raw(),
        text.as_ptr(),
        links.raw(),
        DEFAULT
    ))
    .map(drop)
}

/// Makes an external link from its stored bytes.
pub(crate) fn create_external(value: &[u8], group: &Id, name: &Name) -> Result<()> {
    let (mut flags, mut file, mut path) = (0, std::ptr::null(), std::ptr::null());
    h5!(H5Lunpack_elink_val(
        value.as_ptr().cast(),
        value.len(),
        &mut flags,
        &mut file,
        &mut path
    ))?;
    let text = c_string(&name.text)?;
    let links = plist::link_plist(name.encoding)?;
    h5!(H5Lcreate_external(
        file,
        path,
        group.raw(),
        text.as_ptr(),
        links.raw(),
        DEFAULT
    ))
    .map(drop)
}
