// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Strictness, algebra and printing of image policies.

use proptest::prelude::*;

use super::*;
use crate::filesystem::FileSystem;
use crate::limits;

fn fault(text: &str) -> Fault {
    ImagePolicy::parse(text).unwrap_err().fault
}

fn culprit(text: &str) -> &str {
    text.get(ImagePolicy::parse(text).unwrap_err().span).unwrap()
}

fn uses(flags: &[Use]) -> UseSet {
    flags.iter().copied().collect()
}

#[test]
fn refuses_clauses_that_systemd_reads_as_open() {
    for text in ["root=", "root=-", "=", "=-", "root=erofs", "root=growfs-off", "root= ", " = "] {
        assert_eq!(fault(text), Fault::NoUse, "{text:?}");
        assert!(SystemdReading::parse(text).is_ok(), "{text:?}");
    }
    for text in ["root=unprotected", "root=verity+erofs", "root=signed+growfs-off", "=ignore"] {
        assert!(ImagePolicy::parse(text).is_ok(), "{text:?}");
    }
}

#[test]
fn refuses_what_no_image_can_meet() {
    use PartitionDesignator::{Home, Root, RootVerity, RootVeritySig};
    let no_use = |designator| Fault::Impossible(Impossible { designator, unmet: Unmet::NoUse });
    let against = |with| {
        let unmet = Unmet::Contradiction { with };
        Fault::Impossible(Impossible { designator: Root, unmet })
    };
    let cases = [
        ("root=signed:home=verity", no_use(Home), "home=verity"),
        ("root=signed:=verity", no_use(Home), "=verity"),
        ("=signed", no_use(Home), "=signed"),
        ("root-verity=encrypted", no_use(RootVerity), "root-verity=encrypted"),
        ("root=verity:root-verity=absent", against(RootVerity), "root-verity=absent"),
        ("root=signed:root-verity=ignore", against(RootVerity), "root-verity=ignore"),
        ("root=signed:root-verity-sig=ignore", against(RootVeritySig), "root-verity-sig=ignore"),
        ("root=absent:root-verity=unprotected", against(RootVerity), "root-verity=unprotected"),
        ("root=absent:=unprotected", against(RootVerity), "root=absent"),
    ];
    for (text, expected, blamed) in cases {
        assert_eq!(fault(text), expected, "{text}");
        assert_eq!(culprit(text), blamed, "{text}");
    }
    for text in [
        "root=signed:home=unprotected",
        "root=signed:=absent",
        "root=verity:root-verity-sig=ignore",
        "root=signed:root-verity-sig=unprotected",
        "root=absent:root-verity=absent:=ignore",
    ] {
        assert!(ImagePolicy::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn refuses_what_nobody_means() {
    let cyrillic = "root=\u{455}igned";
    assert_eq!(fault(cyrillic), Fault::Character('\u{455}'));
    assert_eq!(culprit(cyrillic), "\u{455}");
    for text in ["root=signed\t", "root=signed\r", "root=signed\n", "root=si\0gned"] {
        assert!(matches!(fault(text), Fault::Character(_)), "{text:?}");
    }
    for (text, blamed) in [("root=open+signed", "signed"), ("=absent+ignore", "ignore")] {
        assert_eq!((fault(text), culprit(text)), (Fault::DuplicateFlag, blamed));
    }
    assert!(ImagePolicy::parse(" root = signed + erofs : = ignore ").is_ok());
}

#[test]
fn refuses_what_is_not_in_the_language() {
    let unknown = |flag: &str| Fault::UnknownFlag { flag: flag.to_owned() };
    let slot = |name: &str| Fault::UnknownDesignator { name: name.to_owned() };
    let cases = [
        ("root", Fault::MissingEquals, "root"),
        (":", Fault::MissingEquals, ""),
        ("root=signed:", Fault::MissingEquals, ""),
        ("@host", Fault::MissingEquals, "@host"),
        ("*:root=signed", Fault::MissingEquals, "*"),
        ("root=sgined:=ignore", unknown("sgined"), "sgined"),
        ("root=signed+ntfs", unknown("ntfs"), "ntfs"),
        ("root==signed", unknown("=signed"), "=signed"),
        ("root=+signed", unknown(""), "+signed"),
        ("usr=absent:rot =signed", slot("rot"), "rot"),
        ("ROOT=signed", slot("ROOT"), "ROOT"),
        ("=absent:=ignore", Fault::DuplicateClause { designator: None }, "=ignore"),
    ];
    for (text, expected, blamed) in cases {
        assert_eq!(fault(text), expected, "{text}");
        assert_eq!(culprit(text), blamed, "{text}");
    }
    let root = Some(PartitionDesignator::Root);
    let twice = "root=verity:root=signed";
    assert_eq!(fault(twice), Fault::DuplicateClause { designator: root });
}

#[test]
fn stops_at_its_limits() {
    let longest = format!("root=signed{}", " ".repeat(limits::IMAGE_POLICY - 11));
    assert!(ImagePolicy::parse(&longest).is_ok());
    let found = longest.len() + 1;
    assert_eq!(fault(&(longest + " ")), Fault::TooLong { found });
    assert_eq!(fault(&"\u{455}".repeat(1 << 20)), Fault::TooLong { found: 2 << 20 });
    let every: Vec<_> = PartitionDesignator::ALL.iter().map(|it| format!("{it}=ignore")).collect();
    let every = every.join(":") + ":=ignore";
    assert!(ImagePolicy::parse(&every).is_ok());
    assert_eq!(fault(&(every + ":=ignore")), Fault::TooManyClauses);
}

#[test]
fn hash_tree_and_signature_follow_their_data() {
    let policy = ImagePolicy::parse("root=signed+absent+read-only-on+erofs:usr=verity").unwrap();
    for designator in [PartitionDesignator::RootVerity, PartitionDesignator::RootVeritySig] {
        let rule = policy.rule(designator);
        assert_eq!(rule.uses, uses(&[Use::Unprotected, Use::Absent]));
        assert_eq!(rule.read_only, SwitchSet::from_iter([Switch::On]));
        assert_eq!(rule.filesystems, FileSystemSet::all());
    }
    assert_eq!(policy.rule(PartitionDesignator::UsrVerity).uses, uses(&[Use::Unprotected]));
    assert_eq!(policy.rule(PartitionDesignator::UsrVeritySig).uses, UseSet::ignore());
}

/// The cases of systemd's own test-image-policy.c that are policies to us.
#[test]
fn combines_as_systemd_does() {
    let parse = |text| ImagePolicy::parse(text).unwrap();
    for (a, b, both) in [
        ("root=verity+signed", "root=signed+verity", "root=verity+signed"),
        ("root=verity+signed", "root=signed", "root=signed"),
        ("root=verity", "*", "root=verity"),
        ("root=unprotected:=open", "root=unprotected+absent", "root=unprotected"),
    ] {
        let made = parse(a).intersect(&parse(b)).unwrap();
        let expected = parse(both);
        assert_eq!(made.rule(PartitionDesignator::Root), expected.rule(PartitionDesignator::Root));
        assert_eq!(made, parse(b).intersect(&parse(a)).unwrap());
    }
    let made = parse("root=signed").union(&parse("root=verity"));
    assert!(made.is_equivalent(&parse("root=verity+signed:root-verity-sig=open")), "{made}");
}

#[test]
fn intersecting_drops_no_restriction() {
    let parse = |text| ImagePolicy::parse(text).unwrap();
    let root = PartitionDesignator::Root;
    let made = parse("root=signed+erofs").intersect(&parse("root=signed")).unwrap();
    assert_eq!(made.rule(root).filesystems, FileSystemSet::from_iter([FileSystem::Erofs]));
    for (a, b, designator, aspect) in [
        ("root=signed+erofs", "root=signed+ext4", root, Aspect::FileSystems),
        ("root=signed", "usr=signed", root, Aspect::Uses),
        ("root=signed+growfs-on", "root=signed+growfs-off", root, Aspect::Growfs),
        ("root=unused+read-only-on", "root=unused+read-only-off", root, Aspect::ReadOnly),
    ] {
        let error = parse(a).intersect(&parse(b)).unwrap_err();
        assert_eq!(error, EmptyIntersection::Designator { designator, aspect }, "{a} {b}");
    }
    let error = parse("root=open:=absent").intersect(&parse("root=open:=unused")).unwrap_err();
    assert_eq!(error, EmptyIntersection::Default { aspect: Aspect::Uses });
}

#[test]
fn an_intersection_that_contradicts_itself_is_empty() {
    let a = ImagePolicy::parse("root=verity+unprotected:root-verity=open:=open").unwrap();
    let b = ImagePolicy::parse("root=verity+encrypted:root-verity=ignore:=open").unwrap();
    assert!(matches!(a.intersect(&b), Err(EmptyIntersection::Together(_))));
}

#[test]
fn symbols_are_the_shortest_spelling() {
    let symbols =
        [("*", ImagePolicy::allow()), ("-", ImagePolicy::ignore()), ("~", ImagePolicy::deny())];
    for (symbol, policy) in symbols {
        assert_eq!(policy.short(), symbol);
        assert_eq!(ImagePolicy::parse(symbol).unwrap(), policy);
        assert_eq!(ImagePolicy::parse(&policy.long()).unwrap(), policy);
    }
    assert_eq!(ImagePolicy::parse("").unwrap(), ImagePolicy::ignore());
}

/// Policies as people could write them; some are refused.
fn text() -> impl Strategy<Value = String> {
    let flag = prop::sample::select(vec![
        "verity",
        "signed",
        "encrypted",
        "encryptedwithintegrity",
        "unprotected",
        "unused",
        "absent",
        "unprotected",
        "absent",
        "open",
        "ignore",
        "read-only-on",
        "read-only-off",
        "growfs-on",
        "growfs-off",
        "erofs",
        "ext4",
        "squashfs",
    ]);
    let flags = prop::collection::vec(flag, 1..5).prop_map(|flags| flags.join("+"));
    let names: Vec<_> = PartitionDesignator::ALL.iter().map(|it| it.name()).chain([""]).collect();
    let names = prop::sample::subsequence(names, 0..6);
    (names, prop::collection::vec(flags, 6)).prop_map(|(names, flags)| {
        let clauses = names.iter().zip(flags).map(|(name, flags)| format!("{name}={flags}"));
        clauses.collect::<Vec<_>>().join(":")
    })
}

fn policy() -> impl Strategy<Value = ImagePolicy> {
    text().prop_filter_map("refused", |text| ImagePolicy::parse(&text).ok())
}

proptest! {
    #[test]
    fn printing_and_reading_back_is_stable(policy in policy()) {
        prop_assert_eq!(&ImagePolicy::parse(&policy.long()).unwrap(), &policy);
        let short = ImagePolicy::parse(&policy.short()).unwrap();
        prop_assert!(short.is_equivalent(&policy), "{} {}", policy.long(), policy.short());
    }

    #[test]
    fn arbitrary_text_is_refused_or_stable(text in "[a-z+:=~*@ -]{0,40}|\\PC{0,40}") {
        if let Ok(policy) = ImagePolicy::parse(&text) {
            prop_assert_eq!(ImagePolicy::parse(&policy.long()), Ok(policy));
        }
    }

    #[test]
    fn errors_point_into_the_text(text in "\\PC{0,20}(root|usr|)=\\PC{0,20}") {
        if let Err(error) = ImagePolicy::parse(&text) {
            prop_assert!(text.get(error.span).is_some());
        }
    }

    #[test]
    fn strict_is_never_looser_than_systemd(text in text()) {
        if let Ok(policy) = ImagePolicy::parse(&text) {
            let theirs = SystemdReading::parse(&text).unwrap();
            for designator in PartitionDesignator::ALL {
                prop_assert_eq!(policy.rule(designator), theirs.rule(designator));
            }
        }
    }

    #[test]
    fn an_intersection_grants_no_more_than_either_side(a in policy(), b in policy()) {
        if let Ok(both) = a.intersect(&b) {
            prop_assert!(both.is_within(&a) && both.is_within(&b), "{a} {b} {both}");
            prop_assert!(both.is_equivalent(&b.intersect(&a).unwrap()));
            let again = both.intersect(&a).unwrap();
            prop_assert!(both.is_within(&again) && again.is_within(&both));
            prop_assert_eq!(ImagePolicy::parse(&both.long()), Ok(both));
        } else {
            prop_assert!(b.intersect(&a).is_err());
        }
    }

    #[test]
    fn a_union_grants_what_either_side_does(a in policy(), b in policy()) {
        let either = a.union(&b);
        prop_assert!(a.is_within(&either) && b.is_within(&either), "{a} {b} {either}");
        prop_assert!(either.is_equivalent(&b.union(&a)));
        prop_assert!(either.is_equivalent(&either.union(&a)));
        prop_assert_eq!(ImagePolicy::parse(&either.long()), Ok(either));
    }

    #[test]
    fn combining_with_itself_changes_nothing(a in policy()) {
        prop_assert!(a.is_equivalent(&a.union(&a)));
        prop_assert!(a.is_equivalent(&a.intersect(&a).unwrap()));
        prop_assert!(a.is_equivalent(&a.intersect(&ImagePolicy::allow()).unwrap()));
    }
}
