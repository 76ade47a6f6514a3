//! The ledger of security cases: what it calls done has a test and a seed.

use super::tokens::{attribute, each_run, ident, is_ident, tokens};
use super::{no_faults, root, sources};
use proc_macro2::TokenStream;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A function in the tests, and whether `#[test]` stands before it.
type TestFunctions = BTreeMap<String, bool>;

fn note_functions(stream: TokenStream, found: &mut TestFunctions) {
    each_run(stream, &mut |run| {
        let mut is_test = false;
        for (at, token) in run.iter().enumerate() {
            let attribute = attribute(run, at);
            is_test |= attribute.is_some_and(|inside| is_ident(inside.first(), "test"));
            if let (true, Some(name)) = (is_ident(Some(token), "fn"), ident(run.get(at + 1))) {
                found.insert(name, is_test);
                is_test = false;
            }
        }
    });
}

/// `sec_12_…` and `SEC-12-…` belong to `SEC-12`.
fn case_of(name: &str) -> Option<String> {
    let number = name.strip_prefix("sec_").or_else(|| name.strip_prefix("SEC-"))?.get(..2)?;
    number.chars().all(|digit| digit.is_ascii_digit()).then(|| format!("SEC-{number}"))
}

/// Compares the ledger with the tests and the seeds (`target/name`) that there are.
fn ledger_faults(ledger: &str, tests: &TestFunctions, seeds: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let (mut ids, mut listed) = (BTreeSet::new(), BTreeSet::new());
    let mut lines = ledger.lines();
    if lines.next() != Some("id,title,stance,test,seed") {
        faults.push("the first line names the columns: id,title,stance,test,seed".to_string());
    }
    for line in lines {
        let [id, title, stance, test, seed] = line.split(',').collect::<Vec<_>>()[..] else {
            faults.push(format!("not five columns: {line}"));
            continue;
        };
        let list = |column: &str| -> Vec<String> {
            column.split(';').filter(|name| !name.is_empty()).map(str::to_string).collect()
        };
        if !ids.insert(id.to_string()) || title.is_empty() {
            faults.push(format!("{id}: twice, or without a title"));
        }
        if !["done", "planned"].contains(&stance) {
            faults.push(format!("{id}: stance `{stance}` is neither done nor planned"));
        }
        if stance == "done" && (test.is_empty() || seed.is_empty()) {
            faults.push(format!("{id}: done, but without a test or without a seed"));
        }
        for name in list(test) {
            if tests.get(&name) != Some(&true) || case_of(&name).as_deref() != Some(id) {
                faults.push(format!("{id}: there is no test `{name}` of this case"));
            }
            listed.insert(name);
        }
        for name in list(seed) {
            if !seeds.contains(&name) {
                faults.push(format!("{id}: there is no seed fuzz/corpus/{name}"));
            }
            listed.insert(name);
        }
    }
    let tests = tests.iter().filter(|(_, is_test)| **is_test).map(|(name, _)| name);
    for name in tests.chain(seeds) {
        let case = case_of(name.rsplit('/').next().unwrap_or(name));
        if case.is_some() && !listed.contains(name) {
            faults.push(format!("{name} is not in docs/requirements/security.csv"));
        }
    }
    faults
}

fn committed_seeds() -> BTreeSet<String> {
    let base = root().join("fuzz/corpus");
    let mut seeds = BTreeSet::new();
    for target in fs::read_dir(&base).expect("fuzz/corpus").map(|target| target.unwrap()) {
        let files = fs::read_dir(target.path()).expect("a folder a target");
        for file in files.map(|file| file.unwrap()) {
            let names = [target.file_name(), file.file_name()];
            seeds.insert(names.map(|name| name.into_string().unwrap()).join("/"));
        }
    }
    seeds
}

#[test]
fn every_security_case_has_a_stance_and_what_is_done_is_tested() {
    let path = root().join("docs/requirements/security.csv");
    let ledger = fs::read_to_string(path).expect("docs/requirements/security.csv");
    let mut tests = TestFunctions::new();
    for folder in ["core", "host-linux"] {
        let files = sources(folder).into_iter().filter(|(name, _)| name != "tests/house.rs");
        for (name, text) in files {
            note_functions(tokens(&name, &text), &mut tests);
        }
    }
    assert_eq!(ledger.lines().count(), 1 + 73, "one line a case");
    no_faults(ledger_faults(&ledger, &tests, &committed_seeds()));
}

#[test]
fn planted_ledger_faults_are_caught() {
    let mut tests = TestFunctions::new();
    let source = "#[test]\nfn sec_01_a() {} fn sec_02_helper() {} #[test] fn sec_03_b() {}";
    note_functions(tokens("a.rs", source), &mut tests);
    let seeds: BTreeSet<String> = ["ipv4/SEC-01-a", "ipv4/syn"].map(str::to_string).into();
    let faults = |lines: &str| {
        let ledger = format!("id,title,stance,test,seed\n{lines}");
        ledger_faults(&ledger, &tests, &seeds).join("\n")
    };
    let good = "SEC-01,t,done,sec_01_a,ipv4/SEC-01-a\nSEC-03,t,planned,sec_03_b,\n";
    assert_eq!(faults(good), "");
    let wrong = [
        ("SEC-02,t,done,sec_02_helper,ipv4/syn", "no test `sec_02_helper`"),
        ("SEC-02,t,done,sec_02_gone,ipv4/syn", "no test `sec_02_gone`"),
        ("SEC-02,t,done,,ipv4/syn", "without a test"),
        ("SEC-04,t,done,sec_03_b,ipv4/syn", "no test `sec_03_b` of this case"),
        ("SEC-02,t,planned,,ipv6/none", "no seed"),
        ("SEC-02,t,maybe,,", "neither done nor planned"),
        ("SEC-01,t,planned,,", "twice"),
        ("SEC-02,t", "not five columns"),
    ];
    for (line, fault) in wrong {
        let found = faults(&format!("{good}{line}\n"));
        assert!(found.contains(fault), "{line}: {found}");
    }
    assert!(faults("SEC-03,t,done,sec_03_b,ipv4/syn").contains("sec_01_a is not in"));
}
