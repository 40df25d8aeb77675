//! Messages between the element and its worker: JSON with its length before it (4 bytes, least first), on a Unix socket
//! that never blocks.

use std::io::{self, IoSlice, Read};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::Value;

/// A worker that sends more than this in one message is broken.
const LONGEST: usize = 16 << 20;

/// Sends a message, with shared memory beside it if there is any. All or nothing: it never waits.
///
/// # Errors
///
/// The other end is gone, or has not read what it was sent.
pub fn send(socket: BorrowedFd<'_>, message: &Value, memory: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let text = message.to_string();
    let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?.to_le_bytes();
    let descriptors = memory.map(|memory| [memory.as_raw_fd()]);
    let beside: Vec<_> = descriptors.iter().map(|fds| ControlMessage::ScmRights(fds)).collect();
    let parts = [IoSlice::new(&length), IoSlice::new(text.as_bytes())];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    let sent = sendmsg::<()>(socket.as_raw_fd(), &parts, &beside, flags, None)?;
    if sent == length.len() + text.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// What has come and was not taken yet.
#[derive(Default)]
pub struct Incoming {
    bytes: Vec<u8>,
}

impl Incoming {
    /// Reads what there is, without waiting, from a socket that does not block; `false` at the end.
    ///
    /// # Errors
    ///
    /// The socket is broken.
    pub fn read(&mut self, mut socket: &UnixStream) -> io::Result<bool> {
        let mut chunk = [0; 1 << 16];
        loop {
            match socket.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(got) => {
                    self.bytes.extend_from_slice(&chunk[..got]);
                    if got < chunk.len() || self.bytes.len() > LONGEST {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next whole message.
    ///
    /// # Errors
    ///
    /// What came is no message; the text says why.
    pub fn next(&mut self) -> Result<Option<Value>, String> {
        let Some(length) = self.bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length) as usize)
        else {
            return Ok(None);
        };
        if length > LONGEST {
            return Err(format!("a message of {length} bytes; at most {LONGEST} are read"));
        }
        let Some(text) = self.bytes.get(4..4 + length) else { return Ok(None) };
        let message = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"));
        self.bytes.drain(..4 + length);
        message.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use serde_json::json;

    use super::*;

    #[test]
    fn messages_arrive_whole_however_they_are_cut() {
        let (here, there) = UnixStream::pair().unwrap();
        there.set_nonblocking(true).unwrap();
        let mut incoming = Incoming::default();
        for n in 0..3 {
            send(here.as_fd(), &json!({"n": n, "text": "x".repeat(n * 40_000)}), None).unwrap();
        }
        let mut numbers = Vec::new();
        while numbers.len() < 3 {
            assert!(incoming.read(&there).unwrap());
            while let Some(message) = incoming.next().unwrap() {
                numbers.push(message["n"].as_u64().unwrap());
            }
        }
        assert_eq!(numbers, [0, 1, 2]);
        drop(here);
        assert!(!incoming.read(&there).unwrap());
    }

    #[test]
    fn nonsense_is_an_error_and_sending_never_waits() {
        let mut incoming = Incoming { bytes: b"\xff\xff\xff\xff{}".to_vec() };
        assert!(incoming.next().is_err());
        let mut incoming = Incoming { bytes: b"\x02\0\0\0{]".to_vec() };
        assert!(incoming.next().is_err());
        let (here, _there) = UnixStream::pair().unwrap();
        let message = json!("x".repeat(100_000));
        assert!((0..100).any(|_| send(here.as_fd(), &message, None).is_err()), "nobody reads");
    }
}
