// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The partition table: UEFI specification 2.11, section 5.3, read strictly.
//!
//! **In:** the first [`HEAD`] bytes of an image, its last sectors and its length; all of it chosen
//! by whoever serves the image (a CRC is no secret).
//! **Out:** a [`Table`] whose entries lie inside the image, do not overlap and have distinct GUIDs.
//! **Refuses:** everything the specification forbids, plus what two readers could read in two
//! ways: a second header at another sector size, a hybrid MBR, a backup that differs.
//!
//! No crate reads hostile tables safely: gptman panics on them or allocates without bound, and
//! reads more bytes than an entry has (docs/dependencies.md). It is the tests' oracle instead.

mod error;
mod mbr;

use uuid::Uuid;

pub use error::{Copy, GptError};
use mbr::check_mbr;
pub(super) use mbr::check_no_table;

use crate::limits;
use crate::units::{ByteRange, Lba, SectorSize};
use crate::wire::Wire;

/// Bytes from the start that hold MBR, header and entries at every sector size: two sectors of
/// 4096 and 128 entries of 128 bytes.
pub const HEAD: usize = 24 * 1024;

/// Bytes from the end that hold the backup header at every sector size.
pub const TAIL: usize = 4096;

/// Size of the header proper (UEFI 5.3.2, table 5-5).
const HEADER_SIZE: usize = 92;

/// Size of one entry. The specification allows multiples; no tool writes them, the kernel and
/// gptman refuse them.
const ENTRY_SIZE: usize = 128;

/// Where the type-specific attribute bits begin; bits 3 to 47 are reserved as zero.
const RESERVED_ATTRIBUTES: u64 = 0x0000_FFFF_FFFF_FFF8;

/// A sound table.
#[derive(Debug)]
pub struct Table {
    /// Logical sector size the table is written for.
    pub sector_size: SectorSize,
    /// Disk GUID.
    pub disk_guid: Uuid,
    /// MBR, header and entries at the start; the backup at the end.
    pub places: [ByteRange; 2],
    /// Used entries in slot order.
    pub entries: Vec<Entry>,
}

/// One used entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Slot, counted from 1: the number in `partN`.
    pub number: u32,
    /// Partition type GUID.
    pub type_guid: Uuid,
    /// Unique partition GUID.
    pub guid: Uuid,
    /// Bytes of the image.
    pub range: ByteRange,
    /// Attribute bits.
    pub attributes: u64,
    /// Name, up to 36 UTF-16 units; not escaped.
    pub label: String,
}

/// The fields of a header that say something (UEFI 5.3.2, table 5-5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    my_lba: u64,
    alternate_lba: u64,
    first_usable_lba: u64,
    last_usable_lba: u64,
    disk_guid: Uuid,
    entries_lba: u64,
    entry_count: usize,
    entries_crc: u32,
}

/// The primary header, judged against the image's length.
#[derive(Debug)]
pub struct Primary {
    sector_size: SectorSize,
    header: Header,
    array: Vec<u8>,
}

impl Primary {
    /// Reads MBR, primary header and entry array from the first bytes of an image.
    ///
    /// `head` holds the first [`HEAD`] bytes, or the whole image if that is shorter; `length` is
    /// the image's length in bytes.
    ///
    /// # Errors
    /// A [`GptError`] that names the first thing wrong.
    pub fn parse(head: &[u8], length: u64) -> Result<Self, GptError> {
        let sector_size = find_sector_size(head)?;
        let sectors = count_sectors(length, sector_size)?;
        check_mbr(head, sectors)?;
        let header = parse_header(sector_at(head, Lba(1), sector_size, length)?, Copy::Primary)?;
        let expect = |field, found, right: u64| expect(Copy::Primary, field, found, right);
        expect("my_lba", header.my_lba, 1)?;
        expect("alternate_lba", header.alternate_lba, sectors.saturating_sub(1))?;
        expect("entries_lba", header.entries_lba, 2)?;
        check_usable(&header, sectors, sector_size)?;
        let start = usize_at(Lba(2), sector_size).ok_or(GptError::Truncated { length })?;
        let array = Wire::new(head)
            .bytes(start, array_len(&header))
            .ok_or(GptError::Truncated { length })?
            .to_vec();
        check_array_crc(&header, &array, Copy::Primary)?;
        Ok(Self { sector_size, header, array })
    }

    /// Where the backup entries and the backup header stand: the last bytes of the image.
    #[must_use]
    pub fn backup_range(&self) -> Option<ByteRange> {
        let first = self.header.alternate_lba.checked_sub(self.array_sectors())?;
        let end = Lba(self.header.alternate_lba.checked_add(1)?).offset(self.sector_size)?;
        let offset = Lba(first).offset(self.sector_size)?;
        ByteRange::new(offset, end.checked_sub(offset)?)
    }

    fn places(&self) -> Option<[ByteRange; 2]> {
        let array = u64::try_from(self.array.len()).ok()?;
        let end = Lba(2).offset(self.sector_size)?.checked_add(array)?;
        Some([ByteRange::new(0, end)?, self.backup_range()?])
    }

