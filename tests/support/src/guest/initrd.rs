// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The guest's initrd: busybox, the kernel modules of a netboot, the program with the libraries it
//! loads, policy and certificates. Nothing else, so that what boots here is all that is needed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use super::cpio::Cpio;
use super::kernel::Kernel;

const BUSYBOX: &str = "/bin/busybox";

/// `/init`.
const INIT: &str = include_str!("init.sh");

/// Checksums and hashes, for what asks the kernel for them when it loads. Later kernels have them
/// built in, by other names.
const HASHES: &[&str] = &["crc32c_generic", "crc32c-intel", "sha256-generic", "sha256-ssse3"];

/// In load order.
const MODULES: &[&str] = &[
    "virtio_pci",
    "virtio_net",
    "af_packet",
    "loop",
    "dm-verity",
    "erofs",
    "squashfs",
    "ext4",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "overlay",
];

/// Where the initrd's policy files are.
pub(super) const POLICY: &str = "etc/veriroot/policy.d";
/// Where the initrd's trust anchors are.
pub(super) const ANCHORS: &str = "etc/verity.d";

/// What takes how much, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// The program itself.
    pub program: usize,
    /// The shared libraries it loads, the loader included.
    pub libraries: usize,
    /// Kernel modules.
    pub modules: usize,
    /// The whole initrd as the kernel gets it.
    pub initrd: usize,
    /// The same, compressed with zstd at its usual level.
    pub compressed: usize,
}

/// An initrd on disk; the file goes with the value.
#[derive(Debug)]
pub struct Initrd {
    file: NamedTempFile,
    /// What takes how much.
    pub sizes: Sizes,
}

/// An initrd in the making.
#[derive(Debug)]
pub struct InitrdBuilder {
    base: Vec<u8>,
    archive: Cpio,
    sizes: Sizes,
}

impl Initrd {
    /// Starts one that boots `program`.
    ///
    /// # Panics
    /// If the program, one of its libraries, busybox or a kernel module can't be read.
    #[must_use]
    pub fn with_program(kernel: &Kernel, program: &Path) -> InitrdBuilder {
        Self::with_modules(kernel, program, &[])
    }

    /// The same with further kernel modules, which load after the others.
    ///
    /// # Panics
    /// As [`Self::with_program`].
    #[must_use]
    pub fn with_modules(kernel: &Kernel, program: &Path, more: &[&str]) -> InitrdBuilder {
        let mut archive = Cpio::default();
        archive.file("init", 0o755, INIT.as_bytes());
        archive.file("bin/busybox", 0o755, &read(Path::new(BUSYBOX)));
        for applet in
            output(BUSYBOX, &["--list".as_ref()]).lines().filter(|name| *name != "busybox")
        {
            archive.link(&format!("bin/{applet}"), "busybox");
        }
        for directory in ["dev", "proc", "sys", "run", "tmp", "sysroot", POLICY, ANCHORS] {
            archive.directory(directory);
        }

        let (mut order, mut modules) = (String::new(), 0);
        let hashes = HASHES.iter().filter(|name| kernel.has(name));
        let wanted: Vec<&str> = hashes.chain(MODULES).chain(more).copied().collect();
        for module in kernel.modules(&wanted) {
            order.push_str(&module.name);
            order.push('\n');
            modules += module.object.len();
            archive.file(&format!("lib/modules/{}.ko", module.name), 0o644, &module.object);
        }
        archive.file("lib/modules/order", 0o644, order.as_bytes());

        let binary = read(program);
        archive.file("usr/bin/veriroot", 0o755, &binary);
        let mut libraries = 0;
        for path in shared_libraries(program) {
            let library = read(&path);
            libraries += library.len();
            archive.file(&path.to_string_lossy(), 0o755, &library);
        }
        let sizes = Sizes { program: binary.len(), libraries, modules, initrd: 0, compressed: 0 };
        InitrdBuilder { base: Vec::new(), archive, sizes }
    }

