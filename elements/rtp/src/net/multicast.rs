//! Groups: joined at one interface, from one source on wish.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use socket2::{SockAddr, Socket};

/// As Linux has it: `struct group_req`.
#[repr(C)]
struct GroupRequest {
    interface: u32,
    group: libc::sockaddr_storage,
}

/// As Linux has it: `struct group_source_req`.
#[repr(C)]
struct GroupSourceRequest {
    interface: u32,
    group: libc::sockaddr_storage,
    source: libc::sockaddr_storage,
}

const MCAST_JOIN_GROUP: libc::c_int = 42;
const MCAST_JOIN_SOURCE_GROUP: libc::c_int = 46;
const IPV6_MULTICAST_ALL: libc::c_int = 29;

fn set<T>(socket: &Socket, level: libc::c_int, name: libc::c_int, value: &T) -> io::Result<()> {
    let size = size_of::<T>() as libc::socklen_t;
    // SAFETY: the value is as long as it says and is only read during the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), size) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn level(ip: IpAddr) -> libc::c_int {
    if ip.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 }
}

fn storage(ip: IpAddr) -> libc::sockaddr_storage {
    let address = SockAddr::from(SocketAddr::new(ip, 0));
    // SAFETY: zeroes are a valid sockaddr_storage, and no address is longer than one.
    unsafe {
        let mut storage: libc::sockaddr_storage = std::mem::zeroed();
        std::ptr::copy_nonoverlapping(
            address.as_ptr().cast::<u8>(),
            (&raw mut storage).cast::<u8>(),
            address.len() as usize,
        );
        storage
    }
}

/// Joins a group at an interface (0: as the system routes), from every source or from one.
///
/// # Errors
///
/// The system's.
pub(crate) fn join(socket: &Socket, group: IpAddr, source: Option<IpAddr>, interface: u32) -> io::Result<()> {
    // Without this, a socket hears every group that any program of this machine has joined at any interface.
    let off: libc::c_int = 0;
    match group {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &off)?,
        // Kernels before 4.20 do not know it.
        IpAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off).unwrap_or_default(),
    }
    match source {
        None => {
            let request = GroupRequest { interface, group: storage(group) };
            set(socket, level(group), MCAST_JOIN_GROUP, &request)
        }
        Some(source) => {
            let request = GroupSourceRequest { interface, group: storage(group), source: storage(source) };
            set(socket, level(group), MCAST_JOIN_SOURCE_GROUP, &request)
        }
    }
}

/// Through which interface groups are sent to, how far, and whether this machine hears it, too.
///
/// # Errors
///
/// The system's.
pub(crate) fn send_through(
    socket: &Socket,
    ipv4: bool,
    interface: u32,
    hops: Option<u32>,
    hear: bool,
) -> io::Result<()> {
    if ipv4 {
        if interface != 0 {
            let request = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: 0 },
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: interface as libc::c_int,
            };
            set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &request)?;
        }
        if let Some(hops) = hops {
            socket.set_multicast_ttl_v4(hops)?;
            socket.set_ttl_v4(hops)?;
        }
        socket.set_multicast_loop_v4(hear)
    } else {
        if interface != 0 {
            socket.set_multicast_if_v6(interface)?;
        }
        if let Some(hops) = hops {
            socket.set_multicast_hops_v6(hops)?;
            socket.set_unicast_hops_v6(hops)?;
        }
        socket.set_multicast_loop_v6(hear)
    }
}

/// Whether a group is one of those that are meant for a single source (RFC 4607).
pub(crate) fn is_source_specific(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(ip) => ip.octets()[0] == 232,
        IpAddr::V6(ip) => ip.segments()[0] & 0xfff0 == 0xff30,
    }
}
