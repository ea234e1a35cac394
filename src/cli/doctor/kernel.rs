// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the kernel has to be able to do.
//!
//! **In:** modules of the initrd, and what the running kernel has. **Out:** lines for modules and
//! control devices. **Refuses:** nothing.

use std::path::Path;

use veriroot::cage::Offer;
use veriroot::listing;

use super::{Patient, Symptom, text_of};

/// Every boot needs these.
const NEEDED: [&str; 3] = ["loop", "dm_mod", "dm_verity"];

/// One of these, that of the image.
const FILE_SYSTEMS: [&str; 5] = ["erofs", "squashfs", "ext4", "xfs", "btrfs"];

/// How deep modules lie below /lib/modules.
const DEPTH: usize = 12;

pub(super) fn examine(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    let there = Modules::look(patient);
    for name in NEEDED {
        symptoms.push(match there.find(patient, name) {
            Some(how) => Symptom::ok("kernel-module", format!("{name} is {how}")),
            None => Symptom::missing(
                "kernel-module",
                format!("{name} is neither built in nor among the modules"),
                "add the module to the initrd, or build it into the kernel",
            ),
        });
    }
    let (have, lack): (Vec<&str>, Vec<&str>) =
        FILE_SYSTEMS.iter().partition(|it| there.find(patient, it).is_some());
    symptoms.push(if have.is_empty() {
        Symptom::missing(
            "kernel-filesystem",
            "no file system that a root may have",
            "add the module of the image's file system, such as erofs",
        )
    } else if lack.is_empty() {
        Symptom::ok("kernel-filesystem", have.join(", "))
    } else {
        Symptom::warning(
            "kernel-filesystem",
            format!("{}; not {}", have.join(", "), lack.join(", ")),
            "images with another file system will be refused at the mount",
        )
    });
    if patient.runs() {
        controls(patient, symptoms);
        symptoms.push(cage(&Offer::of_kernel()));
    }
}

/// The layers of the cage that no boot hangs on.
fn cage(offer: &Offer) -> Symptom {
    if offer.landlock.is_some() && !offer.namespaces.is_empty() {
        return Symptom::ok("cage", offer.to_string());
    }
    Symptom::warning(
        "cage",
        offer.to_string(),
        "build CONFIG_SECURITY_LANDLOCK and namespaces into the kernel, with landlock in lsm=",
    )
}

fn controls(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    for (id, path, advice) in [
        (
            "device-mapper-control",
            "/dev/mapper/control",
            "load dm_mod before the boot, and mount devtmpfs on /dev",
        ),
        ("loop-control", "/dev/loop-control", "load loop before the boot; mount devtmpfs on /dev"),
    ] {
        symptoms.push(if patient.has(path) {
            Symptom::ok(id, path)
        } else {
            Symptom::missing(id, format!("{path} is not there"), advice)
        });
    }
}

/// The modules of an initrd.
struct Modules {
    /// Names with underscores.
    files: Vec<String>,
    built_in: String,
}

impl Modules {
    fn look(patient: &Patient<'_>) -> Self {
        let mut modules = Self { files: Vec::new(), built_in: String::new() };
        for top in ["lib/modules", "usr/lib/modules"] {
            modules.collect(&patient.place(top), DEPTH);
        }
        modules
    }

    fn collect(&mut self, directory: &Path, depth: usize) {
        let Some(deeper) = depth.checked_sub(1) else { return };
        for path in listing::paths(directory) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.symlink_metadata().is_ok_and(|it| it.is_dir()) {
                self.collect(&path, deeper);
            } else if name == "modules.builtin" {
                self.built_in.push_str(&text_of(&path));
            } else if let Some((stem, _compression)) = name.split_once(".ko") {
                self.files.push(stem.replace('-', "_"));
            }
        }
    }

    /// How the kernel comes by it.
    fn find(&self, patient: &Patient<'_>, name: &str) -> Option<&'static str> {
        if patient.runs() && patient.has(&format!("/sys/module/{name}")) {
            return Some("loaded");
        }
        let filesystems = || text_of("/proc/filesystems");
        if patient.runs() && filesystems().lines().any(|it| it.trim_start() == name) {
            return Some("built in");
        }
        let built_in = |line: &str| {
            let file = line.rsplit('/').next().unwrap_or(line);
            file.strip_suffix(".ko").is_some_and(|it| it.replace('-', "_") == name)
        };
        if self.built_in.lines().any(built_in) {
            return Some("built in");
        }
        self.files.iter().any(|it| it == name).then_some("a module")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::State;
    use super::*;

    #[test]
    fn a_cage_with_a_layer_less_is_worth_a_word() {
        let offer = |landlock, namespaces: &[&'static str]| {
            cage(&Offer { landlock, namespaces: namespaces.to_vec() }).state
        };
        assert_eq!(offer(Some(1), &["mnt"]), State::Ok);
        assert_eq!(offer(None, &["mnt"]), State::Warning);
        assert_eq!(offer(Some(6), &[]), State::Warning);
    }

    #[test]
    fn modules_are_found_however_they_come() {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let states = || {
            let mut symptoms = Vec::new();
            examine(&Patient { root: Some(root.path()) }, &mut symptoms);
            symptoms.iter().map(|it| it.state).collect::<Vec<_>>()
        };
        assert_eq!(states(), [State::Missing; 4]);
        file("usr/lib/modules/1/modules.builtin", "kernel/drivers/md/dm-mod.ko\n");
        file("usr/lib/modules/1/kernel/drivers/md/dm-verity.ko.zst", "");
        file("lib/modules/loop.ko", "");
        file("lib/modules/erofs.ko", "");
        assert_eq!(states(), [State::Ok, State::Ok, State::Ok, State::Warning]);
    }
}
