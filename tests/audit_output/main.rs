// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `veriroot audit` prints and writes: JSON against its schema, SARIF, the page, exit codes,
//! several images, standard input, and that the same input makes the same bytes.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it runs the program under test"
)]

mod docs;
mod schema;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

const SIGNED: &str = "root=signed:=ignore";

/// A directory with images, and anchors that trust one signer.
struct Place {
    directory: TempDir,
    anchors: TempDir,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        let anchors = keys::anchors(&[&keys::trusted()]);
        Self { directory: tempfile::tempdir().unwrap(), anchors }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Stores an image under a name.
    fn with(self, name: &str, image: &Image) -> Self {
        fs::write(self.path(name), &image.bytes).unwrap();
        self
    }

    /// The program in this directory, with the anchors and for the images' architecture.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veriroot"));
        let anchors = self.anchors.path().display();
        command
            .current_dir(self.directory.path())
            .args(["audit", "--architecture=x86-64", &format!("--certificate={anchors}")])
            .args(arguments);
        command
    }

    fn audit(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).stdin(Stdio::null()).output().unwrap();
        ran(output)
    }

    /// The one verdict as JSON, held against the schema.
    fn verdict(&self, policy: &str, name: &str) -> Value {
        let ran = self.audit(&["--json=short", &format!("--image-policy={policy}"), name]);
        let [verdict] = verdicts(&ran).try_into().unwrap();
        assert_eq!(verdict["exit-code"], json!(ran.code));
        verdict
    }
}

fn ran(output: std::process::Output) -> Ran {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    Ran { code: output.status.code().unwrap(), stdout, stderr }
}

fn the_schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.schema.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A verdict a line, each as documented, each with a map without gaps.
fn verdicts(ran: &Ran) -> Vec<Value> {
    let verdicts: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for verdict in &verdicts {
        schema::check(&the_schema(), verdict).unwrap();
        let mut at = 0;
        for region in verdict["map"].as_array().unwrap() {
            assert_eq!(region["start"], json!(at), "{verdict}");
            at += region["size"].as_u64().unwrap();
        }
        let sum: u64 =
            verdict["coverage"].as_object().unwrap().values().map(|it| it.as_u64().unwrap()).sum();
        assert_eq!((json!(at), json!(sum)), (verdict["size"].clone(), verdict["size"].clone()));
    }
    verdicts
}

/// What vouches for a byte.
fn cover(verdict: &Value, byte: usize) -> &str {
    let mut regions = verdict["map"].as_array().unwrap().iter();
    let byte = byte as u64;
    let number = |it: &Value, key| it[key].as_u64().unwrap();
    let holds =
        |it: &&Value| (0..number(it, "size")).contains(&byte.wrapping_sub(number(it, "start")));
    regions.find(holds).unwrap()["cover"].as_str().unwrap()
}

#[test]
fn the_map_of_an_accepted_image_says_what_vouches_for_each_byte() {
    let image = Ddi::builder().partition("home", vec![7; 4096]).build();
    let verdict = Place::new().with("a.raw", &image).verdict(SIGNED, "a.raw");
    assert_eq!(verdict["verdict"], "accepted");
    let (root, tree) = (image.range("root"), image.range("root-verity"));
    let last = image.bytes.len() - 1;
    for (byte, expected) in [
        (0, "structural"),
        (512, "structural"),
        (1024 + 128 * 128 - 1, "structural"),
        (1024 + 128 * 128, "unreferenced"),
        (root.start, "signed"),
        (root.end - 1, "signed"),
        (tree.start, "structural"),
        (tree.start + 512, "unreferenced"),
        (tree.start + 4096, "tree"),
        (image.range("root-verity-sig").start, "structural"),
        (image.range("home").start, "unused"),
        (last - 33 * 512, "unreferenced"),
        (last - 33 * 512 + 1, "structural"),
        (last, "structural"),
    ] {
        assert_eq!(cover(&verdict, byte), expected, "byte {byte}");
    }
    assert_eq!(verdict["coverage"]["signed"], json!(root.len()));
    assert_eq!(verdict["coverage"]["unproven"], json!(0));
}

#[test]
fn what_policy_opens_is_unprotected_and_said_by_whom() {
    let image = Ddi::builder().change("root", Volume::plain).build();
    let place = Place::new().with("a.raw", &image);
    let verdict = place.verdict("root=unprotected:=ignore", "a.raw");
    assert_eq!(verdict["verdict"], "accepted");
    assert_eq!(cover(&verdict, image.range("root").start), "unprotected");
    assert_eq!(verdict["coverage"]["signed"], json!(0));
    assert_eq!(verdict["demanded"][0]["required-by"], json!(["option --image-policy="]));
    place.audit(&["--image-policy=root=unprotected:=ignore", "--html=a.html", "a.raw"]);
    let page = fs::read_to_string(place.path("a.html")).unwrap();
    assert!(page.contains("used without protection ("), "{page}");
}

