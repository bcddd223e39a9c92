//! What HDF5 knows of a dataset that is being created, and writing back the filter's `cd_values`.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

use etalon_codec::{ByteOrder, Element, ElementClass, Layout, Stream};

use crate::entry::Failure;
use crate::h5abi::{
    CLASS_FLOAT, CLASS_INTEGER, FILL_DEFAULT, FILL_USER_DEFINED, Herr, Hid, MAX_CD_VALUES,
    MAX_RANK, ORDER_BIG, SIGN_TWOS_COMPLEMENT,
};
use crate::host::{Host, functions};

/// A host that answers questions about a dataset that is being created.
pub(crate) struct Creation {
    questions: Questions,
    floats: Option<FloatFields>,
    pipeline: Option<Pipeline>,
    fill: Option<FillValue>,
}

functions!(
    struct Questions {
        get_filter: H5Pget_filter_by_id2 as fn(
            Hid,
            c_int,
            *mut c_uint,
            *mut usize,
            *mut c_uint,
            usize,
            *mut c_char,
            *mut c_uint,
        ) -> Herr,
        modify_filter: H5Pmodify_filter as fn(Hid, c_int, c_uint, usize, *const c_uint) -> Herr,
        get_chunk: H5Pget_chunk as fn(Hid, c_int, *mut u64) -> c_int,
        type_size: H5Tget_size as fn(Hid) -> usize,
        type_class: H5Tget_class as fn(Hid) -> c_int,
        type_order: H5Tget_order as fn(Hid) -> c_int,
        type_sign: H5Tget_sign as fn(Hid) -> c_int,
    }
);

functions!(
    struct FloatFields {
        get: H5Tget_fields as fn(
            Hid,
            *mut usize,
            *mut usize,
            *mut usize,
            *mut usize,
            *mut usize,
        ) -> Herr,
    }
);

functions!(
    struct Pipeline {
        len: H5Pget_nfilters as fn(Hid) -> c_int,
        get: H5Pget_filter2 as fn(
            Hid,
            c_uint,
            *mut c_uint,
            *mut usize,
            *mut c_uint,
            usize,
            *mut c_char,
            *mut c_uint,
        ) -> c_int,
    }
);

functions!(
    struct FillValue {
        defined: H5Pfill_value_defined as fn(Hid, *mut c_int) -> Herr,
        get: H5Pget_fill_value as fn(Hid, Hid, *mut c_void) -> Herr,
    }
);

impl Creation {
    /// `None` where the host lacks a function. A static HDF5 that exports what the program uses often lacks
    /// `H5Tget_fields`; there a float is an element of unknown kind.
    pub(crate) fn of(host: &Host) -> Option<Self> {
        Some(Self {
            questions: Questions::of(host)?,
            floats: FloatFields::of(host),
            pipeline: Pipeline::of(host),
            fill: FillValue::of(host),
        })
    }

