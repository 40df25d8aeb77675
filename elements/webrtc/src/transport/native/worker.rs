//! The threads that carry the packets of all peers, and whose packets are whose.
//!
//! A worker is one thread with one `Poll`. Peers that answer share its sockets, one for each local address, so a
//! server needs one open UDP port: requests of ICE name the peer they are for, and everything else is known by where
//! it comes from. A peer that offers has sockets of its own: between two servers that both shared theirs, nothing
//! would tell the peers apart. Workers begin with the first peer and go with the last.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Registry, Token, Waker};

use super::lock;
use super::net::SocketOptions;
use super::peer::{Peer, PeerId};
use super::stun;

/// A worker takes no more peers as long as there are processors for others.
const PEERS_PER_WORKER: usize = 64;

/// Datagrams that are read from one socket before the others have their turn.
const BATCH: usize = 256;

const WAKE: Token = Token(0);

/// A socket with its address, and what its events are called.
pub(super) struct Port {
    pub local: SocketAddr,
    socket: UdpSocket,
    token: Token,
    /// The only peer that uses it.
    owner: Option<PeerId>,
}

impl Port {
    /// Sends, or loses the datagram when the kernel has no room: it is UDP.
    pub fn send(&self, datagram: &[u8], destination: SocketAddr) -> bool {
        self.socket.send_to(datagram, destination).is_ok()
    }
}

enum Command {
    Add(Arc<Peer>),
    Remove(PeerId),
    Touch(PeerId),
    Name(PeerId, String),
    Open(Vec<Arc<Port>>),
}

/// The half of a worker that everybody sees.
pub(super) struct Shared {
    options: SocketOptions,
    registry: Registry,
    waker: Waker,
    woken: AtomicBool,
    stopping: AtomicBool,
    commands: Mutex<Vec<Command>>,
    /// Which peer uses which remote address, on the shared sockets.
    addresses: Mutex<HashMap<(Token, SocketAddr), PeerId>>,
    /// Who asked a STUN server what.
    questions: Mutex<HashMap<stun::Transaction, PeerId>>,
    next_token: AtomicUsize,
    answering: OnceLock<Vec<Arc<Port>>>,
}

impl Shared {
    fn command(&self, command: Command) {
        lock(&self.commands).push(command);
        if !self.woken.swap(true, Ordering::AcqRel) {
            // It fails only when the thread is gone, which then needs no waking.
            let _ = self.waker.wake();
        }
    }

    /// The peer has something to send, or another time at which it wants to be called.
    pub fn touch(&self, peer: PeerId) {
        self.command(Command::Touch(peer));
    }

    /// Requests of ICE for this username fragment are for this peer.
    pub fn name(&self, peer: PeerId, ufrag: &str) {
        self.command(Command::Name(peer, ufrag.to_owned()));
    }

    /// Answers from this address are for this peer, unless another has proved that it is his.
    pub fn expect(&self, port: &Port, remote: SocketAddr, peer: PeerId) {
        if port.owner.is_none() {
            lock(&self.addresses).entry((port.token, remote)).or_insert(peer);
        }
    }

    /// The answer of a STUN server to this question is for this peer.
    pub fn ask(&self, transaction: stun::Transaction, peer: PeerId) {
        lock(&self.questions).insert(transaction, peer);
    }

    fn open(&self, owner: Option<PeerId>) -> io::Result<Vec<Arc<Port>>> {
        let mut ports = Vec::new();
        for (local, mut socket) in self.options.bind()? {
            let token = Token(self.next_token.fetch_add(1, Ordering::Relaxed));
            self.registry.register(&mut socket, token, Interest::READABLE)?;
            ports.push(Arc::new(Port { local, socket, token, owner }));
        }
        self.command(Command::Open(ports.clone()));
        Ok(ports)
    }
}

/// A worker; its thread ends with it.
pub(super) struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    peers: AtomicUsize,
}

static WORKERS: LazyLock<Mutex<HashMap<SocketOptions, Vec<Weak<Worker>>>>> = LazyLock::new(Mutex::default);

