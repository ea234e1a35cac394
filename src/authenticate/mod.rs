// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Who vouches for a root hash.
//!
//! **In:** [`Admitted`]: root hashes that an image claims, and signatures over them; the trust
//! anchors of this machine; pins of its command line.
//! **Out:** [`Authenticated`]: for each partition to be protected a [`RootHash`] that a trusted key
//! signed, or that a trusted pin names.
//! **Refuses:** every other root hash. A signature that is there has to be good, also where the
//! policy would be content without one; a pin that is given has to fit, and adds to what a
//! signature has to prove; a revoked root hash is refused whoever vouches for it. There is no second
//! try without any of this.

// Each uses only those above it.
pub mod anchors;
pub mod cms;
mod error;
pub mod archive;

#[cfg(test)]
mod testing;

use std::fmt;

use data_encoding::HEXLOWER;

use crate::designator::PartitionDesignator;
use crate::digest::RootHashClaim;
use crate::dissect::Rest;
use crate::dissect::group::HashTree;
use crate::dissect::verity_sig::VeritySignature;
use crate::dissect::verity_superblock::VeritySuperblock;
use crate::finding::Origin;
use crate::policy::{Admitted, AdmittedPartition, Protection};
use crate::policy_file::{self, CommandLine, SignerScope, Stated};
use crate::purpose::Purpose;
use crate::request::Pin;
use crate::revocation::Revoked;
use crate::source::Mode;
use crate::units::ByteRange;
use anchors::TrustAnchors;
use cms::{CmsError, SignedData};
pub use error::AuthenticateError;

/// A root hash that somebody we trust vouches for. Made by [`authenticate`] alone.
///
/// A claim is not one, and can't become one from outside:
///
/// ```compile_fail,E0603
/// let hash = veriroot::authenticate::RootHash(vec![0; 32]);
/// ```
/// ```compile_fail,E0277
/// # use veriroot::{authenticate::RootHash, digest::RootHashClaim};
/// fn believe(claim: RootHashClaim) -> RootHash {
///     claim.into()
/// }
/// ```
/// ```compile_fail,E0277
/// let twice = veriroot::authenticate::RootHash::clone;
/// ```
/// ```
/// let claim = veriroot::digest::RootHashClaim::from_bytes(&[0; 32]);
/// assert!(claim.is_some());
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct RootHash(Vec<u8>);

impl RootHash {
    /// The digest: 32 or 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for RootHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// What a root hash rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A signature by the trust anchor described: subject and file.
    Signature {
        /// The certificate's subject.
        signer: String,
        /// SHA-256 of the certificate, hex.
        fingerprint: String,
        /// The bytes that were verified: a CMS signature in DER.
        cms: Vec<u8>,
    },
    /// A word of an authenticated command line.
    Pin {
        /// The word.
        word: String,
    },
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signature { signer, .. } => write!(f, "signed by {signer}"),
            Self::Pin { word } => write!(f, "pinned by {word}"),
        }
    }
}

/// How a partition's bytes will be judged.
#[derive(Debug)]
pub enum Warrant {
    /// Every block against the tree, the tree against this root hash.
    Verity {
        /// The hash.
        root_hash: RootHash,
        /// What it rests on.
        evidence: Evidence,
        /// The tree's parameters: claims still, until the tree has confirmed them.
        superblock: VeritySuperblock,
        /// Where the hash partition stands.
        hash: ByteRange,
    },
    /// Not at all: these lines of policy open it.
    Open(Vec<Origin>),
}

/// One partition that will be used.
#[derive(Debug)]
pub struct AuthenticatedPartition {
    /// What it is used as.
    pub designator: PartitionDesignator,
    /// Its slot, counted from 1.
    pub number: u32,
    /// Where the partition stands.
    pub data: ByteRange,
    /// Whether its GPT bit says that nobody shall write to it.
    pub read_only: bool,
    /// How its bytes will be judged.
    pub warrant: Warrant,
    /// The policy's rule for it.
    pub rule: crate::image_policy::Rule,
    /// Who made that rule.
    pub origins: Vec<Origin>,
}

