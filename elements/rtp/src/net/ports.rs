//! Pairs of UDP ports: an even one for RTP and the next for RTCP.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::atomic::{AtomicU16, Ordering};

use anabranch_kit::command::CommandErrorKind;
use socket2::{Domain, Protocol, Socket, Type};

use super::interface::Interface;
use super::{any, multicast};
use anabranch_kit::endpoint::EndpointError;

/// Room for the packets of a key frame that come at once, bytes; the system may give less.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Attempts to find two free ports next to each other.
const ATTEMPTS: u32 = 64;

/// The sockets of one medium.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub rtp: Socket,
    pub rtcp: Socket,
    /// A group's RTCP, for reports that receivers send to all.
    pub group_rtcp: Option<Socket>,
    pub rtp_port: u16,
    pub rtcp_port: u16,
}

/// Where to listen and how to send.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The address to bind to; unspecified: all.
    pub ip: IpAddr,
    /// Least and greatest port; 0 and 0: any.
    pub ports: (u16, u16),
    pub interface: Option<Interface>,
    /// How many routers packets may pass; `None`: as the system has it.
    pub hops: Option<u32>,
    /// Whether this machine hears what it sends to groups.
    pub hear: bool,
}

impl Place {
    fn index(&self) -> u32 {
        self.interface.as_ref().map_or(0, |interface| interface.index)
    }

    /// Opens a pair of ports of one's own.
    ///
    /// # Errors
    ///
    /// `ports-in-use`, `bad-address`.
    pub fn open(&self) -> Result<Sockets, EndpointError> {
        let (least, most) = self.ports;
        if (least, most) == (0, 0) {
            for _ in 0..ATTEMPTS {
                if let Some(sockets) = self.any_pair()? {
                    return Ok(sockets);
                }
            }
            return Err(in_use("no two neighbouring UDP ports are free"));
        }
        let first = u32::from(least.max(1).next_multiple_of(2).max(2));
        let last = u32::from(if most == 0 { u16::MAX } else { most });
        let count = (last + 1).saturating_sub(first) / 2;
        if count == 0 {
            return Err(EndpointError::invalid(
                "bad-ports",
                format!("there is no pair of ports, an even one and the next, between {least} and {most}"),
            ));
        }
        // Not always the first: a port that was given up a moment ago may still get a former peer's packets.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = u32::from(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
        for step in 0..count {
            let port = (first + 2 * ((start + step) % count)) as u16;
            if let Some(sockets) = self.pair(port)? {
                return Ok(sockets);
            }
        }
        Err(in_use(&format!("every pair of UDP ports from {least} to {last} is in use")))
    }

    fn any_pair(&self) -> Result<Option<Sockets>, EndpointError> {
        let rtp = self.bind(0).map_err(|error| self.refused(&error))?;
        let port = rtp.local_addr().ok().and_then(|a| a.as_socket()).map_or(0, |a| a.port());
        if port % 2 == 1 || port == 0 {
            return Ok(None);
        }
        self.finish(rtp, port)
    }

