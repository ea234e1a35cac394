// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Every ceiling in one place: value, reason, source.
//!
//! **In:** nothing. **Out:** constants. **Refuses:** nothing by itself; the parser that meets a
//! size, count or depth from outside compares it with its constant here before it allocates.

use std::time::Duration;

/// Kernel command line, bytes. x86-64 cuts at 2048, other architectures at 4096.
pub const COMMAND_LINE: usize = 4096;

/// Transfers of one boot. A root and a handful of extensions are usual; each stays in memory.
pub const TRANSFERS: usize = 32;

/// The EFI variable with the boot URL, bytes: four of attributes, two a character, and room for what
/// firmware leaves behind it.
pub const EFI_VARIABLE: usize = 8 * 1024;

/// The credential that asks for transfers, bytes: [`TRANSFERS`] of them, with comments.
pub const CREDENTIAL: usize = 128 * 1024;

/// One record for the journal, bytes.
pub const JOURNAL_RECORD: usize = 16 * 1024;

/// All records of one boot for the journal, bytes. The verdict goes first, so it is always among them.
pub const JOURNAL: usize = 64 * 1024;

/// The record of a boot in /run, bytes. An accepted one takes about 4 KiB.
pub const BOOT_RECORD: usize = 1024 * 1024;

/// /proc/self/mountinfo, bytes. An initrd has some dozen mounts of 100 bytes.
pub const MOUNTINFO: usize = 1024 * 1024;

/// The longest that a policy may let a boot take.
pub const DEADLINE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Untrusted text in one printed value, bytes.
pub const PRINTED_TEXT: usize = 256;

/// A URL, bytes. Common servers refuse more than 8 KiB; netboot URLs are far shorter.
pub const URL: usize = 2048;

/// A policy file, bytes. The shipped ones are below 2 KiB.
pub const POLICY_FILE: usize = 64 * 1024;

/// An image-policy string, bytes. All thirteen designators with every flag take about 2 KiB.
pub const IMAGE_POLICY: usize = 8 * 1024;

/// Clauses of an image policy: one per designator and the default are all that can differ.
pub const IMAGE_POLICY_CLAUSES: usize = 14;

/// An image-filter string, bytes. A label has at most 36 characters.
pub const IMAGE_FILTER: usize = 4 * 1024;
/// An image's os-release(5), bytes. Distributions write about 500.
pub const OS_RELEASE: usize = 16 * 1024;

/// The longest a refusal may stay on the consoles before the machine acts on it.
pub const HOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// A file that `veriroot doctor` reads, bytes: lists of modules, of mappings, of routes.
pub const DOCTOR_FILE: usize = 1 << 20;

/// The name of a unit, bytes: systemd's `UNIT_NAME_MAX`, and a file name.
pub const UNIT_NAME: usize = 255;

/// Policy files in one directory.
pub const POLICY_FILES: usize = 64;

/// A certificate file, bytes. RSA-4096 with many extensions stays below 8 KiB.
pub const CERTIFICATE_FILE: usize = 64 * 1024;

/// Certificate files in one directory.
pub const CERTIFICATES: usize = 64;

/// An image, bytes: what systemd-pull accepts (systemd 262, pull-job.c).
pub const IMAGE: u64 = 64 << 30;

/// GPT entries. UEFI reserves 128; repart writes 128. More would only be attack surface.
pub const GPT_ENTRIES: u32 = 128;

/// Memory that stays free while a stream is taken in, bytes: room for the rest of the machine.
pub const SPOOL_RESERVE: u64 = 256 << 20;

/// Verity superblock data and hash block size, bytes: dm-verity takes at most a page.
pub const VERITY_BLOCK: u32 = 4096;

/// Verity salt, bytes (cryptsetup, lib/verity/verity.h).
pub const VERITY_SALT: usize = 256;

/// Signature partition, bytes: 4 MiB as systemd 262 (dissect-image.c).
pub const SIGNATURE_PARTITION: u64 = 4 << 20;

/// Signature partitions that are read to find the one that belongs to a root. A/B images have two.
pub const SIGNATURE_PARTITIONS: usize = 8;

/// JSON text in a signature partition, bytes. repart writes about 3 KiB.
pub const SIGNATURE_JSON: usize = 256 * 1024;

/// Openers (`[` and `{`) in that text, the outer one included. repart writes one; the rest is room
/// for fields of later revisions of the specification.
pub const SIGNATURE_JSON_OPENERS: usize = 32;

/// DER of one CMS signature, bytes. A detached RSA-4096 signature takes about 1 KiB.
pub const CMS: usize = 64 * 1024;

/// Constructed DER values inside each other in one CMS signature. An embedded certificate needs 9.
pub const CMS_DEPTH: usize = 16;

/// Hash tree of one partition, bytes: SHA-256 and 4096-byte blocks over [`IMAGE`].
pub const HASH_TREE: u64 = 1 << 30;

/// One frame from the network child, bytes of payload.
pub const FRAME: u32 = 1 << 20;

/// Text of one failure reported by the network child, bytes.
pub const FAILURE_TEXT: usize = 1024;

