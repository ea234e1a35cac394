// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What every kind of initrd and firmware has to boot, and what each has to refuse: the same images,
//! words and policies for all of them, and the outcome to expect. A refused case differs from the
//! first accepted one in one thing.

use std::time::Duration;

use crate::ddi::{Ddi, Image, Volume};
use crate::erofs::Erofs;
use crate::fixture;
use crate::guest::{self, Batch, InitrdBuilder, Outcomes, Run, Scenario, Verdict};
use crate::http::Server;
use crate::keys;
use crate::sign::Cms;
use crate::tar::{self, Member};

/// Where everything is served.
const DIRECTORY: &str = "/boot";

/// Says what it stands on, and switches the machine off.
pub const INIT: &str = "#!/usr/bin/busybox sh
B=/usr/bin/busybox
[ -e /proc/mounts ] || $B mount -t proc proc /proc
{
    echo ROOT-UP
    while read -r source point type options _; do
        case $point in / | /usr | /run/extensions/*) echo \"$source $point $type $options\" ;; esac
    done < /proc/mounts
    [ -e /run/extensions/tools/usr/bin/tool ] && echo TOOL
    $B touch /etc/x 2>/dev/null || echo READ-ONLY
} > /dev/console
$B poweroff -f
";

/// One image, or two, and what is asked of it.
#[derive(Debug)]
pub struct Case {
    /// A word for it.
    pub name: &'static str,
    /// What the server has.
    files: fn() -> Vec<(&'static str, Vec<u8>)>,
    /// Options, name and file of each transfer; a whole URL stays one.
    transfers: &'static [[&'static str; 3]],
    /// `root=` and what else is asked.
    words: &'static str,
    /// What the policy has beside how a refusal ends; that of a netboot if it is empty.
    policy: &'static str,
    /// What has to become of it.
    pub expected: Expected,
}

/// An outcome.
#[derive(Debug)]
pub enum Expected {
    /// The root is up and says this of what it stands on.
    Up(&'static [&'static str]),
    /// Refused: stage, class and exit code.
    Refused(&'static str, &'static str, u8),
}

/// How an image is found.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// By its URL.
    Server(&'a Server),
    /// Beside the kernel image, by its name alone.
    Beside,
}

const RAW: &str = "raw,machine,verify=no,blockdev";
const IMAGE: &[[&str; 3]] = &[[RAW, "image", "image.raw"]];
const BY_LOOP_REF: &str = "root=/dev/disk/by-loop-ref/image.raw-part2";

/// All of them, the accepted ones first.
static CASES: [Case; 12] = [
    RAW_BY_LOOP_REF,
    Case { name: "raw-dissect", words: "root=dissect", ..RAW_BY_LOOP_REF },
    Case {
        name: "usr-only",
        files: || vec![("image.raw", Ddi::empty().volume("usr", usr()).build().bytes)],
        words: "root=tmpfs mount.usr=dissect",
        policy: "image-policy = \"usr=signed:=ignore\"\n",
        expected: Expected::Up(&["veriroot / tmpfs rw,nodev", "/dev/dm-0 /usr erofs ro,nodev"]),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "tar",
        files: || {
            let tree = archive();
            let signature = Cms::detached(&keys::trusted(), &tree).build();
            vec![("tree.tar", tree), ("tree.tar.p7s", signature)]
        },
        transfers: &[["tar,machine,verify=no", "tree", "tree.tar"]],
        words: "root=bind:/run/machines/tree",
        expected: Expected::Up(&["tmpfs / tmpfs ro", "READ-ONLY"]),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "sysext",
        files: || {
            let root = Ddi::empty().volume("root", root()).build();
            let release = "lib/extension-release.d/extension-release.tools";
            let tools = Erofs::new().file(release, 0o644, "ID=_any\n").file("bin/tool", 0o755, "");
            let tools = Ddi::empty().volume("usr", Volume::new(tools.build())).build();
            vec![("image.raw", root.bytes), ("tools.raw", tools.bytes)]
        },
        transfers: &[[RAW, "image", "image.raw"], ["raw,sysext,verify=no", "tools", "tools.raw"]],
        words: "root=dissect",
        expected: Expected::Up(&[
            "/dev/dm-1 / erofs ro,nodev",
            "/dev/dm-0 /run/extensions/tools/usr erofs ro,nodev",
            "TOOL",
            "READ-ONLY",
        ]),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "flipped-bit",
        files: || {
            let middle = signed().content("root").len() / 2;
            vec![("image.raw", signed().flip_bit("root", middle, 3).bytes)]
        },
        expected: Expected::Refused("fetch", "verity", 22),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "stranger",
        files: || vec![("image.raw", Image::from_zst_fixture("boot-stranger").bytes)],
        expected: Expected::Refused("authenticate", "sig", 22),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "stripped-signature",
        files: || vec![("image.raw", signed().remove("root-verity-sig").bytes)],
        expected: Expected::Refused("policy", "policy", 21),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "unsigned",
        files: || vec![("image.raw", Image::from_zst_fixture("root-erofs-plain").bytes)],
        words: "root=dissect",
        expected: Expected::Refused("policy", "policy", 21),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "policy-mismatch",
        policy: "image-policy = \"root=signed:home=unprotected:=ignore\"\n",
        expected: Expected::Refused("policy", "policy", 21),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "mirror-down",
        transfers: &[[RAW, "image", "http://10.0.2.2:9/image.raw"]],
        expected: Expected::Refused("source", "net", 10),
        ..RAW_BY_LOOP_REF
    },
    Case {
        name: "memory-too-small",
        policy: "image-policy = \"root=signed:=ignore\"\n[transport]\nmemory-reserve = \"64G\"\n",
        expected: Expected::Refused("fetch", "dev", 30),
        ..RAW_BY_LOOP_REF
    },
];

/// The command line that people use.
const RAW_BY_LOOP_REF: Case = Case {
    name: "raw-by-loop-ref",
    files: || vec![("image.raw", signed().bytes)],
    transfers: IMAGE,
    words: BY_LOOP_REF,
    policy: "",
    expected: Expected::Up(&["/dev/dm-0 / erofs ro,nodev"]),
};

impl Case {
    /// The one of that name.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn of(name: &str) -> &'static Self {
        let found = CASES.iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("no case {name}"))
    }

    /// Those that are refused.
    pub fn refused() -> impl Iterator<Item = &'static Self> {
        CASES.iter().filter(|it| matches!(it.expected, Expected::Refused(..)))
    }

    /// Puts its files on the server.
    pub fn serve(&self, server: &Server) {
        for (file, content) in (self.files)() {
            server.serve(&format!("{DIRECTORY}/{}/{file}", self.name), content);
        }
    }

    /// What is asked for on the kernel command line.
    #[must_use]
    pub fn cmdline(&self, origin: Origin<'_>) -> String {
        let mut words = String::new();
        for [options, name, file] in self.transfers {
            let (more, url) = match origin {
                _ if file.starts_with("http") => ("", (*file).to_owned()),
                Origin::Server(server) => {
                    let port = server.address().port();
                    ("", format!("http://10.0.2.2:{port}{DIRECTORY}/{}/{file}", self.name))
                }
                Origin::Beside => (",bootorigin", format!("{}/{file}", self.name)),
            };
            words.push_str(&format!("rd.systemd.pull={options}{more}:{name}:{url} "));
        }
        format!("{words}{} console=ttyS0 panic=-1 quiet", self.words)
    }

    /// Its only policy file.
    #[must_use]
    pub fn policy(&self) -> String {
        let end = "[boot]\non-refusal = \"reboot\"\nhold = \"1s\"\n";
        match self.policy {
            "" => guest::netboot_policy("1s"),
            policy => format!("{policy}{end}"),
        }
    }

    /// Adds the policy, and whom to trust.
    #[must_use]
    pub fn initrd(&self, initrd: InitrdBuilder) -> InitrdBuilder {
        trusting(initrd).policy("policy.toml", &self.policy())
    }

    /// What is to be said about it.
    ///
    /// # Panics
    /// If it is to be accepted.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Expected::Refused(stage, class, exit) = self.expected else {
            panic!("{} is to be accepted", self.name)
        };
        Verdict::of(stage, class, exit)
    }

    /// Asserts that what was expected became of a whole machine.
    ///
    /// # Panics
    /// With the end of the console if it did not.
    pub fn assert(&self, run: &Run) {
        let Expected::Up(lines) = self.expected else {
            self.show(&run.console());
            return run.assert_refused(&self.verdict());
        };
        run.require("ROOT-UP");
        for line in lines {
            run.require(line);
        }
        assert!(run.went_off, "{}", run.tail());
    }

    /// Prints what a console said about a refusal.
    pub fn show(&self, console: &str) {
        let summary = console.lines().skip_while(|it| !it.starts_with("REFUSED "));
        println!("--- {}", self.name);
        summary.take_while(|it| !it.starts_with("====")).for_each(|it| println!("{it}"));
    }
}

/// All refused cases, for one guest that runs them one after the other.
#[must_use]
pub fn refusals(server: &Server, cmdline: impl Fn(&Case) -> String) -> Batch {
    let mut batch = Batch::default();
    for case in Case::refused() {
        case.serve(server);
        let scenario = Scenario::new(case.name, &cmdline(case));
        let scenario = scenario.policy("policy.toml", &case.policy());
        batch.add(scenario.limit(Duration::from_secs(150)));
    }
    batch
}

/// Asserts that each of them was refused as it should be, and left nothing.
///
/// # Panics
/// With the console of the first that was not.
pub fn assert_refusals(outcomes: &Outcomes) {
    for case in Case::refused() {
        case.show(outcomes.of(case.name).assert_refused(&case.verdict()));
    }
}

/// Adds whom to trust.
#[must_use]
pub fn trusting(initrd: InitrdBuilder) -> InitrdBuilder {
    initrd
        .certificate("trusted.crt", fixture("trusted.crt"))
        .certificate("built.crt", keys::trusted().certificate_pem())
}

fn signed() -> Image {
    Image::from_zst_fixture("boot-signed")
}

fn busybox() -> Vec<u8> {
    std::fs::read("/bin/busybox").unwrap()
}

fn root() -> Volume {
    let tree = Erofs::root_tree(0).file("usr/bin/busybox", 0o755, busybox()).file(
        "usr/sbin/init",
        0o755,
        INIT,
    );
    Volume::new(tree.build())
}

fn usr() -> Volume {
    let tree =
        Erofs::usr_tree(0).file("bin/busybox", 0o755, busybox()).file("sbin/init", 0o755, INIT);
    Volume::new(tree.build())
}

/// A tarball of a root.
///
/// # Panics
/// If there is no busybox.
#[must_use]
pub fn archive() -> Vec<u8> {
    let program = |name: &str, body: &[u8]| Member::file(name, body).with(|it| it.mode = 0o755);
    let mut members: Vec<Member> =
        ["./", "./dev/", "./proc/", "./run/", "./sys/", "./etc/", "./sbin/"]
            .map(Member::dir)
            .into();
    members.extend(["./usr/", "./usr/bin/", "./usr/lib/"].map(Member::dir));
    members.push(Member::file("./usr/lib/os-release", b"ID=fixture\nVERSION_ID=1\n"));
    members.push(program("./usr/bin/busybox", &busybox()));
    members.push(program("./sbin/init", INIT.as_bytes()));
    tar::archive(&members)
}
