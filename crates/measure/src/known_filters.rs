//! Filter ids that stand in real files: what they are called, and which package brings the plugin.
//!
//! Ids below 256 are compiled into every HDF5 library. The others come from the registry of The HDF Group
//! (<https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md>); packages were looked up in
//! hdf5plugin 7.1 and Debian 12.

use etalon_codec::Filter;

/// A filter id and where to get it.
pub struct KnownFilter {
    /// The id in the HDF5 file.
    pub id: i32,
    /// What people call it.
    pub name: &'static str,
    /// What to do where the filter is missing; empty for what HDF5 itself brings.
    pub install: &'static str,
    /// Whether values come back bit for bit whatever its settings. Those of this library's filters say it better.
    pub lossless: bool,
}

const HDF5PLUGIN: &str = "pip install hdf5plugin";
const H5ETALON: &str = "pip install h5etalon";
const NO_PACKAGE: &str = "no common package brings this filter; ask whoever wrote the file";

/// Every filter this program can name, by id.
pub static KNOWN_FILTERS: &[KnownFilter] = &[
    lossless(1, "deflate (gzip)", ""),
    lossless(2, "shuffle", ""),
    lossless(3, "fletcher32", ""),
    lossless(
        4,
        "szip",
        "programs whose HDF5 has libaec read it, such as h5py and apt's h5repack: h5repack -f SHUF -f GZIP=1 IN OUT",
    ),
    known(5, "nbit", ""),
    known(6, "scaleoffset", ""),
    lossless(
        305,
        "LZO",
        "pip install tables, and read the file with PyTables",
    ),
    lossless(
        307,
        "bzip2",
        "pip install hdf5plugin, or apt install hdf5-filter-plugin",
    ),
    lossless(
        32000,
        "LZF",
        "h5py reads it without a plugin; for other programs: apt install hdf5-plugin-lzf",
    ),
    lossless(
        32001,
        "Blosc",
        "pip install hdf5plugin, or apt install hdf5-filter-plugin-blosc-serial",
    ),
    known(32002, "MAFISC", NO_PACKAGE),
    lossless(32003, "Snappy", NO_PACKAGE),
    lossless(
        32004,
        "LZ4",
        "pip install hdf5plugin, or apt install hdf5-filter-plugin",
    ),
    known(32005, "APAX", NO_PACKAGE),
    known(32006, "CBF", NO_PACKAGE),
    known(32007, "JPEG-XR", NO_PACKAGE),
    lossless(
        32008,
        "bitshuffle",
        "pip install h5etalon, pip install hdf5plugin, or (LZ4 only) apt install bitshuffle",
    ),
    known(32009, "SPDP", NO_PACKAGE),
    known(32010, "LPC-Rice", NO_PACKAGE),
    known(32011, "CCSDS-123", NO_PACKAGE),
    known(32012, "JPEG-LS", NO_PACKAGE),
    known(
        32013,
        "ZFP",
        "pip install hdf5plugin, or apt install hdf5-filter-plugin-zfp-serial",
    ),
    known(32014, "fpzip", NO_PACKAGE),
    lossless(32015, "Zstandard", HDF5PLUGIN),
    known(32016, "B3D", NO_PACKAGE),
    known(32017, "SZ", HDF5PLUGIN),
    known(32018, "FCIDECOMP", HDF5PLUGIN),
    known(32019, "JPEG", NO_PACKAGE),
    known(32020, "VBZ", NO_PACKAGE),
    known(32021, "FAPEC", NO_PACKAGE),
    known(32022, "BitGroom", NO_PACKAGE),
    known(32023, "Granular BitRound", NO_PACKAGE),
    known(32024, "SZ3", HDF5PLUGIN),
    known(32025, "Delta-Rice", NO_PACKAGE),
    known(32026, "Blosc2", HDF5PLUGIN),
    known(32027, "FLAC", NO_PACKAGE),
    known(32028, "SPERR", HDF5PLUGIN),
    known(32029, "TERSE/PROLIX", NO_PACKAGE),
    known(32030, "FFMPEG", NO_PACKAGE),
    known(32033, "HTJ2K", HDF5PLUGIN),
    known(59297, "etalon", H5ETALON),
    known(59298, "etalon_round", H5ETALON),
];

