// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The machines that have partition types of their own.
//!
//! **In:** names, and what this program was built for. **Out:** one [`Architecture`].
//! **Refuses:** names off the list.

use std::fmt;

/// The machines that have partition types of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// DEC Alpha
    Alpha,
    /// Synopsys ARC
    Arc,
    /// 32-bit ARM
    Arm,
    /// 64-bit ARM
    Arm64,
    /// Itanium
    Ia64,
    /// LoongArch, 64-bit
    LoongArch64,
    /// MIPS, 32-bit, big endian
    Mips,
    /// MIPS, 64-bit, big endian
    Mips64,
    /// MIPS, 32-bit, little endian
    MipsLe,
    /// MIPS, 64-bit, little endian
    Mips64Le,
    /// HP PA-RISC
    Parisc,
    /// PowerPC, 32-bit
    Ppc,
    /// PowerPC, 64-bit, big endian
    Ppc64,
    /// PowerPC, 64-bit, little endian
    Ppc64Le,
    /// RISC-V, 32-bit
    Riscv32,
    /// RISC-V, 64-bit
    Riscv64,
    /// IBM S/390
    S390,
    /// IBM Z
    S390x,
    /// Tilera TILE-Gx
    TileGx,
    /// x86, 32-bit
    X86,
    /// x86, 64-bit
    X86_64,
}

impl Architecture {
    /// Every architecture with partition types.
    pub const ALL: [Self; 21] = [
        Self::Alpha,
        Self::Arc,
        Self::Arm,
        Self::Arm64,
        Self::Ia64,
        Self::LoongArch64,
        Self::Mips,
        Self::Mips64,
        Self::MipsLe,
        Self::Mips64Le,
        Self::Parisc,
        Self::Ppc,
        Self::Ppc64,
        Self::Ppc64Le,
        Self::Riscv32,
        Self::Riscv64,
        Self::S390,
        Self::S390x,
        Self::TileGx,
        Self::X86,
        Self::X86_64,
    ];

    /// The name, as systemd spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Alpha => "alpha",
            Self::Arc => "arc",
            Self::Arm => "arm",
            Self::Arm64 => "arm64",
            Self::Ia64 => "ia64",
            Self::LoongArch64 => "loongarch64",
            Self::Mips => "mips",
            Self::Mips64 => "mips64",
            Self::MipsLe => "mips-le",
            Self::Mips64Le => "mips64-le",
            Self::Parisc => "parisc",
            Self::Ppc => "ppc",
            Self::Ppc64 => "ppc64",
            Self::Ppc64Le => "ppc64-le",
            Self::Riscv32 => "riscv32",
            Self::Riscv64 => "riscv64",
            Self::S390 => "s390",
            Self::S390x => "s390x",
            Self::TileGx => "tilegx",
            Self::X86 => "x86",
            Self::X86_64 => "x86-64",
        }
    }

    /// The architecture of that exact name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// What this program was built for; `None` where the specification has no types for it.
    #[must_use]
    pub fn native() -> Option<Self> {
        let little = cfg!(target_endian = "little");
        match (std::env::consts::ARCH, little) {
            ("x86_64", true) => Some(Self::X86_64),
            ("x86", true) => Some(Self::X86),
            ("aarch64", true) => Some(Self::Arm64),
            ("arm", true) => Some(Self::Arm),
            ("loongarch64", true) => Some(Self::LoongArch64),
            ("mips" | "mips32r6", true) => Some(Self::MipsLe),
            ("mips" | "mips32r6", false) => Some(Self::Mips),
            ("mips64" | "mips64r6", true) => Some(Self::Mips64Le),
            ("mips64" | "mips64r6", false) => Some(Self::Mips64),
            ("powerpc", false) => Some(Self::Ppc),
            ("powerpc64", true) => Some(Self::Ppc64Le),
            ("powerpc64", false) => Some(Self::Ppc64),
            ("riscv32", true) => Some(Self::Riscv32),
            ("riscv64", true) => Some(Self::Riscv64),
            ("s390x", false) => Some(Self::S390x),
            _ => None,
        }
    }

    /// The older architecture this one also runs (systemd 262, sd-gpt.h).
    #[must_use]
    pub fn secondary(self) -> Option<Self> {
        [(Self::Arm64, Self::Arm), (Self::X86_64, Self::X86)]
            .into_iter()
            .find(|(it, _)| *it == self)
            .map(|(_, secondary)| secondary)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
