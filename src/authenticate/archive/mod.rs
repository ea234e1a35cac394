// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Who vouches for an archive.
//!
//! **In:** [`AdmittedArchive`]: a source whose every byte is a claim; the signature beside it, which
//! may be anybody's; the trust anchors of this machine. **Out:** [`AuthenticArchive`]: the whole
//! file in sealed memory, and a trust anchor signed it, or a signed list of checksums or a trusted pin
//! names it.
//! **Refuses:** every other file, before one byte of it was taken apart or decompressed.
//!
//! An archive has no hash tree, so the file counts as a whole, as received, up to its last byte. A
//! signature that names no trust anchor is refused before the file is fetched.
//!
//! The signature is a detached CMS signature in DER over the file ([`super::cms`]) and stands beside
//! it as `NAME.p7s`: `root.tar.zst.p7s` for `root.tar.zst`. Where scopes are given, its signer
//! needs `archive` for the root of the machine, and for anything else the class of that.

mod error;

use std::fmt;

use data_encoding::HEXLOWER;
use openssl::error::ErrorStack;
use openssl::sha::Sha256;

pub use error::ArchiveError;

use super::Trust;
use super::anchors::TrustAnchors;
use super::cms::{CmsError, ContentDigest, ContentHasher, SignedData};
use crate::finding::Origin;
use crate::policy::{AdmittedArchive, ArchiveDemand, ArchivePin, ArchiveTerms, EntryRules};
use crate::policy_file::SignerScope;
use crate::purpose::Purpose;
use crate::revocation::Revoked;
use crate::source::{self, Layer, Source, Terms};

/// What follows the archive's name in that of its signature.
pub const SIGNATURE_SUFFIX: &str = ".p7s";

/// An archive that somebody we trust vouches for: the bytes are in sealed memory, and it is those
/// that were judged. Made by [`authenticate_archive`] alone.
///
/// It can't be put together, or doubled.
///
/// ```
/// # use veriroot::authenticate::archive::{Archive, AuthenticArchive};
/// fn next(it: AuthenticArchive) -> Archive {
///     Archive::Authentic(it)
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{authenticate::archive::Archive, source::Source};
/// fn next(it: Source) -> Archive {
///     Archive::Authentic(it)
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::authenticate::archive::AuthenticArchive;
/// fn forge(it: AuthenticArchive) -> AuthenticArchive {
///     AuthenticArchive { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::authenticate::archive::AuthenticArchive;
/// let twice = AuthenticArchive::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct AuthenticArchive {
    whole: Whole,
    evidence: ArchiveEvidence,
}

/// An archive that nobody vouches for, where a line of a policy file says `danger-none`. Whoever
/// answers for the URL owns what becomes of it. Made by [`authenticate_archive`] alone.
///
/// ```
/// # use veriroot::authenticate::archive::{Archive, DangerUnauthenticatedArchive};
/// fn next(it: DangerUnauthenticatedArchive) -> Archive {
///     Archive::DangerUnauthenticated(it)
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::authenticate::archive::DangerUnauthenticatedArchive;
/// fn forge(it: DangerUnauthenticatedArchive) -> DangerUnauthenticatedArchive {
///     DangerUnauthenticatedArchive { ..it }
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct DangerUnauthenticatedArchive {
    whole: Whole,
    origin: Origin,
}

/// An archive that may be taken apart.
#[derive(Debug)]
#[must_use]
pub enum Archive {
    /// Somebody we trust vouches for it.
    Authentic(AuthenticArchive),
    /// Nobody does, and a policy file wants it so.
    DangerUnauthenticated(DangerUnauthenticatedArchive),
}

/// What an archive rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveEvidence {
    /// A list of checksums that has it, and a signature over that.
    Checksums {
        /// The list, escaped.
        list: String,
        /// Who signed it, escaped.
        signer: String,
    },
    /// A word that policy trusts.
    Pin {
        /// The word.
        word: String,
    },
    /// A signature over the file by a trust anchor.
    Signature {
        /// The certificate's subject.
        signer: String,
        /// SHA-256 of the certificate, hex.
        fingerprint: String,
    },
}

