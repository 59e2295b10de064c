//! Every packet that starts something: who is connected to, and who is sent a datagram.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, RecvFlags, SocketType, eth, recv, socket, sockopt};

/// Where the name server of the test listens.
pub(super) const NAME_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53)), 53);
/// Bytes that may wait to be looked at.
const BUFFER: usize = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

/// What a packet starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Start {
    /// A connection: SYN without ACK (RFC 9293, section 3.5).
    Tcp(SocketAddr),
    Udp(SocketAddr),
    /// Of another protocol, by number.
    Other(u8, IpAddr),
}

/// A tap on the loopback device.
pub(super) struct Wire {
    seen: Arc<Mutex<BTreeMap<Start, usize>>>,
    marker: UdpSocket,
}

impl Wire {
    pub(super) fn start() -> Self {
        let tap = socket(AddressFamily::PACKET, SocketType::DGRAM, Some(eth::ALL)).expect("root may tap");
        sockopt::set_socket_recv_buffer_size_force(&tap, BUFFER).expect("root may have a long queue");
        let seen: Arc<Mutex<BTreeMap<Start, usize>>> = Arc::default();
        let noting = Arc::clone(&seen);
        thread::spawn(move || {
            let mut packet = [0_u8; 96];
            while let Ok((length, _)) = recv(&tap, &mut packet, RecvFlags::empty()) {
                if let Some(start) = read(&packet[..length]) {
                    *noting.lock().expect("nobody panics with it").entry(start).or_default() += 1;
                }
            }
        });
        let marker = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        Self { seen, marker }
    }

    /// All that was started since the last call, save what asks our own name server; each with its packets. The device
    /// shows each packet twice, going out and coming in.
    pub(super) fn take(&self) -> BTreeMap<Start, usize> {
        let address = self.marker.local_addr().expect("it is bound");
        self.marker.send_to(b".", address).expect("it is this machine's");
        let start = Instant::now();
        loop {
            let mut seen = self.seen.lock().expect("nobody panics with it");
            // Packets are seen in their order: before this one are all others.
            if seen.get(&Start::Udp(address)).is_some_and(|count| *count >= 2) {
                let mut all = std::mem::take(&mut *seen);
                all.remove(&Start::Udp(address));
                all.remove(&Start::Udp(NAME_SERVER));
                all.values_mut().for_each(|count| *count /= 2);
                return all;
            }
            drop(seen);
            assert!(start.elapsed() < PATIENCE, "the tap sees nothing");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What an IP packet starts; `None` for what belongs to something that was started.
fn read(packet: &[u8]) -> Option<Start> {
    let (protocol, to, rest): (u8, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            (packet[9], Ipv4Addr::from(to).into(), packet.get(usize::from(packet[0] & 15) * 4..)?)
        }
        6 => {
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (packet[6], Ipv6Addr::from(to).into(), packet.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    match protocol {
        6 => (rest.get(13)? & 0x12 == 0x02).then_some(Start::Tcp(SocketAddr::new(to, port(2)?))),
        17 if port(0)? == NAME_SERVER.port() => None,
        17 => Some(Start::Udp(SocketAddr::new(to, port(2)?))),
        other => Some(Start::Other(other, to)),
    }
}
