// SPDX-License-Identifier: MIT OR Apache-2.0
//! Extended attributes of an open file (fsetxattr(2)).
//!
//! **In:** an open file, a name and a value. **Out:** the attribute is set, and was not there
//! before. **Refuses:** nothing; every failure is the kernel's.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;

/// Sets an attribute that the file does not have yet.
///
/// # Errors
/// What the kernel says; a name with NUL in it is one it does not know.
pub fn create(file: impl AsFd, name: &str, value: &[u8]) -> io::Result<()> {
    let name = CString::new(name)?;
    let fd = file.as_fd().as_raw_fd();
    let (bytes, len) = (value.as_ptr().cast(), value.len());
    // SAFETY: `file` is open and borrowed; name and value live until the call returns, the name
    // ends with NUL, and the kernel reads no more than `len` bytes of the value.
    let set = unsafe { libc::fsetxattr(fd, name.as_ptr(), bytes, len, libc::XATTR_CREATE) };
    Errno::result(set)?;
    Ok(())
}
