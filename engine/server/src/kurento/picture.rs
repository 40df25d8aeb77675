//! Pictures that clients name by http: fetched once, into a file of the server's, from where the policy allows.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::Policy;

/// The largest picture, bytes.
const MAX_BYTES: usize = 16 << 20;
/// How long a picture may take, with all redirections.
const LIMIT: Duration = Duration::from_secs(10);
/// Redirections that are followed.
const REDIRECTIONS: usize = 4;
/// Where the system keeps the certificates that it trusts.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A picture in a file of the server's, which goes with it.
pub(crate) struct Fetched {
    path: PathBuf,
}

impl Fetched {
    /// The file.
    pub fn path(&self) -> String {
        self.path.display().to_string()
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(target: "api", path = %self.path.display(), %error, "kurento: a picture stays");
        }
    }
}

/// Whether a client names a picture by http.
pub(crate) fn is_remote(uri: &str) -> bool {
    let scheme = uri.split("://").next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Fetches a picture. The address is one that the policy has let pass; where it redirects to is held against the
/// policy, too, and connections go to the very address that was looked at.
///
/// # Errors
///
/// A sentence.
pub(crate) async fn fetch(policy: &Policy, uri: &str) -> Result<Fetched, String> {
    let bytes = tokio::time::timeout(LIMIT, follow(policy, uri))
        .await
        .map_err(|_| format!("'{uri}' did not come within {} s", LIMIT.as_secs()))??;
    let path = std::env::temp_dir().join(format!("anabranch-picture-{}", uuid::Uuid::new_v4()));
    let fetched = Fetched { path };
    let written = tokio::fs::write(&fetched.path, &bytes).await;
    written.map_err(|error| format!("'{uri}' could not be kept: {error}"))?;
    Ok(fetched)
}

async fn follow(policy: &Policy, uri: &str) -> Result<Bytes, String> {
    let mut url = Url::parse(uri).map_err(|error| format!("'{uri}' is no address: {error}"))?;
    for _ in 0..=REDIRECTIONS {
        match get(policy, &url).await? {
            Answer::Picture(bytes) => return Ok(bytes),
            Answer::Elsewhere(location) => {
                url =
                    url.join(&location).map_err(|error| format!("'{url}' leads to '{location}': {error}"))?;
                if !is_remote(url.as_str()) {
                    return Err(format!("'{uri}' leads to '{url}', which is no web address"));
                }
            }
        }
    }
    Err(format!("'{uri}' leads on and on"))
}

enum Answer {
    Picture(Bytes),
    Elsewhere(String),
}

async fn get(policy: &Policy, url: &Url) -> Result<Answer, String> {
    let failed = |error: &dyn std::fmt::Display| format!("'{url}' cannot be fetched: {error}");
    let host = url.host_str().ok_or_else(|| failed(&"it names no host"))?;
    let port = url.port_or_known_default().unwrap_or(80);
    let plain_host = host.trim_matches(['[', ']']);
    let addresses = policy.addresses(plain_host, port).await.map_err(|reason| failed(&reason))?;
    let stream = TcpStream::connect(&addresses[..]).await.map_err(|error| failed(&error))?;
    if url.scheme() == "http" {
        return ask(stream, url).await.map_err(|error| failed(&error));
    }
    let tls = tls().as_ref().map_err(|reason| failed(reason))?;
    let name = ServerName::try_from(plain_host.to_owned()).map_err(|error| failed(&error))?;
    let stream =
        TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(|error| failed(&error))?;
    ask(stream, url).await.map_err(|error| failed(&error))
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    url: &Url,
) -> Result<Answer, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| text(&e))?;
    // It ends when the sender goes.
    tokio::spawn(connection);
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let target = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
    let request = Request::get(target)
        .header(header::HOST, host)
        .header(header::ACCEPT, "image/png, image/jpeg")
        .header(header::USER_AGENT, concat!("anabranch/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|e| text(&e))?;
    let response = sender.send_request(request).await.map_err(|e| text(&e))?;
    let status = response.status();
    if status.is_redirection() {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        return location
            .map(|l| Answer::Elsewhere(l.to_owned()))
            .ok_or_else(|| "it leads nowhere".to_owned());
    }
    if status != StatusCode::OK {
        return Err(format!("the answer is {status}"));
    }
    let body = Limited::new(response.into_body(), MAX_BYTES).collect().await.map_err(|e| e.to_string())?;
    Ok(Answer::Picture(body.to_bytes()))
}

/// Trusts whom the system trusts.
fn tls() -> &'static Result<Arc<ClientConfig>, String> {
    static TLS: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_file_iter(ROOTS).map_err(|error| format!("{ROOTS}: {error}"))?;
        roots.add_parsable_certificates(certificates.flatten());
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    });
    &TLS
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{Files, Network};

    /// A host on loopback that gives each connection the next of these answers.
    async fn host(answers: Vec<String>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 2048];
                let _ = stream.read(&mut head).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        port
    }

    fn policy(allowed: &[u16]) -> Policy {
        let hosts = allowed.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let network = Network { hosts, ..Network::default() };
        Policy::new(
            &Files::default(),
            &network,
            &crate::config::Gstreamer::default(),
            &serde_json::Map::new(),
        )
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    fn to(port: u16) -> String {
        format!("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/b.png\r\nContent-Length: 0\r\n\r\n")
    }

    #[tokio::test]
    async fn a_picture_lives_as_long_as_it_is_used() {
        let second = host(vec![ok("picture")]).await;
        let first = host(vec![to(second)]).await;
        let fetched =
            fetch(&policy(&[first, second]), &format!("http://127.0.0.1:{first}/a.png")).await.unwrap();
        let path = fetched.path();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "picture");
        drop(fetched);
        assert!(!std::path::Path::new(&path).exists());
    }

    #[tokio::test]
    async fn it_goes_nowhere_that_the_policy_forbids() {
        let second = host(vec![ok("secret")]).await;
        let first = host(vec![to(second)]).await;
        let error = fetch(&policy(&[first]), &format!("http://127.0.0.1:{first}/a.png")).await.err().unwrap();
        assert!(error.contains("not among the hosts"), "{error}");
        let lost = host(vec!["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into()]).await;
        let error = fetch(&policy(&[lost]), &format!("http://127.0.0.1:{lost}/a.png")).await.err().unwrap();
        assert!(error.contains("404"), "{error}");
        let file = "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n".to_owned();
        let sly = host(vec![file]).await;
        let error = fetch(&policy(&[sly]), &format!("http://127.0.0.1:{sly}/a.png")).await.err().unwrap();
        assert!(error.contains("no web address"), "{error}");
    }
}
