// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Tar archives, sound ones and all the other kinds.
//!
//! **In:** members in a few words, and what shall be wrong with one. **Out:** bytes; every checksum
//! is right but for those that a test breaks. **Refuses:** nothing.

/// Bytes of a block.
pub const BLOCK: usize = 512;

/// One member of an archive: its header, and what goes with it.
#[derive(Clone, Debug)]
pub struct Member {
    /// As it stands in the header.
    pub name: Vec<u8>,
    /// The type code.
    pub kind: u8,
    /// Permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u64,
    /// Target of a link.
    pub link: Vec<u8>,
    /// Content.
    pub body: Vec<u8>,
    /// The size that the header states; that of the content where there is none.
    pub size: Option<u64>,
    /// Major and minor number.
    pub device: (u32, u32),
    /// Magic and version.
    pub magic: [u8; 8],
    /// Records of an extended header in front of it.
    pub pax: Vec<u8>,
    /// Bytes put over the finished header, before its checksum is made.
    pub over: Vec<(usize, Vec<u8>)>,
    /// Bytes put over it after that.
    pub over_sum: Vec<(usize, Vec<u8>)>,
    /// What fills the last block of the content.
    pub filler: u8,
}

impl Member {
    fn new(kind: u8, name: &str) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            kind,
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime: 1_700_000_000,
            link: Vec::new(),
            body: Vec::new(),
            size: None,
            device: (0, 0),
            magic: *b"ustar\x0000",
            pax: Vec::new(),
            over: Vec::new(),
            over_sum: Vec::new(),
            filler: 0,
        }
    }

    /// A regular file.
    #[must_use]
    pub fn file(name: &str, body: &[u8]) -> Self {
        Self { body: body.to_vec(), ..Self::new(b'0', name) }
    }

    /// A directory.
    #[must_use]
    pub fn dir(name: &str) -> Self {
        Self::new(b'5', name)
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(name: &str, target: &str) -> Self {
        Self { link: target.as_bytes().to_vec(), ..Self::new(b'2', name) }
    }

    /// A hard link.
    #[must_use]
    pub fn hard_link(name: &str, target: &str) -> Self {
        Self { link: target.as_bytes().to_vec(), ..Self::new(b'1', name) }
    }

    /// A member of any type code.
    #[must_use]
    pub fn other(kind: u8, name: &str) -> Self {
        Self::new(kind, name)
    }

    /// The same with one change.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The same with a record more in its extended header.
    #[must_use]
    pub fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.pax.extend(record(key, value.as_ref()));
        self
    }

    /// The same with these bytes over its header, whose checksum fits.
    #[must_use]
    pub fn over(mut self, at: usize, bytes: &[u8]) -> Self {
        self.over.push((at, bytes.to_vec()));
        self
    }

    /// The same in GNU's dialect.
    #[must_use]
    pub fn gnu(mut self) -> Self {
        self.magic = *b"ustar  \0";
        self
    }

    /// Extended header, header, content, up to the next block.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.pax.is_empty() {
            let extended = Self { body: self.pax.clone(), ..Self::new(b'x', "PaxHeaders/x") };
            out.extend(extended.bytes());
        }
        out.extend(self.header());
        out.extend(&self.body);
        let end = out.len().next_multiple_of(BLOCK);
        out.resize(end, self.filler);
        out
    }

    fn header(&self) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| {
            block[at..at + bytes.len()].copy_from_slice(bytes);
        };
        put(0, &self.name[..self.name.len().min(100)]);
        put(100, format!("{:07o}", self.mode).as_bytes());
        put(108, format!("{:07o}", self.uid).as_bytes());
        put(116, format!("{:07o}", self.gid).as_bytes());
        let size = self.size.unwrap_or(self.body.len() as u64);
        put(124, format!("{size:011o}").as_bytes());
        put(136, format!("{:011o}", self.mtime).as_bytes());
        put(156, &[self.kind]);
        put(157, &self.link[..self.link.len().min(100)]);
        put(257, &self.magic);
        put(329, format!("{:07o}", self.device.0).as_bytes());
        put(337, format!("{:07o}", self.device.1).as_bytes());
        for (at, bytes) in &self.over {
            put(*at, bytes);
        }
        sum(&mut block);
        for (at, bytes) in &self.over_sum {
            block[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        block
    }
}

/// Makes the checksum of a header anew.
pub fn sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// One record of an extended header.
#[must_use]
pub fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = [b" ", key.as_bytes(), b"=", value, b"\n"].concat();
    let len = (rest.len()..).find(|len| rest.len() + len.to_string().len() == *len).unwrap();
    [len.to_string().as_bytes(), &rest].concat()
}

/// The two blocks that end an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The members, and the end.
#[must_use]
pub fn archive(members: &[Member]) -> Vec<u8> {
    let mut out: Vec<u8> = members.iter().flat_map(Member::bytes).collect();
    out.extend(END);
    out
}

/// A small tree that could be a root: every kind of entry that is taken without a word of policy.
#[must_use]
pub fn tree() -> Vec<Member> {
    vec![
        Member::dir("./"),
        Member::dir("./etc/").with(|it| it.mode = 0o750),
        Member::dir("./usr/"),
        Member::dir("./usr/bin/"),
        Member::file("./usr/bin/su", b"set-id").with(|it| it.mode = 0o4755),
        Member::hard_link("./usr/bin/sudo", "./usr/bin/su").with(|it| it.mode = 0o4755),
        Member::dir("./usr/lib/"),
        Member::file("./usr/lib/os-release", b"ID=test\nVERSION_ID=7\n"),
        Member::symlink("./etc/os-release", "../usr/lib/os-release"),
        Member::symlink("./bin", "usr/bin"),
        Member::file("./etc/empty", b""),
        Member::file("./etc/large", &crate::noise(7, 70_001)),
        Member::dir("./tmp/").with(|it| it.mode = 0o1777),
    ]
}
