// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Builds whole disk images.
//!
//! **In:** what a test wants of an image. **Out:** an [`Image`] as systemd-repart lays it out:
//! sound table, UUIDs from the root hash, signed by [`keys::trusted`]. **Refuses:** (panics) names
//! that no partition type has.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::{Uuid, uuid};

use crate::erofs::Erofs;
use crate::gpt::{Entry, Gpt};
pub use crate::image::Image;
use crate::image::{append, fresh_guid};
use crate::keys::{self, Signer};
use crate::{sign, verity};

/// Attribute bit: read-only.
pub const READ_ONLY: u64 = 1 << 60;
/// Attribute bit: grow the file system to the partition.
pub const GROW_FS: u64 = 1 << 59;
/// Attribute bit: not to be mounted automatically.
pub const NO_AUTO: u64 = 1 << 63;

/// Architecture of root and usr partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    X86_64,
    /// 64-bit Arm.
    Arm64,
}

/// Type GUIDs that depend on the architecture (Discoverable Partitions Specification).
const ARCH_TYPES: [(&str, Arch, Uuid); 12] = [
    ("root", Arch::X86_64, uuid!("4f68bce3-e8cd-4db1-96e7-fbcaf984b709")),
    ("root", Arch::Arm64, uuid!("b921b045-1df0-41c3-af44-4c6f280d3fae")),
    ("root-verity", Arch::X86_64, uuid!("2c7357ed-ebd2-46d9-aec1-23d437ec2bf5")),
    ("root-verity", Arch::Arm64, uuid!("df3300ce-d69f-4c92-978c-9bfb0f38d820")),
    ("root-verity-sig", Arch::X86_64, uuid!("41092b05-9fc8-4523-994f-2def0408b176")),
    ("root-verity-sig", Arch::Arm64, uuid!("6db69de6-29f4-4758-a7a5-962190f00ce3")),
    ("usr", Arch::X86_64, uuid!("8484680c-9521-48c6-9c11-b0720656f69e")),
    ("usr", Arch::Arm64, uuid!("b0e01050-ee5f-4390-949a-9101b17104e9")),
    ("usr-verity", Arch::X86_64, uuid!("77ff5f63-e7b6-4633-acf4-1565b864c0e6")),
    ("usr-verity", Arch::Arm64, uuid!("6e11a4e7-fbca-4ded-b9e9-e1a512bb664e")),
    ("usr-verity-sig", Arch::X86_64, uuid!("e7bb33fb-06cf-4e81-8273-e543b413e2e2")),
    ("usr-verity-sig", Arch::Arm64, uuid!("c23ce4ff-44bd-4b00-b2d4-b41b3419e02a")),
];