    /// Replaces what the user asked of the filter by what decoding a chunk of this dataset needs.
    ///
    /// h5repack and nccopy pass stored `cd_values` of another dataset; `localise` knows them and starts over from the
    /// layout.
    pub(crate) fn localise(
        &self,
        stream: &Stream,
        dcpl: Hid,
        datatype: Hid,
    ) -> Result<(), Failure> {
        let id = stream.id as c_int;
        let (mut flags, mut count, mut given) = (0, MAX_CD_VALUES, [0; MAX_CD_VALUES]);
        // SAFETY: the function writes at most `count` numbers; it takes null for what is not wanted.
        let status = unsafe {
            (self.questions.get_filter)(
                dcpl,
                id,
                &mut flags,
                &mut count,
                given.as_mut_ptr(),
                0,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        accept(status, "HDF5 does not tell the filter's cd_values")?;
        let given = &given[..count.min(MAX_CD_VALUES)];
        let stored = (stream.localise)(given, Some(&self.layout(dcpl, datatype)?))?;
        if (stream.is_lossy)(&stored) && !self.is_first(dcpl, id) {
            return Err(Failure::Host(
                "another filter comes first, so the values are shuffled or compressed before they can be rounded; put \
                 this filter first in the pipeline",
            ));
        }
        // The user's flags are kept: whether the filter is optional is not for us to decide.
        // SAFETY: `stored` is valid for the length given with it.
        let status = unsafe {
            (self.questions.modify_filter)(dcpl, id, flags, stored.len(), stored.as_ptr())
        };
        accept(status, "HDF5 does not take the filter's cd_values")
    }

    fn layout(&self, dcpl: Hid, datatype: Hid) -> Result<Layout, Failure> {
        let mut extents = [0; MAX_RANK];
        // SAFETY: the function writes at most MAX_RANK numbers.
        let rank =
            unsafe { (self.questions.get_chunk)(dcpl, MAX_RANK as c_int, extents.as_mut_ptr()) };
        accept(rank, "HDF5 does not tell the shape of a chunk")?;
        let shape = &extents[..(rank as usize).min(MAX_RANK)];
        Ok(Layout {
            element: self.element(datatype)?,
            shape: shape.iter().map(|&extent| extent as usize).collect(),
            fill: self.fill_value(dcpl, datatype),
        })
    }

    /// Whether the filter stands first in the pipeline; true where the host cannot be asked.
    fn is_first(&self, dcpl: Hid, id: c_int) -> bool {
        let Some(pipeline) = &self.pipeline else {
            return true;
        };
        let (mut flags, mut values, mut config) = (0, 0, 0);
        // SAFETY: the functions write to the numbers given and take null for what is not wanted.
        let first = unsafe {
            if (pipeline.len)(dcpl) < 1 {
                return true;
            }
            let null = ptr::null_mut();
            (pipeline.get)(
                dcpl,
                0,
                &mut flags,
                &mut values,
                ptr::null_mut(),
                0,
                null,
                &mut config,
            )
        };
        first == id
    }

    /// The fill value that the user set, as stored.
    fn fill_value(&self, dcpl: Hid, datatype: Hid) -> Option<Vec<u8>> {
        let fill = self.fill.as_ref()?;
        // SAFETY: takes an identifier and returns a number.
        let bytes = unsafe { (self.questions.type_size)(datatype) };
        let mut defined = FILL_DEFAULT;
        // SAFETY: the function writes one number.
        let status = unsafe { (fill.defined)(dcpl, &mut defined) };
        if status < 0 || defined != FILL_USER_DEFINED || bytes == 0 || bytes > LARGEST_FILL_BYTES {
            return None;
        }
        let mut value = vec![0; bytes];
        // SAFETY: the function writes one element of the type, and `value` has room for it.
        let status = unsafe { (fill.get)(dcpl, datatype, value.as_mut_ptr().cast()) };
        (status >= 0).then_some(value)
    }

    /// Asks only what the class of the type has an answer to: a call that fails may print to stderr.
    fn element(&self, datatype: Hid) -> Result<Element, Failure> {
        // SAFETY: these functions take an identifier and return a number.
        let (bytes, class) = unsafe {
            (
                (self.questions.type_size)(datatype),
                (self.questions.type_class)(datatype),
            )
        };
        if bytes == 0 {
            return Err(Failure::Host("HDF5 does not tell the size of an element"));
        }
        let class = match class {
            CLASS_INTEGER if self.is_signed(datatype) => ElementClass::Signed,
            CLASS_INTEGER => ElementClass::Unsigned,
            CLASS_FLOAT if self.is_ieee(datatype) => ElementClass::Float,
            _ => ElementClass::Other,
        };
        let big = class != ElementClass::Other && self.is_big(datatype);
        Ok(Element {
            class,
            bytes,
            order: if big {
                ByteOrder::Big
            } else {
                ByteOrder::Little
            },
        })
    }

    fn is_signed(&self, datatype: Hid) -> bool {
        // SAFETY: takes an identifier and returns a number.
        unsafe { (self.questions.type_sign)(datatype) == SIGN_TWOS_COMPLEMENT }
    }

    fn is_big(&self, datatype: Hid) -> bool {
        // SAFETY: takes an identifier and returns a number.
        unsafe { (self.questions.type_order)(datatype) == ORDER_BIG }
    }

    /// Whether a float is binary16, 32 or 64: HDF5 also has bfloat16, 80-bit and user-made ones.
    fn is_ieee(&self, datatype: Hid) -> bool {
        let Some(floats) = &self.floats else {
            return false;
        };
        let (mut sign, mut exponent, mut exponent_bits) = (0, 0, 0);
        let (mut mantissa, mut mantissa_bits) = (0, 0);
        // SAFETY: the function writes five numbers.
        let status = unsafe {
            (floats.get)(
                datatype,
                &mut sign,
                &mut exponent,
                &mut exponent_bits,
                &mut mantissa,
                &mut mantissa_bits,
            )
        };
        let fields = [sign, exponent, exponent_bits, mantissa, mantissa_bits];
        let ieee = [[15, 10, 5, 0, 10], [31, 23, 8, 0, 23], [63, 52, 11, 0, 52]];
        status >= 0 && ieee.contains(&fields)
    }
}

/// Numbers have 16 bytes at most; the fill value of anything else is of no use to a codec.
const LARGEST_FILL_BYTES: usize = 16;

fn accept(status: c_int, refusal: &'static str) -> Result<(), Failure> {
    if status < 0 {
        return Err(Failure::Host(refusal));
    }
    Ok(())
}
