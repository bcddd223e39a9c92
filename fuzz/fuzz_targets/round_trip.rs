//! decode(encode(x)) = x for any bytes and any settings that are accepted.
#![no_main]

use etalon_codec::{Context, FILTERS};

libfuzzer_sys::fuzz_target!(|input: (u8, u8, u8, Vec<u8>)| {
    let (element_bytes, block, compressor, src) = input;
    let values = [0, 4, element_bytes.into(), u32::from(block) * 8, compressor.into(), 3];
    for filter in FILTERS {
        let mut context = Context::new();
        let Ok(bound) = (filter.bound)(&values, src.len()) else { continue };
        let mut chunk = vec![0; bound];
        let Ok(written) = (filter.encode)(&mut context, &values, &src, &mut chunk) else { continue };
        let mut back = vec![0; (filter.decoded_len)(&values, &chunk[..written]).unwrap()];
        (filter.decode)(&mut context, &values, &chunk[..written], &mut back).unwrap();
        assert_eq!(back, src);
    }
});