/// Header bytes of one HTTP response. Common servers send about 300.
pub const HTTP_HEADERS: usize = 64 * 1024;

/// An ETag, bytes. Common servers write about 20.
pub const ETAG: usize = 256;

/// A file beside an image (checksums, signatures, root hashes), bytes: what systemd-pull accepts
/// (systemd 262, pull-job.c).
pub const SIDECAR: u64 = 1 << 20;

/// An OpenPGP keyring, bytes. Debian's of all its archive keys has 60 KiB; a key with photographs
/// and many signatures stays below 256 KiB.
pub const OPENPGP_KEYRING: usize = 1 << 20;

/// Certificates in one OpenPGP keyring.
pub const OPENPGP_CERTIFICATES: usize = 64;

/// Packets in one detached OpenPGP signature. A change of keys needs two.
pub const OPENPGP_SIGNATURES: usize = 16;

/// Redirects followed for one request.
pub const REDIRECTS: usize = 5;

/// For a whole download, over all retries and mirrors, where no policy file says otherwise: 16 GiB
/// take less at 160 Mbit/s.
pub const BUDGET: Duration = Duration::from_secs(15 * 60);

/// The longest budget that a policy file may give.
pub const BUDGET_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A bearer token, certificate chain or key, bytes.
pub const SECRET: usize = 64 * 1024;

/// The PEM bundle of TLS roots, bytes. Distributions ship 200 to 500 KiB.
pub const TLS_ROOTS: usize = 768 * 1024;

/// Levels of a hash tree. 2^63 blocks of 512 bytes need 16 with the smallest fan-out we accept.
pub const TREE_LEVELS: usize = 32;

/// Window or dictionary of a compressed stream, bytes: `zstd --long` takes 128 MiB, `xz -9` 64. The
/// formats go up to 4 GiB and beyond, in a file of 28 bytes.
pub const DECODE_WINDOW: u64 = 128 << 20;

/// Address space of the decode child, bytes: a window, the program, and its libraries. Two thirds of
/// the smallest machine that could hold an image.
pub const DECODE_MEMORY: u64 = 192 << 20;

/// Bytes that a decoder takes and gives at a time.
pub const DECODE_CHUNK: usize = 256 * 1024;

/// A file name or comment in a gzip header, bytes.
pub const DECODE_NAME: usize = 64 * 1024;

/// Blocks of an .xz stream. `xz -T` writes one for each 24 MiB with its usual settings.
pub const DECODE_BLOCKS: usize = 64 * 1024;

/// Descriptors of a child process: connections, and what its runtime keeps for itself.
pub const CHILD_FILES: u64 = 256;

/// How long the decode child may be silent beyond what its source may: room for a slow machine.
pub const DECODE_SILENCE: Duration = Duration::from_secs(30);

/// Bytes of a stream that are kept between two looks at the machine's memory.
pub const SPOOL_STEP: u64 = 1 << 20;

/// The name of a file, bytes (Linux, NAME_MAX).
pub const FILE_NAME: usize = 255;

/// A path in an archive, bytes (Linux, PATH_MAX without the NUL).
pub const ARCHIVE_PATH: usize = 4095;

/// Directories inside each other in an archive: as systemd 262 (tar-util.c).
pub const ARCHIVE_DEPTH: usize = 128;

/// Entries of an archive. A desktop has about 400,000 files, /run of systemd room for 800,000.
pub const ARCHIVE_ENTRIES: u64 = 1 << 20;

/// Names of all entries of an archive together, bytes: 64 for each.
pub const ARCHIVE_NAMES: usize = 64 << 20;

/// One extension header of an archive, bytes: every attribute at its limit does not fit.
pub const ARCHIVE_EXTENSION: usize = 1 << 20;

/// Extended attributes of one entry. A file with a capability and a label has 2.
pub const ARCHIVE_XATTRS: usize = 64;

/// The value of one extended attribute, bytes (Linux, XATTR_SIZE_MAX).
pub const ARCHIVE_XATTR: usize = 64 * 1024;

/// Name that somebody gives to an image's devices, bytes: with designator and marks it has to fit
/// the 128 bytes of a device-mapper UUID.
pub const DEVICE_NAME: usize = 48;

/// Entries looked at in an image's directory of extension-release files. Extensions have one.
pub const EXTENSION_RELEASES: usize = 64;

/// Times that a path is walked before what happens beside it (a mount, a rename) is an answer; with
/// the pauses between them a tenth of a second. openat2(2) wants it tried again and names no number.
pub const OPEN_ATTEMPTS: usize = 100;

/// Memory that a root in memory may take, as tmpfs(5) has it. It holds links and what services
/// write below /etc and /var.
pub const ROOT_IN_MEMORY: &str = "25%";

/// The list of mounts, bytes. A machine with a thousand of them writes about 150 KiB.
pub const MOUNTS: usize = 4 << 20;

/// The name of a loop device's file as the kernel tells it, bytes.
pub const BACKING_FILE: usize = 4096;

/// A note about one device, bytes. Three links of a name of 255 bytes take less than 4 KiB.
pub const NOTE: usize = 8 * 1024;
