// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The flags of one clause: what a partition may be used as, its GPT bits, its file systems.
//!
//! **In:** flags by name. **Out:** sets of them, as written and as normalised for a designator.
//! **Refuses:** nothing; a set without members stays empty until it is extended on purpose.

use std::fmt;
use std::marker::PhantomData;

use crate::designator::PartitionDesignator;
use crate::filesystem::FileSystem;

/// A flag of a closed list of at most eight.
pub trait Flag: Copy + Eq + fmt::Debug + 'static {
    /// Every flag, in the order policies print them.
    const ALL: &'static [Self];

    /// The flag's own bit.
    fn bit(self) -> u8;

    /// The flag as policies spell it.
    fn name(self) -> &'static str;
}

/// What a partition may be used as. Several in one clause are alternatives: any one will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// With dm-verity under it.
    Verity,
    /// With dm-verity under it, and a signature over the root hash.
    Signed,
    /// With LUKS under it.
    Encrypted,
    /// With LUKS and integrity tags under it.
    EncryptedWithIntegrity,
    /// As it is.
    Unprotected,
    /// Not used, though it exists.
    Unused,
    /// It does not exist.
    Absent,
}

impl Flag for Use {
    const ALL: &'static [Self] = &[
        Self::Verity,
        Self::Signed,
        Self::Encrypted,
        Self::EncryptedWithIntegrity,
        Self::Unprotected,
        Self::Unused,
        Self::Absent,
    ];

    fn bit(self) -> u8 {
        match self {
            Self::Verity => 1,
            Self::Signed => 2,
            Self::Encrypted => 4,
            Self::EncryptedWithIntegrity => 8,
            Self::Unprotected => 16,
            Self::Unused => 32,
            Self::Absent => 64,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Verity => "verity",
            Self::Signed => "signed",
            Self::Encrypted => "encrypted",
            Self::EncryptedWithIntegrity => "encryptedwithintegrity",
            Self::Unprotected => "unprotected",
            Self::Unused => "unused",
            Self::Absent => "absent",
        }
    }
}

/// A GPT bit that a clause may demand: read-only or growfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The bit is set.
    On,
    /// The bit is clear.
    Off,
}

impl Flag for Switch {
    const ALL: &'static [Self] = &[Self::On, Self::Off];

    fn bit(self) -> u8 {
        match self {
            Self::On => 1,
            Self::Off => 2,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

impl Flag for FileSystem {
    const ALL: &'static [Self] = &Self::ALL;

    fn bit(self) -> u8 {
        match self {
            Self::Btrfs => 1,
            Self::Erofs => 2,
            Self::Ext4 => 4,
            Self::F2fs => 8,
            Self::Squashfs => 16,
            Self::Vfat => 32,
            Self::Xfs => 64,
        }
    }

    fn name(self) -> &'static str {
        Self::name(self)
    }
}

/// A set of flags of one kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct FlagSet<F> {
    bits: u8,
    kind: PhantomData<F>,
}

/// What a partition may be used as.
pub type UseSet = FlagSet<Use>;
/// Which values of a GPT bit are admitted.
pub type SwitchSet = FlagSet<Switch>;
/// Which file systems are admitted.
pub type FileSystemSet = FlagSet<FileSystem>;

impl<F: Flag> FlagSet<F> {
    /// No flag.
    pub const EMPTY: Self = Self { bits: 0, kind: PhantomData };

    /// Every flag of the list.
    #[must_use]
    pub fn all() -> Self {
        F::ALL.iter().copied().collect()
    }

    /// Whether `flag` is a member.
    #[must_use]
    pub fn contains(self, flag: F) -> bool {
        self.bits & flag.bit() != 0
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether every member is one of `other` too.
    #[must_use]
    pub fn is_subset(self, other: Self) -> bool {
        self.bits & !other.bits == 0
    }

    /// The members of both.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self { bits: self.bits & other.bits, kind: PhantomData }
    }

    /// The members of either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits, kind: PhantomData }
    }

    /// The members that are not in `other`.
    #[must_use]
    pub fn difference(self, other: Self) -> Self {
        Self { bits: self.bits & !other.bits, kind: PhantomData }
    }

    /// The members, in the order policies print them.
    pub fn iter(self) -> impl Iterator<Item = F> {
        F::ALL.iter().copied().filter(move |flag| self.contains(*flag))
    }

    /// Every flag where there is none: what "nothing said" means for GPT bits and file systems.
    pub(super) fn or_all(self) -> Self {
        if self.is_empty() { Self::all() } else { self }
    }

    /// No flag where there is every one: how that is written.
    pub(super) fn or_none(self) -> Self {
        if self == Self::all() { Self::EMPTY } else { self }
    }
}

impl UseSet {
    /// `open`: every use there is.
    #[must_use]
    pub fn open() -> Self {
        Self::all()
    }

    /// `ignore`: it may exist, but it is not used.
    #[must_use]
    pub fn ignore() -> Self {
        Self::from_iter([Use::Unused, Use::Absent])
    }

