// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! `veriroot keys`: the trust anchors as a boot would use them.
//!
//! **In:** the policy files and certificates of this system, of an unpacked initrd, or as named.
//! **Out:** every anchor, every masked file and every fault, as text or JSON; `list` shows them
//! all, `check` says whether a boot would go on with them. **Refuses:** what a boot refuses, and a
//! set of anchors of which none may sign anything that the policy wants signed; exit code 2.

mod tree;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use veriroot::authenticate::anchors::{Survey, TrustAnchor};
use veriroot::boot::System;
use veriroot::designator::PartitionDesignator;
use veriroot::error::Error;
use veriroot::escape::escape;
use veriroot::finding::{Class, Finding, Origin, Outcome, Refusal, Stage};
use veriroot::image_policy::Use;
use veriroot::policy_file::{EffectivePolicy, PolicyFile, Statements, load_directories};
use x509_parser::time::ASN1Time;

use super::{Json, unsaid};
use tree::Tree;

#[derive(Args, Debug)]
pub(super) struct KeysArguments {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Lists the trust anchors, and the files that can't be one.
    List(PlaceArguments),
    /// Says whether a boot would go on with them, and if not, why.
    Check(PlaceArguments),
}

#[derive(Args, Debug)]
struct PlaceArguments {
    /// Unpacked initrd to look into (its links have to stay inside).
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Certificate or directory to use in place of the policy's (repeatable).
    #[arg(long, value_name = "FILE|DIR")]
    certificate: Vec<PathBuf>,
    /// Policy file to use in place of the system's (repeatable; all hold).
    #[arg(long, value_name = "FILE")]
    policy_file: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Json::Off)]
    json: Json,
}

/// The version of the JSON form: new keys may come, old ones stay.
const VERSION: u32 = 1;

/// Runs the subcommand.
pub(super) fn run(arguments: &KeysArguments) -> ExitCode {
    let (KeysCommand::List(places) | KeysCommand::Check(places)) = &arguments.command;
    let seen = Seen::look(places);
    let text = match (places.json, &arguments.command) {
        (Json::Off, KeysCommand::List(_)) => seen.list(),
        (Json::Off, KeysCommand::Check(_)) => seen.verdict(),
        (mode, _) => seen.json(mode),
    };
    let sound = match &arguments.command {
        KeysCommand::List(_) => seen.faults.is_empty(),
        KeysCommand::Check(_) => seen.accepted(),
    };
    match stdout().write_all(text.as_bytes()) {
        Ok(()) if sound => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(Class::Config.exit_code()),
        Err(error) => unsaid(&error),
    }
}

/// How many trust anchors a boot below `root` could use, and what is wrong with them; none, and
/// nothing wrong, where the policy wants nothing signed.
pub(super) fn anchors(root: Option<&Path>) -> (usize, Vec<Finding>) {
    let seen = Seen::look(&PlaceArguments {
        root: root.map(Path::to_owned),
        certificate: Vec::new(),
        policy_file: Vec::new(),
        json: Json::Off,
    });
    (seen.anchors().count(), if seen.wanted { seen.faults } else { Vec::new() })
}

/// What was found.
struct Seen {
    /// `None` if the policy can't be read: nobody knows then where the anchors are.
    survey: Option<Survey>,
    /// Whether the policy wants anything signed; a boot does not even look else.
    wanted: bool,
    faults: Vec<Finding>,
}

