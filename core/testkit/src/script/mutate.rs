//! Scripts with one number changed or one expectation left out: each must fail.

use super::call::{Call, Outcome};
use super::check::Check;
use super::segment::{Number, Opt, Pattern, Window};
use super::{Act, Line, Script};

/// Every script that differs from this one in one number that the host must meet, or lacks one of
/// its segments; and what was changed.
#[must_use]
pub fn mutants(script: &Script) -> Vec<(String, Script)> {
    let mut all = Vec::new();
    for (at, line) in script.lines.iter().enumerate() {
        for (what, act) in changed(line) {
            let mut mutant = script.clone();
            match act {
                Some(changed) => mutant.lines[at] = changed,
                None => drop(mutant.lines.remove(at)),
            }
            let place = format!("{}:{}", script.file.display(), line.number);
            all.push((format!("{place}: {}: {what}", line.text), mutant));
        }
    }
    all
}

fn changed(line: &Line) -> Vec<(&'static str, Option<Line>)> {
    let with = |act| Some(Line { act, ..line.clone() });
    match &line.act {
        Act::Expect(pattern) => {
            let mut all: Vec<_> = segments(pattern)
                .into_iter()
                .map(|(what, pattern)| (what, with(Act::Expect(pattern))))
                .collect();
            // The time passes all the same.
            all.push(("left out", line.at.and_then(|_| with(Act::Nothing))));
            if let Some(mut when) = line.at {
                when.micros += when.tolerance * 2 + 1;
                all.push(("time", Some(Line { at: Some(when), ..line.clone() })));
            }
            all
        }
        Act::Call(Call::Write(octets, Outcome::Takes(taken))) => {
            let outcome = Outcome::Takes(taken + 1);
            vec![("taken", with(Act::Call(Call::Write(*octets, outcome))))]
        }
        Act::Call(Call::Read(octets, Outcome::Takes(taken))) => {
            let outcome = Outcome::Takes(taken + 1);
            vec![("taken", with(Act::Call(Call::Read(*octets, outcome))))]
        }
        Act::Check(check) => {
            let check = match check.clone() {
                Check::Counter(name, count) => Check::Counter(name, count + 1),
                Check::Drop(reason, count) => Check::Drop(reason, count + 1),
                Check::Wake(Some(micros)) => Check::Wake(Some(micros + 1)),
                Check::Number(name, number) => Check::Number(name, number + 1),
                Check::Span(name, micros) => Check::Span(name, micros + 1),
                _ => return Vec::new(),
            };
            vec![("number", with(Act::Check(check)))]
        }
        _ => Vec::new(),
    }
}

fn segments(pattern: &Pattern) -> Vec<(&'static str, Pattern)> {
    let mut all = Vec::new();
    let mut with = |what, change: &dyn Fn(&mut Pattern)| {
        let mut changed = pattern.clone();
        change(&mut changed);
        if changed != *pattern {
            all.push((what, changed));
        }
    };
    with("seq", &|pattern| pattern.seq = more(pattern.seq));
    with("length", &|pattern| pattern.len += 1);
    with("ack", &|pattern| pattern.ack = pattern.ack.map(more));
    with("win", &|pattern| match &mut pattern.window {
        Window::Octets(octets) => *octets += 1,
        Window::Raw(field) => *field = field.wrapping_add(1),
        _ => {}
    });
    with("urg", &|pattern| pattern.urgent += 1);
    for at in 0..pattern.options.len() {
        with("option", &|pattern| match &mut pattern.options[at] {
            Opt::Mss(mss) => *mss += 1,
            Opt::Scale(shift) => *shift += 1,
            Opt::Timestamps(value, _) => *value += 1,
            Opt::Sack(blocks) => blocks.iter_mut().for_each(|block| block.1 += 1),
            _ => {}
        });
        with("option left out", &|pattern| {
            if !pattern.more {
                pattern.options.remove(at);
            }
        });
    }
    all
}

fn more(number: Number) -> Number {
    match number {
        Number::Any => Number::Any,
        Number::Relative(value) => Number::Relative(value.wrapping_add(1)),
        Number::Raw(value) => Number::Raw(value.wrapping_add(1)),
    }
}