    fn pair(&self, port: u16) -> Result<Option<Sockets>, EndpointError> {
        match self.bind(port) {
            Ok(rtp) => self.finish(rtp, port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
            Err(error) => Err(self.refused(&error)),
        }
    }

    fn finish(&self, rtp: Socket, port: u16) -> Result<Option<Sockets>, EndpointError> {
        let rtcp = match self.bind(port + 1) {
            Ok(rtcp) => rtcp,
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Ok(None),
            Err(error) => return Err(self.refused(&error)),
        };
        for socket in [&rtp, &rtcp] {
            multicast::send_through(socket, self.ip.is_ipv4(), self.index(), self.hops, self.hear)
                .map_err(|error| self.refused(&error))?;
        }
        Ok(Some(Sockets { rtp, rtcp, group_rtcp: None, rtp_port: port, rtcp_port: port + 1 }))
    }

    fn bind(&self, port: u16) -> io::Result<Socket> {
        let socket = new_socket(self.ip)?;
        socket.bind(&SocketAddr::new(self.ip, port).into())?;
        Ok(socket)
    }

    fn refused(&self, error: &io::Error) -> EndpointError {
        EndpointError::invalid("bad-address", format!("{} cannot be used: {error}", self.ip))
    }

    /// Joins a group and listens to it on these ports, from one source on wish; others may do so, too.
    ///
    /// # Errors
    ///
    /// `ports-in-use`, `bad-address`.
    pub fn join(
        &self,
        group: IpAddr,
        (rtp_port, rtcp_port): (u16, u16),
        source: Option<IpAddr>,
    ) -> Result<Sockets, EndpointError> {
        Ok(Sockets {
            rtp: self.join_one(group, rtp_port, source)?,
            rtcp: self.join_one(group, rtcp_port, source)?,
            group_rtcp: None,
            rtp_port,
            rtcp_port,
        })
    }

    /// Joins a group on one port.
    ///
    /// # Errors
    ///
    /// As [`Place::join`].
    pub fn join_one(
        &self,
        group: IpAddr,
        port: u16,
        source: Option<IpAddr>,
    ) -> Result<Socket, EndpointError> {
        let join = || -> io::Result<Socket> {
            let socket = new_socket(group)?;
            socket.set_reuse_address(true)?;
            let address = match group {
                IpAddr::V4(_) => SocketAddr::new(group, port),
                IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.index()).into(),
            };
            socket.bind(&address.into())?;
            multicast::join(&socket, group, source, self.index())?;
            multicast::send_through(&socket, group.is_ipv4(), self.index(), self.hops, self.hear)?;
            Ok(socket)
        };
        join().map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => in_use(&format!("UDP port {port} is in use")),
            _ => {
                EndpointError::invalid("bad-address", format!("the group {group} cannot be joined: {error}"))
            }
        })
    }

    /// Listens on exactly these ports.
    ///
    /// # Errors
    ///
    /// `ports-in-use`, `bad-address`.
    pub fn listen(&self, rtp_port: u16, rtcp_port: u16) -> Result<Sockets, EndpointError> {
        let one = |port: u16| {
            self.bind(port).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => in_use(&format!("UDP port {port} is in use")),
                _ => self.refused(&error),
            })
        };
        Ok(Sockets { rtp: one(rtp_port)?, rtcp: one(rtcp_port)?, group_rtcp: None, rtp_port, rtcp_port })
    }
}

fn new_socket(ip: IpAddr) -> io::Result<Socket> {
    let socket =
        Socket::new(Domain::for_address(SocketAddr::new(any(ip), 0)), Type::DGRAM, Some(Protocol::UDP))?;
    if ip.is_ipv6() {
        // The same port of IPv4 is another's.
        socket.set_only_v6(true)?;
    }
    // The system gives what it may.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    Ok(socket)
}

fn in_use(text: &str) -> EndpointError {
    EndpointError::new(CommandErrorKind::Conflict, "ports-in-use", text)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn place(ports: (u16, u16)) -> Place {
        Place { ip: Ipv4Addr::LOCALHOST.into(), ports, interface: None, hops: None, hear: true }
    }

    #[test]
    fn pairs_are_even_and_odd_and_in_range() {
        let sockets = place((0, 0)).open().unwrap();
        assert_eq!((sockets.rtp_port % 2, sockets.rtcp_port), (0, sockets.rtp_port + 1));
        // What is free now, freed again: the range around it has room for two pairs.
        let (least, most) = (sockets.rtp_port, sockets.rtp_port + 1);
        drop(sockets);
        let held = place((least, most)).open().unwrap();
        assert_eq!(held.rtp_port, least);
        let error = place((least, most)).open().unwrap_err();
        assert_eq!(error.code, "ports-in-use");
        assert!(error.text.contains(&least.to_string()), "{error}");
        assert_eq!(place((least + 1, least + 1)).open().unwrap_err().code, "bad-ports");
    }

    #[test]
    fn an_address_that_is_not_here_is_refused() {
        let mut there = place((0, 0));
        there.ip = Ipv4Addr::new(192, 0, 2, 1).into();
        assert_eq!(there.open().unwrap_err().code, "bad-address");
    }

    #[test]
    fn a_group_is_joined_twice() {
        let group = Ipv4Addr::new(239, 255, 77, 1).into();
        let mut at = place((0, 0));
        at.interface = Interface::named("lo").unwrap();
        // Not of those that the system gives to others by itself.
        let first = at.join(group, (27_654, 27_655), None).unwrap();
        let second = at.join(group, (27_654, 27_655), Some(Ipv4Addr::LOCALHOST.into())).unwrap();
        assert_eq!(first.rtp_port, second.rtp_port);
    }
}
