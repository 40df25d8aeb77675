//! A bad network on 127.0.0.1: a UDP relay in user space that loses, delays and slows packets.
//!
//! Each address of a peer gets a door: a port of the relay that leads to it. Peers are told of doors only, because
//! [`Relay::rewrite`] puts them into SDPs and candidates; so both directions go through, and each peer sees the other
//! where it was told to.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

/// A packet that waited longer than this for a slow line is lost, as in a router with a short queue.
const LONGEST_QUEUE: Duration = Duration::from_millis(300);
/// IPv4 and UDP headers, bytes: they take room on the line, too.
const HEADERS: usize = 28;

/// How bad the network is; both directions are alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Share of packets that are lost, 0.0..=1.0.
    pub loss: f64,
    /// How long each packet takes.
    pub delay: Duration,
    /// At most so much more, drawn anew for each packet: packets overtake each other.
    pub jitter: Duration,
    /// What one direction carries, kbit/s; 0: anything.
    pub rate: u32,
}

impl Conditions {
    fn read(value: &Value) -> Self {
        let number = |name: &str| value[name].as_f64().unwrap_or_default().max(0.0);
        let time = |name: &str| Duration::from_secs_f64(number(name) / 1000.0);
        Self {
            loss: number("loss"),
            delay: time("delay"),
            jitter: time("jitter"),
            rate: number("rate") as u32,
        }
    }
}

/// What went through so far, both directions together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that were passed on.
    pub passed: u64,
    /// Packets that were lost by chance.
    pub lost: u64,
    /// Packets that found the queue of a slow line full.
    pub refused: u64,
    /// Bytes that were passed on, without IP and UDP headers.
    pub bytes: u64,
}

/// The relay. Ends when dropped.
pub struct Relay {
    shared: Arc<Shared>,
    control: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    doors: Mutex<HashMap<SocketAddr, Arc<Door>>>,
    conditions: Mutex<Conditions>,
    queue: Mutex<BinaryHeap<Reverse<Packet>>>,
    more: Condvar,
    random: AtomicU64,
    order: AtomicU64,
    ended: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
}

/// A port that leads to one address of a peer.
struct Door {
    to: SocketAddr,
    socket: UdpSocket,
    busy_until: Mutex<Option<Instant>>,
}