#[test]
fn the_map_of_a_refused_image_says_how_far_the_proof_went() {
    let good = Ddi::builder().build();
    let root = good.range("root");
    let tree = good.range("root-verity");
    let at_block = 4096 * 100;
    let bad_block = good.clone().flip_bit("root", at_block + 17, 3);
    let bad_tree = good.clone().flip_bit("root-verity", 4096 + 5, 1);
    let stranger = Ddi::builder().change("root", |it| it.signed_by(&keys::stranger())).build();
    let no_table = good.clone().broken_gpt(|gpt| gpt.entries[0].attributes = 8);
    let place = Place::new()
        .with("good", &good)
        .with("block", &bad_block)
        .with("tree", &bad_tree)
        .with("stranger", &stranger)
        .with("table", &no_table);
    assert_eq!(place.verdict(SIGNED, "good")["verdict"], "accepted");

    let verdict = place.verdict(SIGNED, "block");
    assert_eq!(verdict["findings"].as_array().unwrap().last().unwrap()["id"], "fetch-block");
    assert_eq!(cover(&verdict, tree.start + 4096), "tree");
    assert_eq!(cover(&verdict, root.start + at_block), "contradicted");
    assert_eq!(cover(&verdict, root.start + at_block + 4096), "unproven");
    assert_eq!(verdict["coverage"]["contradicted"], json!(4096));

    let verdict = place.verdict(SIGNED, "tree");
    assert_eq!(cover(&verdict, tree.start + 4096), "contradicted");
    assert_eq!(cover(&verdict, root.start), "unproven");
    assert_eq!(verdict["coverage"]["signed"], json!(0));

    let verdict = place.verdict(SIGNED, "stranger");
    assert_eq!(verdict["exit-code"], json!(22));
    assert_eq!(cover(&verdict, root.start), "unproven");
    assert_eq!(cover(&verdict, 0), "structural");

    let verdict = place.verdict(SIGNED, "table");
    assert_eq!(verdict["class"], "gpt");
    assert_eq!(verdict["coverage"]["unproven"], verdict["size"]);
}

#[test]
fn real_images_make_documented_json() {
    let fixtures =
        ["root-erofs-signed", "root-erofs-stranger", "root-erofs-4k-sectors", "boot-signed"];
    for name in fixtures {
        let place = Place::new().with("a.raw", &Image::from_zst_fixture(name));
        let certificate = veriroot_test_support::fixture_path("trusted.crt");
        let ran = place.audit(&[
            "--json=short",
            &format!("--image-policy={SIGNED}"),
            &format!("--certificate={}", certificate.display()),
            "a.raw",
        ]);
        let stranger = name.ends_with("stranger");
        assert_eq!(ran.code, if stranger { 22 } else { 0 }, "{name}: {}", ran.stdout);
        assert_eq!(verdicts(&ran).len(), 1);
    }
}

#[test]
fn the_schema_refuses_what_is_not_documented() {
    let place = Place::new().with("a.raw", &Ddi::builder().build());
    let good = place.verdict(SIGNED, "a.raw");
    let schema = the_schema();
    let without = |key: &str| {
        let mut verdict = good.clone();
        verdict.as_object_mut().unwrap().remove(key).unwrap();
        verdict
    };
    let with = |pointer: &str, value: Value| {
        let mut verdict = good.clone();
        *verdict.pointer_mut(pointer).unwrap() = value;
        verdict
    };
    let more = |key: &str, value: Value| {
        let mut verdict = good.clone();
        assert_eq!(verdict.as_object_mut().unwrap().insert(key.to_owned(), value), None);
        verdict
    };
    for verdict in [
        more("new", json!(1)),
        without("verdict"),
        more("class", json!("sig")),
        with("/verdict", json!("refused")),
        with("/map/0/cover", json!("trusted")),
        with("/partitions/0/root-hash", json!("00")),
        with("/size", json!(-1)),
        with("/findings/0/id", json!("Dissect")),
    ] {
        assert!(schema::check(&schema, &verdict).is_err(), "{verdict}");
    }
    assert_eq!(schema::check(&schema, &good), Ok(()));
}