    /// Every use of a partition that exists, `unused` too.
    #[must_use]
    pub fn present() -> Self {
        Self::all().difference(Self::from_iter([Use::Absent]))
    }

    /// Whether some member lets the partition be used.
    #[must_use]
    pub fn may_be_used(self) -> bool {
        !self.difference(Self::ignore()).is_empty()
    }
}

impl<F: Flag> FromIterator<F> for FlagSet<F> {
    fn from_iter<I: IntoIterator<Item = F>>(flags: I) -> Self {
        let bits = flags.into_iter().fold(0, |bits, flag| bits | flag.bit());
        Self { bits, kind: PhantomData }
    }
}

impl<F: Flag> fmt::Display for FlagSet<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(F::name).collect();
        f.write_str(if names.is_empty() { "-" } else { "" })?;
        f.write_str(&names.join("+"))
    }
}

impl<F: Flag> fmt::Debug for FlagSet<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What a policy says about one partition.
///
/// As [`ImagePolicy::rule`](super::ImagePolicy::rule) gives it, nothing is left unsaid: an empty
/// set admits nothing. As written in a clause, an empty set means that nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What the partition may be used as; alternatives.
    pub uses: UseSet,
    /// Admitted values of the GPT read-only bit; empty only where the partition must be absent.
    pub read_only: SwitchSet,
    /// Admitted values of the GPT growfs bit; empty only where the partition must be absent.
    pub growfs: SwitchSet,
    /// Admitted file systems; every one where the policy names none.
    pub filesystems: FileSystemSet,
}

impl Rule {
    /// Those uses and nothing else said.
    pub(super) fn of(uses: UseSet) -> Self {
        Self {
            uses,
            read_only: SwitchSet::EMPTY,
            growfs: SwitchSet::EMPTY,
            filesystems: FileSystemSet::EMPTY,
        }
    }

    /// What is found may be any of `found`; what of it this rule admits. Nothing: refuse.
    #[must_use]
    pub fn admitted(&self, found: UseSet) -> UseSet {
        self.uses.intersection(found)
    }

    /// Whether everything this rule admits is admitted by `other` too.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        let may_exist = !self.uses.intersection(UseSet::present()).is_empty();
        let bits = self.read_only.is_subset(other.read_only) && self.growfs.is_subset(other.growfs);
        self.uses.is_subset(other.uses)
            && (bits || !may_exist)
            && (self.filesystems.is_subset(other.filesystems) || !self.uses.may_be_used())
    }

    /// Fills in what nothing was said about (systemd 262, image-policy.c).
    pub(super) fn extended(self) -> Self {
        Self {
            uses: self.uses.or_all(),
            read_only: self.read_only.or_all(),
            growfs: self.growfs.or_all(),
            filesystems: self.filesystems.or_all(),
        }
    }

    /// Extends, then drops what has no meaning for that designator.
    pub(super) fn normalised(self, designator: PartitionDesignator) -> Self {
        let mut rule = self.extended();
        let verity = UseSet::from_iter([Use::Verity, Use::Signed]);
        if designator.data().is_some() {
            let encrypted = UseSet::from_iter([Use::Encrypted, Use::EncryptedWithIntegrity]);
            rule.uses = rule.uses.difference(verity).difference(encrypted);
        }
        if designator.hash_tree().is_none() {
            rule.uses = rule.uses.difference(verity);
        }
        if rule.uses == UseSet::from_iter([Use::Absent]) {
            rule.read_only = SwitchSet::EMPTY;
            rule.growfs = SwitchSet::EMPTY;
        }
        rule
    }

    /// Takes away what is the same as nothing said; uses stay, so that nothing reads as open.
    pub(super) fn reduced(self) -> Self {
        Self {
            uses: self.uses,
            read_only: self.read_only.or_none(),
            growfs: self.growfs.or_none(),
            filesystems: self.filesystems.or_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits_of<F: Flag>() {
        let mut seen = 0_u8;
        for flag in F::ALL {
            assert_eq!(flag.bit().count_ones(), 1, "{flag:?}");
            assert_eq!(seen & flag.bit(), 0, "{flag:?}");
            seen |= flag.bit();
        }
    }

    #[test]
    fn every_flag_has_a_bit_of_its_own() {
        bits_of::<Use>();
        bits_of::<Switch>();
        bits_of::<FileSystem>();
    }

    #[test]
    fn sets_are_shown_in_the_order_of_policies() {
        let set: UseSet = [Use::Absent, Use::Verity].into_iter().collect();
        assert_eq!(set.to_string(), "verity+absent");
        assert_eq!(UseSet::EMPTY.to_string(), "-");
        assert!(set.may_be_used() && !UseSet::ignore().may_be_used());
    }

    #[test]
    fn normalisation_leaves_nothing_where_nothing_has_a_meaning() {
        let signed = Rule::of([Use::Signed].into_iter().collect());
        assert_eq!(signed.normalised(PartitionDesignator::Root).uses, signed.uses);
        for designator in [PartitionDesignator::Home, PartitionDesignator::RootVerity] {
            assert!(signed.normalised(designator).uses.is_empty());
        }
    }
}
