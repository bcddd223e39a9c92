//! Whether a file says of itself that it is being written.
//!
//! A writer marks the superblock, from its version 3 on, and takes the mark away when it closes the file
//! (<https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html>, "File Consistency Flags"). One that died leaves it.

use std::fs::{self, File};
use std::io::{self, Error, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// What the superblock says of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriterMark {
    /// Nothing.
    None,
    /// The file is written, and nobody may read it.
    Alone,
    /// The file is written for readers: a single writer, multiple readers.
    Swmr,
}

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Version and flags of the superblock, counted from the signature.
const VERSION_AT: usize = 8;
const FLAGS_AT: usize = 11;
/// "Bit 0 if set indicates that the file has been opened for write access."
const WRITTEN: u8 = 0b001;
/// "Bit 2 if set indicates that the file has been opened for SWMR write access."
const WRITTEN_FOR_READERS: u8 = 0b100;

/// Reads the mark of the file at `path`. What is no regular file is an error: opening a pipe would wait for a writer.
pub(crate) fn writer_mark(path: &Path) -> io::Result<WriterMark> {
    if !fs::metadata(path)?.is_file() {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    let mut file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut front = [0; FLAGS_AT + 1];
    // A user block of 512 bytes, or twice that, and so on, may stand before the superblock.
    let places = std::iter::successors(Some(512), |place: &u64| place.checked_mul(2));
    for place in std::iter::once(0).chain(places) {
        if place + front.len() as u64 > len {
            break;
        }
        file.seek(SeekFrom::Start(place))?;
        file.read_exact(&mut front)?;
        if front.starts_with(&SIGNATURE) {
            return Ok(mark_of(&front));
        }
    }
    // HDF5 says better what is wrong with it.
    Ok(WriterMark::None)
}

fn mark_of(front: &[u8; FLAGS_AT + 1]) -> WriterMark {
    let flags = if front[VERSION_AT] < 3 {
        0
    } else {
        front[FLAGS_AT]
    };
    match (flags & WRITTEN != 0, flags & WRITTEN_FOR_READERS != 0) {
        (_, true) => WriterMark::Swmr,
        (true, false) => WriterMark::Alone,
        (false, false) => WriterMark::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(place: usize, version: u8, flags: u8) -> WriterMark {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.h5");
        let mut bytes = vec![0; place];
        bytes.extend(SIGNATURE);
        bytes.extend([version, 8, 8, flags]);
        bytes.extend([0; 32]);
        fs::write(&path, bytes).unwrap();
        writer_mark(&path).unwrap()
    }

    #[test]
    fn the_mark_is_read_behind_a_user_block_as_well() {
        for place in [0, 512, 1024, 4096] {
            assert_eq!(mark(place, 3, 0), WriterMark::None, "{place}");
            assert_eq!(mark(place, 3, 1), WriterMark::Alone, "{place}");
            assert_eq!(mark(place, 3, 5), WriterMark::Swmr, "{place}");
            assert_eq!(mark(place, 2, 5), WriterMark::None, "{place}");
        }
    }

    #[test]
    fn what_is_no_file_is_an_error_and_what_is_no_hdf5_has_no_mark() {
        let folder = tempfile::tempdir().unwrap();
        assert!(writer_mark(folder.path()).is_err());
        let path = folder.path().join("a.h5");
        for len in [0, 4, 600] {
            fs::write(&path, vec![7; len]).unwrap();
            assert_eq!(writer_mark(&path).unwrap(), WriterMark::None);
        }
    }
}
