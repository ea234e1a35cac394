// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Root hash, signature and hash tree in files beside an image that lacks them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test that panics fails, which is what a test is for"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use veriroot::designator::{Architecture, PartitionDesignator};
use veriroot::dissect::{DissectError, Dissected, Scope, dissect};
use veriroot::finding::{Class, Refusal};
use veriroot::image_filter::ImageFilter;
use veriroot::source::{Source, Transport};
use veriroot::url::SourceUrl;
use veriroot_test_support::ddi::{Ddi, Image, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::http::{Misbehaviour, Server};
use veriroot_test_support::keys::{self, Signer};
use veriroot_test_support::sign::Cms;
use veriroot_test_support::verity::{Formatted, Params};

const SIGNED: &str = "--image-policy=root=signed:=ignore";

/// A directory with an image called image.raw, and the program over it.
struct Place {
    directory: tempfile::TempDir,
    anchors: tempfile::TempDir,
}

impl Place {
    fn new(image: &[u8]) -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
            anchors: keys::anchors(&[&keys::trusted()]),
        };
        place.with("image.raw", image)
    }

    fn with(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.directory.path().join(name), bytes).unwrap();
        self
    }

    fn without(self, name: &str) -> Self {
        fs::remove_file(self.directory.path().join(name)).unwrap();
        self
    }

    fn audit(&self, arguments: &[&str]) -> (i32, Value) {
        let output = Command::new("timeout")
            .args(["120", env!("CARGO_BIN_EXE_veriroot"), "audit", "--json=short", "image.raw"])
            .arg("--certificate")
            .arg(self.anchors.path())
            .args(arguments)
            .current_dir(self.directory.path())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), serde_json::from_str(&text).unwrap())
    }

    #[track_caller]
    fn accepted(&self) -> Vec<String> {
        let (code, verdict) = self.audit(&[SIGNED]);
        assert_eq!(code, 0, "{verdict}");
        let findings = verdict["findings"].as_array().unwrap();
        let used = findings.iter().filter(|it| it["id"] == "dissect-sidecar");
        let used: Vec<&str> = used.map(|it| it["found"].as_str().unwrap()).collect();
        used.iter().flat_map(|it| it.split(", ")).map(str::to_owned).collect()
    }

    /// Class and id of the refusal.
    #[track_caller]
    fn refused(&self) -> (String, String) {
        let (code, verdict) = self.audit(&[SIGNED]);
        assert_ne!(code, 0, "{verdict}");
        let last = verdict["findings"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["outcome"], "failed");
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        (text(&verdict["class"]), text(&last["id"]))
    }
}

fn pair(class: &str, id: &str) -> (String, String) {
    (class.to_owned(), id.to_owned())
}

