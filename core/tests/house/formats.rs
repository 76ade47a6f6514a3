//! The rule that what is public and a value can be logged by `defmt` and fails as errors do.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::tokens::{each_run, ident, is_ident, is_punct, tokens, without_tests};

/// Values that are not for logs: they name an adapter, or are the inside of a connection.
const UNLOGGED: &[&str] = &["NoMulticast", "EmbassyTime", "GoBack", "TimeoutOnly"];

/// The words of an attribute in brackets.
fn said(attribute: &TokenStream) -> String {
    attribute.to_string().split_whitespace().collect()
}

/// Public types without lifetimes and parameters that derive `Clone` (values, not places) and are
/// not formatted under the feature `defmt`.
pub(super) fn format_faults(name: &str, text: &str) -> Vec<String> {
    let (stream, _) = without_tests(tokens(name, text));
    let by_hand = said(&stream);
    let mut faults = Vec::new();
    each_run(stream, &mut |run| {
        for at in 0..run.len() {
            let is_type = ["struct", "enum"].iter().any(|word| is_ident(run.get(at), word));
            let public = at > 0 && is_ident(run.get(at - 1), "pub");
            let (true, true, Some(item)) = (is_type, public, ident(run.get(at + 1))) else {
                continue;
            };
            let attributes = attributes_before(run, at - 1);
            let has = |part: &str| attributes.iter().any(|said| said.contains(part));
            let generic = is_punct(run.get(at + 2), '<');
            let formatted = has("derive(defmt::Format)")
                || by_hand.contains(&format!("defmt::Formatfor{item}{{"));
            if has("Clone") && !generic && !formatted && !UNLOGGED.contains(&item.as_str()) {
                faults.push(format!("{name}: {item} has no defmt::Format"));
            }
        }
    });
    faults
}

/// What the attributes say that stand before `at`.
fn attributes_before(run: &[TokenTree], at: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut end = at;
    while end >= 2 && is_punct(run.get(end - 2), '#') {
        if let Some(TokenTree::Group(group)) = run.get(end - 1)
            && group.delimiter() == Delimiter::Bracket
        {
            found.push(said(&group.stream()));
        }
        end -= 2;
    }
    found
}

#[test]
fn values_can_be_logged() {
    let sources = super::shipped("core/src");
    super::no_faults(
        sources.into_iter().flat_map(|(name, text)| format_faults(&name, &text)).collect(),
    );
}

/// Public types whose name ends in `Error` are errors, and so is all that `error_enum!` makes.
#[test]
fn errors_are_errors() {
    let sources = super::shipped("core/src");
    let all: String =
        sources.iter().map(|(name, text)| said(&without_tests(tokens(name, text)).0)).collect();
    let mut errors = 0;
    let mut faults = Vec::new();
    for (name, text) in &sources {
        each_run(without_tests(tokens(name, text)).0, &mut |run| {
            for at in 1..run.len() {
                let is_type = ["struct", "enum"].iter().any(|word| is_ident(run.get(at), word));
                let public = is_ident(run.get(at - 1), "pub");
                let Some(item) = ident(run.get(at + 1)).filter(|_| is_type && public) else {
                    continue;
                };
                let failing = item.ends_with("Error") || OTHER_ERRORS.contains(&item.as_str());
                errors += usize::from(failing);
                // What an ICMP message told is a fact about the path, not a failure of a call.
                if failing && item != "PathError" && !all.contains(&format!("Errorfor{item}{{}}")) {
                    faults.push(format!("{name}: {item} is no core::error::Error"));
                }
            }
        });
    }
    assert!(errors >= 5, "only {errors} errors were found");
    super::no_faults(faults);
}

/// Errors by another name.
const OTHER_ERRORS: &[&str] = &["NoRoom", "StaleHandle", "CloseReason", "Malformed"];

#[test]
fn planted_values_without_a_format_are_caught() {
    let plain = "#[derive(Debug, Clone)] pub struct A;";
    assert_eq!(format_faults("a.rs", plain).len(), 1);
    let derived = "#[derive(Clone)] #[cfg_attr(feature = \"defmt\", derive(defmt::Format))]
                   pub enum A { B }";
    assert_eq!(format_faults("a.rs", derived).len(), 0);
    let by_hand = format!("{plain} impl defmt::Format for A {{}}");
    assert_eq!(format_faults("a.rs", &by_hand).len(), 0);
    assert_eq!(format_faults("a.rs", "#[derive(Debug)] pub struct Pool;").len(), 0, "a place");
    assert_eq!(format_faults("a.rs", "#[derive(Clone)] pub struct A<'p>(&'p u8);").len(), 0);
    assert_eq!(format_faults("a.rs", "#[derive(Clone)] pub(crate) struct A;").len(), 0);
}
