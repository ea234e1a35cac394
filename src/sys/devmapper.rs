// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device-mapper, as far as devices of one target need it.
//!
//! **In:** a name, a UUID and one target line computed by `verity`. **Out:** a [`MappedDevice`]
//! whose table the kernel repeated word for word; what devices there are. **Refuses:** a name that
//! is taken, a table that reads back differently.
//!
//! Resuming and removing make udev events. The crate waits for udev to answer them, without a
//! timeout, wherever udev runs: an initrd whose udev lacks the rules for it would hang. So these
//! two are asked for here, with the flags that make udev leave the device alone: links are ours.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use devicemapper::{
    DM, DevId, Device, DmError, DmFlags, DmName, DmNameBuf, DmOptions, DmUuid, errors,
};

/// `struct dm_ioctl` of linux/dm-ioctl.h, as far as a call without further data needs it.
#[repr(C)]
struct DmIoctl {
    version: [u32; 3],
    data_size: u32,
    data_start: u32,
    target_count: u32,
    open_count: i32,
    flags: u32,
    event_nr: u32,
    padding: u32,
    dev: u64,
    name: [u8; 128],
    uuid: [u8; 129],
    data: [u8; 7],
}

/// In: the device is removed when its last user closes it.
const DM_DEFERRED_REMOVE: u32 = 1 << 17;

/// In the upper half of `event_nr`: this event is ours to answer for (0x40), and no rule of
/// device-mapper (1), of subsystems (2), of disks (4) or of others (8) shall act on it. The lower
/// half, the cookie, is zero: nobody waits.
const LEAVE_ALONE: u32 = 0x4F << 16;

mod ioctl {
    use super::DmIoctl;

    nix::ioctl_readwrite!(remove, 0xFD, 4, DmIoctl);
    nix::ioctl_readwrite!(suspend, 0xFD, 6, DmIoctl);
}

/// What is asked of a device by its name alone.
#[derive(Clone, Copy)]
enum Ask {
    Resume,
    /// Once nobody holds it.
    Remove,
    /// Or not at all.
    RemoveNow,
}

/// The one target of a device.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its kind, `verity` or `linear`.
    pub kind: &'a str,
    /// Its parameters.
    pub params: &'a str,
    /// Sectors of 512 bytes that it covers.
    pub sectors: u64,
    /// Whether the device takes writes.
    pub writable: bool,
}

/// A live device. Dropping it without [`Self::keep`] removes it.
#[derive(Debug)]
pub struct MappedDevice {
    name: DmNameBuf,
    node: PathBuf,
    kept: bool,
}

impl MappedDevice {
    /// Creates the device, loads its only target, reads the table back and resumes it.
    ///
    /// # Errors
    /// The kernel's errno; `EBUSY` if name or UUID is in use; [`io::ErrorKind::InvalidData`] if
    /// the table that is live is not the one asked for. Nothing is left behind.
    pub fn create(name: &str, uuid: &str, target: Target<'_>) -> io::Result<Self> {
        let dm = DM::new().map_err(os_error)?;
        let dm_name = DmName::new(name).map_err(os_error)?;
        let dm_uuid = DmUuid::new(uuid).map_err(os_error)?;
        let id = DevId::Name(dm_name);
        let info =
            dm.device_create(dm_name, Some(dm_uuid), DmOptions::default()).map_err(os_error)?;
        // From here on dropping `device` removes what was made.
        let device = Self { name: dm_name.to_owned(), node: node_of(info.device()), kept: false };
        let line = (0, target.sectors, target.kind.to_owned(), target.params.to_owned());
        let access = if target.writable { DmFlags::empty() } else { DmFlags::DM_READONLY };
        let options = DmOptions::default().set_flags(access);
        dm.table_load(&id, std::slice::from_ref(&line), options).map_err(os_error)?;
        ask(&dm, name, Ask::Resume)?;
        let query = DmOptions::default().set_flags(DmFlags::DM_STATUS_TABLE);
        let (info, table) = dm.table_status(&id, query).map_err(os_error)?;
        if table != [line] || info.flags().intersection(DmFlags::DM_READONLY) != access {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the live table is {table:?}, not the one computed"),
            ));
        }
        Ok(device)
    }

    /// The node below /dev, by device number: links can be forged, numbers come from the kernel.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// Lets the device live on after this value is gone.
    #[must_use = "the node is what the device is reached by"]
    pub fn keep(mut self) -> PathBuf {
        self.kept = true;
        std::mem::take(&mut self.node)
    }

    /// Lets the device live on until its last user closes it, and no longer.
    ///
    /// # Errors
    /// What the kernel says; the device stays then.
    pub fn keep_while_used(self) -> io::Result<()> {
        let name = self.name();
        drop(self.keep());
        ask(&DM::new().map_err(os_error)?, &name, Ask::Remove)
    }
}

