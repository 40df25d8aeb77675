//! MP4's boxes.

/// A box that is being written.
#[derive(Default)]
pub struct Boxes(Vec<u8>);

impl Boxes {
    /// A box of that type with what `fill` writes.
    pub fn add(&mut self, kind: &[u8; 4], fill: impl FnOnce(&mut Boxes)) {
        let start = self.0.len();
        self.u32(0);
        self.bytes(kind);
        fill(self);
        let size = (self.0.len() - start) as u32;
        self.0[start..start + 4].copy_from_slice(&size.to_be_bytes());
    }

    /// The same with version and flags.
    pub fn full(&mut self, kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Boxes)) {
        self.add(kind, |b| {
            b.u32(u32::from(version) << 24 | flags);
            fill(b);
        });
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Two bytes.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// So many bytes of 0.
    pub fn zeros(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    /// How much there is.
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// Writes four bytes over others.
    pub fn patch(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// All of it.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}
