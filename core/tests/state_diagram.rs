//! `docs/state_diagram.md` is what `tcp/state.rs` says: every state, every event.

use std::fmt::Write;
use std::path::Path;

use hikyaku::State;
use hikyaku::tcp::state::Event;

const HEAD: &str = "\
# The states of a connection

Generated from `core/src/tcp/state.rs` by `core/tests/state_diagram.rs`, which also checks that the
two are equal; `HIKYAKU_WRITE_DIAGRAM=1 cargo test -p hikyaku --test state_diagram` writes it anew.

A passive open is split over three records, as the memory of each differs: a listener stays in
LISTEN, a half-open record is in SYN-RECEIVED, and becomes a connection once our SYN is acknowledged.
Without half-open records (`Small`) it is a connection from the SYN on.
Resets lead from every state to CLOSED; the diagram leaves them out.

";

fn id(state: State) -> String {
    state.name().replace('-', "_")
}

fn diagram() -> String {
    let mut text = String::from(HEAD);
    text.push_str("```mermaid\nstateDiagram-v2\n    [*] --> CLOSED\n");
    let drawn = Event::ALL.iter().filter(|event| **event != Event::Reset);
    for state in State::ALL {
        for event in drawn.clone().filter(|event| state.on(**event) != state) {
            let (from, to, name) = (id(state), id(state.on(*event)), event.name());
            writeln!(text, "    {from} --> {to} : {name}").expect("text grows");
        }
    }
    text.push_str("```\n\n## Every pair\n\nA dash: the event means nothing there.\n\n| state |");
    for event in Event::ALL {
        write!(text, " {} |", event.name()).expect("text grows");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(Event::ALL.len()));
    for state in State::ALL {
        write!(text, "\n| {} |", state.name()).expect("text grows");
        for event in Event::ALL {
            let next = state.on(event);
            let cell = if next == state { "–" } else { next.name() };
            write!(text, " {cell} |").expect("text grows");
        }
    }
    text.push('\n');
    text
}

#[test]
fn the_diagram_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/state_diagram.md");
    let expected = diagram();
    if std::env::var_os("HIKYAKU_WRITE_DIAGRAM").is_some() {
        std::fs::write(&path, &expected).expect("docs can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/state_diagram.md is not what tcp/state.rs says: \
         HIKYAKU_WRITE_DIAGRAM=1 cargo test -p hikyaku --test state_diagram writes it"
    );
}

#[test]
fn every_state_is_reached_and_left() {
    for state in State::ALL {
        let reached =
            State::ALL.iter().any(|from| Event::ALL.iter().any(|by| from.on(*by) == state));
        let left = Event::ALL.iter().any(|by| state.on(*by) != state);
        assert!(reached && left, "{state:?}");
    }
}
