//! The ends of the wire: frames are written at one and counted at the other.

use super::Lab;
use super::namespace::Namespace;
use pcap::{Active, Capture, Direction, Error};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long nothing must arrive until what has not come is called lost.
const QUIET: Duration = Duration::from_millis(150);
/// How long frames that should arrive are waited for, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(3);

/// A place where frames can be written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The guest's device: the far end of `vnet0`.
    Guest,
    /// The neighbour's device: the far end of `vnet1`.
    Peer,
    /// The host's own device, `br0`.
    Host,
}

impl End {
    fn place(self, lab: &Lab) -> (&Namespace, &'static str) {
        match self {
            Self::Guest => (&lab.guest, "eth0"),
            Self::Peer => (&lab.peer, "eth0"),
            Self::Host => (&lab.host, "br0"),
        }
    }
}

/// An open device.
pub struct Endpoint {
    capture: Capture<Active>,
}

impl Endpoint {
    /// Writes a frame as it is.
    ///
    /// # Panics
    ///
    /// If the kernel refuses it.
    pub fn send(&mut self, frame: &[u8]) {
        let started = Instant::now();
        loop {
            match self.capture.sendpacket(frame) {
                Ok(()) => return,
                // The queue of the device is full: another moment.
                Err(_) if started.elapsed() < PATIENCE && frame.len() >= 14 => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(error) => panic!("a frame of {} bytes cannot be sent: {error}", frame.len()),
            }
        }
    }

    /// The next frame that has arrived, if there is one.
    pub fn next(&mut self) -> Option<Vec<u8>> {
        match self.capture.next_packet() {
            Ok(packet) => Some(packet.data.to_vec()),
            Err(Error::TimeoutExpired | Error::NoMorePackets) => None,
            Err(error) => panic!("capture: {error}"),
        }
    }

    /// How many frames were lost between kernel and capture; a count is worth nothing then.
    pub fn overrun(&mut self) -> u32 {
        self.capture.stats().map_or(0, |stats| stats.dropped)
    }
}

impl Lab {
    /// Opens a device for frames in both directions.
    ///
    /// # Panics
    ///
    /// If there is no such device.
    pub fn open(&self, end: End) -> Endpoint {
        let (namespace, device) = end.place(self);
        let capture = namespace.run(move || -> Result<_, Error> {
            let capture = Capture::from_device(device)?
                .promisc(true)
                .immediate_mode(true)
                .snaplen(2048)
                .buffer_size(16 << 20)
                .timeout(1)
                .open()?;
            capture.direction(Direction::In)?;
            capture.setnonblock()
        });
        Endpoint { capture: capture.unwrap_or_else(|error| panic!("{device}: {error}")) }
    }

    /// Sends frames from one end, in order, and tells for each whether the other end saw it.
    ///
    /// `expected` says which are expected to arrive: those are waited for with patience, the
    /// others only until the wire is quiet. All frames must differ from each other.
    ///
    /// # Panics
    ///
    /// If two frames are equal, and if there are not as many expectations as frames.
    pub fn exchange(&self, from: End, to: End, frames: &[Vec<u8>], expected: &[bool]) -> Vec<bool> {
        assert_eq!(frames.len(), expected.len(), "one expectation for a frame");
        let mut index = HashMap::new();
        for (number, frame) in frames.iter().enumerate() {
            let earlier = index.insert(key(frame), number);
            assert!(earlier.is_none(), "frames {earlier:?} and {number} are equal");
        }
        let mut receiver = self.open(to);
        let mut sender = self.open(from);
        let mut arrived = vec![false; frames.len()];
        for frame in frames {
            sender.send(frame);
        }
        let sent = Instant::now();
        let mut last = sent;
        loop {
            if let Some(frame) = receiver.next() {
                if let Some(number) = index.get(&key(&frame)) {
                    arrived[*number] = true;
                    last = Instant::now();
                }
                continue;
            }
            let missing = expected.iter().zip(&arrived).any(|(expected, arrived)| *expected && !*arrived);
            if last.elapsed() > QUIET && (!missing || sent.elapsed() > PATIENCE) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(receiver.overrun(), 0, "the capture lost frames");
        arrived
    }
}

/// What of a frame identifies it: all that the kernel does not change on the way.
///
/// `br_netfilter` cuts off what stands behind the end of an IP packet.
fn key(frame: &[u8]) -> Vec<u8> {
    let length = match frame.get(12..14) {
        Some([0x08, 0x00]) => frame.get(16..18).map(|field| 14 + usize::from(u16::from_be_bytes([field[0], field[1]]))),
        Some([0x86, 0xdd]) => frame.get(18..20).map(|field| 54 + usize::from(u16::from_be_bytes([field[0], field[1]]))),
        _ => None,
    };
    let end = length.unwrap_or(frame.len()).min(frame.len());
    frame[..end].to_vec()
}