#[test]
fn several_images_have_a_verdict_each_and_the_highest_exit_code() {
    let usr = Ddi::empty().volume("usr", Volume::new(Erofs::usr_tree(4096).build())).build();
    let stranger = Ddi::builder().change("root", |it| it.signed_by(&keys::stranger())).build();
    let place = Place::new()
        .with("good", &Ddi::builder().build())
        .with("stranger", &stranger)
        .with("usr", &usr);
    let policy = format!("--image-policy={SIGNED}");
    let codes = |names: &[&str]| {
        let ran = place.audit(&[&["--json=short", policy.as_str()], names].concat());
        let verdicts = verdicts(&ran);
        let named: Vec<_> = verdicts.iter().map(|it| it["image"].as_str().unwrap()).collect();
        assert_eq!(named, names, "in the order given");
        let codes: Vec<_> = verdicts.iter().map(|it| it["exit-code"].as_i64().unwrap()).collect();
        (ran.code, codes)
    };
    assert_eq!(codes(&["good", "good"]), (0, vec![0, 0]));
    assert_eq!(codes(&["stranger", "good", "usr", "absent"]), (22, vec![22, 0, 21, 2]));
    assert_eq!(codes(&["good", "absent"]), (2, vec![0, 2]));
    let ran = place.audit(&[&policy, "good", "usr"]);
    assert!(ran.stdout.ends_with("2 images: 1 accepted, 1 refused\n"), "{}", ran.stdout);
    assert_eq!(place.audit(&["--image-policy=root=nonsense", "--quiet", "good", "good"]).code, 2);
    assert_eq!(place.audit(&[]).code, 2);
}

