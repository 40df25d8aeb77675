//! The door through which media are fetched by http and https: a proxy on loopback that connects only where the policy
//! allows.
//!
//! A look at the address that a client names is not enough: its host may redirect elsewhere, a playlist may name other
//! hosts, and a name may have another address when it is looked up a second time. GStreamer's sources connect through
//! the proxy of the environment variable `http_proxy`; so every connection, whoever caused it, is looked at here, and made
//! to the very address that was looked at.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::{Policy, network};

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;
/// How long a request's head, and a connection to a host, may take.
const LIMIT: Duration = Duration::from_secs(15);

/// A guard that listens on loopback and does not answer yet.
pub struct Guard {
    listener: StdListener,
    address: SocketAddr,
}

impl Guard {
    /// Takes a port.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn bind() -> std::io::Result<Guard> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Guard { listener, address })
    }

    /// What the environment variable `http_proxy` must be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers until it is dropped.
    pub(crate) async fn run(self, policy: Policy) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(target: "api", "the guard cannot listen: {error}");
                return;
            }
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(serve(stream, policy.clone()));
                }
                Err(error) => {
                    tracing::warn!(target: "api", "guard: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// What a client of the proxy asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    host: String,
    port: u16,
    /// What is sent to the host first; none: a tunnel.
    head: Option<Vec<u8>>,
}

async fn serve(mut client: TcpStream, policy: Policy) {
    let Ok(Ok((head, rest))) = tokio::time::timeout(LIMIT, read_head(&mut client)).await else { return };
    let Some(asked) = parse(&head) else {
        refuse(&mut client, "400 Bad Request", "this is a proxy for http and https").await;
        return;
    };
    let addresses = match policy.addresses(&asked.host, asked.port).await {
        Ok(addresses) => addresses,
        Err(reason) => {
            tracing::warn!(target: "api", host = asked.host, port = asked.port, "not connected: {reason}");
            refuse(&mut client, "403 Forbidden", &reason).await;
            return;
        }
    };
    let connecting = tokio::time::timeout(LIMIT, TcpStream::connect(&addresses[..]));
    let Ok(Ok(mut host)) = connecting.await else {
        refuse(&mut client, "502 Bad Gateway", "the host does not answer").await;
        return;
    };
    let begun = match asked.head {
        Some(head) => host.write_all(&head).await,
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await,
    };
    if begun.is_ok() && host.write_all(&rest).await.is_ok() {
        // However it ends, it is over.
        let _ = copy_bidirectional(&mut client, &mut host).await;
    }
}

/// The head of a request, and what came after it.
async fn read_head(client: &mut TcpStream) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((bytes, rest));
        }
        if bytes.len() > HEAD_BYTES || client.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}

/// Reads `CONNECT host:port` or `GET http://host/path`. The head for the host is in origin form and ends the connection
/// after its answer: another request would have to be looked at, too.
fn parse(head: &[u8]) -> Option<Asked> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if method == "CONNECT" {
        let (host, port) = target.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_owned();
        return Some(Asked { host, port: port.parse().ok()?, head: None });
    }
    let url = url::Url::parse(target).ok().filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut out = format!("{method} {path} {version}\r\n");
    for line in lines.take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !matches!(name.as_str(), "connection" | "keep-alive" | "host") && !name.starts_with("proxy-") {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    out.push_str(&format!("Host: {authority}\r\nConnection: close\r\n\r\n"));
    Some(Asked { host, port: url.port_or_known_default()?, head: Some(out.into_bytes()) })
}

async fn refuse(client: &mut TcpStream, status: &str, reason: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{reason}",
        reason.len()
    );
    // A client that does not listen is not told.
    let _ = client.write_all(text.as_bytes()).await;
    let _ = client.shutdown().await;
}

impl Policy {
    /// Where the guard may connect: what clients may name, and what the server's own descriptions do.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        let wanted = format!("{host}:{port}");
        let own = self.own.read().is_ok_and(|own| own.iter().any(|o| o.eq_ignore_ascii_case(&wanted)));
        if !own {
            return network::addresses(&self.network, host, port).await;
        }
        let found = tokio::net::lookup_host((host, port)).await;
        found.map(Iterator::collect).map_err(|_| format!("there is no host '{host}'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Files, Network};

    #[test]
    fn requests_are_put_into_origin_form() {
        let head =
            b"GET http://example.org:81/a?b=c HTTP/1.1\r\nHost: other\r\nProxy-Connection: Keep-Alive\r\n\
            Connection: Keep-Alive\r\nRange: bytes=0-\r\n\r\n";
        let asked = parse(head).unwrap();
        assert_eq!((asked.host.as_str(), asked.port), ("example.org", 81));
        let text = String::from_utf8(asked.head.unwrap()).unwrap();
        assert_eq!(
            text,
            "GET /a?b=c HTTP/1.1\r\nRange: bytes=0-\r\nHost: example.org:81\r\nConnection: close\r\n\r\n"
        );
        let tunnel = parse(b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!((tunnel.host.as_str(), tunnel.port, tunnel.head), ("::1", 443, None));
    }

    #[test]
    fn what_is_no_request_for_a_proxy_is_refused() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\n\r\n",
            "CONNECT a HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "x",
        ] {
            assert_eq!(parse(head.as_bytes()), None, "{head}");
        }
    }

    async fn ask(proxy: SocketAddr, target: SocketAddr) -> String {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        let head = format!("GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn it_connects_only_where_the_policy_allows() {
        let host = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = host.local_addr().unwrap();
        let answering = tokio::spawn(async move {
            let (mut stream, _) = host.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nmedia").await.unwrap();
            // Nobody else may have come.
            drop(stream);
            tokio::time::timeout(Duration::ZERO, host.accept()).await.is_err()
        });
        let start = |network: Network| {
            let guard = Guard::bind().unwrap();
            let proxy = guard.address;
            tokio::spawn(guard.run(Policy::new(
                &Files::default(),
                &network,
                &crate::config::Gstreamer::default(),
                &serde_json::Map::new(),
            )));
            proxy
        };
        let closed = start(Network::default());
        let refused = ask(closed, address).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
        let open = start(Network { hosts: vec![address.to_string()], ..Network::default() });
        assert!(ask(open, address).await.ends_with("media"));
        assert!(answering.await.unwrap());
    }
}
