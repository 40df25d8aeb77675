//! A network between two peers that loses packets, or stops.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Passes datagrams between two peers that know each other only by its address.
pub struct Relay {
    address: SocketAddr,
    /// Passes nothing.
    pub cut: Arc<AtomicBool>,
    /// Loses one of so many; 0: none.
    pub loses: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Relay {
    /// Between the peers of these ports.
    pub fn new() -> Relay {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let (cut, loses, over) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default(), Arc::default());
        let run = {
            let (cut, loses, over): (_, _, Arc<AtomicBool>) = (cut.clone(), loses.clone(), Arc::clone(&over));
            move || pass(&socket, &cut, &loses, &over)
        };
        let thread = Some(std::thread::spawn(run));
        Relay { address, cut, loses, over, thread }
    }

    /// The description with the relay's address in the place of the peer's, of which the relay is told.
    pub fn stand_in(&self, sdp: &str) -> String {
        let mut changed = String::new();
        for line in sdp.lines() {
            if line.starts_with("a=candidate:") {
                let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
                let real: SocketAddr = format!("{}:{}", words[4], words[5]).parse().unwrap();
                let teller = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                teller.send_to(format!("peer {real}").as_bytes(), self.address).unwrap();
                words[4] = self.address.ip().to_string();
                words[5] = self.address.port().to_string();
                changed += &words.join(" ");
            } else {
                changed += line;
            }
            changed += "\r\n";
        }
        changed
    }
}

fn pass(socket: &UdpSocket, cut: &AtomicBool, loses: &AtomicU64, over: &AtomicBool) {
    let mut peers: Vec<SocketAddr> = Vec::new();
    let mut buffer = [0; 2048];
    let mut count = 0u64;
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        let datagram = &buffer[..length];
        if let Some(peer) = datagram.strip_prefix(b"peer ") {
            peers.push(std::str::from_utf8(peer).unwrap().parse().unwrap());
            continue;
        }
        count += 1;
        let lost = loses.load(Ordering::Relaxed);
        if cut.load(Ordering::Relaxed) || lost > 0 && count.is_multiple_of(lost) {
            continue;
        }
        for peer in peers.iter().filter(|peer| **peer != from) {
            let _ = socket.send_to(datagram, peer);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}
