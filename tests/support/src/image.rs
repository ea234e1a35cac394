// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A disk image in memory, and one-line attacks on it.
//!
//! **In:** an image that was built, or a real one. **Out:** the same with one thing changed and
//! every CRC fixed; [`Image::broken_gpt`] and [`Image::truncate`] are the ones that leave things
//! broken. **Refuses:** (panics) names that no partition, or more than one, has.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use uuid::Uuid;

use crate::ddi::{Arch, type_guid, type_name};
use crate::gpt::{Entry, Gpt};

/// A disk image with its table.
#[derive(Clone, Debug)]
pub struct Image {
    /// Every byte, table included.
    pub bytes: Vec<u8>,
    /// The table as it was last written.
    pub gpt: Gpt,
    pub(crate) root_hashes: BTreeMap<String, Vec<u8>>,
}

impl Image {
    /// A real image from `tests/fixtures`: `boot-signed`, `root-erofs-signed`.
    #[must_use]
    pub fn from_zst_fixture(name: &str) -> Self {
        Self::from_bytes(crate::fixture(&format!("{name}.raw.zst")))
    }

    /// An image with a sound table. Root hashes are taken from the UUIDs, as repart sets them.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        let gpt = Gpt::read(&bytes);
        let guid_of = |name: &str| {
            gpt.entries.iter().find(|it| type_name(it.type_guid) == Some(name)).map(|it| it.guid)
        };
        let root_hashes = ["root", "usr"]
            .into_iter()
            .filter_map(|name| {
                let (data, hash) = (guid_of(name)?, guid_of(&format!("{name}-verity"))?);
                Some((name.into(), [*data.as_bytes(), *hash.as_bytes()].concat()))
            })
            .collect();
        Self { bytes, gpt, root_hashes }
    }

    /// Root hash of the volume `root` or `usr`, as first built or read.
    #[must_use]
    pub fn root_hash(&self, designator: &str) -> &[u8] {
        &self.root_hashes[designator]
    }

    /// The same in lower-case hex.
    #[must_use]
    pub fn root_hash_hex(&self, designator: &str) -> String {
        data_encoding::HEXLOWER.encode(self.root_hash(designator))
    }

    /// Number (from 1) of the one partition called that: by type (`root-verity`), else by label,
    /// or the number itself (`"2"`).
    #[must_use]
    pub fn number(&self, name: &str) -> usize {
        if let Ok(number) = name.parse() {
            return number;
        }
        let found = |matches: &dyn Fn(&Entry) -> bool| {
            let used = self.gpt.entries.iter().enumerate().filter(|(_, it)| it.is_used());
            used.filter(|(_, it)| matches(it)).map(|(index, _)| index + 1).collect::<Vec<_>>()
        };
        let mut numbers = found(&|it| type_name(it.type_guid) == Some(name));
        if numbers.is_empty() {
            numbers = found(&|it| it.label() == name);
        }
        assert_eq!(numbers.len(), 1, "partitions called {name}: {numbers:?}");
        numbers[0]
    }

    /// The table's entry of a partition.
    #[must_use]
    pub fn entry(&self, name: &str) -> &Entry {
        &self.gpt.entries[self.number(name) - 1]
    }

    /// Where a partition's bytes lie in `bytes`.
    #[must_use]
    pub fn range(&self, name: &str) -> Range<usize> {
        let entry = self.entry(name);
        entry.first_lba as usize * self.gpt.sector..(entry.last_lba as usize + 1) * self.gpt.sector
    }

    /// A partition's bytes.
    #[must_use]
    pub fn content(&self, name: &str) -> &[u8] {
        &self.bytes[self.range(name)]
    }

    /// Flips one bit of a partition.
    #[must_use]
    pub fn flip_bit(self, name: &str, offset: usize, bit: u8) -> Self {
        self.change_content(name, |bytes| bytes[offset] ^= 1 << bit)
    }

    /// Changes a partition's bytes in place.
    #[must_use]
    pub fn change_content(mut self, name: &str, change: impl FnOnce(&mut [u8])) -> Self {
        let range = self.range(name);
        change(&mut self.bytes[range]);
        self
    }

    /// Puts other bytes into a partition, zero padded; one that is too small moves to the end.
    #[must_use]
    pub fn replace_content(mut self, name: &str, content: &[u8]) -> Self {
        let range = self.range(name);
        self.bytes[range.clone()].fill(0);
        if content.len() <= range.len() {
            self.bytes[range.start..range.start + content.len()].copy_from_slice(content);
            return self;
        }
        let (number, entry) = (self.number(name), self.entry(name).clone());
        self.append(number, entry, content)
    }

    /// Takes a partition out of the table; its bytes are zeroed.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Self {
        let range = self.range(name);
        self.bytes[range].fill(0);
        self.change_entry(name, |entry| *entry = Entry::EMPTY)
    }

    /// Takes hash tree and signature of `root` or `usr` away: bootable, but unprotected.
    #[must_use]
    pub fn strip_verity(self, designator: &str) -> Self {
        let verity = format!("{designator}-verity");
        self.remove(&format!("{verity}-sig")).remove(&verity)
    }

    /// Adds a partition at the end of a grown image, in the first free slot.
    #[must_use]
    pub fn add_partition(self, name: &str, arch: Arch, content: &[u8]) -> Self {
        let free = self.gpt.entries.iter().position(|it| !it.is_used()).expect("table is full");
        let guid = fresh_guid(free + 1000);
        let mut entry = Entry { type_guid: type_guid(name, arch), guid, ..Entry::EMPTY };
        entry.set_label(name);
        self.append(free + 1, entry, content)
    }

    /// Lets two partitions change their numbers.
    #[must_use]
    pub fn swap(self, a: &str, b: &str) -> Self {
        let (a, b) = (self.number(a), self.number(b));
        self.edit_gpt(|gpt| gpt.entries.swap(a - 1, b - 1))
    }

    /// Gives a partition another type.
    #[must_use]
    pub fn retype(self, name: &str, type_guid: Uuid) -> Self {
        self.change_entry(name, |entry| entry.type_guid = type_guid)
    }

    /// Gives a partition another label.
    #[must_use]
    pub fn relabel(self, name: &str, label: &str) -> Self {
        self.change_entry(name, |entry| entry.set_label(label))
    }

    /// Gives a partition another UUID.
    #[must_use]
    pub fn set_guid(self, name: &str, guid: Uuid) -> Self {
        self.change_entry(name, |entry| entry.guid = guid)
    }

    /// Sets a partition's attribute bits.
    #[must_use]
    pub fn set_attributes(self, name: &str, attributes: u64) -> Self {
        self.change_entry(name, |entry| entry.attributes = attributes)
    }

    /// Changes a partition's entry.
    #[must_use]
    pub fn change_entry(self, name: &str, change: impl FnOnce(&mut Entry)) -> Self {
        let number = self.number(name);
        self.edit_gpt(|gpt| change(&mut gpt.entries[number - 1]))
    }

    /// Changes anything in the table and fixes its CRCs.
    #[must_use]
    pub fn edit_gpt(mut self, change: impl FnOnce(&mut Gpt)) -> Self {
        change(&mut self.gpt);
        self.gpt.write(&mut self.bytes);
        self
    }

    /// Changes anything in the table and writes it as it is, CRCs too.
    #[must_use]
    pub fn broken_gpt(mut self, change: impl FnOnce(&mut Gpt)) -> Self {
        change(&mut self.gpt);
        self.gpt.write_verbatim(&mut self.bytes);
        self
    }

    /// Cuts the image off; the table still speaks of the whole.
    #[must_use]
    pub fn truncate(mut self, len: usize) -> Self {
        self.bytes.truncate(len);
        self
    }

    /// Writes the image to a file.
    ///
    /// # Panics
    /// If it can't be written.
    pub fn write_to(&self, path: &Path) {
        std::fs::write(path, &self.bytes).unwrap();
    }

    fn append(mut self, number: usize, entry: Entry, content: &[u8]) -> Self {
        let sector = self.gpt.sector;
        let backup = self.gpt.backup_start();
        let backup_len = self.bytes.len() - backup;
        self.bytes.truncate(backup);
        self.gpt.entries[number - 1] = append(&mut self.bytes, sector, entry, content);
        self.bytes.resize(self.bytes.len() + backup_len, 0);
        let sectors = (self.bytes.len() / sector) as u64;
        self.edit_gpt(|gpt| gpt.resize(sectors))
    }
}

/// Puts `content` at the next multiple of 4096 bytes and says where in the entry.
pub(crate) fn append(bytes: &mut Vec<u8>, sector: usize, entry: Entry, content: &[u8]) -> Entry {
    let start = bytes.len().next_multiple_of(4096);
    let end = start + content.len().max(1).next_multiple_of(4096);
    bytes.resize(start, 0);
    bytes.extend_from_slice(content);
    bytes.resize(end, 0);
    let (first_lba, last_lba) = ((start / sector) as u64, (end / sector - 1) as u64);
    Entry { first_lba, last_lba, ..entry }
}

pub(crate) fn fresh_guid(number: usize) -> Uuid {
    Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + number as u128)
}