#[test]
fn standard_input_is_an_image() {
    let image = Ddi::builder().build();
    let place = Place::new().with("a.raw", &image);
    let policy = format!("--image-policy={SIGNED}");
    let piped = |bytes: &[u8]| {
        let mut command = place.command(&["--json=short", &policy, "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let ran = ran(child.wait_with_output().unwrap());
        let [verdict] = verdicts(&ran).try_into().unwrap();
        verdict
    };
    let mut from_file = place.verdict(SIGNED, "a.raw");
    let from_pipe = piped(&image.bytes);
    assert_eq!((&from_pipe["image"], &from_pipe["mode"]), (&json!("-"), &json!("spooled")));
    (from_file["image"], from_file["mode"]) = (json!("-"), json!("spooled"));
    assert_eq!(from_pipe, from_file, "the same as from a file");
    let cut = piped(&image.bytes[..image.bytes.len() - 512]);
    assert_eq!(cut["class"], "gpt");
    let empty = piped(&[]);
    assert_eq!(empty["findings"][0]["id"], "source-empty");
}

#[test]
fn the_same_input_makes_the_same_bytes() {
    let bad = Ddi::builder().build().flip_bit("root", 4096 * 3, 3);
    let place = Place::new().with("good", &Ddi::builder().build()).with("bad", &bad);
    let policy = format!("--image-policy={SIGNED}");
    for form in ["--json=short", "--json=pretty", "--json=off", "--sarif", "--html=page.html"] {
        let run = || {
            let ran = place.audit(&[form, &policy, "good", "bad"]);
            assert_eq!((ran.code, ran.stderr.as_str()), (22, ""), "{form}");
            (ran.stdout, fs::read(place.path("page.html")).unwrap_or_default())
        };
        assert!(run() == run(), "{form}");
    }
}

#[test]
fn sarif_names_rules_artifacts_and_places() {
    let good = Ddi::builder().build();
    let bad = good.clone().flip_bit("root", 4096 * 3, 3);
    let place = Place::new().with("good 1.raw", &good).with("bad.raw", &bad);
    let policy = format!("--image-policy={SIGNED}");
    let ran = place.audit(&["--sarif", &policy, "good 1.raw", "bad.raw"]);
    assert_eq!(ran.code, 22);
    let log: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&log["version"], log["runs"].as_array().unwrap().len()), (&json!("2.1.0"), 1));
    let run = &log["runs"][0];
    assert_eq!(run["invocations"][0]["exitCode"], json!(22));
    let artifacts = run["artifacts"].as_array().unwrap();
    assert_eq!(artifacts[0]["location"]["uri"], "good%201.raw");
    assert_eq!(artifacts[1]["length"], json!(bad.bytes.len()));
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().all(|it| it["shortDescription"]["text"] != ""), "{rules:?}");
    let results = run["results"].as_array().unwrap();
    for result in results {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "{result}");
        let artifact = &result["locations"][0]["physicalLocation"]["artifactLocation"];
        let index = artifact["index"].as_u64().unwrap() as usize;
        assert_eq!(artifact["uri"], artifacts[index]["location"]["uri"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
    }
    let failed: Vec<_> = results.iter().filter(|it| it["level"] == "error").collect();
    let [failed] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((&failed["ruleId"], &failed["kind"]), (&json!("fetch-block"), &json!("fail")));
    let start = bad.range("root").start + 4096 * 3;
    let region = &failed["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region, &json!({ "byteOffset": start, "byteLength": 4096 }));
    let properties = &failed["properties"];
    assert_eq!(properties["class"], "verity");
    assert_eq!(properties["required-by"], "option --image-policy=");
    assert!(results.iter().all(|it| (it["kind"] == "pass") == (it["level"] == "none")));
    assert_eq!(place.audit(&["--sarif", "--json=short", "bad.raw"]).code, 2);
}

#[test]
fn hostile_text_stays_text() {
    let label = "\"><script>alert(1)</script>&'\u{1b}\n\u{202e}";
    let image = Ddi::builder().partition("home", vec![7; 4096]).build().relabel("home", label);
    let name = "a\"<b>\u{1b}\n.raw";
    let place = Place::new().with(name, &image);
    let policy = format!("--image-policy={SIGNED}");
    let ran = place.audit(&[&policy, "--html=page.html", "--json=short", name]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let verdict = &verdicts(&ran)[0];
    assert!(!ran.stdout.trim_end().contains(|it: char| !(' '..='~').contains(&it)));
    let escaped = "\"><script>alert(1)</script>&'\\u{1b}\\u{a}\\u{202e}";
    assert_eq!(verdict["layout"][3]["label"], escaped);
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    let shown = "&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;\\u{1b}\\u{a}\\u{202e}";
    assert!(page.contains(&format!("<td class=\"any\">{shown}</td>")), "{page}");
    assert!(page.contains("<h1>a&quot;&lt;b&gt;\\u{1b}\\u{a}.raw</h1>"), "{page}");
    assert!(!page.contains("<script") && !page.contains("<b>"));
    assert!(page.chars().all(|it| it == '\n' || (' '..='~').contains(&it)));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let place = Place::new().with("a.raw", &Ddi::builder().build());
    let policy = format!("--image-policy={SIGNED}");
    assert_eq!(place.audit(&[&policy, "--quiet", "--html=page.html", "a.raw", "a.raw"]).code, 0);
    let page = fs::read_to_string(place.path("page.html")).unwrap();
    let (_, style) = page.split_once("<style>").unwrap();
    let (style, _) = style.split_once("</style>").unwrap();
    let hash = data_encoding::BASE64.encode(&openssl::sha::sha256(style.as_bytes()));
    let csp = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
    );
    assert!(page.contains(&csp), "the policy allows the style sheet that is there");
    for word in ["http:", "https:", "src=", "<link", "<script", "@import", "style=\""] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.matches("url(").count() == page.matches("url(#").count());
    assert_eq!(page.matches("<main").count(), 2);
    assert!(page.contains("<h1>2 images</h1>"));
}

#[test]
fn the_page_is_never_written_over_an_image() {
    let image = Ddi::builder().build();
    let place = Place::new().with("a.raw", &image).with("b.raw", &image);
    let policy = format!("--image-policy={SIGNED}");
    let run = |html: &str| place.audit(&[&policy, "--html", html, "b.raw"]).code;
    assert_eq!(run("a.raw"), 30);
    assert!(fs::read(place.path("a.raw")).unwrap() == image.bytes);
    File::create(place.path("page.html")).unwrap();
    assert_eq!(run("page.html"), 0, "an empty file");
    assert_eq!(run("page.html"), 0, "an earlier page");
    assert_eq!(run("no/such/directory.html"), 30);
}

#[test]
fn long_hashing_shows_how_far_it_is_and_only_on_stderr() {
    // 64 MiB of data are worth a line for each tenth.
    let root = Erofs::root_tree(65 << 20).build();
    let image = Ddi::empty().volume("root", Volume::new(root)).build();
    let place = Place::new().with("big", &image);
    let policy = format!("--image-policy={SIGNED}");
    let ran = place.audit(&[&policy, "--json=short", "big", "big"]);
    assert_eq!(ran.code, 0);
    assert_eq!(ran.stderr.lines().count(), 20, "{}", ran.stderr);
    assert!(ran.stderr.lines().all(|it| it.starts_with("veriroot: checking ")));
    assert_eq!(verdicts(&ran).len(), 2);
    assert_eq!(place.audit(&[&policy, "--quiet", "big"]).stderr, "");
}
