// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A GUID partition table as plain fields: read, change, write back.
//!
//! **In:** the bytes of an image with a sound table. **Out:** every field of protective MBR, both
//! headers and both arrays, to be written with all CRCs right ([`Gpt::write`]) or exactly as the
//! fields say ([`Gpt::write_verbatim`]). **Refuses:** (panics) images whose table is not sound to
//! begin with. UEFI specification 2.10, section 5.3.

use uuid::Uuid;

/// Bytes of one entry in every table written by the common tools.
pub const ENTRY_SIZE: usize = 128;

/// One slot of the array; all zero when unused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Type GUID; nil means unused.
    pub type_guid: Uuid,
    /// Unique partition GUID.
    pub guid: Uuid,
    /// First sector.
    pub first_lba: u64,
    /// Last sector, inclusive.
    pub last_lba: u64,
    /// Attribute bits.
    pub attributes: u64,
    /// Name, UTF-16 code units.
    pub name: [u16; 36],
}

impl Entry {
    /// An unused slot.
    pub const EMPTY: Self = Self {
        type_guid: Uuid::nil(),
        guid: Uuid::nil(),
        first_lba: 0,
        last_lba: 0,
        attributes: 0,
        name: [0; 36],
    };

    /// Whether the slot holds a partition.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.type_guid.is_nil()
    }

    /// The name up to the first NUL.
    #[must_use]
    pub fn label(&self) -> String {
        let end = self.name.iter().position(|unit| *unit == 0).unwrap_or(self.name.len());
        String::from_utf16_lossy(&self.name[..end])
    }

    /// Sets the name, NUL padded; at most 36 code units.
    pub fn set_label(&mut self, label: &str) {
        self.name = [0; 36];
        for (to, unit) in self.name.iter_mut().zip(label.encode_utf16()) {
            *to = unit;
        }
    }

    fn read(bytes: &[u8]) -> Self {
        let mut name = [0; 36];
        for (unit, raw) in name.iter_mut().zip(bytes[56..128].chunks_exact(2)) {
            *unit = u16::from_le_bytes([raw[0], raw[1]]);
        }
        Self {
            type_guid: guid(bytes, 0),
            guid: guid(bytes, 16),
            first_lba: u64_at(bytes, 32),
            last_lba: u64_at(bytes, 40),
            attributes: u64_at(bytes, 48),
            name,
        }
    }

    fn to_bytes(&self) -> [u8; ENTRY_SIZE] {
        let mut bytes = [0; ENTRY_SIZE];
        bytes[..16].copy_from_slice(&self.type_guid.to_bytes_le());
        bytes[16..32].copy_from_slice(&self.guid.to_bytes_le());
        bytes[32..40].copy_from_slice(&self.first_lba.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.last_lba.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.attributes.to_le_bytes());
        for (raw, unit) in bytes[56..].chunks_exact_mut(2).zip(self.name) {
            raw.copy_from_slice(&unit.to_le_bytes());
        }
        bytes
    }
}

/// The 92 bytes of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `EFI PART`.
    pub signature: [u8; 8],
    /// 0x0001_0000.
    pub revision: u32,
    /// Bytes that `crc` covers.
    pub header_size: u32,
    /// CRC-32 of the header; [`Gpt::write`] computes it.
    pub crc: u32,
    /// Must be zero.
    pub reserved: u32,
    /// Sector this header says it is in.
    pub my_lba: u64,
    /// Sector of the other header.
    pub alternate_lba: u64,
    /// First sector a partition may use.
    pub first_usable: u64,
    /// Last sector a partition may use.
    pub last_usable: u64,
    /// Disk GUID.
    pub disk_guid: Uuid,
    /// First sector of the array.
    pub entries_lba: u64,
    /// Slots in the array.
    pub entry_count: u32,
    /// Bytes per slot.
    pub entry_size: u32,
    /// CRC-32 of the array; [`Gpt::write`] computes it.
    pub entries_crc: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Self {
        Self {
            signature: bytes[..8].try_into().unwrap(),
            revision: u32_at(bytes, 8),
            header_size: u32_at(bytes, 12),
            crc: u32_at(bytes, 16),
            reserved: u32_at(bytes, 20),
            my_lba: u64_at(bytes, 24),
            alternate_lba: u64_at(bytes, 32),
            first_usable: u64_at(bytes, 40),
            last_usable: u64_at(bytes, 48),
            disk_guid: guid(bytes, 56),
            entries_lba: u64_at(bytes, 72),
            entry_count: u32_at(bytes, 80),
            entry_size: u32_at(bytes, 84),
            entries_crc: u32_at(bytes, 88),
        }
    }

    fn to_bytes(&self) -> [u8; 92] {
        let mut bytes = [0; 92];
        bytes[..8].copy_from_slice(&self.signature);
        bytes[8..12].copy_from_slice(&self.revision.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.header_size.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.crc.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.reserved.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.my_lba.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.alternate_lba.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_usable.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.last_usable.to_le_bytes());
        bytes[56..72].copy_from_slice(&self.disk_guid.to_bytes_le());
        bytes[72..80].copy_from_slice(&self.entries_lba.to_le_bytes());
        bytes[80..84].copy_from_slice(&self.entry_count.to_le_bytes());
        bytes[84..88].copy_from_slice(&self.entry_size.to_le_bytes());
        bytes[88..92].copy_from_slice(&self.entries_crc.to_le_bytes());
        bytes
    }
}