impl Seen {
    fn look(places: &PlaceArguments) -> Self {
        let tree = Tree(places.root.as_deref());
        let System { policy: directories, anchors: built_in, .. } = System::default();
        let directories = tree.places(&directories);
        let policy = match policy(places, &directories) {
            Ok(policy) => policy,
            Err(error) => return Self::without_policy(vec![error.finding()]),
        };
        let strays = tree.strays(directories.iter().flat_map(|it| tree::with_entries(it)));
        if !strays.is_empty() {
            return Self::without_policy(strays);
        }
        let survey = Survey::of_policy(&tree.moved(policy.trust()), &tree.places(&built_in));
        let mut faults: Vec<Finding> = survey.faults().iter().map(Refusal::finding).collect();
        if places.certificate.is_empty() {
            let paths = survey.anchors().flat_map(TrustAnchor::paths);
            faults.extend(tree.strays(paths.map(Path::to_owned)));
        }
        let wanted: Vec<_> = signed(&policy).collect();
        let usable = |it: &TrustAnchor| {
            survey.revoked(it).is_none() && wanted.iter().any(|of| survey.permits(it, of.name()))
        };
        if faults.is_empty() && !wanted.is_empty() && !survey.anchors().any(usable) {
            faults.push(nobody(&wanted));
        }
        Self { wanted: !wanted.is_empty(), survey: Some(survey), faults }
    }

    fn without_policy(faults: Vec<Finding>) -> Self {
        Self { survey: None, wanted: true, faults }
    }

    /// Whether a boot would go on.
    fn accepted(&self) -> bool {
        !self.wanted || self.faults.is_empty()
    }

    fn anchors(&self) -> impl Iterator<Item = (&Survey, &TrustAnchor)> {
        self.survey.iter().flat_map(|survey| survey.anchors().map(move |it| (survey, it)))
    }

    fn list(&self) -> String {
        let mut text: String = self.anchors().map(|(survey, it)| described(survey, it)).collect();
        for masked in self.survey.iter().flat_map(Survey::masked) {
            let by = masked
                .by
                .as_deref()
                .map_or("it is empty".to_owned(), |by| format!("by {}", shown(by)));
            text.push_str(&format!("{}\n  masked       {by}\n", shown(&masked.path)));
        }
        text.extend(self.faults.iter().map(refusal));
        text
    }

    fn verdict(&self) -> String {
        if !self.wanted {
            return "accepted: the policy wants nothing signed, no trust anchor is used\n".into();
        }
        if self.faults.is_empty() {
            return match self.anchors().count() {
                1 => "accepted: 1 trust anchor\n".to_owned(),
                count => format!("accepted: {count} trust anchors\n"),
            };
        }
        self.faults.iter().map(refusal).collect()
    }

    fn json(&self, mode: Json) -> String {
        let fault = |it: &Finding| {
            json!({
                "id": it.id,
                "found": it.found,
                "expected": it.expected,
                "required-by": it.required_by.to_string(),
                "advice": it.advice,
            })
        };
        let masked = self
            .survey
            .iter()
            .flat_map(Survey::masked)
            .map(|it| json!({ "file": shown(&it.path), "by": it.by.as_deref().map(shown) }));
        let value = json!({
            "version": VERSION,
            "accepted": self.accepted(),
            "anchors": self.anchors().map(|(survey, it)| as_json(survey, it)).collect::<Vec<_>>(),
            "masked": masked.collect::<Vec<_>>(),
            "faults": self.faults.iter().map(fault).collect::<Vec<_>>(),
        });
        match mode {
            Json::Pretty => format!("{value:#}\n"),
            Json::Short | Json::Off => format!("{value}\n"),
        }
    }
}

/// The policy of a boot there, as far as it can be known without a kernel command line.
fn policy(places: &PlaceArguments, directories: &[PathBuf]) -> Result<EffectivePolicy, Error> {
    let files: Vec<PolicyFile> = if places.policy_file.is_empty() {
        let directories: Vec<&Path> = directories.iter().map(PathBuf::as_path).collect();
        load_directories(&directories)?
    } else {
        places.policy_file.iter().map(|it| PolicyFile::load(it)).collect::<Result<_, _>>()?
    };
    let certificates = (!places.certificate.is_empty()).then_some(places.certificate.as_slice());
    let policy = EffectivePolicy::new(Statements {
        files: &files,
        certificates_option: certificates,
        ..Statements::default()
    })?;
    policy.bootable()?;
    Ok(policy)
}