    /// Starts one on top of initrds that something else made, in their order; its sizes are not
    /// known.
    ///
    /// # Panics
    /// If one can't be read, with a hint.
    #[must_use]
    pub fn on_top_of(bases: &[&Path]) -> InitrdBuilder {
        let mut base = Vec::new();
        for path in bases {
            let hint = |e| panic!("{}: {e}: run the make target of this test", path.display());
            base.extend(fs::read(path).unwrap_or_else(hint));
            // The kernel looks for the next archive at a multiple of four.
            base.resize(base.len().next_multiple_of(4), 0);
        }
        let sizes = Sizes { program: 0, libraries: 0, modules: 0, initrd: 0, compressed: 0 };
        InitrdBuilder { base, archive: Cpio::default(), sizes }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

impl InitrdBuilder {
    /// What takes how much, as far as it is known before it is built.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Adds any file, by its path in the guest; the first one of a path stays.
    #[must_use]
    pub fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.archive.file(path, 0o644, content.as_ref());
        self
    }

    /// Adds udev, with its usual rules about disks and the one of this project.
    ///
    /// # Panics
    /// If one of them can't be read.
    #[must_use]
    pub fn udev(self) -> Self {
        const USUAL: [&str; 6] = [
            "50-udev-default.rules",
            "55-dm.rules",
            "60-block.rules",
            "60-persistent-storage-dm.rules",
            "60-persistent-storage.rules",
            "99-systemd.rules",
        ];
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/udev/59-veriroot.rules");
        let usual = USUAL.map(|name| Path::new("/lib/udev/rules.d").join(name));
        usual.into_iter().chain([ours]).fold(self.program("/bin/udevadm".as_ref()), |it, path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            it.file(&format!("lib/udev/rules.d/{name}"), read(&path))
        })
    }

    /// Adds a program of this machine, with the libraries it loads: `/usr/bin/NAME` in the guest.
    ///
    /// # Panics
    /// If it or one of its libraries can't be read.
    #[must_use]
    pub fn program(mut self, path: &Path) -> Self {
        let name = path.file_name().expect("a program has a name").to_string_lossy();
        self.archive.file(&format!("usr/bin/{name}"), 0o755, &read(path));
        for library in shared_libraries(path) {
            self.archive.file(&library.to_string_lossy(), 0o755, &read(&library));
        }
        self
    }

    /// Adds a file that may be run; in place of what a base initrd has there.
    #[must_use]
    pub fn script(mut self, path: &str, content: &str) -> Self {
        self.archive.file(path, 0o755, content.as_bytes());
        self
    }

    /// Adds a policy file.
    #[must_use]
    pub fn policy(self, name: &str, text: &str) -> Self {
        self.file(&format!("{POLICY}/{name}"), text)
    }

    /// Adds a trust anchor, PEM.
    #[must_use]
    pub fn certificate(self, name: &str, pem: impl AsRef<[u8]>) -> Self {
        self.file(&format!("{ANCHORS}/{name}"), pem)
    }

    /// Has `veriroot doctor` look at the initrd before systemd's service boots, and say it aloud.
    #[must_use]
    pub fn examined(self) -> Self {
        let drop_in = "[Service]\nExecStartPre=-/usr/bin/veriroot doctor\nStandardOutput=tty\n";
        self.file("etc/systemd/system/veriroot-boot.service.d/doctor.conf", drop_in)
    }

    /// Runs the program in no PID namespace: its reboot is the guest's, and nothing is listed then.
    #[must_use]
    pub fn bare(self) -> Self {
        self.file("bare", "")
    }

    /// Writes it to a temporary file.
    ///
    /// # Panics
    /// If that can't be written.
    #[must_use]
    pub fn build(self) -> Initrd {
        let mut bytes = self.base;
        bytes.extend(self.archive.finish());
        let compressed = zstd::encode_all(&bytes[..], 0).unwrap().len();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        Initrd { file, sizes: Sizes { initrd: bytes.len(), compressed, ..self.sizes } }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// What the dynamic loader would load, the loader itself included: the absolute paths `ldd` shows.
fn shared_libraries(program: &Path) -> Vec<PathBuf> {
    let absolute = fs::canonicalize(program).unwrap();
    let listing = output("ldd", &[absolute.as_os_str()]);
    assert!(!listing.contains("not found"), "{}: {listing}", program.display());
    listing.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn output(program: &str, arguments: &[&std::ffi::OsStr]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}: run `make guest-kernel` first"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
