// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot fetch`: downloads what was authenticated, by hand.
//!
//! **In:** a URL and what to demand of the image there. **Out:** a file with its table, its
//! signatures and everything that the policy lets be used, holes elsewhere; the verdict.
//! **Refuses:** what a boot would refuse. The file gets its name only when it was judged as a whole,
//! as it is on disk; until then it is FILE.part, from which a later run goes on.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use veriroot::checksums::{self, Check, receive};
use veriroot::error::Error;
use veriroot::escape::escape;
use veriroot::fetch::Saving;
use veriroot::finding::{Class, Origin};
use veriroot::loader::{audit, mirrors, over_mirrors, save};
use veriroot::report::Report;
use veriroot::request::RequestError;
use veriroot::request::pull::TransportCheck;
use veriroot::source::Source;
use veriroot::url::SourceUrl;

use super::demands::{DemandArguments, Machine, transport_check, url};
use super::progress::Bar;
use super::{Json, console, json, report_exit_code, unsaid};

#[derive(Debug, Args)]
pub(super) struct FetchArguments {
    /// Where the image is served.
    #[arg(value_name = "URL")]
    url: PathBuf,
    /// Where to put it; its own name here if left out.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    demands: DemandArguments,
    /// Transport: signature, checksum, no or a SHA-256.
    #[arg(long, value_name = "CHECK", value_parser = transport_check)]
    verify: Option<TransportCheck>,
    /// Print the verdict as JSON: pretty, short or off.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Json::Off)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    json: Json,
    /// Say nothing but why the image is refused.
    #[arg(long, short)]
    quiet: bool,
}

/// Fetches, and says what became of it.
pub(super) fn run(arguments: &FetchArguments) -> ExitCode {
    let mut report = Report::of("");
    let placed = fetch(arguments, &mut report);
    if let Err(Failed::Refused(error)) = &placed {
        report.refuse(error);
    }
    let printed = match arguments.json {
        Json::Off if arguments.quiet || placed.is_err() => {
            io::stderr().write_all(console::line_of(&report).as_bytes())
        }
        Json::Off => write!(io::stdout(), "{}", console::audit(&report)),
        mode @ (Json::Pretty | Json::Short) => json::print(mode, &json::verdict(&report)),
    };
    let system = ExitCode::from(Class::Dev.exit_code());
    match (placed, printed) {
        (Err(Failed::File(path, error)), _) => {
            let path = escape(&path.to_string_lossy());
            writeln!(io::stderr(), "veriroot: {path}: {error}").ok();
            system
        }
        (_, Err(error)) => unsaid(&error),
        (_, Ok(())) => ExitCode::from(report_exit_code(&report)),
    }
}

/// Why there is no file.
enum Failed {
    Refused(Error),
    File(PathBuf, io::Error),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

fn fetch(arguments: &FetchArguments, report: &mut Report) -> Result<(), Failed> {
    let url = remote(&arguments.url)?;
    *report = Report::of(&url.to_string());
    let machine = Machine::new(&arguments.demands)?;
    let file = match &arguments.file {
        Some(file) => file.clone(),
        None => PathBuf::from(url.file_name().ok_or(RequestError::NoMirror)?),
    };
    let mut part = file.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let unwritable = |error| Failed::File(part.clone(), error);
    let place = open(&part).map_err(unwritable)?;
    let mirrors = mirrors(&url, &machine.policy, &arguments.demands.mirror)?;
    let demands = machine.demands();
    let check = arguments.verify.unwrap_or(TransportCheck::No);
    let transport_check = checksums::Demand {
        check: Check::of(check, demands.policy.transport(), &checksums::built_in())?,
        origin: Origin::ProgramOption("--verify="),
        memory_reserve: demands.policy.transport().memory_reserve.value,
    };
    let bar = |verb| if arguments.quiet { Bar::silent() } else { Bar::new(verb) };
    let mut fetching = bar("fetching");
    over_mirrors(&mirrors, report, |source, report| {
        let place = place.try_clone().map_err(veriroot::fetch::StoreError::from);
        let store = Saving::into(place.map_err(veriroot::fetch::FetchError::from)?);
        save(receive(source, &transport_check)?, &demands, store, report, &mut fetching)
    })?;
    drop(fetching);
    place.sync_all().map_err(unwritable)?;
    // What gets the name was judged as it stands there.
    let mut judged = report.anew();
    // It has holes where the one that was served has what nobody uses.
    let received = receive(Source::open_file(&part)?, &checksums::Demand::none())?;
    let result = audit(received, &demands, &mut judged, &mut bar("checking"));
    *report = judged.with_dropped(mirrors.dropped());
    result?;
    std::fs::rename(&part, &file).map_err(|error| Failed::File(file.clone(), error))
}

fn remote(text: &Path) -> Result<SourceUrl, Error> {
    let text = text.to_string_lossy();
    let named = url(Path::new(text.as_ref()))?;
    let error = veriroot::url::UrlError::Scheme;
    Ok(named.ok_or_else(|| RequestError::Url { url: escape(&text), error })?)
}

/// The file to write to, for this process alone.
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    file.try_lock().map_err(io::Error::from)?;
    Ok(file)
}