/// An image whose root hashes are trusted; its blocks are not, yet.
///
/// It can't be put together, doubled, or left out: [`crate::fetch`] takes no root hash that is a claim.
///
/// ```
/// # use veriroot::{authenticate::Authenticated, fetch::{LetGo, Progress, fetch}};
/// fn next(it: Authenticated, progress: &mut dyn Progress) -> bool {
///     fetch(it, LetGo, progress).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{policy::Admitted, fetch::{LetGo, Progress, fetch}};
/// fn next(it: Admitted, progress: &mut dyn Progress) -> bool {
///     fetch(it, LetGo, progress).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::authenticate::Authenticated;
/// fn forge(it: Authenticated) -> Authenticated {
///     Authenticated { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::authenticate::Authenticated;
/// let twice = Authenticated::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Authenticated {
    rest: Rest,
    partitions: Vec<AuthenticatedPartition>,
}

/// What this machine trusts.
#[derive(Debug)]
pub struct Trust<'a> {
    /// The trust anchors; `None` where nothing that has to be signed is wanted.
    pub anchors: Option<&'a TrustAnchors>,
    /// Root hashes the command line names.
    pub pins: &'a [Pin],
    /// Whether a policy file says that the command line is authenticated, so that a pin can stand
    /// where no signature is.
    pub pins_suffice: bool,
    /// What is not trusted any more, and who says so. Holds for pinned root hashes as for signed
    /// ones, with trust anchors and without.
    pub revoked: &'a [Stated<Revoked>],
    /// What the image is to become: only keys whose scope has it count.
    pub purpose: Purpose,
}

impl<'a> Trust<'a> {
    /// What a policy says of trust, with the anchors that were found for it.
    #[must_use]
    pub fn of_policy(
        policy: &'a policy_file::Trust,
        anchors: Option<&'a TrustAnchors>,
        pins: &'a [Pin],
    ) -> Self {
        let pins_suffice = policy.command_line.value == CommandLine::Authenticated;
        let purpose = Purpose::System;
        Self { anchors, pins, pins_suffice, revoked: &policy.revoked, purpose }
    }

    /// The same for an image that is to become something else.
    #[must_use]
    pub fn for_purpose(self, purpose: Purpose) -> Self {
        Self { purpose, ..self }
    }
}

/// Asks for each partition to be protected who vouches for its root hash.
///
/// # Errors
/// The first partition that nobody vouches for; a pin that does not fit or has nothing to fit.
pub fn authenticate(
    admitted: Admitted,
    trust: &Trust<'_>,
) -> Result<Authenticated, AuthenticateError> {
    let (dissected, admitted) = admitted.into_parts();
    for pin in trust.pins {
        let verity = |it: &&AdmittedPartition| matches!(it.protection, Protection::Verity { .. });
        if !admitted.iter().filter(verity).any(|it| it.designator == pin.designator) {
            let (designator, pin) = (pin.designator, pin.clone());
            return Err(AuthenticateError::PinUnused { designator, pin });
        }
    }
    let partitions =
        admitted.into_iter().map(|it| authenticate_one(it, trust)).collect::<Result<_, _>>()?;
    Ok(Authenticated { rest: dissected.into_rest(), partitions })
}

fn authenticate_one(
    admitted: AdmittedPartition,
    trust: &Trust<'_>,
) -> Result<AuthenticatedPartition, AuthenticateError> {
    let AdmittedPartition { designator, number, data, read_only, protection, rule, origins } =
        admitted;
    let warrant = match protection {
        Protection::Open(origins) => Warrant::Open(origins),
        Protection::Verity { hash, signature, claim } => {
            let HashTree { range: hash, superblock, .. } = hash;
            let claims = (signature.as_ref(), claim.as_ref());
            let (root_hash, evidence) = vouch(designator, claims, trust, &origins)?;
            let found = root_hash.as_bytes().len();
            let algorithm = superblock.algorithm();
            if found != algorithm.digest_len() {
                return Err(AuthenticateError::Algorithm { designator, algorithm, found });
            }
            Warrant::Verity { root_hash, evidence, superblock, hash }
        }
    };
    Ok(AuthenticatedPartition { designator, number, data, read_only, warrant, rule, origins })
}