impl Worker {
    /// The worker for one more peer.
    pub fn join(options: &SocketOptions) -> io::Result<Arc<Worker>> {
        let mut workers = lock(&WORKERS);
        let list = workers.entry(options.clone()).or_default();
        list.retain(|worker| worker.strong_count() > 0);
        let running: Vec<Arc<Worker>> = list.iter().filter_map(Weak::upgrade).collect();
        let most = std::thread::available_parallelism().map_or(1, usize::from).min(4);
        let load = |worker: &Arc<Worker>| worker.peers.load(Ordering::Relaxed);
        let idle = running.into_iter().min_by_key(load);
        let worker = match idle {
            Some(worker) if load(&worker) < PEERS_PER_WORKER || list.len() >= most => worker,
            _ => {
                let worker = Arc::new(Worker::start(options)?);
                list.push(Arc::downgrade(&worker));
                worker
            }
        };
        worker.peers.fetch_add(1, Ordering::Relaxed);
        Ok(worker)
    }

    /// A peer leaves; the last one waits for the thread, so that its sockets are free when this returns.
    pub fn leave(self: Arc<Self>, peer: PeerId) {
        self.shared.command(Command::Remove(peer));
        self.peers.fetch_sub(1, Ordering::Relaxed);
        // Under the registry's lock: who joins next must not find the ports in use by a worker that is going.
        let mut workers = lock(&WORKERS);
        drop(self);
        workers.retain(|_, list| list.iter().any(|worker| worker.strong_count() > 0));
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub fn add(&self, peer: Arc<Peer>) {
        self.shared.command(Command::Add(peer));
    }

    /// The sockets of all peers that answer.
    pub fn answering(&self) -> io::Result<Vec<Arc<Port>>> {
        if let Some(ports) = self.shared.answering.get() {
            return Ok(ports.clone());
        }
        // Under the lock, so that two first peers do not bind twice.
        let _workers = lock(&WORKERS);
        if self.shared.answering.get().is_none() {
            let _ = self.shared.answering.set(self.shared.open(None)?);
        }
        Ok(self.shared.answering.get().cloned().unwrap_or_default())
    }

    /// Sockets of one peer that offers.
    pub fn offering(&self, peer: PeerId) -> io::Result<Vec<Arc<Port>>> {
        self.shared.open(Some(peer))
    }

    fn start(options: &SocketOptions) -> io::Result<Worker> {
        let poll = Poll::new()?;
        let shared = Arc::new(Shared {
            options: options.clone(),
            registry: poll.registry().try_clone()?,
            waker: Waker::new(poll.registry(), WAKE)?,
            woken: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            commands: Mutex::default(),
            addresses: Mutex::default(),
            questions: Mutex::default(),
            next_token: AtomicUsize::new(WAKE.0 + 1),
            answering: OnceLock::new(),
        });
        let run = Run {
            shared: shared.clone(),
            poll,
            peers: HashMap::new(),
            timers: BTreeSet::new(),
            names: HashMap::new(),
            ports: HashMap::new(),
            touched: HashSet::new(),
            buffer: vec![0; 2048],
        };
        let thread = std::thread::Builder::new().name("webrtc-udp".to_owned()).spawn(move || run.run())?;
        Ok(Worker { shared, thread: Some(thread), peers: AtomicUsize::new(0) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        let _ = self.shared.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Served {
    peer: Arc<Peer>,
    due: Instant,
}

/// What the thread has.
struct Run {
    shared: Arc<Shared>,
    poll: Poll,
    peers: HashMap<PeerId, Served>,
    timers: BTreeSet<(Instant, PeerId)>,
    names: HashMap<String, PeerId>,
    ports: HashMap<Token, Arc<Port>>,
    /// Peers that were called in this round.
    touched: HashSet<PeerId>,
    buffer: Vec<u8>,
}

impl Run {
    fn run(mut self) {
        let mut events = Events::with_capacity(64);
        let mut readable: Vec<Token> = Vec::new();
        while !self.shared.stopping.load(Ordering::Acquire) {
            let now = Instant::now();
            let wait = if readable.is_empty() {
                self.timers.first().map(|(due, _)| due.saturating_duration_since(now))
            } else {
                Some(Duration::ZERO)
            };
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "waiting for packets of WebRTC peers failed");
                break;
            }
            // Before the commands are taken: what comes later wakes again.
            self.shared.woken.store(false, Ordering::Release);
            readable.extend(self.take_commands());
            for event in &events {
                if event.token() != WAKE && !readable.contains(&event.token()) {
                    readable.push(event.token());
                }
            }
            readable.retain(|token| self.read(*token));
            self.tick();
            self.flush();
        }
        for served in self.peers.values() {
            served.peer.end();
        }
    }

    /// Carries out what was asked; returns new sockets, which may have been readable before they were known here.
    fn take_commands(&mut self) -> Vec<Token> {
        let commands = std::mem::take(&mut *lock(&self.shared.commands));
        let mut opened = Vec::new();
        for command in commands {
            match command {
                Command::Open(ports) => {
                    opened.extend(ports.iter().map(|port| port.token));
                    self.ports.extend(ports.into_iter().map(|port| (port.token, port)));
                }
                Command::Name(peer, ufrag) => {
                    self.names.insert(ufrag, peer);
                }
                Command::Add(peer) => {
                    let (id, due) = (peer.id, Instant::now());
                    self.timers.insert((due, id));
                    self.peers.insert(id, Served { peer, due });
                }
                Command::Touch(id) => self.schedule(id, Instant::now()),
                Command::Remove(id) => self.remove(id),
            }
        }
        opened
    }

    fn remove(&mut self, id: PeerId) {
        if let Some(served) = self.peers.remove(&id) {
            self.timers.remove(&(served.due, id));
        }
        self.names.retain(|_, peer| *peer != id);
        self.ports.retain(|_, port| port.owner != Some(id));
        lock(&self.shared.addresses).retain(|_, peer| *peer != id);
        lock(&self.shared.questions).retain(|_, peer| *peer != id);
    }

    fn schedule(&mut self, id: PeerId, due: Instant) {
        let Some(served) = self.peers.get_mut(&id) else { return };
        self.timers.remove(&(served.due, id));
        served.due = due;
        self.timers.insert((due, id));
    }

    /// Reads what has come; `true`: there may be more.
    fn read(&mut self, token: Token) -> bool {
        let Some(port) = self.ports.get(&token).cloned() else { return false };
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut more = true;
        for _ in 0..BATCH {
            match port.socket.recv_from(&mut buffer) {
                Ok((length, remote)) => self.dispatch(&port, remote, &buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    more = false;
                    break;
                }
                // An ICMP error of an earlier packet, or a signal: the socket goes on.
                Err(_) => {}
            }
        }
        self.buffer = buffer;
        more
    }

    fn dispatch(&mut self, port: &Port, remote: SocketAddr, datagram: &[u8]) {
        let key = (port.token, remote);
        let request = stun::Message::parse(datagram);
        let id = port.owner.or_else(|| match &request {
            Some(request) if request.is_request() => self.names.get(request.local_ufrag()?).copied(),
            Some(answer) => lock(&self.shared.questions).get(&answer.transaction).copied(),
            None => None,
        });
        let id = id.or_else(|| lock(&self.shared.addresses).get(&key).copied());
        let Some((id, served)) = id.and_then(|id| Some((id, self.peers.get(&id)?))) else {
            tracing::trace!(%remote, "a datagram for no peer");
            return;
        };
        let accepted = served.peer.receive(port.local, remote, datagram);
        self.touched.insert(id);
        if accepted && port.owner.is_none() && request.is_some_and(|message| message.is_request()) {
            lock(&self.shared.addresses).insert(key, id);
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        while let Some((due, id)) = self.timers.first().copied()
            && due <= now
        {
            self.timers.remove(&(due, id));
            self.touched.insert(id);
            if let Some(served) = self.peers.get(&id) {
                served.peer.tick(now);
            }
        }
    }

    /// What the peers of this round have collected goes on, once for each.
    fn flush(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        for id in &touched {
            if let Some(served) = self.peers.get(id) {
                let due = served.peer.flush();
                self.schedule(*id, due);
            }
        }
        self.touched = touched;
        self.touched.clear();
    }
}
