// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The record of a boot: for the journal, and for programs in /run. A contract, documented in
//! docs/boot-record.md.
//!
//! **In:** how a boot ended. **Out:** `/run/veriroot/boot.json`, whole or not at all, and records with
//! structured fields. **Refuses:** nothing: a record that can't be kept changes no verdict.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde_json::{Map, Value, json};
use veriroot::boot::{AfterRefusal, TransferReport};
use veriroot::cage::Offer;
use veriroot::finding::{Finding, Outcome as Decided};
use veriroot::journal::{MessageId, Priority, Record};
use veriroot::limits;
use veriroot::policy_file::OnRefusal;
use veriroot::report::Report;

use super::{json, report_exit_code};

/// Where programs find the record.
const DIRECTORY: &str = "/run/veriroot";

/// The version of the object's form.
const VERSION: u32 = 1;

/// How a boot ended.
pub(super) struct Outcome<'a> {
    /// The report that has the verdict.
    pub(super) report: &'a Report,
    /// What was decided before any transfer.
    pub(super) before: &'a Report,
    /// What became of each transfer.
    pub(super) transfers: &'a [TransferReport],
    /// The verdict.
    pub(super) accepted: bool,
    /// What follows a refusal.
    pub(super) after: &'a AfterRefusal,
    /// What could not be taken back.
    pub(super) stays: &'a [String],
}

/// Keeps the record in both places. What fails is said on stderr.
pub(super) fn keep(outcome: &Outcome<'_>) {
    let written = write(Path::new(DIRECTORY), &outcome.text());
    let socket = Path::new("/run/systemd/journal/socket");
    let sent = outcome.records().iter().try_for_each(|it| it.send(socket, Path::new("/dev/kmsg")));
    for (what, result) in [(DIRECTORY, written), ("the journal", sent)] {
        if let Err(error) = result {
            let text = format!("veriroot: no record in {what}: {error}\n");
            io::stderr().write_all(text.as_bytes()).ok();
        }
    }
}

/// Puts the text in place of an earlier one.
fn write(directory: &Path, text: &str) -> io::Result<()> {
    if let Err(error) = DirBuilder::new().mode(0o755).create(directory)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    let (new, last) = (directory.join(".boot.json"), directory.join("boot.json"));
    // What a killed boot left behind, whatever it is.
    drop(fs::remove_file(&new));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
    // Whatever the initrd's mask is.
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    drop(file);
    fs::rename(&new, &last)
}

