//! What the reader of scripts understands and refuses, and that a runner notices what differs.

use std::path::Path;

use super::segment::{Number, Opt, Window};
use super::{Act, Call, Check, Outcome, Script, grid, mutants, parse, run};
use crate::host::Kind;
use crate::pair::Family;

const FILE: &str = "folder/file.hkt";

fn one(body: &str) -> Script {
    let text = format!("script \"one\"\n{body}\n");
    parse(Path::new(FILE), &text).expect("a good script").remove(0)
}

fn wrong(body: &str) -> String {
    let text = format!("script \"one\"\n{body}\nexpect open\n");
    parse(Path::new(FILE), &text).expect_err(body).to_string()
}

#[test]
fn a_line_is_read_as_it_is_meant() {
    let script = one("at 1.5s ~2ms < SYN ACK URG seq 0 ack raw 7 win * urg 3 mss 5 sack 1:2 ...");
    let line = &script.lines[0];
    let when = line.at.expect("a time");
    assert_eq!((when.micros, when.relative, when.tolerance), (1_500_000, false, 2_000));
    assert_eq!(line.number, 2);
    let Act::Expect(pattern) = &line.act else { panic!("{line:?}") };
    assert_eq!((pattern.seq, pattern.len), (Number::Relative(0), 0));
    assert_eq!((pattern.ack, pattern.window), (Some(Number::Raw(7)), Window::Any));
    assert_eq!(pattern.options, [Opt::Mss(5), Opt::Sack(vec![(1, 2)])]);
    assert!(pattern.more && pattern.urgent == 3);

    let script =
        one("at +0 > PSH seq -1:4 win 70 opt 253 0aff nop &\nwrite 9 takes 4\nexpect gone");
    assert!(script.lines[0].joined && script.lines[0].at.expect("a time").relative);
    let Act::Send(pattern) = &script.lines[0].act else { panic!() };
    assert_eq!((pattern.seq, pattern.len), (Number::Relative(u32::MAX), 5));
    assert_eq!(pattern.options, [Opt::Other(253, vec![10, 255]), Opt::Nop]);
    assert_eq!(script.lines[1].act, Act::Call(Call::Write(9, Outcome::Takes(4))));
    assert_eq!(script.lines[2].act, Act::Check(Check::Gone));
}

#[test]
fn headers_hold_for_a_script_or_for_its_file() {
    let text =
        "profile small\nmtu 1400\nscript \"a\"\nip v4\nexpect open\nscript \"b\"\nexpect open\n";
    let scripts = parse(Path::new(FILE), text).expect("good scripts");
    assert_eq!(scripts.len(), 2);
    assert_eq!(scripts[0].scene.kinds, [Kind::Small]);
    assert_eq!(scripts[0].scene.families, [Family::V4]);
    assert_eq!(scripts[1].scene.families, Family::BOTH);
    assert_eq!((scripts[0].scene.mtu, scripts[1].scene.mtu), (1400, 1400));
}

#[test]
fn what_cannot_be_meant_is_refused_with_file_and_line() {
    for (body, what) in [
        ("frob", "no line begins with frob"),
        ("at", "the time is missing"),
        ("at 5 close", "5 has no unit"),
        ("close now", "what is now for?"),
        ("< ACK ack 1 win 1 seq", "seq is missing"),
        ("< ACK seq 1 ack 1", "win is missing"),
        ("< ACK seq 1 win 1", "ack is missing"),
        ("< RST seq 1 ack 1 win 0", "an ack without the flag"),
        ("< ACK URG seq 1 ack 1 win 1", "URG and urg go together"),
        ("> seq 1", "a segment begins with its flags"),
        ("> ACK seq 1", "ack is missing"),
        ("> SYN win 1", "seq is missing"),
        ("> SYN seq 5:4", "the text ends before it begins"),
        ("> SYN seq 0 frob 1", "a segment knows no frob"),
        ("> SYN seq 0 7", "what is the number 7 for?"),
        ("> SYN seq 0 mss 70000", "mss: 70000 is out of range"),
        ("> SYN seq 0 opt 9 0x", "are no octets"),
        ("< SYN seq 0 win 1 badsum", "a segment knows no badsum"),
        ("write many", "write: many is not a number"),
        ("read 1 ended badly", "no connection ends badly"),
        ("shutdown door", "door is no half"),
        ("expect state OPEN", "there is no OPEN"),
        ("expect counter frobs 1", "there is no counter frobs"),
        ("expect drop \"bad luck\" 1", "nothing is dropped for"),
        ("expect rain", "rain cannot be expected"),
        ("nothing", "nothing until when?"),
        ("nagle maybe", "maybe is neither on nor off"),
        ("profile large", "there is no profile large"),
        ("config speed 1", "there is no setting speed"),
        ("expect open &", "only calls and what the peer sends"),
        ("passive mtu 3", "a handshake knows no mtu"),
        ("expect open\nmtu 5", "no line begins with mtu"),
    ] {
        let told = wrong(body);
        let line = if body.contains('\n') { 3 } else { 2 };
        assert!(told.starts_with(&format!("{FILE}:{line}: ")), "{told}");
        assert!(told.contains(what), "{told}: not {what}");
    }
    let none = parse(Path::new(FILE), "script \"idle\"\nlisten\n").expect_err("vacuous");
    assert!(none.to_string().contains("expects nothing"), "{none}");
    let twice = parse(Path::new(FILE), "script \"a\"\nexpect open\nscript \"a\"\n");
    assert_eq!(twice.expect_err("twice").line, 3);
}

