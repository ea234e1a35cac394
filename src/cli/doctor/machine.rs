// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only a running machine can tell.
//!
//! **In:** clock, network, memory, firmware. **Out:** lines for them; none for an unpacked initrd.
//! **Refuses:** nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use veriroot::cmdline;
use veriroot::limits;
use veriroot::sys::memfd::available;

use super::{Patient, Symptom, text_of};

/// 2026-01-01, in seconds since 1970: no machine that runs this is older.
const WRITTEN: u64 = 1_767_225_600;

/// Where systemd-stub says what the firmware loaded it from.
const STUB_DEVICE_URL: &str =
    "/sys/firmware/efi/efivars/StubDeviceURL-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

pub(super) fn examine(patient: &Patient<'_>, symptoms: &mut Vec<Symptom>) {
    if !patient.runs() {
        return;
    }
    let text = text_of("/proc/cmdline");
    symptoms.push(command_line(&text));
    symptoms.push(clock());
    symptoms.push(network());
    symptoms.push(resolver());
    symptoms.push(memory());
    if text.contains("bootorigin") {
        symptoms.push(boot_origin(patient));
    }
}

fn command_line(text: &str) -> Symptom {
    match cmdline::words(text) {
        Err(error) => Symptom::missing("command-line", error.to_string(), "correct it"),
        Ok(words) if words.iter().any(|it| it.key == "rd.systemd.pull") => {
            Symptom::ok("command-line", "asks for an image")
        }
        Ok(_) => Symptom::warning(
            "command-line",
            "asks for no image",
            "rd.systemd.pull= says what to load",
        ),
    }
}

fn clock() -> Symptom {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    if now >= WRITTEN {
        return Symptom::ok("clock", "is not before this program was written");
    }
    Symptom::warning(
        "clock",
        "is before this program was written",
        "set it before the boot: certificates of https servers are judged by it",
    )
}

/// A default route, of either protocol.
fn network() -> Symptom {
    let v4 = text_of("/proc/net/route")
        .lines()
        .skip(1)
        .any(|it| it.split_whitespace().nth(1) == Some("00000000"));
    let v6 = text_of("/proc/net/ipv6_route")
        .lines()
        .any(|it| it.starts_with(&"0".repeat(32)) && !it.ends_with(" lo"));
    if v4 || v6 {
        return Symptom::ok("network", "has a default route");
    }
    Symptom::warning("network", "has no default route", "bring it up, such as with ip=dhcp")
}

fn resolver() -> Symptom {
    let text = text_of("/etc/resolv.conf");
    if text.lines().any(|it| it.starts_with("nameserver")) {
        return Symptom::ok("resolver", "/etc/resolv.conf names a server");
    }
    Symptom::warning(
        "resolver",
        "/etc/resolv.conf names no server",
        "URLs need an address in place of a name then",
    )
}

fn memory() -> Symptom {
    match available() {
        Err(error) => Symptom::warning("memory", error.to_string(), "mount /proc"),
        Ok(bytes) if bytes <= limits::SPOOL_RESERVE => Symptom::missing(
            "memory",
            format!("{} MiB are free", bytes >> 20),
            "the machine needs the used partitions of the image in memory, and 256 MiB more",
        ),
        Ok(bytes) => Symptom::ok(
            "memory",
            format!(
                "{} MiB are free: what is used of an image may take {} MiB",
                bytes >> 20,
                bytes.saturating_sub(limits::SPOOL_RESERVE) >> 20
            ),
        ),
    }
}

fn boot_origin(patient: &Patient<'_>) -> Symptom {
    if patient.has(STUB_DEVICE_URL) {
        return Symptom::ok("boot-origin", "the firmware said where it loaded this from");
    }
    Symptom::missing(
        "boot-origin",
        "no StubDeviceURL among the EFI variables",
        "mount efivarfs; boot a UKI with systemd-stub over HTTP, or name the whole URL",
    )
}