fn signature(signer: &std::sync::Arc<Signer>, root_hash: &[u8]) -> Vec<u8> {
    Cms::of_root_hash(signer, root_hash).build()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// B0 without its signature partition, and its root hash.
fn unsigned() -> (Image, Vec<u8>) {
    let image = Ddi::builder().change("root", Volume::unsigned).build();
    let root_hash = image.root_hash("root").to_vec();
    (image, root_hash)
}

/// A file system without a table, and its tree.
fn bare(payload: u64, params: &Params) -> (Vec<u8>, Formatted) {
    let content = Erofs::root_tree(payload).build();
    let formatted = params.format(&content);
    (content, formatted)
}

fn beside_bare() -> (Place, Formatted) {
    let (content, tree) = bare(119 * 4096, &Params::default());
    let place = Place::new(&content)
        .with("image.roothash", hex(&tree.root_hash).as_bytes())
        .with("image.roothash.p7s", &signature(&keys::trusted(), &tree.root_hash))
        .with("image.verity", &tree.hash_area);
    (place, tree)
}

#[test]
fn a_signature_beside_the_image_is_as_good_as_one_inside() {
    let (image, root_hash) = unsigned();
    let place = Place::new(&image.bytes);
    assert_eq!(place.refused(), pair("policy", "policy-layout"));
    let place = place.with("image.roothash.p7s", &signature(&keys::trusted(), &root_hash));
    assert_eq!(place.refused(), pair("policy", "policy-layout"));
    for text in [hex(&root_hash), hex(&root_hash) + "\n", hex(&root_hash).to_uppercase()] {
        let place = Place::new(&image.bytes)
            .with("image.roothash", text.as_bytes())
            .with("image.roothash.p7s", &signature(&keys::trusted(), &root_hash));
        assert_eq!(place.accepted(), ["image.roothash", "image.roothash.p7s"]);
    }
}

#[test]
fn and_is_judged_as_strictly() {
    let (image, root_hash) = unsigned();
    let good = signature(&keys::trusted(), &root_hash);
    let place = Place::new(&image.bytes).with("image.roothash", hex(&root_hash).as_bytes());
    let place = place.with("image.roothash.p7s", &good);
    place.accepted();
    let mut place = place;
    for (der, class, id) in [
        (signature(&keys::stranger(), &root_hash), "sig", "authenticate-signature"),
        (signature(&keys::trusted(), &[7; 32]), "sig", "authenticate-signature"),
        (good[..good.len() - 1].to_vec(), "sigfmt", "authenticate-signature"),
        ([&good[..], b"\n"].concat(), "sigfmt", "authenticate-signature"),
        (hex(&good).into_bytes(), "sigfmt", "authenticate-signature"),
        (vec![0x30; (64 << 10) + 1], "limit", "policy-group"),
        (vec![0x30; (1 << 20) + 1], "limit", "source-too-large"),
        (Vec::new(), "limit", "source-empty"),
    ] {
        place = place.with("image.roothash.p7s", &der);
        assert_eq!(place.refused(), pair(class, id), "{} bytes", der.len());
    }
}

#[test]
fn a_root_hash_is_whole_and_that_of_the_image() {
    let (image, root_hash) = unsigned();
    let der = signature(&keys::trusted(), &root_hash);
    let mut place = Place::new(&image.bytes).with("image.roothash.p7s", &der);
    let good = hex(&root_hash);
    let other = hex(&[7; 32]);
    for (text, class, id) in [
        (good[..32].to_owned(), "sigfmt", "policy-group"),
        (good[..62].to_owned(), "sigfmt", "policy-group"),
        (format!("0x{}", &good[2..]), "sigfmt", "policy-group"),
        (format!(" {good}"), "sigfmt", "policy-group"),
        (format!("{good}\n\n"), "sigfmt", "policy-group"),
        (format!("{good}\n{other}\n"), "sigfmt", "policy-group"),
        ("<html>".to_owned(), "sigfmt", "policy-group"),
        (String::new(), "limit", "source-empty"),
        // Its end is that of the hash partition, its beginning not that of the root.
        (format!("{}{}", &other[..32], &good[32..]), "pair", "policy-group"),
        (format!("{}{}", &good[..32], &other[32..]), "pair", "policy-group"),
    ] {
        place = place.with("image.roothash", text.as_bytes());
        assert_eq!(place.refused(), pair(class, id), "{text}");
    }
    place.with("image.roothash", good.as_bytes()).accepted();
}

#[test]
fn what_the_image_has_itself_is_what_counts() {
    let image = Ddi::builder().build();
    let place = Place::new(&image.bytes)
        .with("image.roothash.p7s", b"nonsense")
        .with("image.verity", b"nonsense");
    assert!(place.accepted().is_empty());
    let place = place.with("image.roothash", image.root_hash_hex("root").as_bytes());
    assert!(place.accepted().is_empty());
    // But not if the two disagree.
    let place = place.with("image.roothash", hex(&[7; 32]).as_bytes());
    assert_eq!(place.refused(), pair("pair", "policy-group"));
}

#[test]
fn a_file_system_without_a_table_is_a_root_with_all_three() {
    let (place, _) = beside_bare();
    assert_eq!(place.accepted(), ["image.roothash", "image.roothash.p7s", "image.verity"]);
    for name in ["image.roothash", "image.roothash.p7s", "image.verity"] {
        assert_eq!(beside_bare().0.without(name).refused(), pair("policy", "policy-layout"));
    }
}

#[test]
fn a_tree_beside_the_image_is_checked_up_to_the_root_hash() {
    let (place, tree) = beside_bare();
    let flipped = |at: usize| {
        let mut area = tree.hash_area.clone();
        area[at] ^= 1;
        area
    };
    let mut place = place;
    for (area, id) in [
        (flipped(4096), "fetch-tree"),
        (flipped(tree.hash_area.len() - 1), "fetch-tree"),
        (flipped(100), "fetch-tree"),
        (tree.hash_area[..tree.hash_area.len() - 1].to_vec(), "fetch-size"),
        (flipped(0), "policy-group"),
        (tree.hash_area[..511].to_vec(), "policy-group"),
    ] {
        place = place.with("image.verity", &area);
        assert_eq!(place.refused(), pair("verity", id), "{} bytes", area.len());
    }
    place.with("image.verity", &[&tree.hash_area[..], &[0; 4096]].concat()).accepted();
}

#[test]
fn files_of_two_versions_do_not_go_together() {
    let (place, _) = beside_bare();
    let (content, other) = bare(120 * 4096, &Params::default());
    // Old root hash and signature, with a tree or a file system of another version.
    let place = place.with("image.verity", &other.hash_area);
    assert_eq!(place.refused().0, "verity");
    let place = place.with("image.raw", &content);
    assert_eq!(place.refused().0, "verity");
    let place = place.with("image.roothash", hex(&other.root_hash).as_bytes());
    assert_eq!(place.refused().0, "sig");
    place.with("image.roothash.p7s", &signature(&keys::trusted(), &other.root_hash)).accepted();
}

#[test]
fn a_tree_may_be_larger_than_what_systemd_fetches() {
    let params = Params { data_block: 512, hash_block: 512, ..Params::default() };
    let (content, tree) = bare(18 << 20, &params);
    assert!(tree.hash_area.len() > 1 << 20);
    let place = Place::new(&content)
        .with("image.roothash", hex(&tree.root_hash).as_bytes())
        .with("image.roothash.p7s", &signature(&keys::trusted(), &tree.root_hash))
        .with("image.verity", &tree.hash_area);
    place.accepted();
}

#[test]
fn a_partition_without_hash_partition_takes_its_tree_from_beside() {
    let image = Ddi::builder().build();
    let area = image.content("root-verity").to_vec();
    let place = Place::new(&image.clone().remove("root-verity").bytes);
    assert_eq!(place.refused(), pair("policy", "policy-layout"));
    let place = place.with("image.verity", &area);
    assert_eq!(place.accepted(), ["image.verity"]);
}

#[test]
fn usr_has_names_of_its_own() {
    let usr = Volume::new(Erofs::usr_tree(119 * 4096).build()).unsigned();
    let image = Ddi::empty().volume("usr", usr).build();
    let root_hash = image.root_hash("usr").to_vec();
    let der = signature(&keys::trusted(), &root_hash);
    let policy = ["--image-policy=usr=signed:=ignore"];
    let place = Place::new(&image.bytes)
        .with("image.roothash", hex(&root_hash).as_bytes())
        .with("image.roothash.p7s", &der);
    assert_eq!(place.audit(&policy).0, 21);
    let place = place.with("image.usrhash", hex(&root_hash).as_bytes());
    let place = place.with("image.usrhash.p7s", &der);
    assert_eq!(place.audit(&policy).0, 0);
}

#[test]
fn a_root_hash_beside_the_image_is_no_pin() {
    let (place, tree) = beside_bare();
    let place = place.without("image.roothash.p7s").with(
        "policy.toml",
        b"image-policy = \"root=verity:=ignore\"\n[trust]\ncommand-line = \"authenticated\"\n",
    );
    let policy = "--policy-file=policy.toml";
    assert_eq!(place.audit(&[policy]).0, 22);
    let pin = format!("--root-hash={}", hex(&tree.root_hash));
    assert_eq!(place.audit(&[policy, &pin]).0, 0);
    // What it claims has to be what the pin means.
    let place = place.with("image.roothash", hex(&[7; 32]).as_bytes());
    assert_eq!(place.audit(&[policy, &pin]).0, 21);
    assert_eq!(place.without("image.roothash").audit(&[policy, &pin]).0, 0);
}

#[test]
fn what_can_not_be_read_is_not_taken_for_absent() {
    let (place, _) = beside_bare();
    place.accepted();
    let place = place.without("image.verity");
    fs::create_dir(place.directory.path().join("image.verity")).unwrap();
    assert_eq!(place.refused(), pair("config", "source-file-kind"));
}

/// What a server has beside /d/image.raw.xz?token.
fn fetched(server: &Server) -> Result<Dissected, DissectError> {
    let url = SourceUrl::parse(&server.url("/d/image.raw.xz?token")).unwrap();
    let child = PathBuf::from(env!("CARGO_BIN_EXE_veriroot"));
    let transport = Transport { child, ..Transport::default() };
    let source = Source::open_url(&url, &transport).unwrap();
    let scope = Scope {
        architecture: Architecture::from_name("x86-64").unwrap(),
        verity: vec![PartitionDesignator::Root],
        claims: Vec::new(),
        filter: ImageFilter::default(),
    };
    dissect(source, &scope)
}

fn asked(server: &Server) -> Vec<String> {
    let mut paths: Vec<String> = server.requests().into_iter().map(|it| it.path).collect();
    paths.retain(|it| it != "/d/image.raw.xz?token");
    paths.dedup();
    paths
}

#[test]
fn a_server_is_asked_only_for_what_the_image_lacks() {
    let path = "/d/image.raw.xz?token";
    let server = Server::of(path, Ddi::builder().build().bytes);
    assert!(fetched(&server).unwrap().group(PartitionDesignator::Root).unwrap().is_ok());
    assert!(asked(&server).is_empty());

    let (image, root_hash) = unsigned();
    server.serve(path, image.bytes.clone());
    server.serve("/d/image.roothash", hex(&root_hash).as_bytes());
    server.serve("/d/image.roothash.p7s", signature(&keys::trusted(), &root_hash));
    let dissected = fetched(&server).unwrap();
    let group = dissected.group(PartitionDesignator::Root).unwrap().as_ref().unwrap();
    assert!(group.signature.is_some() && group.hash.is_some());
    assert_eq!(asked(&server), ["/d/image.roothash", "/d/image.roothash.p7s"]);

    server.misbehave("/d/image.roothash.p7s", Misbehaviour::Status(403));
    assert_eq!(fetched(&server).map(|_| ()).unwrap_err().class(), Class::Net);
}

#[test]
fn a_tree_on_a_server_is_read_as_one_in_a_file() {
    let (content, tree) = bare(119 * 4096, &Params::default());
    let server = Server::of("/d/image.raw.xz?token", content);
    server.serve("/d/image.verity", tree.hash_area);
    let dissected = fetched(&server).unwrap();
    let group = dissected.group(PartitionDesignator::Root).unwrap().as_ref().unwrap();
    assert!(group.signature.is_none() && group.hash.is_some());
    assert_eq!(asked(&server), ["/d/image.roothash", "/d/image.verity"]);
    server.misbehave("/d/image.verity", Misbehaviour::Status(503));
    assert!(fetched(&server).is_err());
}

/// Audits what a server has as /image.raw.
fn audited(server: &Server) -> (i32, Value) {
    let anchors = keys::anchors(&[&keys::trusted()]);
    let output = Command::new(env!("CARGO_BIN_EXE_veriroot"))
        .args(["audit", "--json=short", "--architecture=x86-64", SIGNED, "--certificate"])
        .arg(anchors.path())
        .arg(server.url("/image.raw"))
        .output()
        .unwrap();
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    let last = verdict["findings"].as_array().unwrap().last().unwrap().clone();
    (output.status.code().unwrap(), last["id"].clone())
}

#[test]
fn a_tree_waits_for_the_signature_wherever_it_comes_from() {
    /// Buffers of two sockets and of the server.
    const ON_ITS_WAY: u64 = 6 << 20;
    let (content, tree) = bare(119 * 4096, &Params::default());
    // Nobody asks for what stands behind the tree.
    let long = [&tree.hash_area[..], &vec![0; 48 << 20]].concat();
    let server = Server::of("/image.raw", content);
    server.serve("/image.roothash", hex(&tree.root_hash).as_bytes());
    server.serve("/image.roothash.p7s", signature(&keys::trusted(), &tree.root_hash));
    server.serve("/image.verity", tree.hash_area.clone());
    for (misbehaviour, short) in
        [(Misbehaviour::IgnoreRange, "fetch-size"), (Misbehaviour::Chunked, "source-cut")]
    {
        server.misbehave("/image.verity", misbehaviour);
        for body in [&tree.hash_area, &long] {
            server.serve("/image.verity", body.clone());
            assert_eq!(audited(&server).0, 0);
        }
        for (area, id) in [
            (tree.hash_area[..tree.hash_area.len() - 1].to_vec(), short),
            (tree.hash_area[..400].to_vec(), "policy-group"),
            (vec![0; 8192], "policy-group"),
        ] {
            server.serve("/image.verity", area);
            let (code, found) = audited(&server);
            assert!(code != 0 && found == id, "{code} {found} {id}");
        }
    }
    let before = server.sent();
    server.serve("/image.verity", long);
    server.serve("/image.roothash.p7s", signature(&keys::stranger(), &tree.root_hash));
    assert_eq!(audited(&server), (22, Value::from("authenticate-signature")));
    let sent = server.sent().checked_sub(before).unwrap();
    assert!(sent < ON_ITS_WAY, "{sent}");
}