/// Protective MBR, both headers, both arrays.
///
/// Where the parts lie is remembered apart from what the headers say about it, so that a header
/// can lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpt {
    /// Bytes per sector.
    pub sector: usize,
    /// The first 512 bytes of the image.
    pub mbr: [u8; 512],
    /// Header in sector 1.
    pub primary: Header,
    /// Header in the last sector.
    pub backup: Header,
    /// The array after the primary header.
    pub entries: Vec<Entry>,
    /// The array before the backup header; `None` if it equals `entries`.
    pub backup_entries: Option<Vec<Entry>>,
    places: Places,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Places {
    entries: u64,
    backup_entries: u64,
    backup: u64,
}

impl Gpt {
    /// An empty table of 128 slots for an image of `sectors` sectors.
    #[must_use]
    pub fn new(sector: usize, sectors: u64, disk_guid: Uuid) -> Self {
        let header = Header {
            signature: *b"EFI PART",
            revision: 0x0001_0000,
            header_size: 92,
            crc: 0,
            reserved: 0,
            my_lba: 1,
            alternate_lba: 0,
            first_usable: 2 + array_sectors(sector, 128),
            last_usable: 0,
            disk_guid,
            entries_lba: 2,
            entry_count: 128,
            entry_size: 128,
            entries_crc: 0,
        };
        let mut mbr = [0; 512];
        mbr[446..458].copy_from_slice(&[0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0]);
        mbr[510..].copy_from_slice(&[0x55, 0xAA]);
        let mut gpt = Self {
            sector,
            mbr,
            backup: header.clone(),
            primary: header,
            entries: vec![Entry::EMPTY; 128],
            backup_entries: None,
            places: Places { entries: 2, backup_entries: 0, backup: 0 },
        };
        gpt.resize(sectors);
        gpt
    }

    /// Moves the backup to the end of an image of `sectors` sectors.
    pub fn resize(&mut self, sectors: u64) {
        let last = sectors - 1;
        let array = array_sectors(self.sector, self.entries.len());
        self.places.backup = last;
        self.places.backup_entries = last - array;
        self.primary.alternate_lba = last;
        self.primary.last_usable = last - array - 1;
        self.backup = Header {
            my_lba: last,
            alternate_lba: 1,
            entries_lba: last - array,
            ..self.primary.clone()
        };
        let covered = u32::try_from(last).unwrap_or(u32::MAX);
        self.mbr[458..462].copy_from_slice(&covered.to_le_bytes());
    }

    /// Changes both headers in the same way, so that they still agree.
    pub fn each_header(&mut self, change: impl Fn(&mut Header)) {
        change(&mut self.primary);
        change(&mut self.backup);
    }

    /// First byte of the backup: array, then header, then the end of the image.
    #[must_use]
    pub fn backup_start(&self) -> usize {
        offset(self.places.backup_entries, self.sector).unwrap()
    }