    fn array_sectors(&self) -> u64 {
        u64::try_from(self.array.len()).unwrap_or(u64::MAX).div_ceil(self.sector_size.bytes())
    }

    /// Reads the entries. Nothing is known of the backup yet.
    ///
    /// # Errors
    /// A [`GptError`].
    pub fn table(&self) -> Result<Table, GptError> {
        let entries = self.entries()?;
        check_distinct(&entries)?;
        let places = self.places().ok_or(GptError::BackupDiffers)?;
        let (sector_size, disk_guid) = (self.sector_size, self.header.disk_guid);
        Ok(Table { sector_size, disk_guid, places, entries })
    }

    /// Compares with the backup, `tail` being the bytes of [`Self::backup_range`].
    ///
    /// # Errors
    /// A [`GptError`]; a valid backup that differs is [`GptError::BackupDiffers`].
    pub fn check_backup(&self, tail: &[u8]) -> Result<(), GptError> {
        let sector = usize::try_from(self.sector_size.bytes()).unwrap_or(usize::MAX);
        let split = tail.len().checked_sub(sector).ok_or(GptError::BackupDiffers)?;
        let (array, header) = tail.split_at_checked(split).ok_or(GptError::BackupDiffers)?;
        let array = array.get(..self.array.len()).ok_or(GptError::BackupDiffers)?;
        let header = parse_header(header, Copy::Backup)?;
        check_array_crc(&header, array, Copy::Backup)?;
        let expected = Header {
            my_lba: self.header.alternate_lba,
            alternate_lba: 1,
            entries_lba: self.header.alternate_lba.saturating_sub(self.array_sectors()),
            ..self.header.clone()
        };
        if header != expected || array != self.array {
            return Err(GptError::BackupDiffers);
        }
        Ok(())
    }

    /// Both: compares with the backup, then reads the entries.
    ///
    /// # Errors
    /// As [`Self::check_backup`] and [`Self::table`].
    pub fn finish(self, tail: &[u8]) -> Result<Table, GptError> {
        self.check_backup(tail)?;
        self.table()
    }

    fn entries(&self) -> Result<Vec<Entry>, GptError> {
        (1..)
            .zip(self.array.chunks_exact(ENTRY_SIZE))
            .filter(|(_, raw)| !Wire::new(raw).is_zero(0, 16))
            .map(|(number, raw)| self.entry(number, raw))
            .collect()
    }

    fn entry(&self, number: u32, raw: &[u8]) -> Result<Entry, GptError> {
        let wire = Wire::new(raw);
        let lba = |at| Lba(wire.u64_le(at).unwrap_or(u64::MAX));
        let guid = |at| wire.array(at).map(Uuid::from_bytes_le).unwrap_or_default();
        let (first, last) = (lba(32), lba(40));
        let outside = GptError::Outside { number, first, last };
        let usable = self.header.first_usable_lba..=self.header.last_usable_lba;
        if first > last || !usable.contains(&first.0) || !usable.contains(&last.0) {
            return Err(outside);
        }
        let range = (|| {
            let offset = first.offset(self.sector_size)?;
            let end = Lba(last.0.checked_add(1)?).offset(self.sector_size)?;
            ByteRange::new(offset, end.checked_sub(offset)?)
        })()
        .ok_or(outside)?;
        let attributes = wire.u64_le(48).unwrap_or(u64::MAX);
        if attributes & RESERVED_ATTRIBUTES != 0 {
            return Err(GptError::Attributes { number, attributes });
        }
        if guid(16).is_nil() {
            return Err(GptError::NoGuid { number });
        }
        Ok(Entry {
            number,
            type_guid: guid(0),
            guid: guid(16),
            range,
            attributes,
            label: parse_label(raw).ok_or(GptError::Name { number })?,
        })
    }
}

/// The one sector size at which a header stands.
fn find_sector_size(head: &[u8]) -> Result<SectorSize, GptError> {
    let mut found = None;
    for size in SectorSize::ALL {
        let at = usize::try_from(size.bytes()).unwrap_or(usize::MAX);
        if Wire::new(head).bytes(at, 8) != Some(b"EFI PART") {
            continue;
        }
        if let Some(first) = found {
            return Err(GptError::AmbiguousSectorSize { first, second: size });
        }
        found = Some(size);
    }
    found.ok_or(GptError::NoHeader)
}

fn count_sectors(length: u64, sector_size: SectorSize) -> Result<u64, GptError> {
    let truncated = GptError::Truncated { length };
    if length.checked_rem(sector_size.bytes()) != Some(0) {
        return Err(truncated);
    }
    length.checked_div(sector_size.bytes()).ok_or(truncated)
}

fn usize_at(lba: Lba, sector_size: SectorSize) -> Option<usize> {
    usize::try_from(lba.offset(sector_size)?).ok()
}

fn sector_at(
    bytes: &[u8],
    lba: Lba,
    sector_size: SectorSize,
    length: u64,
) -> Result<&[u8], GptError> {
    let len = usize::try_from(sector_size.bytes()).ok();
    usize_at(lba, sector_size)
        .zip(len)
        .and_then(|(at, len)| Wire::new(bytes).bytes(at, len))
        .ok_or(GptError::Truncated { length })
}

