//! A store of objects on loopback: enough of S3 for uploads in parts, and plain HTTP PUT. It can go away and come back.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

#[derive(Default)]
struct State {
    objects: HashMap<String, Vec<u8>>,
    /// Uploads in parts that are under way: their parts by number.
    uploads: HashMap<String, BTreeMap<u32, Vec<u8>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    away: AtomicBool,
    over: AtomicBool,
    received: AtomicU64,
    turned_away: AtomicU64,
    next: AtomicU64,
}

/// A store of objects on loopback.
pub struct ObjectServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectServer {
    /// Starts one with nothing in it.
    ///
    /// # Errors
    ///
    /// There is no port.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.over.load(Ordering::Acquire) {
                    return;
                }
                if serving.away.load(Ordering::Acquire) {
                    serving.turned_away.fetch_add(1, Ordering::AcqRel);
                    continue;
                }
                let shared = serving.clone();
                // A client that breaks off is what the tests are about.
                std::thread::spawn(move || serve(&shared, stream).ok());
            }
        });
        Ok(ObjectServer { address, shared })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Goes away (connections are cut) or comes back.
    pub fn set_away(&self, away: bool) {
        self.shared.away.store(away, Ordering::Release);
    }

    /// How many connections it has cut at once while it was away.
    pub fn turned_away(&self) -> u64 {
        self.shared.turned_away.load(Ordering::Acquire)
    }

    /// Bytes of bodies that have come so far.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Acquire)
    }

    /// A finished object; its name is the path, for S3 with the bucket in front: `/bucket/talk.webm`.
    pub fn object(&self, name: &str) -> Option<Vec<u8>> {
        self.shared.state().objects.get(name).cloned()
    }

    /// Waits until a condition holds, which is looked at whenever something has come.
    ///
    /// # Errors
    ///
    /// It did not within the limit.
    pub fn wait(&self, limit: Duration, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let start = Instant::now();
        while !holds(self) {
            ensure!(start.elapsed() < limit, "the store waited in vain");
            let state = self.shared.state();
            let most = Duration::from_millis(100);
            let _ = self.shared.changed.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(self.address);
    }
}

/// Reads a body, and stops when the server goes away.
fn take(shared: &Shared, from: &mut impl Read, length: usize, body: &mut Vec<u8>) -> Result<()> {
    let end = body.len() + length;
    let mut buffer = vec![0; 64 << 10];
    while body.len() < end {
        let most = buffer.len().min(end - body.len());
        let got = from.read(&mut buffer[..most])?;
        ensure!(got > 0, "the body ends early");
        ensure!(!shared.away.load(Ordering::Acquire), "away");
        body.extend_from_slice(&buffer[..got]);
        shared.received.fetch_add(got as u64, Ordering::AcqRel);
        shared.changed.notify_all();
    }
    Ok(())
}

fn serve(shared: &Shared, stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let method = words.next().context("no method")?.to_owned();
    let target = words.next().context("no target")?.to_owned();
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse()?,
            "transfer-encoding" => chunked = value.contains("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16)?;
            take(shared, &mut reader, size, &mut body)?;
            reader.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
    } else {
        take(shared, &mut reader, length, &mut body)?;
    }
    let (status, headers, answer) = respond(shared, &method, &target, body);
    shared.changed.notify_all();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        answer.len()
    );
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(answer.as_bytes())?;
    Ok(())
}

/// Status, header lines and body.
fn respond(shared: &Shared, method: &str, target: &str, body: Vec<u8>) -> (&'static str, String, String) {
    let (name, query) = target.split_once('?').unwrap_or((target, ""));
    let field = |wanted: &str| {
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|(key, _)| *key == wanted).map(|(_, value)| value.to_owned())
    };
    let mut state = shared.state();
    let unknown = || {
        let text = "<Error><Code>NoSuchUpload</Code><Message>unknown</Message></Error>";
        ("404 Not Found", String::new(), text.to_owned())
    };
    let number = field("partNumber").and_then(|n| n.parse::<u32>().ok());
    match (method, field("uploads"), field("uploadId"), number) {
        ("POST", Some(_), _, _) => {
            let id = shared.next.fetch_add(1, Ordering::AcqRel).to_string();
            state.uploads.insert(id.clone(), BTreeMap::new());
            let text = format!(
                "<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key><UploadId>{id}</UploadId>\
                 </InitiateMultipartUploadResult>"
            );
            ("200 OK", String::new(), text)
        }
        ("PUT", _, Some(id), Some(number)) => {
            let Some(parts) = state.uploads.get_mut(&id) else { return unknown() };
            let tag = format!("ETag: \"{number}-{}\"\r\n", body.len());
            parts.insert(number, body);
            ("200 OK", tag, String::new())
        }
        ("POST", _, Some(id), _) => {
            let Some(parts) = state.uploads.remove(&id) else { return unknown() };
            // The rule of S3 that clients break most easily.
            let count = parts.len();
            let small = parts.values().take(count.saturating_sub(1)).any(|part| part.len() < 5 << 20);
            if small {
                let text = "<Error><Code>EntityTooSmall</Code><Message>small</Message></Error>";
                return ("400 Bad Request", String::new(), text.to_owned());
            }
            state.objects.insert(name.to_owned(), parts.into_values().flatten().collect());
            let text = "<CompleteMultipartUploadResult><Location>l</Location><Bucket>b</Bucket><Key>k</Key>\
                        <ETag>\"whole\"</ETag></CompleteMultipartUploadResult>";
            ("200 OK", String::new(), text.to_owned())
        }
        ("PUT", _, _, _) if name.starts_with("/forbidden") => ("403 Forbidden", String::new(), String::new()),
        ("PUT", _, _, _) => {
            state.objects.insert(name.to_owned(), body);
            ("201 Created", String::new(), String::new())
        }
        _ => ("405 Method Not Allowed", String::new(), String::new()),
    }
}
