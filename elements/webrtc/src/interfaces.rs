//! The addresses of this machine's network interfaces.

use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anabranch_kit::endpoint::EndpointError;

/// One address of an interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    interface: String,
    ip: IpAddr,
}

/// The addresses that candidates are made of: those of these interfaces (all, if none is named), of the loopback interface
/// only if it is wanted or named.
///
/// # Errors
///
/// An interface that does not exist, or no address that can be used.
pub(crate) fn addresses(
    interfaces: &[String],
    loopback: bool,
    ipv6: bool,
) -> Result<Vec<IpAddr>, EndpointError> {
    let all = list();
    for name in interfaces {
        if !all.iter().any(|a| a.interface == *name) {
            return Err(EndpointError::invalid(
                "bad-interface",
                format!("there is no network interface '{name}' that is up and has an address"),
            ));
        }
    }
    let chosen = select(&all, interfaces, loopback, ipv6);
    if chosen.is_empty() {
        return Err(EndpointError::failed(
            "no network interface has an address that may be offered; `loopback` offers that of this machine alone",
        ));
    }
    Ok(chosen)
}

fn select(all: &[Address], interfaces: &[String], loopback: bool, ipv6: bool) -> Vec<IpAddr> {
    let wanted = |a: &&Address| {
        let named = interfaces.contains(&a.interface);
        let usable = if a.ip.is_loopback() {
            // The one address under which a local browser is found.
            (loopback && a.ip.is_ipv4()) || named
        } else {
            named || interfaces.is_empty()
        };
        usable && (ipv6 || a.ip.is_ipv4()) && is_offerable(&a.ip)
    };
    all.iter().filter(wanted).map(|a| a.ip).collect()
}

/// Link-local addresses need a scope that SDP cannot carry.
fn is_offerable(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_unspecified() && !ip.is_multicast(),
        IpAddr::V6(ip) => !ip.is_unicast_link_local() && !ip.is_unspecified() && !ip.is_multicast(),
    }
}

fn list() -> Vec<Address> {
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
            let interface = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
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
            all.extend(ip.map(|ip| Address { interface, ip }));
        }
        next = entry.ifa_next;
    }
    // SAFETY: it is the list that getifaddrs made, and nothing points into it any more.
    unsafe { libc::freeifaddrs(first) };
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_chosen_by_the_options() {
        let address =
            |interface: &str, ip: &str| Address { interface: interface.into(), ip: ip.parse().unwrap() };
        let all = [
            address("lo", "127.0.0.1"),
            address("lo", "::1"),
            address("eth0", "10.0.0.2"),
            address("eth0", "2001:db8::2"),
            address("eth0", "fe80::1"),
            address("eth1", "192.0.2.4"),
        ];
        let chosen = |interfaces: &[&str], loopback, ipv6| {
            let interfaces: Vec<String> = interfaces.iter().map(|name| (*name).to_owned()).collect();
            select(&all, &interfaces, loopback, ipv6).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[], false, true), ["10.0.0.2", "2001:db8::2", "192.0.2.4"]);
        assert_eq!(chosen(&[], true, false), ["127.0.0.1", "10.0.0.2", "192.0.2.4"]);
        assert_eq!(chosen(&["eth1"], false, true), ["192.0.2.4"]);
        assert_eq!(chosen(&["lo"], false, true), ["127.0.0.1", "::1"]);
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        assert!(list().iter().any(|a| a.ip == IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let error = addresses(&["no-such-interface".into()], false, true).unwrap_err();
        assert_eq!(error.code, "bad-interface");
        assert_eq!(addresses(&[], true, false).unwrap()[0], IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