#[test]
fn a_mismatch_is_told_with_both_sides() {
    let script = one("listen\n> SYN seq 0\n< SYN ACK seq 0 ack 2 win 10000 mss 1000");
    let told = run(&script, Kind::Full, Family::V4).expect_err("the ack is another");
    for part in ["folder/file.hkt:4", "ack 2 win", "seen", "ack 1 win", "differs in: ack", "Full"] {
        assert!(told.contains(part), "{told}: no {part}");
    }
}

#[test]
fn what_is_not_asked_for_fails() {
    let good = "listen\n> SYN seq 0\n< SYN ACK seq 0 ack 1 win 10000 mss 1000\n";
    for (body, what) in [
        ("listen\n> SYN seq 0\nexpect half-open 1", "not expected, at 0 us"),
        ("listen\n> SYN seq 0\naccept would-block\nexpect half-open 1", "not expected"),
        (&format!("{good}nothing until 2s"), "not expected, at 1000000 us"),
        (&format!("{good}at +2s > RST seq 1"), "not expected, at 1000000 us"),
        (&format!("{good}< ACK seq 1 ack 1 win 1"), "seen nothing"),
        (&format!("{good}at 900ms < SYN ACK seq 0 ack 1 win 10000 mss 1000"), "seen nothing"),
        (&format!("{good}at +2s < SYN ACK seq 0 ack 1 win 10000 mss 1000"), "differs in: time"),
        ("passive\nread 1\nexpect open", "WouldBlock"),
        ("passive\nwrite 5 closed\nexpect open", "Takes(5)"),
        ("passive\nexpect wake 1s", "the wake-up is"),
        ("listen\naccept\nexpect open", "accept came to"),
        ("close\nexpect open", "there is no handle yet"),
    ] {
        let told = run(&one(body), Kind::Small, Family::V6).expect_err(body);
        assert!(told.contains(what), "{told}: not {what}");
    }
    let late = format!("{good}at +995ms ~5ms < SYN ACK seq 0 ack 1 win 10000 mss 1000");
    run(&one(&late), Kind::Full, Family::V4).expect("it may be late");
}

#[test]
fn mutants_differ_in_one_thing_each() {
    let script = one("expect rto 1s\nwrite 3\nat 1s < ACK seq 1:2 ack 1 win 5 mss 6");
    let all = mutants(&script);
    let names: Vec<_> = all.iter().map(|(what, _)| what.rsplit(": ").next().unwrap()).collect();
    let fields = ["seq", "length", "ack", "win", "urg", "option", "option left out", "left out"];
    assert_eq!(names, [&["number", "taken"], &fields[..], &["time"]].concat());
    assert!(all.iter().all(|(_, mutant)| mutant.lines != script.lines));
}

#[test]
fn rows_of_the_grid_leave_nothing_unsaid() {
    let head = "state,window,segment,seq,ack,next,answer,taken,acked,fate,dropped,step,why_not";
    let row = "LISTEN,none,RST,somewhere,none,LISTEN,nothing,-,-,-,-,first,";
    assert_eq!(grid::rows(&format!("{head}\n{row}\n")).expect("a row").len(), 1);
    for bad in [
        row.replace("somewhere", ""),
        row.replace("somewhere", "any"),
        row.replace("nothing", "-"),
        format!("{row}it cannot be"),
        row.replace(",first", ""),
        format!("{row}\n{row}"),
    ] {
        assert!(grid::rows(&format!("{head}\n{bad}\n")).is_err(), "{bad}");
    }
    assert!(grid::rows(row).is_err(), "no head");
}
