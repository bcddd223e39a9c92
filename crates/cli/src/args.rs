//! `etalon args`: a SPEC as the strings that other programs take.
//!
//! With `--dtype` the values are complete: they work in every program, also in one that hides its HDF5 library from
//! plugins. Without it, a codec whose values name the element size prints the short form that the plugin completes
//! when the dataset is created.

use clap::Args;
use etalon_codec::{Element, Layout, Spec};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Arguments of `etalon args`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  etalon args bitshuffle:compressor=zstd --dtype u2
  h5repack -f UD=32008,0,5,0,4,4,0,2 in.h5 out.h5     what `etalon args bitshuffle --dtype u4` says

Programs that write need the plugin: export HDF5_PLUGIN_PATH=…/h5plugins")]
pub(crate) struct Arguments {
    /// Codec and settings, as in bitshuffle:compressor=zstd,level=3 (see `etalon codecs`)
    spec: String,
    /// Element type of the dataset, as numpy writes it: u2, <i4, >f8, uint16, float32
    #[arg(long, value_name = "TYPE")]
    dtype: Option<Element>,
    /// Chunk shape, as in 1,512,1024
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', requires = "dtype")]
    chunk: Vec<u64>,
}

/// The filter whose values need no shape.
const BITSHUFFLE: u32 = 32008;

/// Largest chunk that all HDF5 versions can store, in bytes.
const MAX_CHUNK_BYTES: u64 = u32::MAX as u64;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    filter_id: u32,
    cd_values: &'a [u32],
    flag: u32,
    /// Whether the values work in every program.
    complete: bool,
    #[serde(flatten)]
    strings: Strings,
}

/// Prints what h5repack, nccopy, h5py and C want for a SPEC.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Result<Outcome, Failure> {
    let spec: Spec = arguments.spec.parse()?;
    let complete = arguments.dtype.is_some();
    let cd_values = match arguments.dtype {
        Some(element) => {
            check_chunk(&arguments.chunk, &element)?;
            if arguments.chunk.is_empty() && spec.codec().filter.id != BITSHUFFLE {
                return Err(Failure::arguments(format!(
                    "{} needs the shape of a chunk too: add --chunk, as in --chunk 1,512,1024",
                    spec.codec().name
                )));
            }
            let shape = arguments.chunk.iter().map(|&extent| extent as usize);
            (spec.codec().filter.cd_values)(&spec, &Layout::new(element, shape.collect()))?
        }
        None => (spec.codec().filter.user_values)(&spec)?,
    };
    let strings = Strings::new(spec.codec().filter.id, &cd_values);
    if output.json {
        output.document(&Document {
            filter_id: spec.codec().filter.id,
            cd_values: &cd_values,
            flag: FLAG_MANDATORY,
            complete,
            strings,
        })?;
    } else {
        output.line(&format!("h5repack  {}", strings.h5repack))?;
        output.line(&format!("nccopy    {}", strings.nccopy))?;
        output.line(&format!("h5py      {}", strings.h5py))?;
        output.line(&format!("c         {}", strings.c))?;
    }
    if !complete {
        output.note(
            "These values leave the element type to the plugin, which asks the program for it. Give --dtype for values \
             that work in every program.",
        );
    }
    Ok(Outcome::Done)
}

/// `H5Z_FLAG_MANDATORY`: a dataset that cannot be compressed as asked is an error, not a surprise.
const FLAG_MANDATORY: u32 = 0;

fn check_chunk(chunk: &[u64], element: &Element) -> Result<(), Failure> {
    if chunk.contains(&0) {
        return Err(Failure::arguments("--chunk: an extent of 0 holds nothing"));
    }
    let bytes = chunk
        .iter()
        .try_fold(element.bytes as u64, |bytes, &extent| {
            bytes.checked_mul(extent)
        });
    match bytes {
        Some(bytes) if bytes <= MAX_CHUNK_BYTES => Ok(()),
        _ => Err(Failure::arguments(
            "--chunk: HDF5 stores no chunk of 4 GiB or more; 256 KiB to 1 MiB is a good size",
        )),
    }
}

/// The same values in the notation of each program.
#[derive(Serialize)]
struct Strings {
    h5repack: String,
    nccopy: String,
    h5py: String,
    c: String,
}

impl Strings {
    fn new(id: u32, cd_values: &[u32]) -> Self {
        let count = cd_values.len();
        let values: Vec<String> = cd_values.iter().map(u32::to_string).collect();
        let commas = values.join(",");
        let spaced = values.join(", ");
        let tuple_comma = if count == 1 { "," } else { "" };
        Self {
            h5repack: format!("UD={id},{FLAG_MANDATORY},{count},{commas}"),
            nccopy: format!("*,{id},{commas}"),
            h5py: format!("compression={id}, compression_opts=({spaced}{tuple_comma})"),
            c: format!(
                "H5Pset_filter(dcpl, {id}, H5Z_FLAG_MANDATORY, {count}, (const unsigned[]){{{spaced}}});"
            ),
        }
    }
}