/// Type GUIDs that do not.
const TYPES: [(&str, Uuid); 8] = [
    ("esp", uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")),
    ("xbootldr", uuid!("bc13c2ff-59e6-4262-a352-b275fd6f7172")),
    ("swap", uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f")),
    ("home", uuid!("933ac7e1-2eb4-4f13-b844-0e14e2aef915")),
    ("srv", uuid!("3b8f8425-20e0-4f3b-907f-1a25a76f98e8")),
    ("var", uuid!("4d21b016-b534-45c2-a9fb-5c16e091fd2d")),
    ("tmp", uuid!("7ec6f557-3bc5-4aca-b293-16ef5df639d1")),
    ("linux-generic", uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4")),
];

/// The type GUID of a partition named as systemd-repart names it: `root`, `usr-verity`, `esp`.
///
/// # Panics
/// If no type has that name.
#[must_use]
pub fn type_guid(name: &str, arch: Arch) -> Uuid {
    let plain = TYPES.iter().find(|it| it.0 == name).map(|it| it.1);
    let by_arch = || ARCH_TYPES.iter().find(|it| (it.0, it.1) == (name, arch)).map(|it| it.2);
    plain.or_else(by_arch).unwrap_or_else(|| panic!("no partition type is called {name}"))
}

/// The name of a type GUID, of whatever architecture.
#[must_use]
pub fn type_name(guid: Uuid) -> Option<&'static str> {
    let plain = TYPES.iter().find(|it| it.1 == guid).map(|it| it.0);
    plain.or_else(|| ARCH_TYPES.iter().find(|it| it.2 == guid).map(|it| it.0))
}

type MakeSignature = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// A file system with, by default, a hash tree and the trusted signer's signature.
#[derive(Clone)]
pub struct Volume {
    content: Vec<u8>,
    verity: Option<verity::Params>,
    /// Made elsewhere, in place of what the parameters would give.
    formatted: Option<verity::Formatted>,
    signature: Option<MakeSignature>,
}

impl std::fmt::Debug for Volume {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Volume({} bytes, {:?})", self.content.len(), self.verity)
    }
}

impl Volume {
    /// Protects `content`, whole blocks of a file system.
    #[must_use]
    pub fn new(content: Vec<u8>) -> Self {
        let verity = Some(verity::Params::default());
        let volume = Self { content, verity, formatted: None, signature: None };
        volume.signed_by(&keys::trusted())
    }

    /// Another signer.
    #[must_use]
    pub fn signed_by(self, signer: &Arc<Signer>) -> Self {
        let signer = signer.clone();
        self.signature(move |root_hash| sign::root_hash_partition(&signer, root_hash))
    }

    /// Whatever `make` makes of the root hash as content of the signature partition.
    #[must_use]
    pub fn signature(self, make: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self { signature: Some(Arc::new(make)), ..self }
    }

    /// A CMS made by `make` of the root hash, in the usual JSON.
    #[must_use]
    pub fn cms(self, make: impl Fn(&[u8]) -> sign::Cms + Send + Sync + 'static) -> Self {
        self.signature(move |root_hash| {
            let cms = make(root_hash);
            let fingerprint = cms.signers.first().map(|it| it.signer.fingerprint());
            let json = sign::json(root_hash, &fingerprint.unwrap_or_default(), &cms.build());
            sign::partition(&json)
        })
    }

    /// A tree with these parameters.
    #[must_use]
    pub fn verity(self, params: verity::Params) -> Self {
        Self { verity: Some(params), ..self }
    }

    /// A tree that another program made of the content.
    #[must_use]
    pub fn formatted(self, formatted: verity::Formatted) -> Self {
        Self { formatted: Some(formatted), ..self }
    }

    /// A tree but no signature partition.
    #[must_use]
    pub fn unsigned(self) -> Self {
        Self { signature: None, ..self }
    }

    /// Neither tree nor signature.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { verity: None, formatted: None, signature: None, ..self }
    }
}

/// Where the story starts: [`Ddi::builder`].
#[derive(Clone, Copy, Debug)]
pub struct Ddi;

impl Ddi {
    /// B0: 8 MiB, sectors of 512 bytes, x86-64, a signed erofs root of 1 MiB.
    #[must_use]
    pub fn builder() -> Builder {
        Self::empty().volume("root", Volume::new(Erofs::root_tree(238 * 4096).build()))
    }

    /// The same without any partition.
    #[must_use]
    pub fn empty() -> Builder {
        Builder {
            sector: 512,
            arch: Arch::X86_64,
            total: 8 << 20,
            disk_guid: uuid!("b0b0b0b0-0000-4000-8000-000000000001"),
            volumes: BTreeMap::new(),
            plain: Vec::new(),
            order: Vec::new(),
        }
    }
}

/// An image to be.
#[derive(Clone, Debug)]
pub struct Builder {
    sector: usize,
    arch: Arch,
    total: usize,
    disk_guid: Uuid,
    volumes: BTreeMap<String, Volume>,
    plain: Vec<(String, Vec<u8>)>,
    order: Vec<String>,
}

impl Builder {
    /// Bytes per sector.
    #[must_use]
    pub fn sector(self, sector: usize) -> Self {
        Self { sector, ..self }
    }

    /// Architecture of every root and usr partition.
    #[must_use]
    pub fn arch(self, arch: Arch) -> Self {
        Self { arch, ..self }
    }

    /// Smallest size of the image, bytes.
    #[must_use]
    pub fn total(self, total: usize) -> Self {
        Self { total, ..self }
    }

