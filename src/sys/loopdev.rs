// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loop devices (loop(4)): one block device over one range of a memfd, read-only over a sealed one.
//!
//! **In:** a sealed descriptor and a range inside it, or a private copy. **Out:** a [`LoopDevice`]
//! whose settings were read back. **Refuses:** a device that is larger, smaller, elsewhere or
//! otherwise writable than asked for.
//!
//! Partition scanning is never asked for, so the kernel does not parse the image's table, and no
//! file name is set, so no udev rule links the device. The device clears itself when its last
//! user closes it: an attempt that ends anywhere leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::sys::memfd::{PrivateMemfd, SealedMemfd};
use crate::units::{ByteRange, SectorSize};

/// Tries for a free number: another process may take the one the kernel just named.
const TRIES: u32 = 64;

const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_PARTSCAN: u32 = 8;

/// `struct loop_info64` of linux/loop.h.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

impl LoopInfo64 {
    const EMPTY: Self = Self {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset: 0,
        sizelimit: 0,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: 0,
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
}

/// `struct loop_config` of linux/loop.h.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

mod ioctl {
    use super::{LoopConfig, LoopInfo64};

    nix::ioctl_none_bad!(ctl_get_free, 0x4C82);
    nix::ioctl_write_ptr_bad!(configure, 0x4C0A, LoopConfig);
    nix::ioctl_read_bad!(get_status64, 0x4C05, LoopInfo64);
    nix::ioctl_read!(blkgetsize64, 0x12, 114, usize);
}

/// A configured loop device. Dropping it closes our descriptor; the kernel clears the device once
/// nothing else (a device-mapper table) holds it.
#[derive(Debug)]
pub struct LoopDevice {
    /// Keeps the device configured until something else holds it.
    _node: File,
    path: PathBuf,
    major: u64,
    minor: u64,
}

impl LoopDevice {
    /// Attaches `range` of `backing`, read-only, with logical blocks of `block` bytes.
    ///
    /// # Errors
    /// What the loop driver says, with its errno; [`io::ErrorKind::InvalidData`] if the device
    /// that came up is not the one asked for.
    pub fn attach(backing: &SealedMemfd, range: ByteRange, block: SectorSize) -> io::Result<Self> {
        let flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR;
        Self::over(&Backing { file: backing.file(), range, flags }, block)
    }

    /// Attaches the whole of `copy`, for writing: whoever is given the device owns the copy.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn attach_copy(copy: &PrivateMemfd, range: ByteRange) -> io::Result<Self> {
        let backing = Backing { file: copy.file(), range, flags: LO_FLAGS_AUTOCLEAR };
        Self::over(&backing, SectorSize::SMALLEST)
    }

    fn over(backing: &Backing<'_>, block: SectorSize) -> io::Result<Self> {
        let writable = backing.flags & LO_FLAGS_READ_ONLY == 0;
        let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
        for _ in 0..TRIES {
            let number = get_free(&control)?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let node = OpenOptions::new().read(true).write(writable).open(&path)?;
            match configure(&node, backing, block) {
                Ok(()) => return Self::checked(node, path, backing),
                Err(Errno::EBUSY) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::EBUSY.into())
    }

    /// The device as a device-mapper table names it.
    #[must_use]
    pub fn major_minor(&self) -> String {
        format!("{}:{}", self.major, self.minor)
    }

    /// Its node below /dev.
    #[must_use]
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    fn checked(node: File, path: PathBuf, backing: &Backing<'_>) -> io::Result<Self> {
        let info = get_status(&node)?;
        let file = backing.file.metadata()?;
        let relevant = LO_FLAGS_READ_ONLY | LO_FLAGS_PARTSCAN;
        let same = info.device == file.dev()
            && info.inode == file.ino()
            && info.offset == backing.range.offset()
            && info.sizelimit == backing.range.len()
            && info.flags & relevant == backing.flags & relevant
            && size_of_device(&node)? == backing.range.len();
        if !same {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is not the device that was asked for", path.display()),
            ));
        }
        let rdev = node.metadata()?.rdev();
        let (major, minor) = (nix::sys::stat::major(rdev), nix::sys::stat::minor(rdev));
        Ok(Self { _node: node, path, major, minor })
    }
}

fn get_free(control: &File) -> io::Result<u32> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument; the descriptor is open for the whole call.
    let number = unsafe { ioctl::ctl_get_free(control.as_raw_fd()) }?;
    u32::try_from(number).map_err(|_negative| io::ErrorKind::InvalidData.into())
}

/// What a device shows, and how.
struct Backing<'a> {
    file: &'a File,
    range: ByteRange,
    flags: u32,
}

fn configure(node: &File, backing: &Backing<'_>, block: SectorSize) -> Result<(), Errno> {
    let fd = u32::try_from(backing.file.as_raw_fd()).map_err(|_negative| Errno::EBADF)?;
    let config = LoopConfig {
        fd,
        block_size: block.bytes_u32(),
        info: LoopInfo64 {
            offset: backing.range.offset(),
            sizelimit: backing.range.len(),
            flags: backing.flags,
            ..LoopInfo64::EMPTY
        },
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads one `struct loop_config`, which `config` is (repr(C), layout
    // of linux/loop.h) and stays for the whole call.
    unsafe { ioctl::configure(node.as_raw_fd(), &raw const config) }?;
    Ok(())
}

fn get_status(node: &File) -> io::Result<LoopInfo64> {
    let mut info = LoopInfo64::EMPTY;
    // SAFETY: LOOP_GET_STATUS64 writes one `struct loop_info64`, which `info` is; all of its bit
    // patterns are valid.
    unsafe { ioctl::get_status64(node.as_raw_fd(), &raw mut info) }?;
    Ok(info)
}

fn size_of_device(node: &File) -> io::Result<u64> {
    let mut size = 0_usize;
    // SAFETY: BLKGETSIZE64 writes one 64-bit number; usize is that wide on every target whose
    // kernel defines the request with size_t, as nix does.
    unsafe { ioctl::blkgetsize64(node.as_raw_fd(), &raw mut size) }?;
    u64::try_from(size).map_err(|_wide| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_of_the_kernel_headers() {
        assert_eq!(size_of::<LoopInfo64>(), 232);
        assert_eq!(size_of::<LoopConfig>(), 304);
    }
}
