// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the prober may look at: the first and the last bytes of a device.
//!
//! **In:** bytes that an attacker chose, verified or not. **Out:** [`Windows`], read by absolute
//! offset. **Refuses:** windows of another length than the device's length demands.

use super::ProbeError;
use crate::wire::Wire;

/// The two windows on a device through which [`super::probe`] looks.
///
/// Their bytes are what the caller says: verified ones before a mount, unverified ones only for
/// display. Where both windows cover a byte, the first one is used.
#[derive(Clone, Debug)]
pub struct Windows {
    device_len: u64,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Windows {
    /// Bytes wanted from the start of the device. The farthest superblock of ours ends at 68 KiB
    /// (btrfs), the largest block under an EROFS checksum at 64 KiB.
    pub const HEAD: u64 = 128 << 10;

    /// Bytes wanted from the end: MD RAID 0.90 begins up to 128 KiB before it.
    pub const TAIL: u64 = 128 << 10;

    /// Takes the first `min(HEAD, device_len)` and the last `min(TAIL, device_len)` bytes.
    ///
    /// # Errors
    /// [`ProbeError::Window`] if one of the two has another length.
    pub fn new(device_len: u64, head: Vec<u8>, tail: Vec<u8>) -> Result<Self, ProbeError> {
        for (window, limit) in [(&head, Self::HEAD), (&tail, Self::TAIL)] {
            let (expected, found) = (device_len.min(limit), u64::try_from(window.len()));
            if found != Ok(expected) {
                let found = found.unwrap_or(u64::MAX);
                return Err(ProbeError::Window { expected, found });
            }
        }
        Ok(Self { device_len, head, tail })
    }

    /// Length of the whole device, bytes.
    #[must_use]
    pub fn device_len(&self) -> u64 {
        self.device_len
    }

    /// `len` bytes from the absolute `offset`; `None` if no window shows all of them.
    pub(super) fn at(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let tail_start = self.device_len.saturating_sub(Self::TAIL);
        let look = |window, start| {
            let offset = usize::try_from(offset.checked_sub(start)?).ok()?;
            Wire::new(window).bytes(offset, len)
        };
        look(&self.head, 0).or_else(|| look(&self.tail, tail_start))
    }

    /// Whether exactly these bytes are at the absolute `offset`.
    pub(super) fn has(&self, offset: u64, bytes: &[u8]) -> bool {
        self.at(offset, bytes.len()) == Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_the_lengths_their_device_demands() {
        let limit = Windows::HEAD as usize;
        for (device, head, tail, wrong) in [
            (0, 0, 0, None),
            (512, 512, 512, None),
            (1 << 40, limit, limit, None),
            (512, 511, 512, Some((512, 511))),
            (512, 512, 513, Some((512, 513))),
            (1 << 40, limit + 1, limit, Some((Windows::HEAD, Windows::HEAD + 1))),
            (1 << 40, limit, 0, Some((Windows::TAIL, 0))),
        ] {
            let made = Windows::new(device, vec![0; head], vec![0; tail]);
            let wrong = wrong.map(|(expected, found)| ProbeError::Window { expected, found });
            assert_eq!(made.err(), wrong, "{device} {head} {tail}");
        }
    }

    #[test]
    fn bytes_are_found_in_either_window_and_nowhere_else() {
        let (head, tail) = (vec![1; Windows::HEAD as usize], vec![2; Windows::TAIL as usize]);
        let device_len = Windows::HEAD + Windows::TAIL + 10;
        let windows = Windows::new(device_len, head, tail).unwrap();
        assert_eq!(windows.at(0, 2), Some(&[1, 1][..]));
        assert_eq!(windows.at(device_len - 2, 2), Some(&[2, 2][..]));
        assert_eq!(windows.at(device_len - 1, 2), None);
        assert_eq!(windows.at(Windows::HEAD - 1, 2), None);
        assert_eq!(windows.at(Windows::HEAD, 2), None);
        assert_eq!(windows.at(u64::MAX, 1), None);
    }
}
