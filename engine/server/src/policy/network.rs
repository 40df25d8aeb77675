//! Hosts that clients may name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use url::{Host, Url};

use super::address::is_public;
use crate::config::Network;

/// How long finding the addresses of a host may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// A URI that clients may name, in its normal form: what was checked is what is used.
pub(super) async fn uri(network: &Network, text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("'{text}' is no address: {error}"))?;
    let scheme = url.scheme();
    if !network.schemes.iter().any(|allowed| allowed.eq_ignore_ascii_case(scheme)) {
        let known = network.schemes.join(", ");
        return Err(format!(
            "'{text}': the scheme '{scheme}' is not among those that clients may name ({known})"
        ));
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err(format!("'{text}' names no host")),
    };
    let port = url.port_or_known_default().unwrap_or(0);
    addresses(network, &host, port).await?;
    Ok(url.into())
}

/// Where a client may have something sent, in its normal form: below one of the addresses that the configuration lists.
pub(super) fn target(network: &Network, text: &str) -> Result<String, String> {
    let refused = || {
        format!(
            "'{text}': clients may have recordings sent only below the addresses that the server's configuration lists \
             ([network] write)"
        )
    };
    let url = Url::parse(text).map_err(|error| format!("'{text}' is no address: {error}"))?;
    // A user's name or a way up in disguise would make it another place than it seems.
    let plain = url.username().is_empty()
        && url.password().is_none()
        && !url.path().to_ascii_lowercase().contains("%2e")
        && !url.path().to_ascii_lowercase().contains("%2f");
    let is_below = |base: &String| {
        let Ok(base) = Url::parse(base) else { return false };
        let path = base.path().trim_end_matches('/');
        let rest = url.path().strip_prefix(path);
        base.scheme() == url.scheme()
            && base.host_str() == url.host_str()
            && base.port_or_known_default() == url.port_or_known_default()
            && rest.is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
    };
    if plain && network.write.iter().any(is_below) { Ok(url.into()) } else { Err(refused()) }
}

/// The addresses of a host that clients may name; none of them may be one that they may not.
pub(super) async fn addresses(network: &Network, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let host = host.trim_end_matches('.');
    let named = is_named(network, host, port);
    if !named && !is_in_domain(network, host) && !network.hosts.is_empty() {
        return Err(format!("'{host}' is not among the hosts that clients may name"));
    }
    let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => {
            let lookup = tokio::time::timeout(LOOKUP_LIMIT, tokio::net::lookup_host((host, port)));
            match lookup.await {
                Ok(Ok(found)) => found.collect(),
                Ok(Err(_)) => return Err(format!("there is no host '{host}'")),
                Err(_) => return Err(format!("the address of '{host}' was not found in time")),
            }
        }
    };
    if found.is_empty() {
        return Err(format!("there is no host '{host}'"));
    }
    if !network.allow_private && !named && found.iter().any(|a| !is_public(a.ip())) {
        return Err(format!("'{host}' is in a private network, which clients may not name"));
    }
    Ok(found)
}

/// Whether the configuration names this very host, alone or with its port. Who lists a host means it, private or not.
fn is_named(network: &Network, host: &str, port: u16) -> bool {
    let with_port = format!("{host}:{port}");
    let is_it =
        |allowed: &String| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(&with_port);
    network.hosts.iter().any(is_it)
}

/// Whether the configuration lists a domain that the host is in. Its addresses must be public all the same: a domain's
/// owner may point any name at any address.
fn is_in_domain(network: &Network, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let domains = network.hosts.iter().filter_map(|allowed| allowed.strip_prefix('*'));
    domains.into_iter().any(|domain| {
        domain.starts_with('.') && host.len() > domain.len() && host.ends_with(&domain.to_ascii_lowercase())
    })
}

