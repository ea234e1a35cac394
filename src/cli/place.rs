// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot attach`, `mount`, `detach`, `umount`: what a boot does with an image, by hand.
//!
//! **In:** an image and what to demand of it, a name or a directory. **Out:** devices, links, a
//! mount, and what they rest on; or those gone. **Refuses:** what a boot would refuse, for the same
//! reasons; to take away what another program made.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use veriroot::checksums::{self, receive};
use veriroot::error::Error;
use veriroot::expose::attached::{self, DetachError};
use veriroot::expose::{Exposed, ExposedDevice, Placement, Places, Target};
use veriroot::finding::{Origin, Refusal};
use veriroot::loader;
use veriroot::report::Report;
use veriroot::source::Source;
use veriroot::url::SourceUrl;
use veriroot::verity::Shield;

use super::demands::{self, DemandArguments, Machine};
use super::progress::Bar;
use super::{Json, console, exit_code, json, report_exit_code, unsaid};

#[derive(Debug, Args)]
pub(super) struct AttachArguments {
    /// Disk image, or its URL.
    #[arg(value_name = "IMAGE|URL")]
    image: String,
    /// What the devices are called: NAME-root, NAME-usr.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    how: HowArguments,
}

#[derive(Debug, Args)]
pub(super) struct MountArguments {
    /// Disk image, or its URL.
    #[arg(value_name = "IMAGE|URL")]
    image: String,
    /// Directory to mount it at, read-only.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    how: HowArguments,
}

#[derive(Debug, Args)]
struct HowArguments {
    #[command(flatten)]
    demands: DemandArguments,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Args)]
struct OutputArguments {
    /// Print what was done as JSON: pretty, short or off.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Json::Off)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    json: Json,
    /// Say nothing but why it was refused.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct DetachArguments {
    /// Name that it was attached under.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    output: OutputArguments,
}

#[derive(Debug, Args)]
pub(super) struct UmountArguments {
    /// Directory that it is mounted at.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

/// Makes devices and links.
pub(super) fn attach(arguments: &AttachArguments) -> ExitCode {
    let name = arguments.name.clone().unwrap_or_else(|| derived_name(&arguments.image));
    place(&arguments.image, &arguments.how, Ok((name, Target::Devices)))
}

/// Makes devices and mounts them.
pub(super) fn mount(arguments: &MountArguments) -> ExitCode {
    // The devices are named after the place, whichever way it was written.
    let target = arguments
        .directory
        .canonicalize()
        .map(|directory| (derived_name(&arguments.image), Target::Directory(directory)));
    let directory = &arguments.directory;
    place(&arguments.image, &arguments.how, target.map_err(|error| (directory.as_path(), error)))
}

/// Removes devices and links.
pub(super) fn detach(arguments: &DetachArguments) -> ExitCode {
    let gone = attached::detach(&arguments.name, &Places::default());
    removed(&arguments.output, "devices", gone)
}

/// Unmounts; the devices go with their mounts.
pub(super) fn umount(arguments: &UmountArguments) -> ExitCode {
    let gone = attached::unmount(&arguments.directory, &Places::default());
    let shown = |it: Vec<PathBuf>| it.into_iter().map(|it| it.display().to_string()).collect();
    removed(&arguments.output, "mounts", gone.map(shown))
}

/// The last component of a path or URL, less what stands for its format.
fn derived_name(image: &str) -> String {
    const SUFFIXES: [&str; 8] = [".zst", ".xz", ".gz", ".bz2", ".lz4", ".raw", ".img", ".bin"];
    let url = SourceUrl::parse_or_file(image).ok();
    let path = url.as_ref().and_then(SourceUrl::file_name);
    let mut name = path.unwrap_or_else(|| image.rsplit('/').next().unwrap_or_default());
    while let Some(shorter) = SUFFIXES.iter().find_map(|it| name.strip_suffix(it)) {
        name = shorter;
    }
    name.to_owned()
}

fn place(
    image: &str,
    how: &HowArguments,
    target: Result<(String, Target), (&Path, io::Error)>,
) -> ExitCode {
    let mut report = Report::of(image);
    let exposed = place_one(image, how, target, &mut report);
    if let Err(error) = &exposed {
        report.refuse(error);
    }
    let exposed = exposed.ok();
    if let Err(error) = print(&how.output, &report, exposed.as_ref()) {
        // What was made is taken back.
        return unsaid(&error);
    }
    if let Some(exposed) = exposed {
        exposed.keep();
    }
    ExitCode::from(report_exit_code(&report))
}

fn place_one(
    image: &str,
    how: &HowArguments,
    target: Result<(String, Target), (&Path, io::Error)>,
    report: &mut Report,
) -> Result<Exposed, Error> {
    let machine = Machine::new(&how.demands)?;
    let (name, target) = target.map_err(|(path, error)| veriroot::expose::ExposeError::Place {
        path: path.to_owned(),
        error,
    })?;
    let placement = Placement { name, target, places: Places::default() };
    placement.vacant()?;
    let mut bar = if how.output.quiet { Bar::silent() } else { Bar::new("loading") };
    let mut load = |source: Source, report: &mut Report| {
        let received = receive(source, &checksums::Demand::none())?;
        loader::load(received, &machine.demands(), report, &mut bar)
    };
    let path = Path::new(image);
    let identified = match demands::url(path)? {
        Some(url) => {
            let mirrors = loader::mirrors(&url, &machine.policy, &how.demands.mirror)?;
            loader::over_mirrors(&mirrors, report, load)?
        }
        None => load(Source::open_file(path)?, report)?,
    };
    loader::hand_over(identified, &machine.policy, &placement, report)
}

/// What was made, as JSON has it: docs/attach-json.md.
#[derive(Serialize)]
struct Placed<'a, V> {
    version: u32,
    verdict: V,
    devices: Vec<Device<'a>>,
    mounts: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Device<'a> {
    designator: &'static str,
    name: &'a str,
    node: String,
    protection: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    root_hash: Option<&'a str>,
    opened_by: Vec<String>,
}

