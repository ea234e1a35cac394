// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The credential `import.pull` (systemd-import-generator(8)).
//!
//! **In:** directories of credentials, which firmware, hypervisor or boot loader filled. **Out:** its
//! text. **Refuses:** encrypted ones, what is too long, what is no UTF-8. It chooses what is loaded;
//! nothing it says is worth more than a word of the command line.

use std::io;
use std::path::{Path, PathBuf};

use super::RequestError;
use crate::limits;
use crate::wire::read_file_bounded;

/// Its name.
pub(super) const NAME: &str = "import.pull";

/// The text of the first one that is there.
///
/// # Errors
/// [`RequestError::Credential`] if one is there and can't be read, and
/// [`RequestError::EncryptedCredential`] if an encrypted one is: leaving out what it asks for would
/// be a guess.
pub fn import_pull(
    plain: &[PathBuf],
    encrypted: &[PathBuf],
) -> Result<Option<String>, RequestError> {
    if let Some(directory) = encrypted.iter().find(|it| it.join(NAME).exists()) {
        return Err(RequestError::EncryptedCredential { path: directory.join(NAME) });
    }
    for directory in plain {
        if let Some(text) = read(&directory.join(NAME))? {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

fn read(path: &Path) -> Result<Option<String>, RequestError> {
    let unreadable = |error: io::Error| RequestError::Credential {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    match read_file_bounded(path, limits::CREDENTIAL) {
        Ok(bytes) => {
            String::from_utf8(bytes).map(Some).map_err(|error| unreadable(io::Error::other(error)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_one_counts_and_an_encrypted_one_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|it| dir.path().join(it));
        let plain = [first.clone(), second.clone()];
        assert_eq!(import_pull(&plain, &[]), Ok(None));
        for directory in &plain {
            std::fs::create_dir(directory).unwrap();
            std::fs::write(directory.join(NAME), directory.to_str().unwrap()).unwrap();
        }
        let read = import_pull(&plain, &[dir.path().to_owned()]).unwrap();
        assert_eq!(read.as_deref(), first.to_str());
        let refused = import_pull(std::slice::from_ref(&first), &[second]);
        assert!(matches!(refused, Err(RequestError::EncryptedCredential { .. })), "{refused:?}");
        for wrong in [vec![0xff], vec![b'#'; limits::CREDENTIAL + 1]] {
            std::fs::write(first.join(NAME), wrong).unwrap();
            let refused = import_pull(&plain, &[]);
            assert!(matches!(refused, Err(RequestError::Credential { .. })), "{refused:?}");
        }
    }
}
