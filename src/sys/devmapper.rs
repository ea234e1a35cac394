// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Device-mapper, as far as one read-only target needs it.
//!
//! **In:** a name, a UUID and one target line computed by `verity`. **Out:** a [`MappedDevice`]
//! whose table the kernel repeated word for word. **Refuses:** a name that is taken, a table that
//! reads back differently.

use std::io;
use std::path::{Path, PathBuf};

use devicemapper::{
    DM, DevId, Device, DmError, DmFlags, DmName, DmNameBuf, DmOptions, DmUdevFlags, DmUuid, errors,
};

/// A live, read-only device. Dropping it without [`Self::keep`] removes it.
#[derive(Debug)]
pub struct MappedDevice {
    name: DmNameBuf,
    node: PathBuf,
    kept: bool,
}

impl MappedDevice {
    /// Creates the device, loads `params` as its only target over `sectors` sectors of 512 bytes,
    /// reads the table back and resumes it.
    ///
    /// # Errors
    /// The kernel's errno; `EBUSY` if name or UUID is in use; [`io::ErrorKind::InvalidData`] if
    /// the table that is live is not the one asked for. Nothing is left behind.
    pub fn create(
        name: &str,
        uuid: &str,
        sectors: u64,
        target: &str,
        params: &str,
    ) -> io::Result<Self> {
        let dm = DM::new().map_err(os_error)?;
        let dm_name = DmName::new(name).map_err(os_error)?;
        let dm_uuid = DmUuid::new(uuid).map_err(os_error)?;
        let id = DevId::Name(dm_name);
        let info =
            dm.device_create(dm_name, Some(dm_uuid), DmOptions::default()).map_err(os_error)?;
        // From here on dropping `device` removes what was made.
        let device = Self { name: dm_name.to_owned(), node: node_of(info.device()), kept: false };
        let line = (0, sectors, target.to_owned(), params.to_owned());
        let read_only = DmOptions::default().set_flags(DmFlags::DM_READONLY);
        dm.table_load(&id, std::slice::from_ref(&line), read_only).map_err(os_error)?;
        // Resume. The kernel has nothing to say about udev then: links are made by us, and a
        // waiting udev cookie has no timeout.
        let resume =
            DmOptions::default().set_udev_flags(DmUdevFlags::DM_UDEV_DISABLE_LIBRARY_FALLBACK);
        dm.device_suspend(&id, resume).map_err(os_error)?;
        let query = DmOptions::default().set_flags(DmFlags::DM_STATUS_TABLE);
        let (info, table) = dm.table_status(&id, query).map_err(os_error)?;
        if table != [line] || !info.flags().contains(DmFlags::DM_READONLY) {
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

    /// Lets the device live on after this value is gone.
    #[must_use = "the node is what the device is reached by"]
    pub fn keep(mut self) -> PathBuf {
        self.kept = true;
        std::mem::take(&mut self.node)
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
            drop(dm.device_remove(&DevId::Name(&self.name), DmOptions::default()));
        }
    }
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