fn print(output: &OutputArguments, report: &Report, exposed: Option<&Exposed>) -> io::Result<()> {
    let devices: Vec<_> = exposed.into_iter().flat_map(Exposed::devices).collect();
    let mounts: Vec<_> = exposed.into_iter().flat_map(Exposed::mounts).collect();
    match output.json {
        Json::Off if exposed.is_none() => {
            let text = if output.quiet { console::line_of(report) } else { console::audit(report) };
            io::stderr().write_all(text.as_bytes())
        }
        Json::Off if output.quiet => Ok(()),
        Json::Off => io::stdout().write_all(text(&devices, &mounts).as_bytes()),
        mode @ (Json::Pretty | Json::Short) => {
            let placed = Placed {
                version: 1,
                verdict: json::verdict(report),
                devices: devices.iter().map(device).collect(),
                mounts: mounts.iter().map(|it| it.display().to_string()).collect(),
            };
            json::print(mode, &placed)
        }
    }
}

fn device(it: &ExposedDevice) -> Device<'_> {
    let (protection, root_hash, opened_by) = match &it.shield {
        Shield::Verity(root_hash) => ("verity", Some(root_hash.as_str()), &[][..]),
        Shield::Open { origins, .. } => ("none", None, origins.as_slice()),
    };
    Device {
        designator: it.designator.name(),
        name: &it.name,
        node: it.node.display().to_string(),
        protection,
        root_hash,
        opened_by: opened_by.iter().map(Origin::to_string).collect(),
    }
}

fn text(devices: &[ExposedDevice], mounts: &[&Path]) -> String {
    let mut out = String::new();
    for device in devices {
        let what = match &device.shield {
            Shield::Verity(root_hash) => format!("dm-verity, root hash {root_hash}"),
            Shield::Open { .. } => "UNPROTECTED: policy opens it".to_owned(),
        };
        let node = device.node.display();
        console::line(&mut out, device.designator.name(), &format!("{} ({node})", device.name));
        console::line(&mut out, "", &what);
    }
    for mount in mounts {
        console::line(&mut out, "mounted", &mount.display().to_string());
    }
    out
}

/// Says what is gone, or why nothing is.
fn removed(
    output: &OutputArguments,
    what: &'static str,
    gone: Result<Vec<String>, DetachError>,
) -> ExitCode {
    let printed = match (&gone, output.json) {
        (Ok(gone), Json::Off) if !output.quiet => {
            gone.iter().try_for_each(|it| writeln!(io::stdout(), "{it}"))
        }
        (Ok(_), Json::Off) => Ok(()),
        (Ok(gone), mode) => json::print(mode, &serde_json::json!({ "version": 1, what: gone })),
        (Err(error), Json::Off) => {
            let finding = error.finding();
            let (found, advice) = (&finding.found, &finding.advice);
            writeln!(io::stderr(), "veriroot: {found}: {advice}")
        }
        (Err(error), mode) => {
            let finding = error.finding();
            let finding = json::finding(&finding);
            json::print(mode, &serde_json::json!({ "version": 1, "finding": finding }))
        }
    };
    match printed {
        Ok(()) => exit_code(gone.err().map(|it| it.class())),
        Err(error) => unsaid(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::derived_name;

    #[test]
    fn names_come_from_the_last_component() {
        for (image, name) in [
            ("image.raw", "image"),
            ("/srv/a/tools_1.2.raw.zst", "tools_1.2"),
            ("https://h/p/image.img?x=/y.raw", "image"),
            ("file:///srv/x.raw", "x"),
            ("plain", "plain"),
        ] {
            assert_eq!(derived_name(image), name, "{image}");
        }
    }
}
