// SPDX-License-Identifier: MIT OR Apache-2.0
//! A key that only the calling thread has (add_key(2), thread-keyring(7)).
//!
//! **In:** bytes for the kernel. **Out:** a [`ThreadKey`] that a call of the same thread can name
//! by its description. **Refuses:** nothing; every failure is the kernel's.

use std::ffi::CString;
use std::io;
use std::marker::PhantomData;

use nix::errno::Errno;
use nix::libc::{KEY_SPEC_THREAD_KEYRING, KEYCTL_UNLINK, SYS_add_key, SYS_keyctl, c_long, syscall};

/// A key of type "user" in the thread's keyring. Dropping it takes it out, and with its one link
/// the kernel lets it go.
#[derive(Debug)]
#[must_use]
pub struct ThreadKey {
    serial: c_long,
    description: String,
    /// Another thread could neither find nor drop it.
    _thread: PhantomData<*const ()>,
}

impl ThreadKey {
    /// Hands `payload` to the kernel under a description, which is a word without NUL.
    ///
    /// # Errors
    /// What add_key(2) says: `EINVAL` for more than 32767 bytes, `EDQUOT`, `ENOSYS`.
    pub fn add(description: &str, payload: &[u8]) -> io::Result<Self> {
        let name = CString::new(description)?;
        // SAFETY: add_key reads two NUL-terminated strings and `payload.len()` bytes; all three
        // live for the whole call, and it keeps none of the pointers.
        let serial = unsafe {
            syscall(
                SYS_add_key,
                c"user".as_ptr(),
                name.as_ptr(),
                payload.as_ptr(),
                payload.len(),
                KEY_SPEC_THREAD_KEYRING,
            )
        };
        let serial = Errno::result(serial)?;
        Ok(Self { serial, description: description.to_owned(), _thread: PhantomData })
    }

    /// What it is called.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl Drop for ThreadKey {
    fn drop(&mut self) {
        // Nothing can be reported from here. A key that stays holds a public signature, and goes
        // with the thread.
        //
        // SAFETY: KEYCTL_UNLINK takes two numbers and touches no memory of ours.
        unsafe { syscall(SYS_keyctl, KEYCTL_UNLINK, self.serial, KEY_SPEC_THREAD_KEYRING) };
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nix::libc::{EINVAL, ENOSYS, EPERM};

    use super::*;
    use crate::wire::read_file_bounded;

    /// Whether the kernel shows this thread such a key.
    fn shown(description: &str) -> bool {
        let keys = read_file_bounded(Path::new("/proc/keys"), 1 << 20).unwrap();
        String::from_utf8_lossy(&keys).lines().any(|line| line.contains(description))
    }

    #[test]
    fn a_key_is_there_until_it_is_dropped() {
        let description = format!("veriroot:test-{}", std::process::id());
        let key = match ThreadKey::add(&description, b"payload") {
            // Containers forbid the call; the boot tests make it in a machine of their own.
            Err(error) if matches!(error.raw_os_error(), Some(EPERM | ENOSYS)) => return,
            added => added.unwrap(),
        };
        assert!(shown(key.description()));
        drop(key);
        // The kernel's garbage collector takes its time.
        for _ in 0..100 {
            if !shown(&description) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{description} is still there");
    }

    #[test]
    fn what_the_kernel_does_not_take_is_its_error() {
        let errno = ThreadKey::add("veriroot:test-large", &[0; 32768]).unwrap_err().raw_os_error();
        assert!(matches!(errno, Some(EINVAL | EPERM | ENOSYS)), "{errno:?}");
        assert_eq!(ThreadKey::add("nul\0", b"x").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
