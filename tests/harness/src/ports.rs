//! Ports for programs that must be told one before they take it.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

/// Below those that the system itself gives to whoever asks for any: it cannot give one of these to somebody else before
/// it is taken.
const FIRST: u16 = 16384;
/// Ports are given in fours, so that RTP and RTCP of two media fit.
const FOURS: u32 = 4096;
/// So many fours each process has for itself, until their number is used up.
const OWN: u32 = 8;

/// An even port that nobody listens at, by UDP and by TCP, and nobody at the three after it. No other test is given it.
///
/// # Errors
/// All are taken.
pub fn free() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id().wrapping_mul(OWN);
    for _ in 0..FOURS {
        let four = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % FOURS;
        let port = FIRST + four as u16 * 4;
        if (port..port + 4).all(is_free) {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::UNSPECIFIED, port);
    UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_given_once_and_can_be_taken() {
        let ports: Vec<u16> = (0..10).map(|_| free().unwrap()).collect();
        let mut different = ports.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), ports.len());
        assert!(ports.iter().all(|port| port % 4 == 0 && (16384..32768).contains(port)), "{ports:?}");
    }
}