/// The one place where a claimed root hash becomes a trusted one.
fn vouch(
    designator: PartitionDesignator,
    (signature, beside): (Option<&VeritySignature>, Option<&RootHashClaim>),
    trust: &Trust<'_>,
    origins: &[Origin],
) -> Result<(RootHash, Evidence), AuthenticateError> {
    let origin = origins.first().cloned().unwrap_or(Origin::BuiltIn);
    let pin = trust.pins.iter().find(|it| it.designator == designator);
    let (claim, evidence) = match (signature, pin) {
        (Some(signature), _) => {
            let claim = signature.root_hash();
            let Some(anchors) = trust.anchors else {
                return Err(AuthenticateError::NoAnchors { designator, origin });
            };
            let scope = SignerScope::of(trust.purpose, designator);
            let evidence = verify(scope, signature, anchors)
                .map_err(|error| AuthenticateError::Cms { designator, error, origin })?;
            (claim, evidence)
        }
        (None, Some(pin)) if trust.pins_suffice => {
            (&pin.root_hash, Evidence::Pin { word: pin.word.clone() })
        }
        (None, _) => return Err(AuthenticateError::NoEvidence { designator, origin }),
    };
    if let Some(pin) = pin
        && let Some(other) =
            [Some(claim), beside].into_iter().flatten().find(|it| **it != pin.root_hash)
    {
        let (pin, found) = (pin.clone(), other.to_string());
        return Err(AuthenticateError::PinDiffers { designator, pin, found });
    }
    if let Some((entry, origin)) = revoked(claim, trust) {
        return Err(AuthenticateError::Revoked { designator, entry, origin });
    }
    Ok((RootHash(claim.as_bytes().to_vec()), evidence))
}

/// The entry that revokes a root hash, and who states it.
fn revoked(claim: &RootHashClaim, trust: &Trust<'_>) -> Option<(Revoked, Origin)> {
    let hash = Revoked::RootHash(claim.to_string());
    let stated = trust.revoked.iter().find(|it| it.value == hash).map(|it| it.origin.clone());
    let origin = stated.or_else(|| {
        let revocations = trust.anchors?.revocations();
        revocations.of_root_hash(claim).map(|_| Origin::Rule("the trust anchors' revocations"))
    })?;
    Some((hash, origin))
}

fn verify(
    scope: SignerScope,
    signature: &VeritySignature,
    anchors: &TrustAnchors,
) -> Result<Evidence, CmsError> {
    // The signed content is the lower-case hex of the root hash, without a newline.
    let content = signature.root_hash().to_string();
    let signed = SignedData::parse(signature.signature())?;
    let signer = signed.verify(content.as_bytes(), scope.name(), anchors)?;
    Ok(Evidence::Signature {
        signer: signer.subject().to_owned(),
        fingerprint: HEXLOWER.encode(signer.fingerprint()),
        cms: signature.signature().to_vec(),
    })
}

impl Authenticated {
    /// How the bytes will come. A stream is linear if whatever a block is judged by comes before it.
    #[must_use]
    pub fn mode(&self) -> Mode {
        let Some(mut at) = self.rest.position() else { return self.rest.mode() };
        for partition in &self.partitions {
            if let Warrant::Verity { hash, .. } = &partition.warrant {
                at = at.max(hash.end());
            }
            if partition.data.offset() < at {
                return Mode::Spooled;
            }
            at = partition.data.end();
        }
        Mode::Linear
    }

    /// What will be used.
    #[must_use]
    pub fn partitions(&self) -> &[AuthenticatedPartition] {
        &self.partitions
    }

    /// Hands everything on to the stage that fetches.
    pub(crate) fn into_parts(self) -> (Rest, Vec<AuthenticatedPartition>) {
        (self.rest, self.partitions)
    }
}