/// What the policy could want signed.
fn signed(policy: &EffectivePolicy) -> impl Iterator<Item = PartitionDesignator> {
    PartitionDesignator::ALL.into_iter().filter(|it| {
        let uses = policy.rule(*it).0.uses;
        it.data().is_none() && (uses.contains(Use::Signed) || uses.contains(Use::Verity))
    })
}

fn nobody(wanted: &[PartitionDesignator]) -> Finding {
    let names: Vec<_> = wanted.iter().map(|it| it.name()).collect();
    fault(
        format!("every trust anchor is revoked, or may not sign {}", names.join(" or ")),
        "a trust anchor that may sign what the policy wants signed",
        "add the certificate that signs from now on: as it is, every image is refused",
    )
}

fn fault(found: String, expected: &str, advice: &str) -> Finding {
    Finding {
        id: "request-anchors",
        stage: Stage::Request,
        outcome: Outcome::Failed,
        subject: "trust anchors".to_owned(),
        expected: expected.to_owned(),
        found,
        required_by: Origin::Rule("verity.d, read strictly"),
        advice: advice.to_owned(),
    }
}

fn refusal(fault: &Finding) -> String {
    format!("REFUSED: {}\n  to do: {}\n", fault.found, fault.advice)
}

fn described(survey: &Survey, anchor: &TrustAnchor) -> String {
    let mut text: String = anchor.paths().map(|it| format!("{}\n", shown(it))).collect();
    let may_sign = match may_sign(survey, anchor) {
        none if none.is_empty() => "nothing: others have scopes, and this one has none".to_owned(),
        names => names.join(", "),
    };
    let revoked = survey.revoked(anchor).map_or("no".to_owned(), |it| format!("YES: {it}"));
    let [from, to] = [anchor.not_before(), anchor.not_after()].map(|it| date(it).0);
    for (label, value) in [
        ("subject", anchor.subject()),
        ("key", anchor.key_kind()),
        ("certificate", &HEXLOWER.encode(anchor.fingerprint())),
        ("spki", &HEXLOWER.encode(anchor.spki_fingerprint())),
        ("valid", &format!("{from} to {to} (not enforced)")),
        ("may sign", &may_sign),
        ("revoked", &revoked),
    ] {
        text.push_str(&format!("  {label:<11}  {value}\n"));
    }
    text
}

fn as_json(survey: &Survey, anchor: &TrustAnchor) -> Value {
    json!({
        "files": anchor.paths().map(shown).collect::<Vec<_>>(),
        "subject": anchor.subject(),
        "issuer": anchor.issuer(),
        "serial": anchor.serial(),
        "key": anchor.key_kind(),
        "certificate-sha256": HEXLOWER.encode(anchor.fingerprint()),
        "spki-sha256": HEXLOWER.encode(anchor.spki_fingerprint()),
        "not-before": date(anchor.not_before()).1,
        "not-after": date(anchor.not_after()).1,
        "dates-enforced": false,
        "may-sign": may_sign(survey, anchor),
        "revoked": survey.revoked(anchor).map(ToString::to_string),
    })
}

fn may_sign(survey: &Survey, anchor: &TrustAnchor) -> Vec<&'static str> {
    let signable = PartitionDesignator::ALL.into_iter().filter(|it| it.signature().is_some());
    signable.map(PartitionDesignator::name).filter(|it| survey.permits(anchor, it)).collect()
}

/// A day, and the second of it, in UTC.
fn date(seconds: i64) -> (String, String) {
    let Ok(time) = ASN1Time::from_timestamp(seconds) else {
        return ("unknown".to_owned(), "unknown".to_owned());
    };
    let time = time.to_datetime();
    let day = time.date().to_string();
    let second = format!("{day}T{:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second());
    (day, second)
}

fn shown(path: &Path) -> String {
    escape(&path.to_string_lossy())
}
