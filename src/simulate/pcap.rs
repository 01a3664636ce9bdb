//! Reads packet captures in the classic format of libpcap.

/// One captured frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured<'a> {
    /// The bytes that were kept.
    pub bytes: &'a [u8],
    /// Bytes of the frame on the wire.
    pub length: u32,
}

/// Why bytes are no capture of Ethernet frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PcapError {
    /// The newer format.
    #[error("it is in the format pcapng")]
    NextGeneration,
    /// Something else.
    #[error("it does not begin like a packet capture")]
    Magic,
    /// It is of another kind of network.
    #[error("its frames are of link type {0}, not Ethernet (1)")]
    LinkType(u32),
    /// The last frame is not whole.
    #[error("it ends inside of frame {0}")]
    CutOff(usize),
}

/// The frames of a capture, in order.
///
/// # Errors
/// The bytes are no capture, are cut off, or hold no Ethernet.
pub fn frames(bytes: &[u8]) -> Result<Vec<Captured<'_>>, PcapError> {
    let word = |at: usize, big: bool| -> Option<u32> {
        let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    };
    // The first word tells the order of bytes, and whether times are in nanoseconds, which does not matter here.
    let big = match word(0, true) {
        Some(0xa1b2_c3d4 | 0xa1b2_3c4d) => true,
        Some(0xd4c3_b2a1 | 0x4d3c_b2a1) => false,
        Some(0x0a0d_0d0a) => return Err(PcapError::NextGeneration),
        _ => return Err(PcapError::Magic),
    };
    // The upper bits tell of checksums at the end of frames.
    match word(20, big).map(|link| link & 0xffff) {
        Some(1) => {}
        Some(other) => return Err(PcapError::LinkType(other)),
        None => return Err(PcapError::Magic),
    }
    let mut frames = Vec::new();
    let mut at = 24;
    while at < bytes.len() {
        let cut_off = PcapError::CutOff(frames.len() + 1);
        let kept = word(at + 8, big).ok_or(cut_off)?;
        let length = word(at + 12, big).ok_or(cut_off)?;
        let end = usize::try_from(kept).ok().and_then(|kept| kept.checked_add(at + 16)).ok_or(cut_off)?;
        let frame = bytes.get(at + 16..end).ok_or(cut_off)?;
        frames.push(Captured { bytes: frame, length });
        at = end;
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn capture(frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        bytes.extend([0; 8]);
        bytes.extend([0, 0, 1, 0, 1, 0, 0, 0]);
        for frame in frames {
            let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
            bytes.extend([0; 8]);
            bytes.extend(length);
            bytes.extend(length);
            bytes.extend(*frame);
        }
        bytes
    }

    #[test]
    fn frames_are_found_in_order() {
        let bytes = capture(&[&[1, 2, 3], &[], &[4]]);
        let found: Vec<&[u8]> = frames(&bytes).unwrap().iter().map(|frame| frame.bytes).collect();
        assert_eq!(found, [&[1, 2, 3][..], &[], &[4]]);
    }

    #[test]
    fn odd_files_are_told_apart() {
        let mut bytes = capture(&[&[1, 2, 3]]);
        bytes.pop();
        assert_eq!(frames(&bytes), Err(PcapError::CutOff(1)));
        let mut other = capture(&[]);
        *other.get_mut(20).unwrap() = 101;
        assert_eq!(frames(&other), Err(PcapError::LinkType(101)));
        assert_eq!(frames(b"\x0a\x0d\x0d\x0a"), Err(PcapError::NextGeneration));
        assert_eq!(frames(b"hello"), Err(PcapError::Magic));
        assert_eq!(frames(b""), Err(PcapError::Magic));
    }
}
