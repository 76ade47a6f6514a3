//! The faults that `hikyaku-testkit mutants` tries are what they should be: each still applies,
//! names tests that exist, and stands in the table. Trying them takes minutes: `.ci/run mutants`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hikyaku_testkit::ledger::root;
use hikyaku_testkit::mutants::{Catcher, Fault, KINDS, Patch, RENEW};
use hikyaku_testkit::mutants::{draw, faults, page_is_current};

#[test]
fn every_fault_applies_and_is_small() {
    for fault in faults(&root()).expect("the faults") {
        let file = &fault.patch.file;
        assert!(file.starts_with("core/src/"), "{}: {file} is not the stack", fault.name);
        let text = fs::read_to_string(root().join(file)).expect("the file of a fault");
        let broken = fault.patch.apply(&text).unwrap_or_else(|why| panic!("{}: {why}", fault.name));
        assert_ne!(broken, text, "{} changes nothing", fault.name);
        assert!((1..=5).contains(&fault.patch.lines()), "{} is large", fault.name);
    }
}

#[test]
fn there_are_faults_of_every_kind_and_all_of_the_seven() {
    let faults = faults(&root()).expect("the faults");
    assert!(faults.len() >= 30, "{}", faults.len());
    for kind in KINDS {
        assert!(faults.iter().filter(|fault| fault.kind == kind).count() >= 2, "{kind}");
    }
    let reversed: BTreeSet<u32> = faults.iter().filter_map(|fault| fault.reverses).collect();
    assert_eq!(reversed, (1..=7).collect());
}

/// All Rust sources below a folder, one behind the other.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text += &fs::read_to_string(&path).expect("a source");
        }
    }
    text
}

/// Whether there is such a test. Of a module of the library its file is enough.
fn exists(catcher: &Catcher) -> bool {
    let tests = root().join("core/tests");
    let filter = &catcher.filter;
    match &catcher.target {
        Some(target) => {
            let Ok(mut text) = fs::read_to_string(tests.join(format!("{target}.rs"))) else {
                return false;
            };
            if tests.join(target).is_dir() {
                text += &sources(&tests.join(target));
            }
            text.lines().any(|line| line.contains("fn ") && line.contains(filter))
        }
        None => {
            let module = filter.trim_end_matches("::tests").replace("::", "/");
            let places = ["", "tcp/", "storage/", "wire/"];
            let there = |file: String| root().join("core/src").join(file).is_file();
            places.into_iter().any(|place| {
                there(format!("{place}{module}.rs")) || there(format!("{place}{module}/mod.rs"))
            })
        }
    }
}

#[test]
fn the_tests_that_catch_them_exist() {
    for fault in faults(&root()).expect("the faults") {
        for catcher in &fault.caught_by {
            assert!(exists(catcher), "{}: there is no `{catcher}`", fault.name);
        }
    }
}

#[test]
fn the_page_is_what_the_faults_say() {
    let current = page_is_current(&root()).expect("the faults");
    assert!(current, "docs/faults.md is old; renew it: {RENEW}");
}

const DIFF: &str = "--- a/x.rs\n+++ b/x.rs\n@@ -1,3 +1,3 @@\n a\n-b\n+c\n d\n";

#[test]
fn a_patch_applies_in_one_place_only() {
    let patch = Patch::parse(DIFF).expect("a diff");
    assert_eq!((patch.file.as_str(), patch.lines()), ("x.rs", 1));
    assert_eq!(patch.apply("0\na\nb\nd\n1\n"), Ok("0\na\nc\nd\n1\n".to_string()));
    for gone in ["", "a\nc\nd\n", "a\nb\nd\na\nb\nd\n"] {
        assert!(patch.apply(gone).is_err_and(|why| why.contains("no longer applies")), "{gone}");
    }
    for diff in ["", "+++ b/x\n", "+++ b/x\n@@ \n?\n", &format!("{DIFF}{DIFF}")] {
        assert!(Patch::parse(diff).is_err(), "{diff}");
    }
}

#[test]
fn a_head_that_lacks_something_is_refused() {
    let head = "breaks: a\nrule: b\nkind: c\ncaught-by: --test d e\ncaught-by: --lib f\n";
    let whole = Fault::parse("01-x", &format!("{head}\n{DIFF}")).expect("a fault");
    assert_eq!(whole.caught_by[0].to_string(), "--test d e");
    assert_eq!(whole.caught_by[1].to_string(), "--lib f");
    for line in head.lines().take(4) {
        let head = head.replace("caught-by: --lib f\n", "").replace(&format!("{line}\n"), "");
        assert!(Fault::parse("01-x", &format!("{head}\n{DIFF}")).is_err(), "without {line}");
    }
    for line in ["reverses: fault 8 of the seven", "caught-by: hope", "colour: red", "nothing"] {
        assert!(Fault::parse("01-x", &format!("{head}{line}\n\n{DIFF}")).is_err(), "{line}");
    }
}

#[test]
fn a_draw_is_the_same_for_the_same_commit() {
    let drawn = draw(0xd15c, 10, 40);
    assert_eq!(drawn.len(), 10);
    assert!(drawn.is_sorted_by(|one, next| one < next) && drawn[9] < 40);
    assert_eq!(drawn, draw(0xd15c, 10, 40));
    assert_ne!(drawn, draw(0xd15d, 10, 40));
    assert_eq!(draw(1, 10, 3), [0, 1, 2]);
    let all: BTreeSet<usize> = (0..100).flat_map(|seed| draw(seed, 10, 40)).collect();
    assert_eq!(all.len(), 40, "each has its turn");
}
