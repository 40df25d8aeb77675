//! HTTP to destinations: one connection for each request, with TLS where the address says so.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a request to a store may take, with its answer; the largest carries one piece of a file.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// Where the system keeps the certificates that it trusts.
const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// A connection to whom the address names.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Sends a request and waits for the head of the answer, however long that takes.
pub async fn send<B>(request: Request<B>) -> Result<Response<Incoming>, Boxed>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Boxed>,
{
    let stream = tokio::time::timeout(CONNECT_LIMIT, connect(request.uri())).await;
    let stream = stream.map_err(|_| "no connection was made in time")??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the request.
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    if let Some(authority) = head.uri.authority()
        && !head.headers.contains_key(hyper::header::HOST)
    {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        head.headers.insert(hyper::header::HOST, host.parse()?);
    }
    head.uri = head.uri.path_and_query().map_or_else(|| Ok(Uri::from_static("/")), |p| p.as_str().parse())?;
    Ok(sender.send_request(Request::from_parts(head, body)).await?)
}

async fn connect(uri: &Uri) -> Result<Box<dyn Stream>, Boxed> {
    let host = uri.host().ok_or("the address names no host")?.trim_matches(['[', ']']);
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    if !secure {
        return Ok(Box::new(stream));
    }
    let tls = tls().as_ref().map_err(Clone::clone)?;
    let name = ServerName::try_from(host.to_owned())?;
    Ok(Box::new(TlsConnector::from(tls.clone()).connect(name, stream).await?))
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

/// Gives the stores their HTTP.
#[derive(Debug)]
pub struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service))
    }
}

#[derive(Debug)]
struct Service;

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout(REQUEST_LIMIT, async {
            let (head, body) = send(request).await?.into_parts();
            Ok::<_, Boxed>((head, body.collect().await?.to_bytes()))
        });
        let late =
            |_| HttpError::new(HttpErrorKind::Timeout, std::io::Error::from(std::io::ErrorKind::TimedOut));
        let (head, body) =
            answer.await.map_err(late)?.map_err(|e| HttpError::new_boxed(HttpErrorKind::Connect, e))?;
        Ok(HttpResponse::from_parts(head, HttpResponseBody::from(body)))
    }
}
