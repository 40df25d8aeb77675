//! The addresses and UDP sockets of this machine.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::UdpSocket;
use socket2::{Domain, Protocol, Socket, Type};

use crate::interfaces;
use crate::options::Options;

/// Room for the packets of some hundred peers between two wakes of the worker.
const SOCKET_BUFFER: usize = 2 << 20;

/// What decides which sockets a peer can use; peers that agree share them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SocketOptions {
    interfaces: Vec<String>,
    loopback: bool,
    ipv6: bool,
    min_port: u16,
    max_port: u16,
    dscp: u32,
}

impl SocketOptions {
    pub fn new(options: &Options) -> Self {
        let port = |port: u32| u16::try_from(port).unwrap_or(u16::MAX);
        SocketOptions {
            interfaces: options.interfaces.clone(),
            loopback: options.loopback,
            ipv6: options.ipv6,
            min_port: port(options.min_port),
            max_port: port(options.max_port),
            dscp: options.dscp,
        }
    }

    /// One socket for each address that is to be offered.
    pub fn bind(&self) -> io::Result<Vec<(SocketAddr, UdpSocket)>> {
        let mut sockets = Vec::new();
        let mut last = None;
        let addresses = interfaces::addresses(&self.interfaces, self.loopback, self.ipv6);
        for address in addresses.map_err(io::Error::other)? {
            match self.bind_one(address) {
                Ok(socket) => sockets.push((socket.local_addr()?, socket)),
                // An address may be unusable (tentative, just removed); one that is left is enough.
                Err(error) => last = Some(error),
            }
        }
        match last {
            Some(error) if sockets.is_empty() => Err(error),
            _ => Ok(sockets),
        }
    }

    fn bind_one(&self, address: IpAddr) -> io::Result<UdpSocket> {
        if self.min_port == 0 && self.max_port == 0 {
            return self.open(SocketAddr::new(address, 0));
        }
        let first = self.min_port.max(1);
        let last = if self.max_port == 0 { u16::MAX } else { self.max_port };
        let mut result = Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            format!("no UDP port from {first} to {last} is free on {address}"),
        ));
        for port in first..=last {
            match self.open(SocketAddr::new(address, port)) {
                Ok(socket) => return Ok(socket),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        result
    }

    fn open(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        // The kernel gives less where it has a lower limit; that works as well.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        if self.dscp > 0 {
            let tos = self.dscp << 2;
            match address {
                SocketAddr::V4(_) => socket.set_tos_v4(tos)?,
                SocketAddr::V6(_) => socket.set_tclass_v6(tos)?,
            }
        }
        socket.bind(&address.into())?;
        Ok(UdpSocket::from_std(socket.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn loopback_is_offered_when_it_is_asked_for() {
        let options = Options { loopback: true, ..Options::default() };
        let sockets = SocketOptions::new(&options).bind().unwrap();
        assert!(sockets.iter().any(|(address, _)| address.ip() == Ipv4Addr::LOCALHOST));
    }

    #[test]
    fn ports_come_from_the_range_and_run_out() {
        let (_, free) = SocketOptions::new(&Options { loopback: true, ..Options::default() })
            .bind()
            .unwrap()
            .into_iter()
            .find(|(address, _)| address.ip() == Ipv4Addr::LOCALHOST)
            .unwrap();
        let port = u32::from(free.local_addr().unwrap().port());
        let options =
            Options { loopback: true, min_port: port, max_port: port, ipv6: false, ..Options::default() };
        let one = SocketOptions::new(&options);
        let error = one.bind_one(Ipv4Addr::LOCALHOST.into()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(free);
        let bound = one.bind_one(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(u32::from(bound.local_addr().unwrap().port()), port);
    }

    /// The byte of the IP header in front of the next datagram in which DSCP is.
    fn type_of_service(socket: &std::net::UdpSocket) -> u8 {
        use std::os::fd::AsRawFd;
        let (mut data, mut control) = ([0_u8; 64], [0_u64; 16]);
        let mut part = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
        // SAFETY: all zero is a valid msghdr; its pointers are to the three values above, which outlive it, with their
        // sizes; the control message is read only if the kernel says that there is one.
        unsafe {
            let mut message: libc::msghdr = std::mem::zeroed();
            (message.msg_iov, message.msg_iovlen) = (&raw mut part, 1);
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = size_of_val(&control);
            assert!(libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) > 0);
            let head = libc::CMSG_FIRSTHDR(&raw const message).as_ref().unwrap();
            assert_eq!((head.cmsg_level, head.cmsg_type), (libc::IPPROTO_IP, libc::IP_TOS));
            *libc::CMSG_DATA(head)
        }
    }

    #[test]
    fn packets_are_marked() {
        for dscp in [0, 46] {
            let other = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
            other.set_recv_tos_v4(true).unwrap();
            other.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
            let other = std::net::UdpSocket::from(other);
            let options = SocketOptions::new(&Options { dscp, ..Options::default() });
            let own = options.bind_one(Ipv4Addr::LOCALHOST.into()).unwrap();
            own.send_to(b"hello", other.local_addr().unwrap()).unwrap();
            assert_eq!(u32::from(type_of_service(&other)) >> 2, dscp);
        }
    }
}
