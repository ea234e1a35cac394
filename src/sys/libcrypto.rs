// SPDX-License-Identifier: MIT OR Apache-2.0
//! OpenSSL without its TLS half.
//!
//! **In:** the call with which the `openssl` crate starts the library. **Out:** libcrypto, ready.
//! **Refuses:** to load libssl: of its 700 KiB that one function would be used, and TLS is rustls's
//! here. The linker takes this definition and has no reason left to name the library.

use std::ffi::{c_int, c_void};

/// `OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS | OPENSSL_INIT_LOAD_CONFIG`, which
/// libssl's own function adds (OPENSSL_init_ssl(3)).
const AS_LIBSSL: u64 = 0x4 | 0x8 | 0x40;

unsafe extern "C" {
    fn OPENSSL_init_crypto(options: u64, settings: *const c_void) -> c_int;
}

/// What `openssl_sys::init` calls, minus the tables of TLS.
///
/// # Safety
/// `settings` is null or what `OPENSSL_INIT_new` made.
#[unsafe(no_mangle)]
unsafe extern "C" fn OPENSSL_init_ssl(options: u64, settings: *const c_void) -> c_int {
    // SAFETY: the arguments are handed through, and the caller's promise with them.
    unsafe { OPENSSL_init_crypto(options | AS_LIBSSL, settings) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::wire::read_file_bounded;

    /// Of this test's own process, which is linked as the program is.
    #[test]
    fn the_tls_half_of_openssl_is_not_loaded() {
        openssl::sha::sha256(b"");
        openssl::init();
        let maps = read_file_bounded(Path::new("/proc/self/maps"), 1 << 20).unwrap();
        let maps = String::from_utf8(maps).unwrap();
        assert!(maps.contains("libcrypto.so"), "{maps}");
        assert!(!maps.contains("libssl.so"), "{maps}");
    }
}
