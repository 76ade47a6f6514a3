//! Every size that the documentation shows moves 1 MiB to Linux, from Linux, and there and back, each
//! in less than a second and without waiting for delayed ACKs.
//!
//! The sizes are read from the pages and sources themselves.

use std::collections::BTreeSet;
use std::path::Path;

use crate::lab::Lab;

#[path = "../../../core/firmware/src/sizes.rs"]
#[allow(dead_code, unreachable_pub, reason = "the firmware uses the rest")]
mod choices;

/// The pages and sources with a `storage!` that a reader may copy, and how many each has.
const SOURCES: [(&str, usize); 15] = [
    ("README.md", 1),
    ("core/README.md", 1),
    ("docs/embedding.md", 3),
    ("core/src/lib.rs", 4),
    ("core/src/stack/storage.rs", 2),
    ("core/src/stack/warnings.rs", 1),
    ("core/examples/async.rs", 2),
    ("core/examples/client.rs", 2),
    ("core/examples/echo.rs", 2),
    ("core/examples/server.rs", 2),
    ("core/examples/static_storage.rs", 2),
    ("core/firmware/src/bin/echo.rs", 1),
    ("core/firmware/src/bin/echo_async.rs", 1),
    ("core/firmware/src/bin/http.rs", 1),
    ("core/firmware/src/bin/minimal.rs", 1),
];

/// The longest time for a MiB, in milliseconds.
const LONGEST: u64 = 1000;
/// The kernel's delayed ACKs in one MiB: the last segment has no second one, and so have those behind
/// which the application has nothing yet.
const DELAYED_ACKS_MAX: u64 = 4;
/// Attempts, of which the fastest counts: a busy machine slows down the others.
const ATTEMPTS: usize = 5;

/// One `storage!`, as the arguments of `hikyaku board`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Memory {
    place: String,
    args: String,
}

/// The value of `name: value,` in the text of a `storage!`.
fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("{name}: "))?;
    Some(rest.split([',', '}', '\n']).next()?.trim())
}

/// The number that a value is: a literal, or a constant of the file.
fn number(value: &str, file: &str) -> u64 {
    let constant = |kind| value_of_constant(file, value, kind);
    let text = constant("usize").or_else(|| constant("u32")).unwrap_or(value);
    text.parse().unwrap_or_else(|_| panic!("no number: {value}"))
}

fn value_of_constant<'f>(file: &'f str, name: &str, kind: &str) -> Option<&'f str> {
    let (_, rest) = file.split_once(&format!("const {name}: {kind} = "))?;
    rest.split(';').next()
}

/// What `board` is told of the text of a `storage!` in a file.
fn args_of(profile: &str, text: &str, file: &str) -> String {
    let profile = profile.trim_start_matches("Async<").trim_end_matches('>').to_lowercase();
    let profile = match profile.as_str() {
        // A profile of the example's own, with the parts of `Small` that matter here.
        "mine" => "small",
        // `Async<Small>` by the image's own name.
        "profile" => "small",
        other => other,
    };
    let mut args = format!("--profile {profile}");
    for name in ["connections", "half_open", "time_wait", "udp_sockets", "records"] {
        let count = number(value(text, name).unwrap_or_else(|| panic!("{name}: {text}")), file);
        // One connection at a time is measured, so that one is enough.
        args.push_str(&format!(" --{} {count}", name.replace('_', "-")));
    }
    if let Some(window) = value(text, "window") {
        args.push_str(&format!(" --window {}", number(window, file)));
    } else {
        let blocks = value(text, "blocks").expect("blocks or a window");
        let (count, size) = blocks.split_once(" x ").expect("COUNT x SIZE");
        args.push_str(&format!(" --blocks {count} --block-size {size}"));
    }
    args
}

/// Each `storage!` of a file. A `mss` that is set behind it, before the next one, belongs to it.
fn memories(place: &str, file: &str) -> Vec<Memory> {
    let file: String = file
        .lines()
        .map(|line| line.trim_start_matches("//!").trim_start_matches("///"))
        .map(|line| format!("{}\n", line.trim_start().trim_start_matches("# ")))
        .collect();
    let starts: BTreeSet<usize> = ["storage!(static ", "storage!(type ", "storage!(pub type "]
        .iter()
        .flat_map(|start| file.match_indices(start).map(|(at, _)| at))
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([file.len()]).collect();
    let each = starts.iter().zip(ends).map(|(start, end)| {
        let part = &file[*start..end];
        let (head, rest) = part.split_once(" {").expect("a body");
        let (_, profile) = head.rsplit_once(": ").expect("a profile");
        let (body, rest) = rest.split_once("});").unwrap_or((rest, ""));
        // On a page the code ends before the prose goes on.
        let rest = rest.split("```").next().unwrap_or_default();
        let mut args = args_of(profile, body, &file);
        if let Some((_, mss)) = rest.split_once("mss = Some(") {
            args.push_str(&format!(" --mss {}", mss.split(')').next().expect("a number")));
        }
        Memory { place: place.to_owned(), args }
    });
    each.collect()
}