    /// Adds or replaces a volume: `root` or `usr`.
    #[must_use]
    pub fn volume(mut self, designator: &str, volume: Volume) -> Self {
        self.volumes.insert(designator.into(), volume);
        self
    }

    /// Changes a volume that is there.
    #[must_use]
    pub fn change(mut self, designator: &str, change: impl FnOnce(Volume) -> Volume) -> Self {
        let volume = self.volumes.remove(designator).expect("no such volume");
        self.volume(designator, change(volume))
    }

    /// Adds a partition without protection: `esp`, `home`, a second `root`.
    #[must_use]
    pub fn partition(mut self, name: &str, content: Vec<u8>) -> Self {
        self.plain.push((name.into(), content));
        self
    }

    /// These names first, in this order; the rest follows as it was.
    #[must_use]
    pub fn order(self, names: &[&str]) -> Self {
        Self { order: names.iter().map(|name| (*name).into()).collect(), ..self }
    }

    /// Signature, root, hash tree: the root is partition 2, as netboot command lines expect.
    #[must_use]
    pub fn root_second(self) -> Self {
        self.order(&["root-verity-sig", "root", "root-verity"])
    }

    /// Lays everything out.
    #[must_use]
    pub fn build(&self) -> Image {
        let mut planned = Vec::new();
        let mut root_hashes = BTreeMap::new();
        for (designator, volume) in &self.volumes {
            self.plan(designator, volume, &mut planned, &mut root_hashes);
        }
        for (name, content) in &self.plain {
            planned.push((name.clone(), fresh_guid(planned.len()), Cow::Borrowed(&content[..])));
        }
        let rank = |name: &String| self.order.iter().position(|it| it == name);
        planned.sort_by_key(|(name, ..)| rank(name).unwrap_or(usize::MAX));
        let mut bytes = vec![0; 1 << 20];
        let mut entries = Vec::new();
        for (name, guid, content) in planned {
            let mut entry = Entry { type_guid: type_guid(&name, self.arch), guid, ..Entry::EMPTY };
            entry.set_label(&self.label(&name));
            if name.starts_with("root") || name.starts_with("usr") {
                entry.attributes = READ_ONLY;
            }
            entries.push(append(&mut bytes, self.sector, entry, &content));
        }
        let len = (bytes.len() + (1 << 20)).max(self.total).next_multiple_of(self.sector);
        bytes.resize(len, 0);
        let mut gpt = Gpt::new(self.sector, (len / self.sector) as u64, self.disk_guid);
        gpt.entries[..entries.len()].clone_from_slice(&entries);
        gpt.write(&mut bytes);
        Image { bytes, gpt, root_hashes }
    }

    fn plan<'a>(
        &self,
        designator: &str,
        volume: &'a Volume,
        planned: &mut Vec<(String, Uuid, Cow<'a, [u8]>)>,
        root_hashes: &mut BTreeMap<String, Vec<u8>>,
    ) {
        let mut data_guid = fresh_guid(planned.len());
        let at = planned.len();
        if let Some(params) = &volume.verity {
            let formatted = volume.formatted.clone();
            let made = formatted.unwrap_or_else(|| params.format(&volume.content));
            let hash = &made.root_hash;
            data_guid = Uuid::from_slice(&hash[..16]).unwrap();
            let hash_guid = Uuid::from_slice(&hash[hash.len() - 16..]).unwrap();
            planned.push((format!("{designator}-verity"), hash_guid, made.hash_area.into()));
            if let Some(make) = &volume.signature {
                let guid = fresh_guid(planned.len());
                planned.push((format!("{designator}-verity-sig"), guid, make(hash).into()));
            }
            root_hashes.insert(designator.into(), made.root_hash);
        }
        planned.insert(at, (designator.into(), data_guid, Cow::Borrowed(&volume.content)));
    }

    fn label(&self, name: &str) -> String {
        let arch = match self.arch {
            Arch::X86_64 => "x86-64",
            Arch::Arm64 => "arm64",
        };
        match name.split_once('-') {
            _ if !name.starts_with("root") && !name.starts_with("usr") => name.into(),
            Some((designator, role)) => format!("{designator}-{arch}-{role}"),
            None => format!("{name}-{arch}"),
        }
    }
}
