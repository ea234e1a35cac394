// SPDX-License-Identifier: MIT OR Apache-2.0
//! What has to be in the initrd beside the kernel's modules.
//!
//! **In:** files of the initrd. **Out:** lines for the program and its libraries, trust anchors,
//! policy files, TLS roots, systemd's part, udev rules, the mount point. **Refuses:** nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use veriroot::boot::System;
use veriroot::escape::escape;
use veriroot::finding::Refusal;
use veriroot::listing;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements, load_directories};
use veriroot::rivals;

use super::super::keys;
use super::{Patient, Symptom, text_of};

pub(super) fn examine(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    program(patient, symptoms);
    anchors(patient, symptoms);
    if let Some(policy) = policy(patient, symptoms) {
        tls_roots(patient, &policy, symptoms);
    }
    systemd(patient, symptoms);
    udev(patient, symptoms);
    mount_point(patient, symptoms);
}

/// The program itself, and the files that it has mapped here: the same program needs the same ones
/// there.
fn program(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    if patient.runs() {
        symptoms.push(Symptom::ok("program", "runs, with every library it loads"));
        return;
    }
    if !["usr/bin/veriroot", "bin/veriroot", "usr/sbin/veriroot"].iter().any(|it| patient.has(it)) {
        let found = "no /usr/bin/veriroot";
        symptoms.push(Symptom::missing("program", found, "put the program into the initrd"));
        return;
    }
    let maps = text_of("/proc/self/maps");
    let mapped = maps.lines().filter_map(|it| it.rsplit(' ').next()).map(Path::new);
    let names: BTreeSet<_> = mapped
        .filter(|it| it.is_absolute() && it.to_string_lossy().contains(".so"))
        .filter_map(Path::file_name)
        .collect();
    let lack: Vec<_> = names
        .iter()
        .filter(|it| !library_directories(patient).any(|directory| directory.join(it).exists()))
        .map(|it| escape(&it.to_string_lossy()))
        .collect();
    symptoms.push(if lack.is_empty() {
        Symptom::ok("program", format!("there, with {} libraries", names.len()))
    } else {
        Symptom::missing(
            "program-libraries",
            format!("not there: {}", lack.join(", ")),
            "copy what ldd shows for the program into the initrd",
        )
    });
}

fn library_directories(patient: &Patient<'_>) -> impl Iterator<Item = PathBuf> {
    let tops = ["lib", "lib64", "usr/lib", "usr/lib64"].map(|it| patient.place(it));
    let below =
        tops.clone().into_iter().flat_map(|top| listing::paths(top).filter(|it| it.is_dir()));
    tops.into_iter().chain(below.collect::<Vec<_>>())
}

fn anchors(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    let (count, faults) = keys::anchors(patient.root);
    for fault in &faults {
        symptoms.push(Symptom::missing(
            "trust-anchors",
            fault.found.clone(),
            "veriroot keys check says more; a boot refuses every image as it is",
        ));
    }
    if faults.is_empty() {
        symptoms.push(Symptom::ok("trust-anchors", format!("{count} that can be used")));
    }
}

fn policy(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) -> Option<EffectivePolicy> {
    let directories: Vec<PathBuf> =
        System::default().policy.iter().map(|it| patient.place(&it.to_string_lossy())).collect();
    let paths: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
    let broken = |found: String| {
        Symptom::missing("policy-files", found, "correct the file: a boot refuses every image")
    };
    let files: Vec<PolicyFile> = match load_directories(&paths) {
        Ok(files) => files,
        Err(error) => {
            symptoms.push(broken(error.finding().found));
            return None;
        }
    };
    match EffectivePolicy::new(Statements { files: &files, ..Statements::default() }) {
        Ok(policy) => {
            let found = match files.len() {
                0 => "none: the built-in policy holds, root=signed:=ignore".to_owned(),
                count => format!("{count}, which agree"),
            };
            symptoms.push(Symptom::ok("policy-files", found));
            Some(policy)
        }
        Err(error) => {
            symptoms.push(broken(error.finding().found));
            None
        }
    }
}

fn tls_roots(patient: &Patient<'_>, policy: &EffectivePolicy, symptoms: &mut Vec<Symptom>) {
    let path = policy.transport().tls_roots.value.to_string_lossy().into_owned();
    let shown = escape(&path);
    let advice = "copy the roots of your servers there; https is refused without them";
    symptoms.push(if patient.place(&path).exists() {
        Symptom::ok("tls-roots", shown)
    } else if policy.transport().plain_http.value {
        Symptom::warning("tls-roots", format!("{shown} is not there"), advice)
    } else {
        Symptom::missing(
            "tls-roots",
            format!("{shown} is not there; the policy wants https"),
            advice,
        )
    });
}

fn systemd(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    if !patient.has_systemd() {
        symptoms.push(Symptom::ok("systemd", "not in this initrd"));
        return;
    }
    let root = patient.place("");
    let live: Vec<_> = rivals::GENERATORS
        .iter()
        .filter(|name| rivals::live(&root, name).is_some())
        .copied()
        .collect();
    symptoms.push(if live.is_empty() {
        Symptom::ok("systemd-rivals", "masked, or not there")
    } else {
        Symptom::missing(
            "systemd-rivals",
            format!("not masked: {}", live.join(", ")),
            "link them to /dev/null in /etc/systemd/system-generators: veriroot boot refuses to run \
             beside them",
        )
    });
    for (id, path) in [
        ("systemd-generator", "usr/lib/systemd/system-generators/veriroot-generator"),
        ("systemd-unit", "usr/lib/systemd/system/veriroot-boot.service"),
    ] {
        symptoms.push(if patient.has(path) {
            Symptom::ok(id, format!("/{path}"))
        } else {
            Symptom::missing(
                id,
                format!("/{path} is not there"),
                "install dist/systemd as its README says: nothing starts the program otherwise",
            )
        });
    }
}

fn udev(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    let directories = ["usr/lib/udev/rules.d", "lib/udev/rules.d", "etc/udev/rules.d"];
    if !["usr/lib/systemd/systemd-udevd", "usr/bin/udevadm"].iter().any(|it| patient.has(it)) {
        return;
    }
    let mut rules = directories
        .iter()
        .flat_map(|it| listing::paths(patient.place(it)))
        .filter_map(|it| Some(it.file_name()?.to_string_lossy().into_owned()));
    symptoms.push(match rules.find(|it| it.contains("veriroot")) {
        Some(name) => Symptom::ok("udev-rules", escape(&name)),
        None => Symptom::warning(
            "udev-rules",
            "udev runs here without veriroot's rules",
            "install dist/udev: units that wait for the devices of the image may not see them",
        ),
    });
}

fn mount_point(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    let is_directory =
        patient.place("sysroot").symlink_metadata().is_ok_and(|it| it.file_type().is_dir());
    symptoms.push(if is_directory {
        Symptom::ok("sysroot", "/sysroot is a directory")
    } else {
        Symptom::missing(
            "sysroot",
            "/sysroot is no directory",
            "make it: the root is mounted there",
        )
    });
}
