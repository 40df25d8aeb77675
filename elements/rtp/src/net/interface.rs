//! Network interfaces of this machine.

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anabranch_kit::endpoint::EndpointError;

/// A network interface that was named by a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub name: String,
    pub index: u32,
    addresses: Vec<IpAddr>,
}

impl Interface {
    /// The interface of that name; `None` for an empty name.
    ///
    /// # Errors
    ///
    /// `bad-interface`.
    pub fn named(name: &str) -> Result<Option<Self>, EndpointError> {
        let name = name.trim();
        if name.is_empty() {
            return Ok(None);
        }
        let missing =
            || EndpointError::invalid("bad-interface", format!("there is no network interface '{name}'"));
        let c_name = CString::new(name).map_err(|_| missing())?;
        // SAFETY: the name is a C string that lives during the call.
        let index = unsafe { libc::if_nametoindex(c_name.as_ptr()) };
        if index == 0 {
            return Err(missing());
        }
        let addresses = list().into_iter().filter(|(n, _)| n == name).map(|(_, ip)| ip).collect();
        Ok(Some(Interface { name: name.to_owned(), index, addresses }))
    }

    /// Its address in the family of another, a global one if there is one.
    pub fn address_like(&self, other: IpAddr) -> Option<IpAddr> {
        let same = || self.addresses.iter().filter(|ip| ip.is_ipv4() == other.is_ipv4());
        same().find(|ip| !is_link_local(ip)).or_else(|| same().next()).copied()
    }
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The address under which others most likely reach this machine; loopback if it is in no network.
pub(crate) fn own_address(ipv6: bool) -> IpAddr {
    let fits = |ip: &IpAddr| ip.is_ipv6() == ipv6 && !ip.is_loopback() && !is_link_local(ip);
    let loopback = if ipv6 { IpAddr::V6(Ipv6Addr::LOCALHOST) } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
    list().into_iter().map(|(_, ip)| ip).find(fits).unwrap_or(loopback)
}

/// Names and addresses of the interfaces that are up.
fn list() -> Vec<(String, IpAddr)> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs fills the pointer or fails.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: getifaddrs made this entry, and it lives until freeifaddrs.
        let entry = unsafe { &*next };
        let is_up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        if is_up && !entry.ifa_addr.is_null() && !entry.ifa_name.is_null() {
            // SAFETY: the name is a string that lives as long as the entry.
            let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
            // SAFETY: the address is as long as its family says.
            let ip = unsafe {
                match i32::from((*entry.ifa_addr).sa_family) {
                    libc::AF_INET => {
                        let address = &*entry.ifa_addr.cast::<libc::sockaddr_in>();
                        Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr))))
                    }
                    libc::AF_INET6 => {
                        let address = &*entry.ifa_addr.cast::<libc::sockaddr_in6>();
                        Some(IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr)))
                    }
                    _ => None,
                }
            };
            all.extend(ip.map(|ip| (name, ip)));
        }
        next = entry.ifa_next;
    }
    // SAFETY: getifaddrs made the list, and nothing of it is kept.
    unsafe { libc::freeifaddrs(first) };
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_found_by_name() {
        let lo = Interface::named("lo").unwrap().unwrap();
        assert_eq!(lo.address_like(Ipv4Addr::UNSPECIFIED.into()), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(Interface::named(" ").unwrap(), None);
        assert_eq!(Interface::named("no-such-0").unwrap_err().code, "bad-interface");
        assert_eq!(Interface::named("a\0b").unwrap_err().code, "bad-interface");
    }
}