/// A STUN or TURN server: `stun:host:port`, `turn:user:password@host:port`.
pub(super) async fn server(network: &Network, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    let rest = text.split_once(':').map_or(text, |(_, rest)| rest);
    let rest = rest.trim_start_matches('/').split('?').next().unwrap_or_default();
    let authority = rest.rsplit_once('@').map_or(rest, |(_, authority)| authority);
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            rest.split_once(']').map_or((rest, ""), |(host, port)| (host, port.trim_start_matches(':')))
        }
        None => authority.rsplit_once(':').unwrap_or((authority, "")),
    };
    if host.is_empty() {
        return Err(format!("'{text}' names no host"));
    }
    addresses(network, host, port.parse().unwrap_or(3478)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network::default()
    }

    #[test]
    fn recordings_go_only_where_the_configuration_says() {
        let write = ["https://store.example.org/films/", "s3://calls/2026"].map(str::to_owned).to_vec();
        let network = Network { write, ..network() };
        for fine in [
            "https://store.example.org/films/a.mp4",
            "https://STORE.example.org:443/films/b/c-%05d.mkv",
            "s3://calls/2026/talk.mp4",
        ] {
            assert!(target(&network, fine).is_ok(), "{fine}");
        }
        assert_eq!(
            target(&network, "https://store.example.org/films/x/../a.mp4").unwrap(),
            "https://store.example.org/films/a.mp4"
        );
        for refused in [
            "http://store.example.org/films/a.mp4",
            "https://store.example.org:444/films/a.mp4",
            "https://store.example.org/films/",
            "https://store.example.org/films",
            "https://store.example.org/filmsy/a.mp4",
            "https://store.example.org/films/../a.mp4",
            "https://store.example.org/films/%2e%2e/a.mp4",
            "https://store.example.org/films/..%2fa.mp4",
            "https://me@store.example.org/films/a.mp4",
            "https://other.example.org/films/a.mp4",
            "https://store.example.org@evil.example/films/a.mp4",
            "s3://calls/2025/talk.mp4",
            "s3://other/2026/talk.mp4",
            "gs://calls/2026/talk.mp4",
        ] {
            assert!(target(&network, refused).is_err(), "{refused}");
            assert!(target(&super::tests::network(), refused).is_err(), "{refused}");
        }
    }

    #[tokio::test]
    async fn private_addresses_in_any_dress_are_refused() {
        let cases = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://localhost/",
            "http://LOCALHOST:80/",
            "http://localhost./",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0/",
            "http://10.1.2.3/a.mp4",
            "http://192.168.0.1:8080/",
            "http://169.254.169.254/latest/meta-data/",
            "http://user@127.0.0.1/",
            "http://1.1.1.1@127.0.0.1/",
            "http://127.0.0.1\\@1.1.1.1/",
            "http:\\\\127.0.0.1/",
            "http://①②⑦.0.0.1/",
            "https://[fe80::1]/",
            "http://[64:ff9b::7f00:1]/",
        ];
        for text in cases {
            let error = uri(&network(), text).await.unwrap_err();
            assert!(error.contains("private"), "{text}: {error}");
        }
    }

    #[tokio::test]
    async fn other_schemes_are_refused() {
        for text in [
            "ftp://1.1.1.1/",
            "rtsp://1.1.1.1/",
            "udp://1.1.1.1:1",
            "data://1",
            "resource://x",
            "gopher://1.1.1.1/",
            "cdda://1",
            "dvb://x",
            "fd://0",
            "appsrc://",
            "pushfile:///etc/passwd",
            "souphttp://x",
        ] {
            let error = uri(&network(), text).await.unwrap_err();
            assert!(error.contains("scheme") || error.contains("no address"), "{text}: {error}");
        }
        assert!(uri(&network(), "http://").await.is_err());
    }

    #[tokio::test]
    async fn public_addresses_pass_in_their_normal_form() {
        let same = uri(&network(), "HTTP://1.1.1.1:80/a/../b.mp4").await.unwrap();
        assert_eq!(same, "http://1.1.1.1/b.mp4");
    }

    #[tokio::test]
    async fn a_list_of_hosts_is_all_there_is() {
        let network = Network {
            hosts: vec!["127.0.0.1:81".into(), "8.8.8.8".into(), "*.localhost".into()],
            ..Network::default()
        };
        assert!(uri(&network, "http://8.8.8.8/").await.is_ok());
        assert!(uri(&network, "http://127.0.0.1:81/").await.is_ok(), "who lists a private host means it");
        for text in ["http://127.0.0.1/", "http://1.1.1.1/", "http://a.localhost/"] {
            assert!(uri(&network, text).await.is_err(), "{text}");
        }
        let open = Network { allow_private: true, ..Network::default() };
        assert!(uri(&open, "http://127.0.0.1/").await.is_ok());
    }

    #[test]
    fn a_domain_lists_the_hosts_in_it_and_makes_none_of_them_trusted() {
        let network = Network { hosts: vec!["*.Example.org".into(), "*".into()], ..Network::default() };
        for (host, listed) in [
            ("media.example.org", true),
            ("a.b.EXAMPLE.org", true),
            ("example.org", false),
            (".example.org", false),
            ("badexample.org", false),
            ("example.org.evil.net", false),
        ] {
            assert_eq!(is_in_domain(&network, host), listed, "{host}");
            assert!(!is_named(&network, host, 443), "{host}: only its public addresses may be named");
        }
    }

    #[tokio::test]
    async fn a_host_in_a_listed_domain_is_refused_only_for_a_private_address() {
        let network = Network { hosts: vec!["*.0.0.1".into()], ..Network::default() };
        let error = uri(&network, "http://127.0.0.1/").await.unwrap_err();
        assert!(error.contains("private"), "{error}");
        let network = Network { hosts: vec!["*.8.8.8".into()], ..Network::default() };
        assert!(uri(&network, "http://8.8.8.8/").await.is_ok());
    }

    #[tokio::test]
    async fn servers_of_ice_follow_the_same_rules() {
        for text in [
            "stun:127.0.0.1:3478",
            "stun:[::1]:1",
            "turn:u:p@10.0.0.1:3478?transport=udp",
            "stun://localhost",
            "stun:",
        ] {
            assert!(server(&network(), text).await.is_err(), "{text}");
        }
        for text in ["", "stun:1.1.1.1:3478", "turn:u:p@ss@8.8.8.8"] {
            assert_eq!(server(&network(), text).await, Ok(()), "{text}");
        }
    }
}
