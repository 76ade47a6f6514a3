//! The ledger of requirements holds against the sources, and each of its rules catches a fault.

use hikyaku_testkit::ledger::{Ledger, RENEW, Row, Sources, Tree, parse, root};

const HEAD: &str = "id,section,level,statement,stance,code,tests,reason\n";

#[test]
fn every_requirement_has_a_stance_and_what_is_claimed_is_there() {
    let ledger = Ledger::read(&root()).expect("both tables");
    let faults = ledger.faults(&Tree::read(&root()).expect("the tree"));
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert_eq!(ledger.counts().requirements, 119);
}

#[test]
fn the_page_is_what_the_tables_say() {
    let ledger = Ledger::read(&root()).expect("both tables");
    assert!(ledger.page_is_current(&root()), "docs/conformance.md is old; renew it: {RENEW}");
}

/// A tree of one file and one decision.
fn tree() -> Tree {
    let mut sources = Sources::default();
    sources.add("core/src/a.rs", "pub(super) const fn kept(a: u8) -> u8 {\n// fn other()\n");
    let tests = ["must_1_holds_a", "must_1_provoked_a", "must_2_holds_a", "shown"];
    for test in tests {
        sources.add("core/tests/b.rs", &format!("#[test]\n#[should_panic]\nfn {test}() {{}}\n"));
    }
    sources.add("core/tests/b.rs", "fn helper() {}\n");
    Tree { sources, decisions: ["0001".to_string()].into() }
}

/// A whole table in which one row is replaced.
fn table(row: &str) -> Vec<Row> {
    let levels = [("MUST", 69), ("SHLD", 31), ("MAY", 18), ("REC", 1)];
    let mut text = HEAD.to_string();
    let replaced = row.split(',').next().unwrap_or("");
    for (level, last) in levels {
        for number in 1..=last {
            let id = format!("{level}-{number}");
            match id.as_str() {
                id if id == replaced => {}
                "MUST-1" => text.push_str(
                    "MUST-1,1,MUST,a,implemented,core/src/a.rs:kept,\
                     must_1_holds_a;must_1_provoked_a,\n",
                ),
                "MUST-2" => text.push_str("MUST-2,1,MUST,a,planned,,must_2_holds_a,later\n"),
                id => text.push_str(&format!("{id},1,{level},a,not applicable,,,so\n")),
            }
        }
    }
    text.push_str(row);
    parse(&text).expect("a good table")
}

fn faults(row: &str, companion: &str) -> String {
    let companions = parse(&format!("{HEAD}{companion}")).expect("a good table");
    Ledger { own: table(row), companions }.faults(&tree()).join("\n")
}

#[test]
fn planted_faults_in_the_ledger_are_caught() {
    assert_eq!(faults("SHLD-1,1,SHOULD,a,deviation,,,decision 0001\n", ""), "");
    let good = "core/src/a.rs:kept";
    let table = [
        ("MUST-70,1,MUST,a,planned,,,so\n".to_string(), "no such requirement"),
        ("MUST-7,1,MUST,a,planned,,,so\nMUST-7,1,MUST,a,planned,,,so\n".into(), "more than once"),
        ("MUST-8x,1,MUST,a,planned,,,so\n".into(), "MUST-8x: RFC 9293 has no"),
        ("SHLD-1,1,SHOULD,a,implemented,core/src/a.rs:gone,shown,\n".into(), "no function"),
        ("SHLD-1,1,SHOULD,a,implemented,core/src/a.rs:other,shown,\n".into(), "no function"),
        (format!("SHLD-1,1,SHOULD,a,implemented,{good},gone,\n"), "no test gone"),
        (format!("SHLD-1,1,SHOULD,a,implemented,{good},helper,\n"), "no test helper"),
        (format!("SHLD-1,1,SHOULD,a,implemented,{good},,\n"), "without a test"),
        ("SHLD-1,1,SHOULD,a,implemented,,shown,\n".into(), "without code"),
        ("SHLD-1,1,SHOULD,a,deviation,,,we know better\n".into(), "without a decision"),
        ("SHLD-1,1,SHOULD,a,deviation,,,decision 0002\n".into(), "no such decision"),
        ("SHLD-1,1,SHOULD,a,planned,,,\n".into(), "planned without a reason"),
        ("SHLD-1,1,SHOULD,,planned,,,so\n".into(), "says nothing"),
        (
            format!("MUST-2,1,MUST,a,implemented,{good},must_2_holds_a,\n"),
            "no test must_2_provoked_",
        ),
        ("MUST-2,1,MUST,a,planned,,,later\n".into(), "must_2_holds_a is not in the row"),
    ];
    for (row, fault) in table {
        let found = faults(&row, "");
        assert!(found.contains(fault), "{row}: {found}");
    }
    let mut missing = Ledger { own: table_without_last(), companions: Vec::new() };
    assert!(missing.faults(&tree()).join("\n").contains("REC-1: missing"));
    missing.own.clear();
    assert_eq!(missing.counts().requirements, 0);
}

fn table_without_last() -> Vec<Row> {
    let mut rows = table("");
    rows.retain(|row| row.id != "REC-1");
    rows
}

#[test]
fn planted_faults_in_the_companions_are_caught() {
    let row = |id: &str, section: &str| format!("{id},{section},MUST,a,planned,,,so\n");
    assert_eq!(faults("", &row("RFC7323-5.3-2", "RFC 7323 5.3")), "");
    for (id, section) in [
        ("RFC7323-5.3", "RFC 7323 5.3"),
        ("RFC7323-5.3-x", "RFC 7323 5.3"),
        ("RFC7323-5.4-1", "RFC 7323 5.3"),
        ("RFC1122-5.3-1", "RFC 7323 5.3"),
    ] {
        assert!(faults("", &row(id, section)).contains("not of the shape"), "{id}");
    }
    let twice = row("RFC7323-5.3-2", "RFC 7323 5.3").repeat(2);
    assert!(faults("", &twice).contains("more than once"));
}

#[test]
fn a_table_of_another_shape_is_refused() {
    assert!(parse("id,stance\n").is_err());
    assert!(parse(&format!("{HEAD}MUST-1,1,MUST,a,maybe,,,\n")).is_err());
    assert!(parse(&format!("{HEAD}MUST-1,1,MUST\n")).is_err());
}