impl fmt::Display for ArchiveEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksums { list, signer } => write!(f, "in {list}, signed by {signer}"),
            Self::Pin { word } => write!(f, "pinned by {word}"),
            Self::Signature { signer, .. } => write!(f, "signed by {signer}"),
        }
    }
}

/// A file in sealed memory.
#[derive(Debug)]
struct Whole {
    source: Source,
    sha256: [u8; 32],
    terms: ArchiveTerms,
}

/// Takes the whole file in and asks who vouches for it. `signature` is what stands beside it, for
/// [`ArchiveDemand::Signature`].
///
/// # Errors
/// [`ArchiveError`]: nobody vouches for it; a pin that does not fit; what the source says.
pub fn authenticate_archive(
    admitted: AdmittedArchive,
    signature: Option<&[u8]>,
    trust: &Trust<'_>,
) -> Result<Archive, ArchiveError> {
    let (source, demand, pin, terms) = admitted.into_parts();
    let signed = match &demand {
        ArchiveDemand::Signature(origin) => Some(Signed::of(signature, origin.clone(), trust)?),
        ArchiveDemand::Pin(_) | ArchiveDemand::DangerNone(_) | ArchiveDemand::Listed { .. } => None,
    };
    let (whole, digest) = take(source, terms, signed.as_ref())?;
    if let Some(pin) = &pin {
        fits(&whole, pin)?;
    }
    if let Some((entry, origin)) = revoked(&whole, trust) {
        return Err(ArchiveError::Revoked { entry, origin });
    }
    let evidence = match (demand, signed, digest, pin) {
        (ArchiveDemand::DangerNone(origin), _, _, None) => {
            let danger = DangerUnauthenticatedArchive { whole, origin };
            return Ok(Archive::DangerUnauthenticated(danger));
        }
        (ArchiveDemand::Listed { list, signer }, ..) => ArchiveEvidence::Checksums { list, signer },
        (ArchiveDemand::Pin(_), _, _, Some(pin)) => ArchiveEvidence::Pin { word: pin.word },
        (ArchiveDemand::Signature(_), Some(signed), Some(digest), _) => signed.verify(&digest)?,
        (ArchiveDemand::Signature(origin) | ArchiveDemand::Pin(origin), ..)
        | (ArchiveDemand::DangerNone(origin), ..) => {
            return Err(ArchiveError::NoEvidence { origin });
        }
    };
    Ok(Archive::Authentic(AuthenticArchive { whole, evidence }))
}

/// A signature of the accepted form that may be a trust anchor's.
struct Signed<'a> {
    data: SignedData,
    anchors: &'a TrustAnchors,
    purpose: Purpose,
    origin: Origin,
}

impl<'a> Signed<'a> {
    fn of(cms: Option<&'a [u8]>, origin: Origin, trust: &Trust<'a>) -> Result<Self, ArchiveError> {
        let Some(cms) = cms else { return Err(ArchiveError::NoEvidence { origin }) };
        let Some(anchors) = trust.anchors else {
            return Err(ArchiveError::NoAnchors { origin });
        };
        let parsed =
            SignedData::parse(cms).and_then(|data| data.names_an_anchor(anchors).map(|()| data));
        match parsed {
            Ok(data) => Ok(Self { data, anchors, purpose: trust.purpose, origin }),
            Err(error) => Err(ArchiveError::Cms { error, origin }),
        }
    }

    /// The one place where an archive's signature becomes evidence.
    fn verify(&self, digest: &ContentDigest) -> Result<ArchiveEvidence, ArchiveError> {
        let scope = SignerScope::of_archive(self.purpose).name();
        let failed = |error: CmsError| ArchiveError::Cms { error, origin: self.origin.clone() };
        let signer = self.data.verify_digest(digest, scope, self.anchors).map_err(failed)?;
        Ok(ArchiveEvidence::Signature {
            signer: signer.subject().to_owned(),
            fingerprint: HEXLOWER.encode(signer.fingerprint()),
        })
    }
}