impl Outcome<'_> {
    fn verdict(&self) -> &'static str {
        if self.accepted { "accepted" } else { "refused" }
    }

    /// The decision that the verdict rests on.
    fn decisive(&self) -> Option<&Finding> {
        self.report.findings.iter().rev().find(|it| it.outcome == Decided::Failed)
    }

    /// One line: the verdict, and what it rests on.
    fn line(&self) -> String {
        match self.decisive().filter(|_| !self.accepted) {
            Some(it) => format!("boot refused: {}: {}: {}", it.stage, it.subject, it.found),
            None if self.accepted => {
                let images: Vec<_> =
                    self.transfers.iter().map(|it| it.report.image.as_str()).collect();
                format!("boot accepted: {}", images.join(", "))
            }
            None => "boot refused".to_owned(),
        }
    }

    /// The record for programs, at most [`limits::BOOT_RECORD`] long: without the images where it
    /// would be longer.
    fn text(&self) -> String {
        let whole = self.json(Some(self.transfers)).to_string();
        if whole.len() <= limits::BOOT_RECORD { whole } else { self.json(None).to_string() }
    }

    fn json(&self, transfers: Option<&[TransferReport]>) -> Value {
        let mut object = Map::from_iter([
            ("version".to_owned(), VERSION.into()),
            ("verdict".to_owned(), self.verdict().into()),
            ("exit-code".to_owned(), self.exit_code().into()),
            ("message".to_owned(), self.line().into()),
            ("cage".to_owned(), cage(&Offer::of_kernel())),
        ]);
        let mut add = |key: &str, value: Value| object.insert(key.to_owned(), value);
        if !self.accepted {
            if let Some(class) = self.report.refused {
                add("class", class.name().into());
            }
            if let Some(finding) = self.decisive() {
                add("finding", value(&json::finding(finding)));
            }
            if let Some(excerpt) = &self.report.excerpt {
                let (start, end) = (excerpt.span.start, excerpt.span.end);
                add("excerpt", json!({ "text": excerpt.text, "start": start, "end": end }));
            }
            let action = match self.after.action {
                OnRefusal::Reboot => "reboot",
                OnRefusal::Halt => "halt",
                OnRefusal::DangerShell => "danger-shell",
            };
            add("on-refusal", action.into());
            add("hold", self.after.hold.as_secs().into());
            add("not-taken-back", json!(self.stays));
        }
        let images: Vec<_> = transfers.unwrap_or_default().iter().map(image).collect();
        add("images", images.into());
        if transfers.is_none() {
            add("cut", true.into());
        }
        Value::Object(object)
    }

    fn exit_code(&self) -> u8 {
        if self.accepted { 0 } else { report_exit_code(self.report) }
    }

    /// The records for the journal: the verdict, then the images as far as there is room.
    fn records(&self) -> Vec<Record> {
        let mut records = vec![self.verdict_record()];
        let mut room = limits::JOURNAL.saturating_sub(limits::JOURNAL_RECORD);
        for transfer in self.transfers {
            let record = image_record(transfer);
            let Some(left) = room.checked_sub(record.bytes().len()) else { break };
            room = left;
            records.push(record);
        }
        records
    }

    fn verdict_record(&self) -> Record {
        let (id, priority) = match self.accepted {
            true => (MessageId::ACCEPTED, Priority::Notice),
            false => (MessageId::REFUSED, Priority::Critical),
        };
        let mut record = Record::new(id, priority, &self.line());
        record.field("VERIROOT_VERDICT", self.verdict());
        record.field("VERIROOT_EXIT_CODE", &self.exit_code().to_string());
        record.field("VERIROOT_CAGE", &Offer::of_kernel().to_string());
        if let Some(finding) = self.decisive().filter(|_| !self.accepted) {
            if let Some(class) = self.report.refused {
                record.field("VERIROOT_CLASS", class.name());
            }
            record.field("VERIROOT_STAGE", finding.stage.name());
            record.field("VERIROOT_FINDING", finding.id);
            record.field("VERIROOT_SUBJECT", &finding.subject);
            record.field("VERIROOT_FOUND", &finding.found);
            record.field("VERIROOT_DEMANDED", &finding.expected);
            record.field("VERIROOT_REQUIRED_BY", &finding.required_by.to_string());
            record.field("VERIROOT_ADVICE", &finding.advice);
            record.field("VERIROOT_IMAGE", &self.report.image);
        }
        let images = self.transfers.iter().map(|it| it.report.image.as_str());
        record.lines("VERIROOT_IMAGES", images);
        let findings: Vec<_> = self.before.findings.iter().map(decision).collect();
        record.lines("VERIROOT_FINDINGS", findings.iter().map(String::as_str));
        record
    }
}

fn value(it: &impl serde::Serialize) -> Value {
    serde_json::to_value(it).unwrap_or_default()
}

/// What the kernel added to the cage of the children.
fn cage(offer: &Offer) -> Value {
    json!({ "landlock": offer.landlock, "namespaces": offer.namespaces })
}

/// A transfer, with the same object about its image that an audit prints.
fn image(transfer: &TransferReport) -> Value {
    json!({
        "name": transfer.name,
        "class": transfer.class.name(),
        "place": transfer.place,
        "audit": value(&json::verdict(&transfer.report)),
    })
}

