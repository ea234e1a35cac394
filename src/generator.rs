// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What systemd is told in an initrd (systemd.generator(7)).
//!
//! **In:** the kernel command line, the credentials that systemd handed over, and whether the policy
//! files want a boot in any case. **Out:** links, masks and drop-ins for a boot that has to wait for
//! `veriroot-boot.service`, and fails with it.
//! **Refuses:** nothing: what can't be read is left to the service, which refuses it and says why.
//!
//! systemd has generators of its own for the same words. The initrd masks them; what they would
//! write is masked here once more, name by name, and `veriroot boot` refuses to run beside them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cmdline;
use crate::limits;
use crate::policy_file::{PolicyFile, load_directories};
use crate::request::pull::{Format, ImageClass, Pull, Remote};
use crate::wire;

/// The name by which systemd calls the program.
pub const NAME: &str = "veriroot-generator";

/// The unit that does the work.
const SERVICE: &str = "veriroot-boot.service";

/// Where it is.
const SERVICE_PATH: &str = "/usr/lib/systemd/system/veriroot-boot.service";

/// The credential that systemd-import-generator(8) reads.
const CREDENTIAL: &str = "import.pull";

/// Where a generator finds what it was told.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The kernel command line.
    pub cmdline: PathBuf,
    /// Directories of credentials in the clear.
    pub credentials: Option<PathBuf>,
    /// Directories of encrypted credentials.
    pub encrypted_credentials: Option<PathBuf>,
    /// Directories of policy files.
    pub policy: Vec<PathBuf>,
}

/// What was asked for, as far as the units depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Every transfer that could be read.
    pulls: Vec<Pull>,
    /// Whether the service has to say more: of what could not be read, or of nothing where a policy
    /// file wants a boot in any case.
    unclear: bool,
    /// Devices that `root=` names: systemd and dracut would wait for them.
    devices: Vec<String>,
}

impl Asked {
    /// Reads the words of a machine.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        let mut asked = Self::default();
        match wire::read_file_bounded(&machine.cmdline, limits::COMMAND_LINE.saturating_add(1)) {
            Ok(bytes) => asked.words(&String::from_utf8_lossy(&bytes)),
            Err(_unreadable) => asked.unclear = true,
        }
        if let Some(directory) = &machine.credentials {
            match wire::read_file_bounded(&directory.join(CREDENTIAL), limits::POLICY_FILE) {
                Ok(bytes) => asked.lines(&String::from_utf8_lossy(&bytes)),
                Err(error) => asked.unclear |= error.kind() != io::ErrorKind::NotFound,
            }
        }
        let encrypted = machine.encrypted_credentials.iter().map(|it| it.join(CREDENTIAL));
        asked.unclear |= encrypted.into_iter().any(|it| it.symlink_metadata().is_ok());
        let directories: Vec<&Path> = machine.policy.iter().map(PathBuf::as_path).collect();
        // A file that can't be read may be the one that says so.
        asked.unclear |= load_directories(&directories)
            .map_or(true, |files| files.iter().any(PolicyFile::requires_boot));
        asked
    }

    /// Whether this boot is none of ours.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.pulls.is_empty() && !self.unclear
    }

    fn words(&mut self, text: &str) {
        match cmdline::words(text) {
            Ok(words) => {
                for word in words.iter().filter(|it| it.key == "rd.systemd.pull") {
                    self.expression(word.value.as_deref().unwrap_or_default());
                }
                let roots = words.into_iter().filter(|it| it.key == "root");
                let devices = roots.filter_map(|it| it.value).filter(|it| it.starts_with("/dev/"));
                self.devices.extend(devices);
            }
            // systemd may read what we can't.
            Err(_refused_by_boot) => self.unclear |= text.contains("systemd.pull"),
        }
    }

    fn lines(&mut self, text: &str) {
        for line in text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'))
        {
            self.expression(line);
        }
    }

    fn expression(&mut self, text: &str) {
        match Pull::parse(text) {
            Ok(pull) => self.pulls.push(pull),
            Err(_refused_by_boot) => self.unclear = true,
        }
    }

    fn needs_network(&self) -> bool {
        let remote = |it: &Pull| it.base == Remote::BootOrigin || !it.remote.starts_with("file:");
        self.unclear || self.pulls.iter().any(remote)
    }
}