    /// Reads the table of an image with sectors of 512 to 4096 bytes.
    ///
    /// # Panics
    /// If a header, a CRC or the backup is not sound.
    #[must_use]
    pub fn read(image: &[u8]) -> Self {
        let sector = [512, 1024, 2048, 4096]
            .into_iter()
            .find(|sector| image.get(*sector..*sector + 8) == Some(b"EFI PART"))
            .expect("no GPT header");
        let (primary, entries) = read_half(image, sector, 1);
        let (backup, backup_entries) = read_half(image, sector, primary.alternate_lba);
        Self {
            sector,
            mbr: image[..512].try_into().unwrap(),
            places: Places {
                entries: primary.entries_lba,
                backup_entries: backup.entries_lba,
                backup: primary.alternate_lba,
            },
            backup_entries: (backup_entries != entries).then_some(backup_entries),
            primary,
            backup,
            entries,
        }
    }

    /// Writes the table with every CRC computed anew, also where other fields are wrong.
    pub fn write(&mut self, image: &mut [u8]) {
        self.write_verbatim(image);
        let sector = self.sector;
        for (at, header) in [(1, &mut self.primary), (self.places.backup, &mut self.backup)] {
            let len = u64::from(header.entry_count).saturating_mul(header.entry_size.into());
            header.entries_crc = crc32fast::hash(clipped(image, header.entries_lba, sector, len));
            header.crc = 0;
            put(image, at, sector, &header.to_bytes());
            header.crc = crc32fast::hash(clipped(image, at, sector, header.header_size.into()));
            put(image, at, sector, &header.to_bytes());
        }
    }

    /// Writes the table exactly as the fields are, CRCs too.
    pub fn write_verbatim(&self, image: &mut [u8]) {
        let array =
            |entries: &[Entry]| entries.iter().flat_map(Entry::to_bytes).collect::<Vec<_>>();
        let backup_entries = self.backup_entries.as_ref().unwrap_or(&self.entries);
        image[..512].copy_from_slice(&self.mbr);
        put(image, self.places.entries, self.sector, &array(&self.entries));
        put(image, self.places.backup_entries, self.sector, &array(backup_entries));
        put(image, 1, self.sector, &self.primary.to_bytes());
        put(image, self.places.backup, self.sector, &self.backup.to_bytes());
    }
}

fn read_half(image: &[u8], sector: usize, lba: u64) -> (Header, Vec<Entry>) {
    let start = offset(lba, sector).unwrap();
    let header = Header::read(&image[start..start + 92]);
    let fixed = Header { crc: 0, ..header.clone() };
    assert_eq!(&header.signature, b"EFI PART", "header in sector {lba}");
    assert_eq!(header.my_lba, lba);
    assert_eq!((header.header_size, header.entry_size), (92, 128));
    assert_eq!(crc32fast::hash(&fixed.to_bytes()), header.crc, "CRC of the header in {lba}");
    let len = u64::from(header.entry_count) * 128;
    let array = clipped(image, header.entries_lba, sector, len);
    assert_eq!(crc32fast::hash(array), header.entries_crc, "CRC of the array of {lba}");
    let entries = array.chunks_exact(ENTRY_SIZE).map(Entry::read).collect();
    (header, entries)
}

fn array_sectors(sector: usize, entries: usize) -> u64 {
    (entries * ENTRY_SIZE).div_ceil(sector) as u64
}

fn offset(lba: u64, sector: usize) -> Option<usize> {
    usize::try_from(lba).ok()?.checked_mul(sector)
}

/// The bytes from `lba`, as many of `len` as the image has.
fn clipped(image: &[u8], lba: u64, sector: usize, len: u64) -> &[u8] {
    let tail = offset(lba, sector).and_then(|start| image.get(start..)).unwrap_or_default();
    &tail[..tail.len().min(usize::try_from(len).unwrap_or(usize::MAX))]
}

/// Writes what fits: a table may be put into an image that was cut short.
fn put(image: &mut [u8], lba: u64, sector: usize, bytes: &[u8]) {
    if let Some(to) = offset(lba, sector).and_then(|start| image.get_mut(start..)) {
        let len = to.len().min(bytes.len());
        to[..len].copy_from_slice(&bytes[..len]);
    }
}

fn guid(bytes: &[u8], at: usize) -> Uuid {
    Uuid::from_bytes_le(bytes[at..at + 16].try_into().unwrap())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
