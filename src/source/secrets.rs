// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Secrets that one server may see.
//!
//! **In:** the policy file's list of origins and where their secrets are. **Out:** the secrets of one
//! URL's own origin, for the child of that one; memory that held them is wiped. **Refuses:** secrets
//! that can't be read: a server that asks for them would only say that it has no such image.
//!
//! A name without `/` is a systemd credential: looked for in `$CREDENTIALS_DIRECTORY`, then among
//! the system's own (`/run/credentials/@system`).

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Error;
use super::frame::Secrets;
use crate::escape::escape;
use crate::limits;
use crate::policy_file::{Credential, Secret};
use crate::url::SourceUrl;
use crate::wire::read_file_bounded;

/// Credentials that were passed to the machine as a whole (systemd.system-credentials(7)).
const SYSTEM: &str = "/run/credentials/@system";

/// The secrets for a URL, read now; none where its origin has none.
pub(super) fn of(url: &SourceUrl, credentials: &[Credential]) -> Result<Secrets, Error> {
    let origin = url.origin();
    let Some(own) = credentials.iter().find(|it| Some(&it.origin) == origin.as_ref()) else {
        return Ok(Secrets::default());
    };
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
    let read = |secret: &Secret| read(secret, directory.as_ref());
    let bearer = own.bearer.as_ref().map(|secret| read(secret).and_then(|it| token(secret, &it)));
    let client = own
        .client
        .as_ref()
        .map(|(certificate, key)| Ok::<_, Error>((read(certificate)?.to_string(), read(key)?)));
    Ok(Secrets { bearer: bearer.transpose()?, client: client.transpose()? })
}

fn read(secret: &Secret, directory: Option<&OsString>) -> Result<Zeroizing<String>, Error> {
    let places = match secret.0.starts_with('/') {
        true => vec![PathBuf::from(&secret.0)],
        false => directory
            .map(PathBuf::from)
            .into_iter()
            .chain([PathBuf::from(SYSTEM)])
            .map(|it| it.join(&secret.0))
            .collect(),
    };
    let place = places.iter().find(|it| it.exists()).or(places.first());
    let path = place.map_or(Path::new(&secret.0), PathBuf::as_path);
    let fail = |source| unusable(secret, source);
    let bytes = Zeroizing::new(read_file_bounded(path, limits::SECRET).map_err(fail)?);
    let text =
        std::str::from_utf8(&bytes).map_err(|_bytes| fail(io::ErrorKind::InvalidData.into()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// What goes into a header: one word (RFC 6750), perhaps with the newline of an editor after it.
fn token(secret: &Secret, text: &str) -> Result<Zeroizing<String>, Error> {
    let token = text.strip_suffix('\n').unwrap_or(text);
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._~+/=".contains(&it);
    if token.is_empty() || !token.bytes().all(plain) {
        return Err(unusable(secret, io::Error::other("no bearer token")));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

fn unusable(secret: &Secret, source: io::Error) -> Error {
    Error::Secret { name: escape(&secret.0), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_their_own_origin_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "s3cret\n").unwrap();
        let credential = Credential {
            origin: "https://images.example".to_owned(),
            bearer: Some(Secret(path.display().to_string())),
            client: None,
        };
        let bearer = |url: &str| {
            let url = SourceUrl::parse(url).unwrap();
            of(&url, std::slice::from_ref(&credential)).unwrap().bearer.map(|it| it.to_string())
        };
        assert_eq!(bearer("https://images.example/i.raw").as_deref(), Some("s3cret"));
        for other in [
            "http://images.example/i",
            "https://images.example:8443/i",
            "https://b.images.example/i",
        ] {
            assert_eq!(bearer(other), None, "{other}");
        }
        for bad in ["", "a b", "a\nb", "a\r"] {
            std::fs::write(&path, bad).unwrap();
            let url = SourceUrl::parse("https://images.example/i.raw").unwrap();
            let refused = of(&url, std::slice::from_ref(&credential));
            assert!(matches!(refused, Err(Error::Secret { .. })), "{bad:?}");
        }
    }

    #[test]
    fn names_are_looked_up_among_credentials() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("fetch.token"), "abc").unwrap();
        let directory = dir.path().as_os_str().to_owned();
        let found = read(&Secret("fetch.token".to_owned()), Some(&directory)).unwrap();
        assert_eq!(*found, "abc");
        let missing = read(&Secret("fetch.other".to_owned()), Some(&directory));
        assert!(matches!(missing, Err(Error::Secret { .. })));
    }
}
