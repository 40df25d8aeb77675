//! Reading FlatBuffers: as much of the format as TensorFlow Lite's files need. What lies outside of the file reads as
//! absent, so damaged files do no harm.

/// A table of a FlatBuffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Table<'a> {
    /// The table that a file begins with.
    pub(super) fn root(bytes: &'a [u8]) -> Option<Self> {
        let at = word(bytes, 0)?;
        Some(Table { bytes, at })
    }

    /// Where a field's value is.
    fn field(&self, number: usize) -> Option<usize> {
        let back = i64::from(word(self.bytes, self.at)? as u32 as i32);
        let vtable = usize::try_from(i64::try_from(self.at).ok()? - back).ok()?;
        let size = half(self.bytes, vtable)?;
        let slot = 4 + 2 * number;
        if slot + 2 > size {
            return None;
        }
        match half(self.bytes, vtable + slot)? {
            0 => None,
            offset => Some(self.at + offset),
        }
    }

    /// Where something is that a field points to.
    fn target(&self, number: usize) -> Option<usize> {
        let at = self.field(number)?;
        at.checked_add(word(self.bytes, at)?)
    }

    pub(super) fn byte(&self, number: usize) -> u8 {
        self.field(number).and_then(|at| self.bytes.get(at).copied()).unwrap_or(0)
    }

    pub(super) fn number(&self, number: usize, default: i32) -> i32 {
        self.field(number).and_then(|at| word(self.bytes, at)).map_or(default, |v| v as u32 as i32)
    }

    pub(super) fn table(&self, number: usize) -> Option<Table<'a>> {
        self.target(number).map(|at| Table { bytes: self.bytes, at })
    }

    /// The bytes of a vector whose elements have this size.
    fn vector(&self, number: usize, size: usize) -> &'a [u8] {
        let found = || {
            let at = self.target(number)?;
            let bytes = word(self.bytes, at)?.checked_mul(size)?;
            self.bytes.get(at + 4..(at + 4).checked_add(bytes)?)
        };
        found().unwrap_or(&[])
    }

    pub(super) fn bytes(&self, number: usize) -> &'a [u8] {
        self.vector(number, 1)
    }

    pub(super) fn text(&self, number: usize) -> String {
        String::from_utf8_lossy(self.bytes(number)).into_owned()
    }

    pub(super) fn numbers(&self, number: usize) -> Vec<i32> {
        self.vector(number, 4).as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect()
    }

    pub(super) fn tables(&self, number: usize) -> Vec<Table<'a>> {
        let Some(start) = self.target(number) else { return Vec::new() };
        let offsets = self.vector(number, 4).as_chunks::<4>().0.iter().enumerate();
        offsets
            .map(|(index, offset)| {
                let at = start + 4 + 4 * index;
                Table { bytes: self.bytes, at: at.saturating_add(u32::from_le_bytes(*offset) as usize) }
            })
            .collect()
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes(two.try_into().ok()?)))
}
