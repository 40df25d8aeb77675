//! A look at an MP4 file's boxes, to know at once whether it was cut off.

use std::io::{Read, Seek, SeekFrom};

/// What a look at the boxes tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No MP4 file, or a whole one as far as its boxes tell.
    Fine,
    /// There is no index in it: nothing can be played.
    NoIndex,
    /// The index is there, but the media end early.
    Short {
        /// How much is missing.
        missing: u64,
    },
}

/// Most boxes that are looked at; a fragmented file has thousands.
const MAX_BOXES: usize = 64;

/// Looks at the headers of the outermost boxes of a file that is `length` bytes long.
pub fn look(mut file: impl Read + Seek, length: u64) -> Verdict {
    let mut at = 0;
    let mut has_index = false;
    for number in 0..MAX_BOXES {
        let Some((kind, size)) = header(&mut file, at) else {
            // The end, or less than a header. A file that begins with another kind of box never gets here.
            return if has_index || number == 0 { Verdict::Fine } else { Verdict::NoIndex };
        };
        let known = matches!(
            &kind,
            b"ftyp"
                | b"moov"
                | b"mdat"
                | b"free"
                | b"skip"
                | b"wide"
                | b"moof"
                | b"sidx"
                | b"styp"
                | b"pdin"
                | b"uuid"
        );
        if number == 0 && !known {
            return Verdict::Fine;
        }
        let end = match size {
            // It goes on to the end of the file.
            0 => length,
            size if size < 8 => return Verdict::Fine,
            size => at.saturating_add(size),
        };
        if end > length {
            return match has_index {
                true => Verdict::Short { missing: end - length },
                false => Verdict::NoIndex,
            };
        }
        has_index |= matches!(&kind, b"moov" | b"moof");
        at = end;
    }
    Verdict::Fine
}

/// The kind and the whole size of the box that begins there.
fn header(file: &mut (impl Read + Seek), at: u64) -> Option<([u8; 4], u64)> {
    let mut head = [0u8; 16];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut head[..8]).ok()?;
    let kind = [head[4], head[5], head[6], head[7]];
    let size = u64::from(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
    if size != 1 {
        return Some((kind, size));
    }
    file.read_exact(&mut head[8..]).ok()?;
    let large: [u8; 8] = head[8..].try_into().ok()?;
    Some((kind, u64::from_be_bytes(large)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn atom(kind: &[u8; 4], content: usize) -> Vec<u8> {
        let mut atom = ((content + 8) as u32).to_be_bytes().to_vec();
        atom.extend(kind);
        atom.extend(vec![7; content]);
        atom
    }

    fn verdict(file: &[u8]) -> Verdict {
        look(Cursor::new(file), file.len() as u64)
    }

    #[test]
    fn whole_files_and_other_files_are_fine() {
        assert_eq!(
            verdict(&[atom(b"ftyp", 8), atom(b"mdat", 50), atom(b"moov", 20)].concat()),
            Verdict::Fine
        );
        assert_eq!(
            verdict(&[atom(b"ftyp", 8), atom(b"moov", 50), atom(b"mdat", 20)].concat()),
            Verdict::Fine
        );
        assert_eq!(verdict(b"These are only words."), Verdict::Fine);
        assert_eq!(verdict(&[0x1A, 0x45, 0xDF, 0xA3, 1, 2, 3, 4, 5]), Verdict::Fine);
        let mut open_end = [atom(b"ftyp", 8), atom(b"moov", 9)].concat();
        open_end.extend([0, 0, 0, 0, b'm', b'd', b'a', b't', 1, 2, 3]);
        assert_eq!(verdict(&open_end), Verdict::Fine);
    }

    #[test]
    fn cut_files_are_found_at_every_length() {
        let late = [atom(b"ftyp", 8), atom(b"mdat", 50), atom(b"moov", 20)].concat();
        for length in 24..late.len() {
            assert_eq!(verdict(&late[..length]), Verdict::NoIndex, "{length} bytes");
        }
        let early = [atom(b"ftyp", 8), atom(b"moov", 20), atom(b"mdat", 50)].concat();
        for length in 52..early.len() {
            assert_eq!(verdict(&early[..length]), Verdict::Short { missing: (early.len() - length) as u64 });
        }
    }

    #[test]
    fn large_boxes_and_nonsense_sizes() {
        let mut large = atom(b"ftyp", 8);
        large.extend([0, 0, 0, 1, b'm', b'd', b'a', b't']);
        large.extend(u64::MAX.to_be_bytes());
        assert_eq!(verdict(&large), Verdict::NoIndex);
        let mut nonsense = atom(b"ftyp", 8);
        nonsense.extend([0, 0, 0, 3, b'm', b'd', b'a', b't']);
        assert_eq!(verdict(&nonsense), Verdict::Fine);
    }
}
