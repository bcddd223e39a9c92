//! Tests with files that h5py cannot write: references of HDF5 1.12, edge chunks without filters, types without a name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use hdf5_metno_sys::h5a::{H5Acreate2, H5Aopen, H5Aread, H5Awrite};
use hdf5_metno_sys::h5d::{H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS, H5Dcreate2, H5Dwrite};
use hdf5_metno_sys::h5f::{H5F_ACC_EXCL, H5F_LIBVER_LATEST, H5F_libver_t, H5Fcreate};
use hdf5_metno_sys::h5p::{
    H5P_CLS_DATASET_CREATE, H5P_CLS_FILE_ACCESS, H5Pcreate, H5Pset_chunk, H5Pset_chunk_opts,
    H5Pset_deflate, H5Pset_fletcher32, H5Pset_libver_bounds,
};
use hdf5_metno_sys::h5r::{
    H5R_ref_t, H5Rcreate_attr, H5Rcreate_object, H5Rcreate_region, H5Rdestroy, H5Rget_attr_name,
    H5Rget_obj_name, H5Ropen_region,
};
use hdf5_metno_sys::h5s::{H5Sget_select_bounds, H5Sget_select_npoints};
use hdf5_metno_sys::h5t::{
    H5T_NATIVE_UINT16, H5T_STD_I32LE, H5T_STD_REF, H5T_STD_U16LE, H5Tcommit_anon, H5Tcopy,
};

use super::dataset::OpenDataset;
use super::{DEFAULT, Id, chunk, dataspace, datatype, file, object, plist, registration, text};
use crate::recompress::{Options, recompress};

const SHAPE: [u64; 2] = [50, 300];
const CHUNK: [u64; 2] = [16, 128];

fn values() -> Vec<u16> {
    (0..SHAPE[0] * SHAPE[1])
        .map(|at| (at % 97 + at / 1000) as u16)
        .collect()
}

/// A new file in the newest format.
fn create(path: &Path) -> Id {
    registration::register_filters().unwrap();
    let access = Id::own(h5!(H5Pcreate(*H5P_CLS_FILE_ACCESS)).unwrap());
    h5!(H5Pset_libver_bounds(
        access.raw(),
        H5F_libver_t::H5F_LIBVER_V110,
        H5F_LIBVER_LATEST
    ))
    .unwrap();
    let path = file::c_path(path).unwrap();
    Id::own(
        h5!(H5Fcreate(
            path.as_ptr(),
            H5F_ACC_EXCL,
            DEFAULT,
            access.raw()
        ))
        .unwrap(),
    )
}

/// `/data`, gzip and fletcher32, with what `prepare` adds to the creation list.
fn create_data(file: &Id, datatype: i64, prepare: impl FnOnce(&Id)) {
    let creation = Id::own(h5!(H5Pcreate(*H5P_CLS_DATASET_CREATE)).unwrap());
    h5!(H5Pset_chunk(creation.raw(), 2, CHUNK.as_ptr())).unwrap();
    h5!(H5Pset_deflate(creation.raw(), 4)).unwrap();
    h5!(H5Pset_fletcher32(creation.raw())).unwrap();
    prepare(&creation);
    let space = dataspace::simple(&SHAPE).unwrap();
    let (name, values) = (c"data".as_ptr(), values());
    let data = h5!(H5Dcreate2(
        file.raw(),
        name,
        datatype,
        space.raw(),
        DEFAULT,
        creation.raw(),
        DEFAULT
    ))
    .map(Id::own)
    .unwrap();
    let all = hdf5_metno_sys::h5s::H5S_ALL;
    h5!(H5Dwrite(
        data.raw(),
        *H5T_NATIVE_UINT16,
        all,
        all,
        DEFAULT,
        values.as_ptr().cast()
    ))
    .unwrap();
}

/// Recompresses what `fill` writes and opens the copy.
fn copy_of(fill: impl FnOnce(&Id)) -> (tempfile::TempDir, Id) {
    let folder = tempfile::tempdir().unwrap();
    let (source, destination) = (folder.path().join("a.h5"), folder.path().join("b.h5"));
    let file = create(&source);
    fill(&file);
    file::close(file).unwrap();
    let options = Options {
        datasets: Vec::new(),
        stream: None,
        chunk: None,
        jobs: 2,
        verify: true,
        force: false,
        provenance: false,
        measures: BTreeMap::new(),
        icat: None,
    };
    let (spec, stop) = ("bitshuffle".parse().unwrap(), AtomicBool::new(false));
    recompress(&source, &destination, &spec, &options, &stop, &mut ()).unwrap();
    let copy = file::open(&destination).unwrap();
    (folder, copy)
}