/// Reads one header sector: CRC, sizes and counts. Places are judged by the caller.
fn parse_header(sector: &[u8], copy: Copy) -> Result<Header, GptError> {
    let wire = Wire::new(sector);
    if wire.bytes(0, 8) != Some(b"EFI PART") {
        return Err(match copy {
            Copy::Primary => GptError::NoHeader,
            Copy::Backup => GptError::BackupDiffers,
        });
    }
    let word = |at| u64::from(wire.u32_le(at).unwrap_or(u32::MAX));
    expect(copy, "revision", word(8), 0x0001_0000)?;
    expect(copy, "header_size", word(12), 92)?;
    if header_crc(wire) != wire.u32_le(16) {
        return Err(GptError::HeaderCrc { copy });
    }
    expect(copy, "entry_size", word(84), 128)?;
    let count = word(80);
    if count == 0 || count > u64::from(limits::GPT_ENTRIES) {
        let expected = format!("1 to {}", limits::GPT_ENTRIES);
        return Err(GptError::Field { copy, field: "entry_count", found: count, expected });
    }
    let rest = sector.len().saturating_sub(HEADER_SIZE);
    if !wire.is_zero(20, 4) || !wire.is_zero(HEADER_SIZE, rest) {
        return Err(GptError::Reserved { copy });
    }
    let lba = |at| wire.u64_le(at).unwrap_or(u64::MAX);
    Ok(Header {
        my_lba: lba(24),
        alternate_lba: lba(32),
        first_usable_lba: lba(40),
        last_usable_lba: lba(48),
        disk_guid: wire.array(56).map(Uuid::from_bytes_le).unwrap_or_default(),
        entries_lba: lba(72),
        entry_count: usize::try_from(count).unwrap_or_default(),
        entries_crc: wire.u32_le(88).unwrap_or_default(),
    })
}

/// CRC-32 over the header, its own field read as zero.
fn header_crc(wire: Wire<'_>) -> Option<u32> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(wire.bytes(0, 16)?);
    crc.update(&[0; 4]);
    crc.update(wire.bytes(20, HEADER_SIZE.checked_sub(20)?)?);
    Some(crc.finalize())
}

fn expect(copy: Copy, field: &'static str, found: u64, right: u64) -> Result<(), GptError> {
    if found == right {
        return Ok(());
    }
    Err(GptError::Field { copy, field, found, expected: right.to_string() })
}

/// The usable range lies between the two tables.
fn check_usable(header: &Header, sectors: u64, sector_size: SectorSize) -> Result<(), GptError> {
    let copy = Copy::Primary;
    let array = u64::try_from(array_len(header)).unwrap_or(u64::MAX).div_ceil(sector_size.bytes());
    let lowest = array.saturating_add(2);
    // Backup header and backup array stand behind the usable range.
    let highest = sectors.saturating_sub(array.saturating_add(2));
    let (first, last) = (header.first_usable_lba, header.last_usable_lba);
    if first < lowest || first > last {
        let expected = format!("{lowest} or more, and not behind the last usable one");
        return Err(GptError::Field { copy, field: "first_usable_lba", found: first, expected });
    }
    if last > highest {
        let expected = format!("{highest} or less");
        return Err(GptError::Field { copy, field: "last_usable_lba", found: last, expected });
    }
    Ok(())
}

/// Bytes of the entry array, at most 16 KiB since the count was judged.
fn array_len(header: &Header) -> usize {
    header.entry_count.saturating_mul(ENTRY_SIZE)
}

fn check_array_crc(header: &Header, array: &[u8], copy: Copy) -> Result<(), GptError> {
    if crc32fast::hash(array) == header.entries_crc {
        Ok(())
    } else {
        Err(GptError::EntriesCrc { copy })
    }
}

/// The name of a raw entry: UTF-16LE up to the first NUL, and only NULs after it.
fn parse_label(raw: &[u8]) -> Option<String> {
    let units: Vec<u16> = raw
        .get(56..ENTRY_SIZE)?
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok().map(u16::from_le_bytes))
        .collect();
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    let (text, rest) = units.split_at_checked(end)?;
    rest.iter().all(|unit| *unit == 0).then(|| String::from_utf16(text).ok()).flatten()
}

fn check_distinct(entries: &[Entry]) -> Result<(), GptError> {
    let mut by_place: Vec<&Entry> = entries.iter().collect();
    by_place.sort_by_key(|entry| entry.range);
    for pair in by_place.windows(2) {
        if let [a, b] = pair
            && a.range.overlaps(b.range)
        {
            return Err(GptError::Overlap { first: a.number, second: b.number });
        }
    }
    let mut by_guid: Vec<&Entry> = entries.iter().collect();
    by_guid.sort_by_key(|entry| (entry.guid, entry.number));
    for pair in by_guid.windows(2) {
        if let [a, b] = pair
            && a.guid == b.guid
        {
            let (first, second) = (a.number, b.number);
            return Err(GptError::DuplicateGuid { first, second, guid: a.guid });
        }
    }
    Ok(())
}