fn image_record(transfer: &TransferReport) -> Record {
    let report = &transfer.report;
    let verdict = if report.is_accepted() { "accepted" } else { "refused" };
    let line = format!("image {verdict}: {}", report.image);
    let mut record = Record::new(MessageId::JUDGED, Priority::Info, &line);
    record.field("VERIROOT_IMAGE_VERDICT", verdict);
    record.field("VERIROOT_NAME", &transfer.name);
    record.field("VERIROOT_IMAGE_CLASS", transfer.class.name());
    record.field("VERIROOT_IMAGE", &report.image);
    record.field("VERIROOT_IMAGE_POLICY", &report.image_policy);
    for partition in &report.partitions {
        if let Some(root_hash) = &partition.root_hash {
            record.field("VERIROOT_ROOT_HASH", root_hash);
        }
        if let Some(signer) = &partition.signer {
            record.field("VERIROOT_SIGNER", signer);
        }
    }
    let findings: Vec<_> = report.findings.iter().map(decision).collect();
    record.lines("VERIROOT_FINDINGS", findings.iter().map(String::as_str));
    record
}

/// A decision on one line.
fn decision(it: &Finding) -> String {
    format!("{} {} {}: {}", it.outcome.name(), it.id, it.subject, it.found)
}

#[cfg(test)]
mod tests {
    use veriroot::listing;
    use veriroot::request::pull::ImageClass;
    use veriroot::supervise::EndError;
    use veriroot::wire::read_file_bounded;

    use super::*;

    fn transfer(image: &str) -> TransferReport {
        let (name, class, place) = ("image".to_owned(), ImageClass::Machine, None);
        TransferReport { name, class, place, report: Report::of(image) }
    }

    fn with<T>(transfers: &[TransferReport], check: impl FnOnce(&Outcome<'_>) -> T) -> T {
        let mut report = Report::default();
        report.refuse(&EndError::Killed { signal: 9 });
        let after = AfterRefusal::default();
        let (accepted, before) = (false, &report);
        check(&Outcome { report: &report, before, transfers, accepted, after: &after, stays: &[] })
    }

    #[test]
    fn the_record_is_there_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("veriroot");
        for text in ["{\"a\":1}", "{}"] {
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join(".boot.json"), "left behind").unwrap();
            write(&directory, text).unwrap();
            assert_eq!(
                read_file_bounded(&directory.join("boot.json"), 100).unwrap(),
                text.as_bytes()
            );
            let mode = fs::metadata(directory.join("boot.json")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o644);
            assert_eq!(listing::paths(&directory).count(), 1);
        }
        // A link in its place is replaced and not followed.
        let elsewhere = dir.path().join("elsewhere");
        fs::write(&elsewhere, "intact").unwrap();
        fs::remove_file(directory.join("boot.json")).unwrap();
        for name in ["boot.json", ".boot.json"] {
            std::os::unix::fs::symlink(&elsewhere, directory.join(name)).unwrap();
        }
        write(&directory, "{}").unwrap();
        assert_eq!(read_file_bounded(&elsewhere, 100).unwrap(), b"intact");
        assert!(write(&dir.path().join("no/such"), "{}").is_err());
    }

    #[test]
    fn a_refusal_says_why_in_json() {
        let text = with(&[transfer("http://h/i")], |it| it.text());
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["verdict"], "refused");
        assert_eq!((&value["class"], &value["exit-code"]), (&json!("dev"), &json!(30)));
        assert_eq!(value["finding"]["id"], "boot-killed");
        assert_eq!(value["on-refusal"], "reboot");
        assert_eq!(value["images"][0]["audit"]["verdict"], "refused");
        assert_eq!(value["images"][0]["place"], Value::Null);
    }

    #[test]
    fn the_verdict_is_never_crowded_out() {
        let many: Vec<_> = (0..10_000).map(|_| transfer(&"x".repeat(1 << 12))).collect();
        with(&many, |outcome| {
            let records = outcome.records();
            let total: usize = records.iter().map(|it| it.bytes().len()).sum();
            assert!(total <= limits::JOURNAL, "{total}");
            assert!(records.len() > 1);
            let first = String::from_utf8_lossy(records[0].bytes()).into_owned();
            assert!(first.contains("\nVERIROOT_VERDICT=refused\n"), "{first}");
            let text = outcome.text();
            assert!(text.len() <= limits::BOOT_RECORD);
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&value["verdict"], &value["cut"]), (&json!("refused"), &json!(true)));
        });
    }
}
