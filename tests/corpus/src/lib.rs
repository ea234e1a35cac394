// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Attacks on verified boot, each a few files and the outcome it demands.
//!
//! **In:** a seed. **Out:** [`Case`]s, the same bytes each time: an image, the trust anchors a
//! machine has, the image policy it demands, and whether it may boot. Every case that demands a
//! refusal has a twin that differs in nothing else and demands acceptance. **Refuses:** nothing.
//!
//! Nothing here knows veriroot: [`run`] tries any command that takes an image.

pub mod cases;
pub mod run;

use std::path::{Path, PathBuf};

use veriroot_test_support::ddi::Image;
use veriroot_test_support::keys::{self, Signer};

/// What has to become of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// It may boot.
    Accept,
    /// It may not.
    Refuse,
}

impl Demand {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refuse => "refuse",
        }
    }
}

/// A machine, an image for it, and what has to come of that.
#[derive(Debug)]
pub struct Case {
    /// The attack's number in the catalogue: `GPT-03`.
    pub id: &'static str,
    /// What is wrong, or `twin`.
    pub name: String,
    /// Where the attack is from.
    pub origin: &'static str,
    /// What has to become of it.
    pub demand: Demand,
    /// Every byte of the image.
    pub image: Vec<u8>,
    /// The directory of trust anchors: names and contents.
    pub anchors: Vec<(String, Vec<u8>)>,
    /// The image policy.
    pub policy: String,
    /// Of an archive: the signature that stands beside it; an empty one is a file without a byte.
    pub signature: Option<Vec<u8>>,
    /// The root's data, its hash partition and its root hash, where they can be told.
    pub tree: Option<(Vec<u8>, Vec<u8>, String)>,
}

/// The policy of cases that are not about policies.
pub const SIGNED: &str = "root=signed:=ignore";

impl Case {
    /// A case of an image on the machine that trusts K1 and demands a signed root.
    #[must_use]
    pub fn of(
        id: &'static str,
        name: &str,
        origin: &'static str,
        demand: Demand,
        image: &Image,
    ) -> Self {
        // An image whose table is broken, or that lost a partition, has no tree to look at.
        let whole = ["root", "root-verity"].iter().all(|name| {
            let entries = image.gpt.entries.iter().filter(|it| it.is_used());
            let guid = veriroot_test_support::ddi::type_guid(
                name,
                veriroot_test_support::ddi::Arch::X86_64,
            );
            let mut found = entries.filter(|it| it.type_guid == guid);
            let inside = |it: &veriroot_test_support::gpt::Entry| {
                it.first_lba <= it.last_lba
                    && it.last_lba < (image.bytes.len() / image.gpt.sector) as u64
            };
            found.next().is_some_and(inside) && found.next().is_none()
        });
        let tree = whole.then(|| {
            let part = |name| image.content(name).to_vec();
            (part("root"), part("root-verity"), image.root_hash_hex("root"))
        });
        Self {
            id,
            name: name.to_owned(),
            origin,
            demand,
            image: image.bytes.clone(),
            anchors: anchors(&[&keys::trusted()]),
            policy: SIGNED.to_owned(),
            signature: None,
            tree,
        }
    }

    /// Directory name: unique, and a safe path component.
    #[must_use]
    pub fn slug(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        format!("{}-{}", self.id, self.name.chars().map(plain).collect::<String>())
    }

    /// What the image or archive is called: loaders go by that.
    #[must_use]
    pub fn file_name(&self) -> &'static str {
        if self.id.starts_with("TAR-") { "image.tar" } else { "image.raw" }
    }

    /// Writes the files of the case into `directory`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, directory: &Path) -> std::io::Result<Files> {
        std::fs::create_dir_all(directory.join("anchors"))?;
        for (name, content) in &self.anchors {
            std::fs::write(directory.join("anchors").join(name), content)?;
        }
        std::fs::write(directory.join(self.file_name()), &self.image)?;
        if let Some(signature) = &self.signature {
            std::fs::write(directory.join("image.tar.p7s"), signature)?;
        }
        std::fs::write(directory.join("policy"), &self.policy)?;
        if let Some((data, hash, root_hash)) = &self.tree {
            std::fs::write(directory.join("root.data"), data)?;
            std::fs::write(directory.join("root.verity"), hash)?;
            std::fs::write(directory.join("root.hash"), root_hash)?;
        }
        Ok(Files { directory: directory.to_owned() })
    }
}

/// Where a case lies.
#[derive(Clone, Debug)]
pub struct Files {
    /// All of it.
    pub directory: PathBuf,
}

/// The directory that holds the certificates of these signers.
#[must_use]
pub fn anchors(signers: &[&Signer]) -> Vec<(String, Vec<u8>)> {
    let name = |index| format!("signer-{index}.crt");
    (0..).zip(signers).map(|(index, it)| (name(index), it.certificate_pem())).collect()
}
