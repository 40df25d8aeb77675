//! STUN, as far as str0m leaves it to its user: whose message it is, and asking a server for the address that it sees.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const COOKIE: u32 = 0x2112_A442;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const USERNAME: u16 = 0x0006;
const MAPPED_ADDRESS: u16 = 0x0001;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

/// As in RFC 8489, section 6.2.1, but a shorter wait: a server that is slower helps nobody any more.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const ATTEMPTS: u32 = 4;

/// What names one exchange.
pub(super) type Transaction = [u8; 12];

/// A STUN message, unchecked.
pub(super) struct Message<'a> {
    kind: u16,
    pub transaction: Transaction,
    attributes: &'a [u8],
}

impl<'a> Message<'a> {
    /// `None`: something else.
    pub fn parse(datagram: &'a [u8]) -> Option<Message<'a>> {
        let (head, attributes) = datagram.split_at_checked(20)?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let cookie = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        if kind & 0xC000 != 0 || cookie != COOKIE {
            return None;
        }
        Some(Message { kind, transaction: head[8..20].try_into().ok()?, attributes })
    }

    pub fn is_request(&self) -> bool {
        self.kind == BINDING_REQUEST
    }

    fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.attributes;
        loop {
            let (head, tail) = rest.split_at_checked(4)?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let value = tail.get(..length)?;
            if u16::from_be_bytes([head[0], head[1]]) == wanted {
                return Some(value);
            }
            rest = tail.get(length.next_multiple_of(4)..)?;
        }
    }

    /// The username fragment of the peer that a request is for.
    pub fn local_ufrag(&self) -> Option<&'a str> {
        let username = std::str::from_utf8(self.attribute(USERNAME)?).ok()?;
        username.split_once(':').map(|(local, _)| local)
    }

    /// The address that the server saw, in a response.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        if self.kind != BINDING_SUCCESS {
            return None;
        }
        let xored = self.attribute(XOR_MAPPED_ADDRESS);
        let value = xored.or_else(|| self.attribute(MAPPED_ADDRESS))?;
        let mut key = [0u8; 16];
        if xored.is_some() {
            key[..4].copy_from_slice(&COOKIE.to_be_bytes());
            key[4..].copy_from_slice(&self.transaction);
        }
        let port = u16::from_be_bytes([value.get(2)? ^ key[0], value.get(3)? ^ key[1]]);
        let address = |length: usize| -> Option<Vec<u8>> {
            Some(value.get(4..4 + length)?.iter().zip(key).map(|(byte, key)| byte ^ key).collect())
        };
        let ip = match value.get(1)? {
            1 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(address(4)?).ok()?)),
            2 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address(16)?).ok()?)),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}

/// A transaction that nobody else has: 96 bits from the process's random hasher keys and a count.
pub(super) fn transaction() -> Transaction {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut transaction = [0; 12];
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
    transaction[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    hasher.write_u8(1);
    transaction[8..].copy_from_slice(&hasher.finish().to_be_bytes()[..4]);
    transaction
}

/// A binding request without attributes.
pub(super) fn binding_request(transaction: &Transaction) -> [u8; 20] {
    let mut request = [0; 20];
    request[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
    request[4..8].copy_from_slice(&COOKIE.to_be_bytes());
    request[8..].copy_from_slice(transaction);
    request
}

/// One question to a server, asked again until it is answered or given up.
#[derive(Debug)]
pub(super) struct Question {
    pub transaction: Transaction,
    pub server: SocketAddr,
    /// The socket's address that asks.
    pub base: SocketAddr,
    attempts: u32,
    next: Instant,
}

impl Question {
    pub fn new(transaction: Transaction, server: SocketAddr, base: SocketAddr, now: Instant) -> Self {
        Question { transaction, server, base, attempts: 0, next: now }
    }

    /// When it is to be looked at again.
    pub fn due(&self) -> Instant {
        self.next
    }

    /// What is to be done at this time: `Some(true)` send it, `Some(false)` give up, `None` wait.
    pub fn step(&mut self, now: Instant) -> Option<bool> {
        if now < self.next {
            return None;
        }
        self.next = now + FIRST_WAIT * 2u32.pow(self.attempts);
        self.attempts += 1;
        Some(self.attempts <= ATTEMPTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = binding_request(&[7; 12]).to_vec();
        bytes[..2].copy_from_slice(&kind.to_be_bytes());
        for (kind, value) in attributes {
            bytes.extend(kind.to_be_bytes());
            bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    #[test]
    fn requests_say_whom_they_are_for() {
        let request = message(BINDING_REQUEST, &[(0x8022, b"abc"), (USERNAME, b"here:there")]);
        let parsed = Message::parse(&request).unwrap();
        assert!(parsed.is_request());
        assert_eq!(parsed.local_ufrag(), Some("here"));
        assert_eq!(parsed.transaction, [7; 12]);
        for cut in 0..request.len() {
            // Whatever is cut off, nothing is read beyond the end.
            let _ = Message::parse(&request[..cut]).and_then(|message| message.local_ufrag());
        }
        assert!(Message::parse(&[0x80; 40]).is_none(), "RTP is no STUN");
    }

    #[test]
    fn responses_say_what_the_server_saw() {
        let address: SocketAddr = "192.0.2.1:32853".parse().unwrap();
        let key = COOKIE.to_be_bytes();
        let mut value = vec![0, 1];
        value.extend(32853u16.to_be_bytes().iter().zip(key).map(|(a, b)| a ^ b));
        value.extend([192, 0, 2, 1].iter().zip(key).map(|(a, b)| a ^ b));
        let response = message(BINDING_SUCCESS, &[(XOR_MAPPED_ADDRESS, &value)]);
        assert_eq!(Message::parse(&response).unwrap().mapped_address(), Some(address));
        let plain = message(BINDING_SUCCESS, &[(MAPPED_ADDRESS, &[0, 1, 0x80, 0x55, 192, 0, 2, 1])]);
        assert_eq!(Message::parse(&plain).unwrap().mapped_address(), Some(address));
    }

    #[test]
    fn a_question_is_repeated_and_then_given_up() {
        let start = Instant::now();
        let mut question = Question::new(
            [1; 12],
            "192.0.2.1:3478".parse().unwrap(),
            "192.0.2.2:5000".parse().unwrap(),
            start,
        );
        let mut steps = Vec::new();
        while steps.last() != Some(&false) {
            let due = question.due();
            assert_eq!(question.step(due - Duration::from_millis(1)), None);
            steps.extend(question.step(due));
        }
        assert_eq!(steps, [true, true, true, true, false]);
        assert!(question.due() - start < Duration::from_secs(10));
    }
}
