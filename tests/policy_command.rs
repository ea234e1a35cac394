// SPDX-License-Identifier: MIT OR Apache-2.0
//! `veriroot policy`: exit codes, what goes to stdout and what to stderr, the documented JSON.

#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics has failed, and it runs the program under test"
)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

const KAIROS: &str = "root=verity+signed+absent:usr=verity+signed+absent:=ignore";

/// Exit code, stdout, stderr.
fn policy(arguments: &[&str]) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_veriroot");
    let output = Command::new(program).arg("policy").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn parsed(arguments: &[&str]) -> (i32, Value) {
    let (code, stdout, stderr) = policy(arguments);
    assert_eq!(stderr, "");
    (code, serde_json::from_str(&stdout).unwrap())
}

fn profile(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "policy", name].iter().collect();
    path.into_os_string().into_string().unwrap()
}

#[test]
fn show_prints_the_documented_json() {
    let policy = "esp=unprotected+vfat+absent:root=signed+read-only-on:=ignore";
    let (code, shown) = parsed(&["show", "--json=short", policy]);
    assert_eq!(code, 0);
    let long = "root=signed+read-only-on:esp=unprotected+absent+vfat:=unused+absent";
    assert_eq!(shown["long"], long);
    let rule = |uses: &[&str], read_only: Value, filesystems: &[&str]| json!({ "use": uses, "read-only": read_only, "growfs": null, "filesystems": filesystems });
    let designators = &shown["designators"];
    assert_eq!(designators["root"], rule(&["signed"], json!(true), &[]));
    assert_eq!(designators["root-verity-sig"], rule(&["unprotected"], json!(true), &[]));
    assert_eq!(designators["esp"], rule(&["unprotected", "absent"], json!(null), &["vfat"]));
    assert_eq!(designators["home"], rule(&["unused", "absent"], json!(null), &[]));
    assert_eq!(designators.as_object().unwrap().len(), 13);
}

#[test]
fn show_prints_a_table_for_people() {
    let (code, stdout, stderr) = policy(&["show", "root=signed:=ignore"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.starts_with("long:  root=signed:=unused+absent\nshort: root=signed\n"));
    let root = stdout.lines().find(|line| line.starts_with("root ")).unwrap();
    assert_eq!(
        root.split_whitespace().collect::<Vec<_>>(),
        ["root", "any", "any", "any", "signed"]
    );
}

#[test]
fn show_underlines_what_it_refuses() {
    let (code, stdout, stderr) = policy(&["show", "root=sgined:=ignore"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.ends_with("\nroot=sgined:=ignore\n     ^^^^^^\n"), "{stderr}");
}

#[test]
fn show_can_say_how_systemd_reads_a_mistake() {
    assert_eq!(policy(&["show", "root=erofs"]).0, 2);
    let (code, shown) = parsed(&["show", "--as-systemd", "--json=short", "root=erofs"]);
    assert_eq!(code, 0);
    assert_eq!(shown["designators"]["root"]["use"].as_array().unwrap().len(), 7);
    let (_, host) = parsed(&["show", "--as-systemd", "--json=short", "@host"]);
    assert_eq!(host["designators"]["esp"]["use"], json!(["unprotected", "absent"]));
}

#[test]
fn show_reads_policy_files() {
    let (code, shown) = parsed(&["show", "--json=short", &profile("installer.toml")]);
    assert_eq!((code, &shown["short"]), (0, &json!("root=signed:esp=unprotected")));
    let (code, _, stderr) = policy(&["show", "./absent.toml"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("./absent.toml"), "{stderr}");
}

#[test]
fn lint_underlines_alternatives_taken_for_demands() {
    let (code, stdout, _) = policy(&["lint", KAIROS]);
    assert_eq!(code, 2);
    let expected = format!(
        "warning: flags are alternatives: with verity beside signed, root needs no signature \
         [weaker-alternative]\n    {KAIROS}\n         ^^^^^^\n"
    );
    assert!(stdout.starts_with(&expected), "{stdout}");
}

#[test]
fn lint_has_nothing_to_say_about_good_policies() {
    let netboot = profile("netboot.toml");
    assert_eq!(
        policy(&["lint", "root=signed:=ignore", &netboot]),
        (0, String::new(), String::new())
    );
}

#[test]
fn lint_explains_what_is_refused() {
    let (code, linted) = parsed(&["lint", "--json=pretty", "root=erofs", "root=signed"]);
    assert_eq!(code, 2);
    let linted = &linted["policies"];
    assert_eq!((&linted[0]["accepted"], &linted[1]["accepted"]), (&json!(false), &json!(true)));
    let finding = &linted[0]["findings"][0];
    assert_eq!((&finding["id"], &finding["level"]), (&json!("no-use"), &json!("error")));
    assert_eq!((&finding["start"], &finding["end"]), (&json!(0), &json!(10)));
    assert_eq!(linted[1]["findings"], json!([]));
}

#[test]
fn lint_prints_sarif() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.toml").into_os_string().into_string().unwrap();
    std::fs::write(&file, "# ours\nimage-policy = \"root=\"\n").unwrap();
    let (code, sarif) = parsed(&["lint", "--sarif", KAIROS, &file]);
    assert_eq!((code, &sarif["version"]), (2, &json!("2.1.0")));
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    for result in results {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
        assert!(result["message"]["text"].is_string());
    }
    let place = |result: &Value| result["locations"][0]["physicalLocation"].clone();
    let region = json!({
        "startLine": 1, "startColumn": 6, "endColumn": 12, "snippet": { "text": "verity" },
    });
    assert_eq!(place(&results[0])["region"], region);
    assert_eq!(place(&results[4])["artifactLocation"]["uri"], json!(format!("file://{file}")));
    assert_eq!(place(&results[4])["region"]["startLine"], json!(2));
}

#[test]
fn diff_says_what_each_side_admits_alone() {
    let (code, stdout, _) = policy(&["diff", "root=signed", "root=signed+verity:esp=unprotected"]);
    assert_eq!(code, 0);
    let lines: Vec<_> = stdout.lines().collect();
    assert!(lines.contains(&"+ root: verity"), "{stdout}");
    assert!(lines.contains(&"- esp: unused, absent"), "{stdout}");
    assert!(lines.contains(&"+ esp: unprotected"), "{stdout}");
    let same = policy(&["diff", "-", "=ignore"]);
    assert_eq!(same, (0, "both admit the same\n".to_owned(), String::new()));
    let (_, diff) = parsed(&["diff", "--json=short", "*", "root=signed+erofs:=open"]);
    assert_eq!(diff["only-new"], json!({}));
    let root = &diff["only-old"]["root"];
    assert_eq!(root["use"].as_array().unwrap().len(), 6);
    assert_eq!(root["filesystems"].as_array().unwrap().len(), 6);
}

#[test]
fn help_fits_a_console() {
    for arguments in
        [&["--help"][..], &["show", "--help"], &["lint", "--help"], &["diff", "--help"]]
    {
        let (code, stdout, _) = policy(arguments);
        assert_eq!(code, 0);
        assert!(stdout.lines().all(|line| line.len() <= 80), "{stdout}");
    }
}