const fn known(id: i32, name: &'static str, install: &'static str) -> KnownFilter {
    KnownFilter {
        id,
        name,
        install,
        lossless: false,
    }
}

const fn lossless(id: i32, name: &'static str, install: &'static str) -> KnownFilter {
    KnownFilter {
        lossless: true,
        ..known(id, name, install)
    }
}

impl KnownFilter {
    /// The table row with this id.
    pub fn by_id(id: i32) -> Option<&'static KnownFilter> {
        KNOWN_FILTERS.iter().find(|filter| filter.id == id)
    }
}

/// Whether a filter with these settings loses nothing, as far as is known.
pub fn is_lossless(id: i32, cd_values: &[u32]) -> bool {
    match u32::try_from(id).ok().and_then(Filter::by_id) {
        Some(own) => !(own.is_lossy)(cd_values),
        None => KnownFilter::by_id(id).is_some_and(|known| known.lossless),
    }
}

/// Whether every HDF5 library can apply this filter without a plugin. szip depends on how the library was built, and
/// the common ones (Debian, h5py) have it.
pub fn is_built_in(id: i32) -> bool {
    (1..=6).contains(&id)
}

/// What to call a filter: the table's name, else what the file says, else its number.
pub fn filter_name(id: i32, name_in_file: &str) -> String {
    match (KnownFilter::by_id(id), name_in_file) {
        (Some(known), _) => known.name.to_owned(),
        (None, "") => format!("filter {id}"),
        (None, name) => name.to_owned(),
    }
}

/// How to get a filter that is missing. The name in the file is often an install hint itself.
pub fn install_hint(id: i32, name_in_file: &str) -> String {
    match (KnownFilter::by_id(id), name_in_file) {
        (Some(known), _) => known.install.to_owned(),
        (None, "") => format!("filter {id} is not in the public list; ask whoever wrote the file"),
        (None, name) => format!(
            "filter {id} is not in the public list; the file calls it '{name}': ask whoever wrote it"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sorted_and_unique() {
        assert!(KNOWN_FILTERS.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn every_filter_of_this_library_is_listed() {
        for filter in etalon_codec::FILTERS {
            assert!(
                KnownFilter::by_id(filter.id as i32).is_some(),
                "{}",
                filter.name
            );
        }
    }

    #[test]
    fn what_loses_nothing_is_known_by_settings_or_by_id() {
        use etalon_codec::{ByteOrder, Element, ElementClass, Layout, Spec, etalon_filter};
        let element = Element {
            class: ElementClass::Unsigned,
            bytes: 2,
            order: ByteOrder::Little,
        };
        let layout = Layout::new(element, vec![64, 64]);
        for (spec, lossless) in [("bitshuffle", true), ("dictionary", true), ("noise", false)] {
            let spec: Spec = spec.parse().unwrap();
            let values = (etalon_filter::FILTER.cd_values)(&spec, &layout).unwrap();
            assert_eq!(is_lossless(59297, &values), lossless, "{spec}");
        }
        assert!(is_lossless(1, &[9]) && is_lossless(32008, &[0, 4, 2, 0, 2]));
        assert!(!is_lossless(59298, &[]) && !is_lossless(32013, &[]) && !is_lossless(40000, &[]));
    }

    #[test]
    fn an_unknown_filter_is_named_as_the_file_names_it() {
        assert_eq!(filter_name(40000, "beamline 7"), "beamline 7");
        assert_eq!(filter_name(40000, ""), "filter 40000");
        assert!(install_hint(40000, "beamline 7").contains("'beamline 7'"));
        assert!(install_hint(32001, "").contains("hdf5plugin"));
    }
}
