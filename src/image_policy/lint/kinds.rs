// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The kinds of lints.
//!
//! **In:** nothing. **Out:** constants. **Refuses:** nothing.

/// A kind of lint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LintKind {
    /// Stable identifier, kebab case.
    pub id: &'static str,
    /// One sentence about every lint of the kind.
    pub about: &'static str,
}

/// Nobody vouches for every partition that is not named.
pub(super) const DEFAULT_OPEN: LintKind = LintKind {
    id: "default-open",
    about: "Partitions that are not named may be used unprotected.",
};
/// A flag without effect.
pub(super) const DEAD_FLAG: LintKind =
    LintKind { id: "dead-flag", about: "A flag that no partition can ever meet." };
/// Said twice.
pub(super) const DUPLICATE_FLAG: LintKind = LintKind {
    id: "duplicate-flag",
    about: "A flag that another flag of the clause already says.",
};
/// Look-alikes and control characters.
pub(super) const FOREIGN_CHARACTER: LintKind =
    LintKind { id: "foreign-character", about: "A character that no policy needs." };
/// Demands no image can meet.
pub(super) const IMPOSSIBLE: LintKind =
    LintKind { id: "impossible", about: "A clause that no image can meet." };
/// GPT bits demanded of hash tree and signature.
pub(super) const INHERITED_BIT: LintKind = LintKind {
    id: "inherited-bit",
    about: "A GPT bit that is demanded of the hash tree and the signature too.",
};
/// An image without what shall boot.
pub(super) const MAY_BE_MISSING: LintKind = LintKind {
    id: "may-be-missing",
    about: "An image that lacks the partition, or has it unused, meets the policy too.",
};
/// A clause without a use flag.
pub(super) const NO_USE: LintKind =
    LintKind { id: "no-use", about: "A clause without a use flag, which systemd reads as open." };
/// Not in the language.
pub(super) const NOT_A_POLICY: LintKind =
    LintKind { id: "not-a-policy", about: "Text that is not an image policy." };
/// Boots nothing.
pub(super) const NOTHING_USED: LintKind =
    LintKind { id: "nothing-used", about: "Neither root nor usr may be used." };
/// A clause without effect.
pub(super) const REDUNDANT_CLAUSE: LintKind =
    LintKind { id: "redundant-clause", about: "A clause that says what holds without it." };
/// Several file systems.
pub(super) const SEVERAL_FILESYSTEMS: LintKind = LintKind {
    id: "several-filesystems",
    about: "More than one file system, which systemd 262 reads and never enforces.",
};
/// A root that anybody can change.
pub(super) const UNAUTHENTICATED: LintKind =
    LintKind { id: "unauthenticated", about: "Nothing authenticates the partition." };
/// Alternatives taken for demands.
pub(super) const WEAKER_ALTERNATIVE: LintKind = LintKind {
    id: "weaker-alternative",
    about: "Flags are alternatives: beside signed, a weaker one does away with the signature.",
};

/// Every kind.
pub const KINDS: [LintKind; 14] = [
    DEAD_FLAG,
    DEFAULT_OPEN,
    DUPLICATE_FLAG,
    FOREIGN_CHARACTER,
    IMPOSSIBLE,
    INHERITED_BIT,
    MAY_BE_MISSING,
    NO_USE,
    NOT_A_POLICY,
    NOTHING_USED,
    REDUNDANT_CLAUSE,
    SEVERAL_FILESYSTEMS,
    UNAUTHENTICATED,
    WEAKER_ALTERNATIVE,
];
