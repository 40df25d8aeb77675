//! Sockets and addresses of this machine.

pub(crate) mod interface;
pub(crate) mod multicast;
pub(crate) mod ports;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use anabranch_kit::endpoint::EndpointError;

/// As it stands in an SDP: `IP4` or `IP6`.
pub(crate) fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IP4" } else { "IP6" }
}

/// The address of any interface, in the family of another.
pub(crate) fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}

/// An address as a property has it.
///
/// # Errors
///
/// `bad-address`.
pub(crate) fn parse_ip(property: &str, text: &str) -> Result<IpAddr, EndpointError> {
    text.trim().parse().map_err(|_| {
        EndpointError::invalid(
            "bad-address",
            format!(
                "`{property}` is no IPv4 or IPv6 address: '{}'",
                text.chars().take(80).collect::<String>()
            ),
        )
    })
}

/// A port as a property has it.
pub(crate) fn port(number: u32) -> u16 {
    u16::try_from(number).unwrap_or_default()
}

/// The port of audio as the properties have it: two above that of video unless it is given.
///
/// # Errors
///
/// `bad-ports`: there is none above, or none above it for RTCP.
pub(crate) fn audio_port(video: u32, audio: u32) -> Result<u32, EndpointError> {
    let port = if audio == 0 { video + 2 } else { audio };
    if port < u32::from(u16::MAX) {
        return Ok(port);
    }
    Err(EndpointError::invalid(
        "bad-ports",
        format!("there are no ports for audio above those of video ({video}): give `audio_port`"),
    ))
}

/// The address from which this machine reaches another; it sends nothing.
pub(crate) fn local_address_towards(peer: SocketAddr) -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind(SocketAddr::new(any(peer.ip()), 0)).ok()?;
    socket.connect(peer).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// A socket as GStreamer's elements take it.
///
/// # Errors
///
/// The system refuses.
pub(crate) fn for_gstreamer(socket: socket2::Socket) -> Result<gio::Socket, EndpointError> {
    gio::Socket::from_fd(OwnedFd::from(socket))
        .map_err(|error| EndpointError::failed(format!("a socket cannot be used: {error}")))
}