/// A device that is live, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveDevice {
    /// Its name.
    pub name: String,
    /// Its UUID; empty where it has none.
    pub uuid: String,
    /// Device number, major and minor.
    pub number: (u32, u32),
    /// How often it is open: a mount counts as one.
    pub open_count: i32,
}

impl LiveDevice {
    /// Every device of this machine.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn all() -> io::Result<Vec<Self>> {
        let dm = DM::new().map_err(os_error)?;
        let mut all = Vec::new();
        for (name, _, _) in dm.list_devices().map_err(os_error)? {
            let info = match dm.device_info(&DevId::Name(&name)).map_err(os_error) {
                Ok(info) => info,
                // Gone since it was listed.
                Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => continue,
                Err(error) => return Err(error),
            };
            all.push(Self {
                name: name.to_string(),
                uuid: info.uuid().map(ToString::to_string).unwrap_or_default(),
                number: (info.device().major, info.device().minor),
                open_count: info.open_count(),
            });
        }
        Ok(all)
    }

    /// The node below /dev.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        PathBuf::from(format!("/dev/dm-{}", self.number.1))
    }

    /// Kind and parameters of its only target; `None` where it has another number of them.
    ///
    /// # Errors
    /// The kernel's errno.
    pub fn target(&self) -> io::Result<Option<(String, String)>> {
        let dm = DM::new().map_err(os_error)?;
        let name = DmName::new(&self.name).map_err(os_error)?;
        let query = DmOptions::default().set_flags(DmFlags::DM_STATUS_TABLE);
        let (_, table) = dm.table_status(&DevId::Name(name), query).map_err(os_error)?;
        let [(0, _, kind, params)] = table.as_slice() else { return Ok(None) };
        Ok(Some((kind.clone(), params.clone())))
    }

    /// Removes it.
    ///
    /// # Errors
    /// `EBUSY` while somebody holds it; it stays then.
    pub fn remove(&self) -> io::Result<()> {
        ask(&DM::new().map_err(os_error)?, &self.name, Ask::RemoveNow)
    }
}

impl Drop for MappedDevice {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Nothing can be reported from here; a device that stays is read-only and verified, and
        // the next attempt under its name fails with EBUSY.
        if let Ok(dm) = DM::new() {
            ask(&dm, &self.name.to_string(), Ask::Remove).ok();
        }
    }
}

/// Removes a device, once nobody holds it.
///
/// # Errors
/// The kernel's errno; `ENXIO` if there is none of this name.
pub fn remove(name: &str) -> io::Result<()> {
    ask(&DM::new().map_err(os_error)?, name, Ask::Remove)
}

/// Resumes a device (DM_DEV_SUSPEND without its flag), or removes it.
fn ask(dm: &DM, name: &str, what: Ask) -> io::Result<()> {
    let mut header = DmIoctl {
        version: [4, 0, 0],
        data_size: u32::try_from(size_of::<DmIoctl>()).unwrap_or(u32::MAX),
        data_start: 0,
        target_count: 0,
        open_count: 0,
        flags: match what {
            Ask::Resume | Ask::RemoveNow => 0,
            Ask::Remove => DM_DEFERRED_REMOVE,
        },
        event_nr: LEAVE_ALONE,
        padding: 0,
        dev: 0,
        name: [0; 128],
        uuid: [0; 129],
        data: [0; 7],
    };
    // The last byte stays NUL.
    let room = header.name.get_mut(..name.len()).filter(|room| room.len() < 128);
    room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(name.as_bytes());
    let fd = dm.file().as_raw_fd();
    let call = match what {
        Ask::Resume => ioctl::suspend,
        Ask::Remove | Ask::RemoveNow => ioctl::remove,
    };
    // SAFETY: both calls read and write one `struct dm_ioctl`, which `header` is (repr(C), layout
    // of linux/dm-ioctl.h) and says it is in `data_size`; it stays for the whole call.
    unsafe { call(fd, &raw mut header) }?;
    Ok(())
}

fn node_of(device: Device) -> PathBuf {
    PathBuf::from(format!("/dev/dm-{}", device.minor))
}

/// Keeps the errno and drops the crate's dump of the ioctl buffer.
fn os_error(error: DmError) -> io::Error {
    match error {
        DmError::Core(errors::Error::Ioctl(_, _, _, errno)) => (*errno).into(),
        other @ (DmError::Core(_) | DmError::Dm(..)) => io::Error::other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_has_the_size_of_the_kernel_header() {
        assert_eq!(size_of::<DmIoctl>(), 312);
    }
}