/// The source into sealed memory: its SHA-256, and the digest that the signature is over.
fn take(
    source: Source,
    terms: ArchiveTerms,
    signed: Option<&Signed<'_>>,
) -> Result<(Whole, Option<ContentDigest>), ArchiveError> {
    let mut sha256 = Sha256::new();
    let mut content = signed.map(|it| ContentHasher::new(it.data.digest())).transpose()?;
    let source = source.sealed(terms.reserve, |bytes| {
        sha256.update(bytes);
        match &mut content {
            Some(content) => content.update(bytes).map_err(ArchiveError::from),
            None => Ok(()),
        }
    })?;
    let digest = content.map(ContentHasher::finish).transpose()?;
    Ok((Whole { source, sha256: sha256.finish(), terms }, digest))
}

fn fits(whole: &Whole, pin: &ArchivePin) -> Result<(), ArchiveError> {
    if pin.sha256 == whole.sha256 {
        return Ok(());
    }
    let found = HEXLOWER.encode(&whole.sha256);
    Err(ArchiveError::PinDiffers { pin: pin.clone(), found })
}

/// The entry that revokes this file, and who states it.
fn revoked(whole: &Whole, trust: &Trust<'_>) -> Option<(Revoked, Origin)> {
    let entry = Revoked::Archive(HEXLOWER.encode(&whole.sha256));
    let stated = trust.revoked.iter().find(|it| it.value == entry).map(|it| it.origin.clone());
    let origin = stated.or_else(|| {
        let revocations = trust.anchors?.revocations();
        revocations
            .of_archive(&whole.sha256)
            .map(|_| Origin::Rule("the trust anchors' revocations"))
    })?;
    Some((entry, origin))
}

impl From<ErrorStack> for ArchiveError {
    fn from(error: ErrorStack) -> Self {
        Self::Hash { reason: error.to_string() }
    }
}

impl From<source::Error> for ArchiveError {
    fn from(error: source::Error) -> Self {
        Self::Source(error)
    }
}

impl Archive {
    fn whole(&self) -> &Whole {
        match self {
            Self::Authentic(it) => &it.whole,
            Self::DangerUnauthenticated(it) => &it.whole,
        }
    }

    /// What it rests on; `None` where it rests on nothing.
    #[must_use]
    pub fn evidence(&self) -> Option<&ArchiveEvidence> {
        match self {
            Self::Authentic(it) => Some(&it.evidence),
            Self::DangerUnauthenticated(_) => None,
        }
    }

    /// Who wants it unpacked although it rests on nothing.
    #[must_use]
    pub fn danger(&self) -> Option<&Origin> {
        match self {
            Self::Authentic(_) => None,
            Self::DangerUnauthenticated(it) => Some(&it.origin),
        }
    }

    /// SHA-256 of the file as received, in hex.
    #[must_use]
    pub fn sha256(&self) -> String {
        HEXLOWER.encode(&self.whole().sha256)
    }

    /// What may be in it.
    #[must_use]
    pub fn rules(&self) -> EntryRules {
        self.whole().terms.rules
    }

    /// Memory that has to stay free, bytes.
    #[must_use]
    pub fn reserve(&self) -> u64 {
        self.whole().terms.reserve
    }

    /// Takes off one layer of compression, if there is one: only now, that the bytes are known to be
    /// those that somebody vouches for. All of it is here then, whole and sound to its end.
    pub(crate) fn decoded(self, terms: &Terms) -> Result<Self, source::Error> {
        let decode = |whole: Whole| {
            let Whole { source, sha256, terms: kept } = whole;
            source.decoded_whole(terms).map(|source| Whole { source, sha256, terms: kept })
        };
        Ok(match self {
            Self::Authentic(AuthenticArchive { whole, evidence }) => {
                Self::Authentic(AuthenticArchive { whole: decode(whole)?, evidence })
            }
            Self::DangerUnauthenticated(DangerUnauthenticatedArchive { whole, origin }) => {
                let danger = DangerUnauthenticatedArchive { whole: decode(whole)?, origin };
                Self::DangerUnauthenticated(danger)
            }
        })
    }

    /// What its first bytes looked like.
    #[must_use]
    pub fn layer(&self) -> Layer {
        self.whole().source.layer()
    }

    /// The bytes that were judged.
    pub(crate) fn source(&mut self) -> &mut Source {
        match self {
            Self::Authentic(it) => &mut it.whole.source,
            Self::DangerUnauthenticated(it) => &mut it.whole.source,
        }
    }
}
