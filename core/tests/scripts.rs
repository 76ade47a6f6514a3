//! Every segment script and every cell of the grid in `core/tests/scripts`, in both profiles and
//! both families; and none of them is satisfied by other numbers.
#![cfg(all(feature = "ipv6", feature = "udp"))]

use hikyaku_testkit::host::Kind;
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::script::{folder, grid, mutants, read_all, run, run_all};

#[test]
fn all_scripts_and_the_grid_go_as_written() {
    let report = run_all(&folder()).expect("good files");
    println!("{} in {} runs", report.to_json(), report.runs);
    let failures = &report.failures;
    assert!(failures.is_empty(), "{} failed:\n\n{}", failures.len(), failures.join("\n\n"));
    assert!(report.scripts >= 200, "{} scripts", report.scripts);
    assert!(report.cells >= 300, "{} cells", report.cells);
}

/// Each number that a script expects, changed by one, and each segment that it expects, left out,
/// makes it fail: no script is vacuous.
#[test]
fn no_script_is_satisfied_by_another_number() {
    let mut survivors = Vec::new();
    let mut tried = 0;
    for script in read_all(&folder()).expect("good files") {
        let (kind, family) = (script.scene.kinds[0], script.scene.families[0]);
        let mutants = mutants(&script);
        assert!(!mutants.is_empty(), "{} expects no number", script.name);
        for (what, mutant) in mutants {
            tried += 1;
            if run(&mutant, kind, family).is_ok() {
                survivors.push(what);
            }
        }
    }
    println!("{tried} mutants");
    assert!(survivors.is_empty(), "{} survive:\n{}", survivors.len(), survivors.join("\n"));
}

/// Likewise for the cells: each with another answer, another state, another number of octets taken
/// and another fate.
#[test]
fn no_cell_is_satisfied_by_another_reaction() {
    let text = std::fs::read_to_string(folder().join("grid.csv")).expect("the grid");
    let ack = "SEQ=SND.NXT ACK=RCV.NXT CTL=ACK";
    let rows = grid::rows(&text).expect("good rows");
    let kinds = [Kind::Full, Kind::Small];
    let cells = rows.iter().filter(|row| row.exists());
    for (row, kind) in cells.flat_map(|row| kinds.map(|kind| (row, kind))) {
        let other = |name: &str, one: &str, two: &str| {
            let value = if row.field(name) == one { two } else { one };
            let mutant = row.with(name, value);
            assert!(mutant.run(kind, Family::V4).is_err(), "{kind:?} {row:?}: {name} {value}");
        };
        other("answer", "nothing", ack);
        other("next", "ESTABLISHED", "CLOSED");
        other("dropped", "-", "bad checksum");
        if row.field("taken") != "-" {
            other("taken", "1", "2");
        }
        if row.field("acked") != "-" {
            other("acked", "2", "3");
        }
        other("fate", "timed-out", "unreachable");
    }
}