/// All sizes to be measured, each once.
fn all() -> Vec<Memory> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all: Vec<Memory> = Vec::new();
    let mut add = |memory: Memory| {
        match all.iter_mut().find(|known| known.args == memory.args) {
            Some(known) => known.place.push_str(&format!(", {}", memory.place)),
            None => all.push(memory),
        };
    };
    for (place, count) in SOURCES {
        let file = std::fs::read_to_string(root.join(place)).expect("a page or source");
        let found = memories(place, &file);
        assert_eq!(found.len(), count, "{place}: {found:?}");
        found.into_iter().for_each(&mut add);
    }
    for choice in choices::CHOICES {
        let capacity = choice.capacity;
        let mut args = format!(
            "--profile {} --connections {} --half-open {} --time-wait {} --udp-sockets {} \
             --records {} --window {}",
            choice.kind.name().to_lowercase(),
            capacity.connections,
            capacity.half_open,
            capacity.time_wait,
            capacity.udp_sockets,
            capacity.records,
            choice.window
        );
        if let Some(mss) = choice.mss {
            args.push_str(&format!(" --mss {mss}"));
        }
        add(Memory { place: format!("docs/embedding.md, {} KiB", choice.memory_kib), args });
    }
    all
}

/// A MiB each way and one there and back; prints milliseconds and the kernel's delayed ACKs.
const SCRIPT: &str = r#"
delayed() {
    awk '/^TcpExt:/ {
        if (!count) count = split($0, names)
        else { split($0, values); for (at in names) if (names[at] == "DelayedACKs") print values[at] }
    }' /proc/net/netstat
}
measure() { # NAME COMMAND...
    name=$1
    shift
    before=$(delayed) start=$(date +%s%N)
    "$@"
    end=$(date +%s%N)
    echo "$name $(((end - start) / 1000000)) $(($(delayed) - before))"
}
up() { $NC -N "$HIKYAKU_ADDR" 9 <sent; }
down() { $NC -N "$HIKYAKU_ADDR" 19 </dev/null >received; [ "$(wc -c <received)" = 1048576 ]; }
both() { $NC -N "$HIKYAKU_ADDR" 7 <sent >received; cmp sent received; }
"#;

/// The milliseconds and delayed ACKs of one attempt, by direction.
fn attempt(lab: &Lab, memory: &Memory) -> Result<Vec<(String, u64, u64)>, String> {
    let text = format!("set -eu\n{SCRIPT}\nmeasure up up\nmeasure down down\nmeasure both both\n");
    let mut command = std::process::Command::new(crate::lab::HIKYAKU);
    command.args(["--link", "tun", "board"]).args(memory.args.split_whitespace());
    let report = lab.finish(command.args(["--", "sh", "-c", &text]));
    let warning = report.stderr.lines().find(|line| line.contains("warning"));
    if let Some(warning) = warning {
        return Err(warning.to_owned());
    }
    if !report.status.success() {
        return Err(format!("{:?}: {}", report.status, report.stderr));
    }
    let rows = report.stdout.lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse().expect("a number");
        (words[0].to_owned(), number(1), number(2))
    });
    Ok(rows.collect())
}

fn is_fast(rows: &[(String, u64, u64)]) -> bool {
    rows.len() == 3
        && rows.iter().all(|(_, millis, delayed)| *millis < LONGEST && *delayed <= DELAYED_ACKS_MAX)
}

#[test]
fn all_sizes_of_the_documentation_move_a_mib_in_a_second() {
    let lab = Lab::new("sizes");
    lab.sample("sent", 1 << 20, 7);
    let mut slow = Vec::new();
    for memory in all() {
        let mut last = Err("not measured".to_owned());
        for _ in 0..ATTEMPTS {
            last = attempt(&lab, &memory);
            if last.as_ref().is_ok_and(|rows| is_fast(rows)) {
                break;
            }
        }
        println!("{} ({}): {last:?}", memory.args, memory.place);
        if !last.as_ref().is_ok_and(|rows| is_fast(rows)) {
            slow.push(format!("{} ({}): {last:?}", memory.args, memory.place));
        }
    }
    assert!(slow.is_empty(), "too slow:\n{}", slow.join("\n"));
}

#[test]
fn blocks_of_less_than_two_segments_are_reported() {
    let lab = Lab::new("small-sizes");
    lab.sample("sent", 1 << 16, 7);
    // The sizes of an earlier README: one block each way for each of four connections.
    let args = "--profile small --connections 4 --blocks 8 --block-size 2048".to_owned();
    let found = attempt(&lab, &Memory { place: String::new(), args });
    let warning = found.expect_err("a warning");
    assert!(warning.contains("receive window") && warning.contains("2920 bytes"), "{warning}");
}