struct Packet {
    due: Instant,
    order: u64,
    through: Arc<Door>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl PartialEq for Packet {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Packet {}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Relay {
    /// Starts it. What is lost is drawn by `seed`, so that a test meets the same fate each time.
    pub fn start(conditions: Conditions, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let control = listener.local_addr()?;
        let shared = Arc::new(Shared {
            doors: Mutex::default(),
            conditions: Mutex::new(conditions),
            queue: Mutex::default(),
            more: Condvar::new(),
            random: AtomicU64::new(seed | 1),
            order: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            passed: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let (sender, asked) = (shared.clone(), shared.clone());
        let threads = vec![
            std::thread::spawn(move || sender.send_when_due()),
            std::thread::spawn(move || asked.answer_all(&listener)),
        ];
        Ok(Self { shared, control, threads })
    }

    /// Where programs ask it, by TCP: one JSON object a line, each way. `{"rewrite": TEXT}` gives `{"text": TEXT}`,
    /// `{"conditions": {loss, delay, jitter, rate}}` (milliseconds, kbit/s) sets them, `{"counters": {}}` tells them.
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// Changes the network from now on.
    pub fn set(&self, conditions: Conditions) {
        *lock(&self.shared.conditions) = conditions;
    }

    /// What went through so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters()
    }

    /// A port that leads to `to`; the same one each time.
    pub fn door(&self, to: SocketAddr) -> Result<SocketAddr> {
        self.shared.door_address(to)
    }

    /// An SDP, or a single candidate, whose candidates lead through the relay. Those that cannot (TCP, other than
    /// 127.0.0.1) are left out: nothing goes past it.
    pub fn rewrite(&self, text: &str) -> Result<String> {
        self.shared.rewrite(text)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.more.notify_all();
        // Wakes who waits for a connection or a packet.
        TcpStream::connect(self.control).ok();
        for door in lock(&self.shared.doors).values() {
            if let Ok(address) = door.socket.local_addr() {
                door.socket.send_to(&[], address).ok();
            }
        }
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            passed: read(&self.passed),
            lost: read(&self.lost),
            refused: read(&self.refused),
            bytes: read(&self.bytes),
        }
    }

    /// A number in 0.0..1.0 (xorshift64*).
    fn chance(&self) -> f64 {
        let step = |mut x: u64| {
            x ^= x >> 12;
            x ^= x << 25;
            x ^ (x >> 27)
        };
        let before = match self.random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |x| Some(step(x))) {
            Ok(x) | Err(x) => x,
        };
        (step(before).wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn door_address(self: &Arc<Self>, to: SocketAddr) -> Result<SocketAddr> {
        Ok(self.door(to)?.socket.local_addr()?)
    }

    fn door(self: &Arc<Self>, to: SocketAddr) -> std::io::Result<Arc<Door>> {
        let mut doors = lock(&self.doors);
        if let Some(door) = doors.get(&to) {
            return Ok(door.clone());
        }
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let door = Arc::new(Door { to, socket, busy_until: Mutex::default() });
        doors.insert(to, door.clone());
        let (shared, inside) = (self.clone(), door.clone());
        // Ends with the relay.
        std::thread::spawn(move || shared.take_in(&inside));
        Ok(door)
    }

    /// Takes what arrives at a door and decides its fate.
    fn take_in(self: &Arc<Self>, door: &Arc<Door>) {
        let mut buffer = vec![0; 65536];
        while !self.has_ended() {
            // A peer whose socket is closed answers with an error: it says nothing about the next packet.
            let Ok((length, from)) = door.socket.recv_from(&mut buffer) else { continue };
            // A peer that nobody announced gets a door when it first speaks.
            let Ok(through) = self.door(from) else { continue };
            let conditions = *lock(&self.conditions);
            if self.chance() < conditions.loss {
                self.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let now = Instant::now();
            let Some(on_the_line) = door.line(now, length, conditions.rate) else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let due = on_the_line + conditions.delay + conditions.jitter.mul_f64(self.chance());
            let order = self.order.fetch_add(1, Ordering::Relaxed);
            let packet = Packet { due, order, through, to: door.to, bytes: buffer[..length].to_vec() };
            lock(&self.queue).push(Reverse(packet));
            self.more.notify_one();
        }
    }

    fn send_when_due(&self) {
        let mut queue = lock(&self.queue);
        while !self.has_ended() {
            let now = Instant::now();
            let wait = match queue.peek() {
                Some(Reverse(next)) if next.due <= now => {
                    let Some(Reverse(packet)) = queue.pop() else { continue };
                    drop(queue);
                    // Counted first: whoever has got it finds it counted.
                    self.passed.fetch_add(1, Ordering::Relaxed);
                    self.bytes.fetch_add(packet.bytes.len() as u64, Ordering::Relaxed);
                    packet.through.socket.send_to(&packet.bytes, packet.to).ok();
                    queue = lock(&self.queue);
                    continue;
                }
                Some(Reverse(next)) => next.due - now,
                None => Duration::from_secs(1),
            };
            queue = self.more.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn rewrite(self: &Arc<Self>, text: &str) -> Result<String> {
        let mut lines = Vec::new();
        for line in text.lines() {
            let candidate = line.strip_prefix("a=").unwrap_or(line);
            if !candidate.starts_with("candidate:") {
                lines.push(line.to_owned());
                continue;
            }
            let mut words: Vec<String> = candidate.split(' ').map(str::to_owned).collect();
            let udp = words.get(2).is_some_and(|w| w.eq_ignore_ascii_case("udp"));
            let ip = words.get(4).and_then(|w| w.parse::<Ipv4Addr>().ok()).filter(Ipv4Addr::is_loopback);
            let port = words.get(5).and_then(|w| w.parse::<u16>().ok());
            let (true, Some(ip), Some(port)) = (udp, ip, port) else { continue };
            let door = self.door_address(SocketAddr::from((ip, port)))?;
            words[4] = door.ip().to_string();
            words[5] = door.port().to_string();
            let prefix = &line[..line.len() - candidate.len()];
            lines.push(format!("{prefix}{}", words.join(" ")));
        }
        let end = if text.contains('\n') { "\r\n" } else { "" };
        Ok(lines.iter().map(|l| format!("{l}{end}")).collect())
    }

    fn answer_all(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.has_ended() {
                return;
            }
            let (Ok(stream), shared) = (stream, self.clone()) else { continue };
            std::thread::spawn(move || shared.answer(stream));
        }
    }

    fn answer(self: Arc<Self>, stream: TcpStream) {
        let Ok(mut out) = stream.try_clone() else { return };
        for line in BufReader::new(stream).lines().map_while(std::io::Result::ok) {
            let question: Value = serde_json::from_str(&line).unwrap_or_default();
            let answer = self.answer_one(&question).unwrap_or_else(|e| json!({"error": e.to_string()}));
            if writeln!(out, "{answer}").is_err() {
                return;
            }
        }
    }

    fn answer_one(self: &Arc<Self>, question: &Value) -> Result<Value> {
        if let Some(text) = question["rewrite"].as_str() {
            return Ok(json!({"text": self.rewrite(text)?}));
        }
        if question["conditions"].is_object() {
            *lock(&self.conditions) = Conditions::read(&question["conditions"]);
            return Ok(json!({}));
        }
        let Counters { passed, lost, refused, bytes } = self.counters();
        Ok(json!({"passed": passed, "lost": lost, "refused": refused, "bytes": bytes}))
    }
}

impl Door {
    /// When a packet has gone over a line of that rate; none if too many are waiting for it.
    fn line(&self, now: Instant, length: usize, rate: u32) -> Option<Instant> {
        if rate == 0 {
            return Some(now);
        }
        let mut busy_until = lock(&self.busy_until);
        let start = busy_until.map_or(now, |busy| busy.max(now));
        if start - now > LONGEST_QUEUE {
            return None;
        }
        let takes = Duration::from_secs_f64((length + HEADERS) as f64 * 8.0 / (f64::from(rate) * 1000.0));
        *busy_until = Some(start + takes);
        Some(start + takes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two peers that only know each other's door.
    fn peers(relay: &Relay) -> (UdpSocket, SocketAddr, UdpSocket, SocketAddr) {
        let bind = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let door = relay.door(socket.local_addr().unwrap()).unwrap();
            (socket, door)
        };
        let ((a, to_a), (b, to_b)) = (bind(), bind());
        (a, to_a, b, to_b)
    }

    #[test]
    fn each_peer_sees_the_other_where_it_was_told_to() {
        let relay = Relay::start(Conditions::default(), 1).unwrap();
        let (a, to_a, b, to_b) = peers(&relay);
        let mut buffer = [0; 64];
        a.send_to(b"there", to_b).unwrap();
        let (length, from) = b.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"there"[..], to_a));
        b.send_to(b"and back", from).unwrap();
        let (length, from) = a.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"and back"[..], to_b));
        assert_eq!(relay.counters().bytes, 13);
    }

    #[test]
    fn packets_are_lost_and_late() {
        let conditions = Conditions { loss: 0.2, delay: Duration::from_millis(30), ..Conditions::default() };
        let relay = Relay::start(conditions, 7).unwrap();
        let (a, _, b, to_b) = peers(&relay);
        b.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut buffer = [0; 64];
        let (mut arrived, mut shortest) = (0u32, Duration::MAX);
        // In turns: more at once would not fit into a socket when the machine is busy.
        for turn in 1..=10u64 {
            // Before the first: this thread may be held up between the last one and a look at the clock.
            let sent = Instant::now();
            for n in 0..50u32 {
                a.send_to(&n.to_be_bytes(), to_b).unwrap();
            }
            while u64::from(arrived) + relay.counters().lost < 50 * turn {
                match b.recv_from(&mut buffer) {
                    Ok(_) => {
                        shortest = shortest.min(sent.elapsed());
                        arrived += 1;
                    }
                    // The last ones may have been lost since.
                    Err(_) => assert!(sent.elapsed() < Duration::from_secs(20)),
                }
            }
        }
        assert!((350..450).contains(&arrived), "{arrived} of 500 arrived");
        assert!(shortest > Duration::from_millis(15), "the first arrived after {shortest:?}");
    }

    #[test]
    fn a_slow_line_has_room_for_a_third_of_a_second() {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let door = Door { to: socket.local_addr().unwrap(), socket, busy_until: Mutex::default() };
        let now = Instant::now();
        // 10 ms each.
        let through: Vec<Instant> = (0..60).filter_map(|_| door.line(now, 972, 800)).collect();
        assert_eq!(through.len(), 31);
        assert_eq!(through.last().unwrap().duration_since(now).as_millis(), 310);
        assert!(door.line(now + Duration::from_millis(100), 972, 800).is_some());
    }

    #[test]
    fn a_slow_line_takes_its_time_and_then_refuses() {
        let relay = Relay::start(Conditions { rate: 800, ..Conditions::default() }, 3).unwrap();
        let (a, _, b, to_b) = peers(&relay);
        let mut buffer = [0; 2000];
        let began = Instant::now();
        // 10 ms each.
        for _ in 0..60 {
            a.send_to(&[0; 972], to_b).unwrap();
        }
        let mut arrived = 0u64;
        while arrived == 0 || arrived + relay.counters().refused < 60 {
            b.recv_from(&mut buffer).unwrap();
            arrived += 1;
        }
        // How many exactly depends on how long this thread took to send them.
        assert!((29..60).contains(&arrived), "{arrived} arrived");
        assert!(began.elapsed() >= Duration::from_millis(280), "{:?}", began.elapsed());
    }

    #[test]
    fn candidates_lead_through_it_and_others_are_left_out() {
        let relay = Relay::start(Conditions::default(), 1).unwrap();
        let door = relay.door(SocketAddr::from(([127, 0, 0, 1], 4000))).unwrap();
        let sdp = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
                   a=candidate:1 1 udp 2122260223 127.0.0.1 4000 typ host generation 0\r\n\
                   a=candidate:2 1 udp 2122260223 192.0.2.9 4001 typ host\r\n\
                   a=candidate:3 1 tcp 1518280447 127.0.0.1 9 typ host tcptype active\r\na=mid:0\r\n";
        let expected = format!(
            "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
             a=candidate:1 1 udp 2122260223 127.0.0.1 {} typ host generation 0\r\na=mid:0\r\n",
            door.port()
        );
        assert_eq!(relay.rewrite(sdp).unwrap(), expected);
        let line = "candidate:1 1 UDP 1 127.0.0.1 4000 typ host";
        assert_eq!(
            relay.rewrite(line).unwrap(),
            format!("candidate:1 1 UDP 1 127.0.0.1 {} typ host", door.port())
        );
        assert_eq!(relay.rewrite("candidate:1 1 UDP 1 10.0.0.1 4000 typ host").unwrap(), "");
    }

    #[test]
    fn it_is_asked_by_tcp() {
        let relay = Relay::start(Conditions::default(), 1).unwrap();
        let mut stream = TcpStream::connect(relay.control()).unwrap();
        writeln!(stream, "{}", json!({"conditions": {"loss": 0.5, "delay": 20}})).unwrap();
        writeln!(stream, "{}", json!({"counters": {}})).unwrap();
        let mut lines = BufReader::new(stream).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "{}");
        assert!(lines.next().unwrap().unwrap().contains("\"lost\":0"));
        assert_eq!(lock(&relay.shared.conditions).delay, Duration::from_millis(20));
    }
}
