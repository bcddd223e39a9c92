//! Any bytes as a chunk: decoded or refused, and what is decoded has the length announced.
#![no_main]

use etalon_codec::{Context, FILTERS};

libfuzzer_sys::fuzz_target!(|input: (u8, u8, u8, Vec<u8>)| {
    let (element_bytes, block, compressor, chunk) = input;
    for filter in FILTERS {
        let values = [0, 4, element_bytes.into(), u32::from(block) * 8, compressor.into(), 3];
        if let Ok(len) = (filter.decoded_len)(&values, &chunk)
            && len < 64 << 20
        {
            let _ = (filter.decode)(&mut Context::new(), &values, &chunk, &mut vec![0; len]);
        }
    }
});
