//! Networks of one's own: namespaces on a bridge.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anabranch_harness::binary;
use anyhow::{Context, Result, bail, ensure};

/// Machines 0, 1, 2 ... with the addresses 10.77.0.1, fd77::1 and so on, on one bridge. All of it goes when dropped.
pub struct Network {
    key: String,
    machines: usize,
}

fn ip(arguments: &[&str]) -> Result<()> {
    let out = Command::new("ip").args(arguments).output().context("ip")?;
    ensure!(out.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

/// Whether a port is taken, as a table of the kernel's sockets (`/proc/net/udp`) says.
pub fn is_taken(table: &str, port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    // The second column is a socket's own address, the third that of the other side.
    table.lines().filter_map(|line| line.split_whitespace().nth(1)).any(|own| own.ends_with(&wanted))
}

impl Network {
    /// A new one; `key` makes its names. `None`, and a line that says so, if this system forbids it.
    pub fn new(key: &str, machines: usize) -> Result<Option<Self>> {
        let network = Network { key: key.to_owned(), machines };
        network.remove();
        let bridge = format!("{key}br");
        if let Err(error) = ip(&["link", "add", &bridge, "type", "bridge", "mcast_snooping", "0"]) {
            println!("skipped: no networks of one's own here: {error}");
            return Ok(None);
        }
        ip(&["link", "set", &bridge, "up"])?;
        for machine in 0..machines {
            let (name, port) = (network.name(machine), format!("{key}v{machine}"));
            ip(&["netns", "add", &name])?;
            ip(&["link", "add", &port, "type", "veth", "peer", "name", "e0", "netns", &name])?;
            ip(&["link", "set", &port, "master", &bridge, "up"])?;
            let (v4, v6) = (format!("10.77.0.{}/24", machine + 1), format!("fd77::{}/64", machine + 1));
            ip(&["-n", &name, "addr", "add", &v4, "dev", "e0"])?;
            ip(&["-n", &name, "addr", "add", &v6, "dev", "e0", "nodad"])?;
            for device in ["lo", "e0"] {
                ip(&["-n", &name, "link", "set", device, "up"])?;
            }
        }
        Ok(Some(network))
    }

    fn name(&self, machine: usize) -> String {
        format!("{}n{machine}", self.key)
    }

    fn remove(&self) {
        let quiet = |arguments: &[&str]| {
            let _ = Command::new("ip").args(arguments).stderr(Stdio::null()).status();
        };
        for machine in 0..self.machines {
            quiet(&["netns", "del", &self.name(machine)]);
        }
        quiet(&["link", "del", &format!("{}br", self.key)]);
    }

    /// A second interface, `e1`, whose other end hears nothing.
    pub fn add_second_interface(&self, machine: usize) -> Result<()> {
        let name = self.name(machine);
        ip(&["-n", &name, "link", "add", "e1", "type", "veth", "peer", "name", "e2"])?;
        ip(&["-n", &name, "addr", "add", "10.78.0.1/24", "dev", "e1"])?;
        for device in ["e1", "e2"] {
            ip(&["-n", &name, "link", "set", device, "up"])?;
        }
        Ok(())
    }

    fn within(&self, machine: usize, program: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.args(["60", "ip", "netns", "exec", &self.name(machine)]).arg(program);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a description on a machine, with its events as JSON on stdout.
    pub fn run(&self, machine: usize, description: &Path) -> Result<Child> {
        let mut command = self.within(machine, &binary::path()?);
        command.arg("run").arg(description).args(["--events", "json", "--time-limit", "40s"]);
        Ok(command.spawn()?)
    }

    fn read(&self, machine: usize, path: &str) -> Result<String> {
        let out = self.within(machine, Path::new("cat")).arg(path).output()?;
        ensure!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8(out.stdout)?)
    }

    /// Packets that a machine has sent.
    pub fn packets(&self, machine: usize) -> Result<u64> {
        self.packets_of(machine, "e0")
    }

    /// Packets that a machine has sent by an interface.
    pub fn packets_of(&self, machine: usize, interface: &str) -> Result<u64> {
        let path = format!("/sys/class/net/{interface}/statistics/tx_packets");
        Ok(self.read(machine, &path)?.trim().parse()?)
    }

    /// Waits until somebody listens at a UDP port.
    pub fn wait_for_port(&self, machine: usize, port: u16) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let all = self.read(machine, "/proc/net/udp")? + &self.read(machine, "/proc/net/udp6")?;
            if is_taken(&all, port) {
                return Ok(());
            }
        }
        bail!("nobody listens at port {port}")
    }

    /// Watches on a machine how many hops the first UDP packet of a sender has left.
    pub fn watch_hops(&self, machine: usize, sender: IpAddr) -> Result<JoinHandle<Result<u8>>> {
        let namespace = File::open(format!("/run/netns/{}", self.name(machine)))?;
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || -> Result<u8> {
            // SAFETY: only this thread, which ends here, moves to the other network.
            let moved = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
            ensure!(moved == 0, "setns: {}", std::io::Error::last_os_error());
            let all = (libc::ETH_P_ALL as u16).to_be();
            // SAFETY: a call without pointers.
            let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_DGRAM, i32::from(all)) };
            ensure!(socket >= 0, "socket: {}", std::io::Error::last_os_error());
            let limit = libc::timeval { tv_sec: 20, tv_usec: 0 };
            // SAFETY: the value is as long as it says.
            unsafe {
                let size = size_of::<libc::timeval>() as libc::socklen_t;
                libc::setsockopt(
                    socket,
                    libc::SOL_SOCKET,
                    libc::SO_RCVTIMEO,
                    (&raw const limit).cast(),
                    size,
                );
            }
            ready.send(()).ok();
            let mut packet = [0u8; 2048];
            let hops = loop {
                // SAFETY: the buffer is as long as it says.
                let got = unsafe { libc::recv(socket, packet.as_mut_ptr().cast(), packet.len(), 0) };
                if got < 40 {
                    ensure!(got >= 0, "no packet came: {}", std::io::Error::last_os_error());
                    continue;
                }
                match (packet[0] >> 4, sender) {
                    (4, IpAddr::V4(ip)) if packet[9] == 17 && packet[12..16] == ip.octets() => {
                        break packet[8];
                    }
                    (6, IpAddr::V6(ip)) if packet[6] == 17 && packet[8..24] == ip.octets() => {
                        break packet[7];
                    }
                    _ => {}
                }
            };
            // SAFETY: the socket is this thread's own.
            unsafe { libc::close(socket) };
            Ok(hops)
        });
        is_ready.recv_timeout(Duration::from_secs(5)).context("the watch does not begin")?;
        Ok(thread)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.remove();
    }
}