/// One of the directories that systemd gives a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before everything, also before what an administrator wrote.
    Early,
    /// After that.
    Normal,
}

/// One thing to write.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Output {
    place: Place,
    path: String,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Link(&'static str),
    Text(&'static str),
}

/// /sysroot is mounted by the service; whatever asks for the unit gets that mount or a failure. It
/// does not require the service, which stops on the way to the root: the mount would go with it.
const SYSROOT: &str = "\
# Written by veriroot-generator: the service mounts /sysroot, on dm-verity.
[Unit]
Description=Verified root (mounted by veriroot-boot.service)
Documentation=man:veriroot-generator(8)
DefaultDependencies=no
Wants=veriroot-boot.service
After=veriroot-boot.service
Before=initrd-root-fs.target

[Mount]
What=/dev/mapper/root
Where=/sysroot
Options=ro,nodev
";

const NETWORK: &str = "\
# Written by veriroot-generator: the image comes over the network.
[Unit]
Wants=network-online.target
After=network-online.target
";

/// Targets of the initrd that must not be reached without the service.
const TARGETS: [&str; 3] = ["initrd-root-fs.target", "initrd-usr-fs.target", "initrd.target"];

/// What systemd's generators (262) write for these words and would act on: dependencies on devices
/// and mounts that never come, or that come by another way.
const MASKED: [&str; 13] = [
    // dracut, beside systemd's importer: it would give the root devices and set-id programs back.
    "dracut-remount-sysroot.service",
    "initrd-fs.target.requires/sysroot-usr.mount",
    "initrd-root-device.target.d/50-root-device.conf",
    "initrd-root-fs.target.requires/sysroot.mount",
    "initrd-usr-fs.target.requires/sysroot.mount",
    "initrd-usr-fs.target.requires/sysusr-usr.mount",
    "sysroot-usr.mount",
    "systemd-cryptsetup@root.service",
    "systemd-cryptsetup@usr.service",
    "systemd-loop@.service",
    "systemd-veritysetup@root.service",
    "systemd-veritysetup@usr.service",
    "sysusr-usr.mount",
];

/// Everything to write; requirements first, so that whatever fails later, the boot waits.
fn plan(asked: &Asked) -> Vec<Output> {
    if asked.is_nothing() {
        return Vec::new();
    }
    let link = |place, path, to| Output { place, path, content: Content::Link(to) };
    let mask = |path| link(Place::Early, path, "/dev/null");
    let require =
        |target| link(Place::Normal, format!("{target}.requires/{SERVICE}"), SERVICE_PATH);
    let mut plan: Vec<Output> = TARGETS.into_iter().map(require).collect();
    plan.push(Output {
        place: Place::Early,
        path: "sysroot.mount".to_owned(),
        content: Content::Text(SYSROOT),
    });
    plan.extend(MASKED.into_iter().map(|it| mask(it.to_owned())));
    let mut units: Vec<String> = asked.pulls.iter().flat_map(units_of).collect();
    units.sort();
    units.dedup();
    for unit in units {
        plan.push(mask(format!("imports.target.wants/{unit}")));
        plan.push(mask(unit));
    }
    let mut devices: Vec<String> = asked.devices.iter().map(|it| escape_path(it)).collect();
    devices.sort();
    devices.dedup();
    for device in devices.iter().filter(|it| it.len() < limits::UNIT_NAME.saturating_sub(7)) {
        // dracut waits for it here; what the service mounts needs no udev to announce it.
        plan.push(mask(format!("initrd.target.wants/{device}.device")));
    }
    if asked.needs_network() {
        plan.push(Output {
            place: Place::Normal,
            path: format!("{SERVICE}.d/50-network.conf"),
            content: Content::Text(NETWORK),
        });
    }
    plan
}

/// The units that systemd-import-generator makes for a transfer, wherever it ends.
fn units_of(pull: &Pull) -> Vec<String> {
    let class = match pull.class {
        ImageClass::Machine => "machines",
        ImageClass::Portable => "portables",
        ImageClass::Sysext => "extensions",
        ImageClass::Confext => "confexts",
    };
    let suffix = if pull.format == Format::Raw { ".raw" } else { "" };
    let mut units = Vec::new();
    for top in ["run", "var/lib"] {
        let path = escape_path(&format!("{top}/{class}/{}{suffix}", pull.name));
        for template in ["systemd-import", "systemd-loop"] {
            let unit = format!("{template}@{path}.service");
            // systemd takes no longer name, and neither do directories.
            if unit.len() <= limits::UNIT_NAME {
                units.push(unit);
            }
        }
    }
    units
}

/// A path as it stands in unit names (systemd.unit(5)).
fn escape_path(path: &str) -> String {
    let mut out = String::new();
    for (position, byte) in path.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if position == 0 => out.push_str("\\x2e"),
            b':' | b'_' | b'.' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// Writes everything into the two directories, as far as it can.
///
/// # Errors
/// The first file or link that could not be written, and why; the others were tried all the same.
pub fn write(asked: &Asked, normal: &Path, early: &Path) -> Result<(), (PathBuf, io::Error)> {
    let mut first = Ok(());
    for output in plan(asked) {
        let directory = if output.place == Place::Early { early } else { normal };
        let path = directory.join(&output.path);
        if let Err(error) = write_one(&path, &output.content) {
            first = first.and(Err((path, error)));
        }
    }
    first
}

fn write_one(path: &Path, content: &Content) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match content {
        Content::Link(target) => symlink(target, path),
        Content::Text(text) => {
            let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
            file.write_all(text.as_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULL: &str = "rd.systemd.pull=raw,machine,verify=no,blockdev:image:http://h/image.raw";

    fn asked(cmdline: &str) -> Asked {
        let mut asked = Asked::default();
        asked.words(cmdline);
        asked
    }

    fn paths(asked: &Asked) -> Vec<String> {
        plan(asked).into_iter().map(|it| it.path).collect()
    }

    #[test]
    fn a_boot_that_asks_for_no_transfer_is_left_alone() {
        for cmdline in ["", "quiet root=/dev/sda1", "systemd.pull=raw,machine:i:http://h/i", "a=\""]
        {
            let asked = asked(cmdline);
            assert!(asked.is_nothing() && plan(&asked).is_empty(), "{cmdline}");
        }
        assert!(!asked(PULL).is_nothing());
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_service() {
        for cmdline in [
            "rd.systemd.pull",
            "rd.systemd.pull=raw,machine,verfy=no:i:http://h/i",
            "rd.systemd.pull=raw,machine:i:http://h/i \"",
            "quiet -- rd.systemd.pull=raw,machine:i:http://h/i",
        ] {
            let asked = asked(cmdline);
            assert!(asked.unclear && asked.needs_network(), "{cmdline}");
            assert!(paths(&asked).contains(&format!("initrd.target.requires/{SERVICE}")));
        }
    }

    #[test]
    fn the_targets_need_the_service_and_the_rivals_are_masked() {
        let plan = plan(&asked(PULL));
        for target in TARGETS {
            let path = format!("{target}.requires/{SERVICE}");
            let wanted =
                Output { place: Place::Normal, path, content: Content::Link(SERVICE_PATH) };
            assert!(plan.contains(&wanted), "{wanted:?}");
        }
        for path in [
            "systemd-import@run-machines-image.raw.service",
            "systemd-import@var-lib-machines-image.raw.service",
            "imports.target.wants/systemd-import@run-machines-image.raw.service",
            "imports.target.wants/systemd-loop@run-machines-image.raw.service",
            "systemd-loop@.service",
            "systemd-veritysetup@root.service",
            "dracut-remount-sysroot.service",
            "initrd-root-fs.target.requires/sysroot.mount",
        ] {
            let wanted = Output {
                place: Place::Early,
                path: path.to_owned(),
                content: Content::Link("/dev/null"),
            };
            assert!(plan.contains(&wanted), "{path}");
        }
        assert!(plan.iter().any(|it| it.path == "sysroot.mount" && it.place == Place::Early));
        let device = "initrd.target.wants/dev-disk-by\\x2dloop\\x2dref-image.raw\\x2dpart2.device";
        let root = "root=/dev/disk/by-loop-ref/image.raw-part2";
        assert!(paths(&asked(&format!("{PULL} {root}"))).contains(&device.to_owned()));
    }

    #[test]
    fn files_of_the_machine_wait_for_no_network() {
        let file = "rd.systemd.pull=raw,machine,verify=no:i:file:///i.raw";
        let drop_in = format!("{SERVICE}.d/50-network.conf");
        assert!(!paths(&asked(file)).contains(&drop_in));
        for more in [PULL, "rd.systemd.pull=raw,machine,bootorigin:i:i.raw"] {
            assert!(paths(&asked(&format!("{file} {more}"))).contains(&drop_in), "{more}");
        }
    }

    #[test]
    fn unit_names_are_escaped_as_systemd_does() {
        for (path, escaped) in [
            ("/run/machines/a b.raw", "run-machines-a\\x20b.raw"),
            ("run/machines/x-y_z:1", "run-machines-x\\x2dy_z:1"),
            (".hidden", "\\x2ehidden"),
            ("\u{e9}", "\\xc3\\xa9"),
        ] {
            assert_eq!(escape_path(path), escaped);
        }
        let mut asked = asked(PULL);
        asked.pulls[0].name = "-".repeat(200);
        assert!(paths(&asked).iter().all(|it| it.split('/').all(|part| part.len() <= 255)));
    }

    #[test]
    fn credentials_ask_too() {
        let directory = tempfile::tempdir().unwrap();
        let cmdline = directory.path().join("cmdline");
        fs::write(&cmdline, "quiet\n").unwrap();
        let machine = Machine {
            cmdline,
            credentials: Some(directory.path().to_owned()),
            encrypted_credentials: None,
            policy: Vec::new(),
        };
        assert!(Asked::of(&machine).is_nothing());
        let credential = directory.path().join(CREDENTIAL);
        fs::write(&credential, "# none\n\n").unwrap();
        assert!(Asked::of(&machine).is_nothing());
        fs::write(&credential, "# one\n tar,sysext:tools:http://h/t.tar \n").unwrap();
        let asked = Asked::of(&machine);
        let unit = "systemd-import@run-extensions-tools.service".to_owned();
        assert!(!asked.unclear && paths(&asked).contains(&unit));

        let encrypted_credentials = machine.credentials.clone();
        let machine = Machine { credentials: None, encrypted_credentials, ..machine };
        assert!(Asked::of(&machine).unclear);
        let machine = Machine { cmdline: "/nowhere".into(), ..machine };
        assert!(Asked::of(&machine).unclear);
    }

    #[test]
    fn a_policy_file_can_require_a_boot() {
        let directory = tempfile::tempdir().unwrap();
        let cmdline = directory.path().join("cmdline");
        fs::write(&cmdline, "quiet root=/dev/sda1\n").unwrap();
        let policy = directory.path().join("policy.d");
        fs::create_dir(&policy).unwrap();
        let machine = Machine {
            cmdline,
            credentials: None,
            encrypted_credentials: None,
            policy: vec![policy.clone()],
        };
        for (text, nothing) in [
            ("[boot]\nhold = \"1s\"\n", true),
            ("[boot]\nrequired = false\n", true),
            ("[boot]\nrequired = true\n", false),
            ("[boot]\nrequird = true\n", false),
        ] {
            fs::write(policy.join("p.toml"), text).unwrap();
            let asked = Asked::of(&machine);
            assert_eq!(asked.is_nothing(), nothing, "{text}");
            let required = format!("initrd.target.requires/{SERVICE}");
            assert_eq!(paths(&asked).contains(&required), !nothing, "{text}");
        }
    }

    #[test]
    fn everything_is_written_and_what_fails_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let [normal, early] = ["normal", "early"].map(|it| directory.path().join(it));
        let asked = asked(PULL);
        write(&asked, &normal, &early).unwrap();
        let mask = fs::read_link(early.join("systemd-import@run-machines-image.raw.service"));
        assert_eq!(mask.unwrap(), Path::new("/dev/null"));
        let service = fs::read_link(normal.join("initrd.target.requires/veriroot-boot.service"));
        assert_eq!(service.unwrap(), Path::new(SERVICE_PATH));
        assert!(early.join("sysroot.mount").is_file());

        let (path, error) = write(&asked, &normal, &directory.path().join("later")).unwrap_err();
        assert!(path.starts_with(&normal));
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert!(directory.path().join("later/sysroot.mount").exists());
    }
}
