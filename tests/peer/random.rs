// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Policies and filters that nobody would write, and some that somebody would.

use veriroot_test_support::noise;

/// Numbers from a seed.
pub(crate) struct Random {
    seed: u64,
    drawn: u64,
}

const DESIGNATORS: [&str; 13] = [
    "root",
    "usr",
    "home",
    "srv",
    "esp",
    "xbootldr",
    "swap",
    "root-verity",
    "root-verity-sig",
    "usr-verity",
    "usr-verity-sig",
    "tmp",
    "var",
];
const USES: [&str; 7] =
    ["verity", "signed", "encrypted", "encryptedwithintegrity", "unprotected", "unused", "absent"];
const BITS: [&str; 4] = ["read-only-on", "read-only-off", "growfs-on", "growfs-off"];
const FILE_SYSTEMS: [&str; 7] = ["btrfs", "erofs", "ext4", "f2fs", "squashfs", "vfat", "xfs"];
const REAL: [&str; 10] = [
    "root=signed:=ignore",
    "root=verity+signed:=ignore",
    "root=verity:=ignore",
    "root=unprotected:=ignore",
    "usr=signed:=ignore",
    "root=signed+erofs:=ignore",
    "root=unprotected:usr=signed:=ignore",
    "root=signed+absent:usr=signed+absent:=ignore",
    "*",
    "root=signed:=open",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.drawn += 1;
        let bytes = noise(self.seed.wrapping_mul(0x9E37_79B9).wrapping_add(self.drawn << 20), 8);
        (u64::from_le_bytes(bytes.try_into().unwrap()) % end as u64) as usize
    }

    /// True so many times of a hundred.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn sample<'a>(&mut self, of: &[&'a str], count: usize) -> Vec<&'a str> {
        let mut left = of.to_vec();
        (0..count).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }

    fn flags(&mut self) -> String {
        let uses = self.pick(&[1, 1, 2, 2, 3, 4, 5]);
        let mut flags = if self.chance(15) {
            vec![self.pick(&["open", "ignore"])]
        } else {
            self.sample(&USES, uses)
        };
        if self.chance(20) {
            flags.extend(self.sample(&BITS, 1));
        }
        if self.chance(15) {
            let types = self.pick(&[1, 3, 6]);
            flags.extend(self.sample(&FILE_SYSTEMS, types));
        }
        flags.join("+")
    }

    /// A policy; most are ones that both can read.
    pub(crate) fn policy(&mut self) -> String {
        if self.chance(10) {
            return self.pick(&REAL).to_owned();
        }
        let clauses = self.pick(&[1, 1, 2, 2, 3, 4]);
        let among = if self.chance(60) { &DESIGNATORS[..2] } else { &DESIGNATORS[..] };
        let mut names = self.sample(among, clauses.min(among.len()));
        if !names.contains(&"root") && self.chance(50) {
            names.push("root");
        }
        let mut policy: Vec<_> =
            names.into_iter().map(|name| format!("{name}={}", self.flags())).collect();
        if self.chance(80) {
            let flags = self.flags();
            policy.push(format!("={}", self.pick(&["ignore", "open", "absent", "unused", &flags])));
        }
        policy.join(":")
    }

    /// A filter; most are ones that both can read.
    pub(crate) fn filter(&mut self) -> String {
        let globs = [
            "*",
            "root*",
            "?oot*",
            "[a-r]*",
            "[!r]*",
            "*-verity",
            "*x86*",
            "*_[12]",
            "nothing",
            "*o*t*",
            "[]r]*",
            "[r",
            "\"root*\"",
            "",
            "[[:alpha:]]*",
        ];
        let count = self.pick(&[1, 1, 2, 3]);
        let names = self.sample(&DESIGNATORS[..9], count);
        let clause = |name| format!("{name}={}", self.pick(&globs));
        names.into_iter().map(clause).collect::<Vec<_>>().join(":")
    }
}