fn check_data(file: &Id) -> OpenDataset {
    let data = OpenDataset::open(file, "/data", None).unwrap();
    let mut bytes = vec![0; values().len() * 2];
    data.read_box(&[0, 0], &SHAPE, &SHAPE, &mut bytes).unwrap();
    let expected: Vec<u8> = values()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    assert!(bytes == expected);
    assert_eq!(plist::filters(&data.creation).unwrap()[0].id, 32008);
    data
}

#[test]
fn edge_chunks_without_filters_are_read_as_such() {
    let (_folder, copy) = copy_of(|file| {
        create_data(file, *H5T_STD_U16LE, |creation| {
            h5!(H5Pset_chunk_opts(
                creation.raw(),
                H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS
            ))
            .unwrap();
        });
    });
    let data = check_data(&copy);
    assert_eq!(chunk::stored_chunks(&data).unwrap().len(), 12);
    assert!(!plist::leaves_edge_chunks_unfiltered(&data.creation).unwrap());
}

#[test]
fn a_committed_type_without_a_name_stays_committed() {
    let (_folder, copy) = copy_of(|file| {
        let datatype = Id::own(h5!(H5Tcopy(*H5T_STD_U16LE)).unwrap());
        h5!(H5Tcommit_anon(file.raw(), datatype.raw(), DEFAULT, DEFAULT)).unwrap();
        create_data(file, datatype.raw(), |_| ());
    });
    assert!(datatype::is_committed(&check_data(&copy).datatype).unwrap());
}

#[test]
fn references_of_hdf5_1_12_lead_into_the_copy() {
    let (_folder, copy) = copy_of(|file| {
        create_data(file, *H5T_STD_U16LE, |_| ());
        write_references(file);
    });
    let mut references = [H5R_ref_t::default(); 4];
    let attribute = Id::own(h5!(H5Aopen(copy.raw(), c"references".as_ptr(), DEFAULT)).unwrap());
    h5!(H5Aread(
        attribute.raw(),
        *H5T_STD_REF,
        references.as_mut_ptr().cast()
    ))
    .unwrap();
    for reference in &references[..3] {
        let name =
            text(|buffer, len| h5!(H5Rget_obj_name(reference, DEFAULT, buffer, len))).unwrap();
        assert_eq!(name, "/data");
    }
    let region = Id::own(h5!(H5Ropen_region(&references[1], DEFAULT, DEFAULT)).unwrap());
    let (mut start, mut end) = ([0; 2], [0; 2]);
    h5!(H5Sget_select_bounds(
        region.raw(),
        start.as_mut_ptr(),
        end.as_mut_ptr()
    ))
    .unwrap();
    assert_eq!(
        (
            start,
            end,
            h5!(H5Sget_select_npoints(region.raw())).unwrap()
        ),
        ([3, 4], [7, 13], 50)
    );
    let name = text(|buffer, len| h5!(H5Rget_attr_name(&references[2], buffer, len))).unwrap();
    assert_eq!(name, "unit");
    for reference in &mut references[..3] {
        h5!(H5Rdestroy(reference)).unwrap();
    }
}

/// The attribute `/references`: to `/data`, to a box of it, to its attribute `unit`, and to nothing.
fn write_references(file: &Id) {
    let data = object::open(file, "/data").unwrap();
    let (one, four) = (
        dataspace::simple(&[1]).unwrap(),
        dataspace::simple(&[4]).unwrap(),
    );
    let unit = h5!(H5Acreate2(
        data.raw(),
        c"unit".as_ptr(),
        *H5T_STD_I32LE,
        one.raw(),
        DEFAULT,
        DEFAULT
    ));
    drop(unit.map(Id::own).unwrap());
    let region = dataspace::simple(&SHAPE).unwrap();
    dataspace::select(&region, &[3, 4], &[5, 10]).unwrap();
    let mut references = [H5R_ref_t::default(); 4];
    let (file, path) = (file.raw(), c"/data".as_ptr());
    let [to_object, to_region, to_attribute, _] = &mut references;
    h5!(H5Rcreate_object(file, path, DEFAULT, to_object)).unwrap();
    h5!(H5Rcreate_region(
        file,
        path,
        region.raw(),
        DEFAULT,
        to_region
    ))
    .unwrap();
    h5!(H5Rcreate_attr(
        file,
        path,
        c"unit".as_ptr(),
        DEFAULT,
        to_attribute
    ))
    .unwrap();
    let name = c"references".as_ptr();
    let attribute = h5!(H5Acreate2(
        file,
        name,
        *H5T_STD_REF,
        four.raw(),
        DEFAULT,
        DEFAULT
    ))
    .map(Id::own)
    .unwrap();
    h5!(H5Awrite(
        attribute.raw(),
        *H5T_STD_REF,
        references.as_ptr().cast()
    ))
    .unwrap();
    for reference in &mut references[..3] {
        h5!(H5Rdestroy(reference)).unwrap();
    }
}
