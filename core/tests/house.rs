//! The house rules, as tests that read the source tree: sizes, floors, circles, `cfg`, `unsafe`,
//! the crates that must be in real use, and the ledger of security cases.
//!
//! A rule is a function from text to a list of faults. Beside each stands a test that plants a
//! fault and sees it caught. CONTRIBUTING.md says the same rules in words.

#[path = "house/floors.rs"]
mod floors;
#[path = "house/formats.rs"]
mod formats;
#[path = "house/ledger.rs"]
mod ledger;
#[path = "house/readme.rs"]
mod readme;
#[path = "house/tokens.rs"]
mod tokens;

use floors::{FLOORS, Floor, NEVER, Order};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, iter};
use tokens::{
    each_run, group, ident, is_ident, is_path_mark, is_punct, item_end, line_count, tokens,
    without_tests,
};

const FILE_LINES: usize = 800;
const FUNCTION_LINES: usize = 60;
const COLUMNS: usize = 100;

/// Crates that carry weight in `core/src`, as the design promises.
const CRATES_IN_USE: &[&str] = &["heapless", "managed", "byteorder"];

// ---- the tree ----

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core lies in the workspace").into()
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.expect("a readable folder").path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Every Rust file below `folder` with its text; names are relative to `folder`.
fn sources(folder: &str) -> Vec<(String, String)> {
    let base = root().join(folder);
    let all: Vec<_> = files_below(&base, "rs")
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&base).expect("a file below its folder");
            let text = fs::read_to_string(&path).expect("a readable source file");
            (name.to_str().expect("a plain name").replace('\\', "/"), text)
        })
        .collect();
    assert!(!all.is_empty(), "no sources in {folder}");
    all
}

fn is_test_file(name: &str) -> bool {
    name.ends_with("tests.rs") || name.split('/').any(|part| part == "tests")
}

/// The sources that rules about shipped code read.
fn shipped(folder: &str) -> Vec<(String, String)> {
    sources(folder).into_iter().filter(|(name, _)| !is_test_file(name)).collect()
}

fn no_faults(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n(CONTRIBUTING.md gives the rules)", faults.join("\n"));
}

// ---- size ----

fn size_faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = wide_lines(name, text);
    if is_test_file(name) {
        return faults;
    }
    let (stream, test_lines) = without_tests(tokens(name, text));
    let lines = text.lines().count() - test_lines;
    if lines >= FILE_LINES {
        faults.push(format!("{name}: {lines} lines without tests; stay under {FILE_LINES}"));
    }
    each_run(stream, &mut |run| {
        for (at, token) in run.iter().enumerate() {
            let (true, Some(function)) = (is_ident(Some(token), "fn"), ident(run.get(at + 1)))
            else {
                continue;
            };
            let last = &run[item_end(run, at) - 1];
            let lines = line_count(token.span(), last.span());
            if lines >= FUNCTION_LINES {
                let line = token.span().start().line;
                faults.push(format!(
                    "{name}:{line}: fn {function} has {lines} lines; stay under {FUNCTION_LINES}"
                ));
            }
        }
    });
    faults
}

fn wide_lines(name: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.chars().count() > COLUMNS)
        .map(|(at, _)| format!("{name}:{}: wider than {COLUMNS} columns", at + 1))
        .collect()
}

#[test]
fn files_functions_and_lines_keep_their_size() {
    let folders = ["core/src", "core/testkit/src", "core/bench/src", "host-linux/src"];
    let mut faults = Vec::new();
    for folder in folders {
        for (name, text) in sources(folder) {
            faults.extend(size_faults(&format!("{folder}/{name}"), &text));
        }
    }
    no_faults(faults);
}

#[test]
fn planted_sizes_are_caught() {
    let body = "    x();\n".repeat(58);
    let long = format!("fn long() {{\n{body}}}\n");
    assert_eq!(size_faults("a.rs", &long).len(), 1, "a function of 60 lines");
    assert_eq!(size_faults("a.rs", &format!("#[cfg(test)]\nmod tests {{ {long} }}")).len(), 0);
    assert_eq!(size_faults("a.rs", &long.replacen("    x();\n", "", 1)).len(), 0);
    assert_eq!(size_faults("a.rs", &format!("impl A {{ {long} }}")).len(), 1, "a method");
    assert_eq!(size_faults("a.rs", &"// line\n".repeat(800)).len(), 1, "a file of 800 lines");
    assert_eq!(size_faults("a/tests.rs", &"// line\n".repeat(800)).len(), 0);
    let with_tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// line\n".repeat(800));
    assert_eq!(size_faults("a.rs", &with_tests).len(), 0, "tests are not counted");
    assert_eq!(size_faults("a.rs", &format!("// {}\n", "x".repeat(98))).len(), 1, "101 columns");
}

// ---- floors, sibling order and circles ----

/// An arrow from a file to a file that it names.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrow {
    to: String,
    /// A `pub use` of a child whose name is used nowhere else: a façade shows it, but does not
    /// build on it.
    shown_only: bool,
}

/// Finds the paths in one file and turns them into arrows.
struct Paths<'f> {
    files: &'f BTreeSet<String>,
    /// The words outside of all imports.
    words: BTreeSet<String>,
    arrows: BTreeSet<Arrow>,
    publishing: bool,
}

/// `tcp/send.rs` is module `tcp::send`; `tcp/mod.rs` is `tcp`; `lib.rs` is the root.
fn module_of(name: &str) -> Vec<String> {
    let stem = name.trim_end_matches(".rs");
    let parts = stem.split('/').filter(|part| !["mod", "lib"].contains(part));
    parts.map(str::to_string).collect()
}

impl Paths<'_> {
    fn file_of(&self, path: &[String]) -> String {
        for length in (1..=path.len()).rev() {
            let stem = path[..length].join("/");
            let names = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
            if let Some(name) = names.into_iter().find(|name| self.files.contains(name)) {
                return name;
            }
        }
        "lib.rs".into()
    }

    /// Whether `path` is itself a module that has a file.
    fn is_module(&self, path: &[String]) -> bool {
        module_of(&self.file_of(path)) == path
    }

    fn walk(&mut self, stream: TokenStream, module: &[String]) {
        let run: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < run.len() {
            at = self.step(&run, at, module);
        }
    }

    /// Reads on from `at` and returns where to go on.
    fn step(&mut self, run: &[TokenTree], at: usize, module: &[String]) -> usize {
        match &run[at] {
            TokenTree::Ident(word) if word == "mod" => {
                let body = group(run.get(at + 2), Delimiter::Brace);
                let (Some(name), Some(body)) = (ident(run.get(at + 1)), body) else {
                    return at + 1;
                };
                self.walk(body.stream(), &extended(module, &name));
                at + 3
            }
            TokenTree::Ident(word) if word == "use" => {
                let before = at.checked_sub(1).and_then(|before| run.get(before));
                let restricted = group(before, Delimiter::Parenthesis).is_some();
                self.publishing = restricted || is_ident(before, "pub");
                at + 1
            }
            TokenTree::Ident(word) => {
                let inside = at >= 2 && is_path_mark(run, at - 2);
                // `$crate::…` is expanded where the macro is used: it is said to others.
                let said_to_others = at >= 1 && is_punct(run.get(at - 1), '$');
                if inside || said_to_others || !is_path_mark(run, at + 1) {
                    return at + 1;
                }
                let start = match word.to_string().as_str() {
                    "crate" => Vec::new(),
                    "self" => module.to_vec(),
                    "super" => module[..module.len().saturating_sub(1)].to_vec(),
                    child if self.is_module(&extended(module, child)) => extended(module, child),
                    _ => return at + 1,
                };
                self.tree(start, run, at + 3, module)
            }
            TokenTree::Group(group) => {
                self.walk(group.stream(), module);
                at + 1
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => {
                self.publishing = false;
                at + 1
            }
            _ => at + 1,
        }
    }

    /// Follows one path, or a tree of them, from `at` on.
    fn tree(
        &mut self,
        mut path: Vec<String>,
        run: &[TokenTree],
        at: usize,
        module: &[String],
    ) -> usize {
        if let Some(branches) = group(run.get(at), Delimiter::Brace) {
            let inside: Vec<TokenTree> = branches.stream().into_iter().collect();
            for branch in inside.split(|token| is_punct(Some(token), ',')) {
                self.tree(path.clone(), branch, 0, module);
            }
            return at + 1;
        }
        match ident(run.get(at)).as_deref() {
            Some("super") => drop(path.pop()),
            Some("self") => {}
            Some(name) => path.push(name.into()),
            None => {
                self.point(&path, module);
                return at;
            }
        }
        if is_path_mark(run, at + 1) {
            return self.tree(path, run, at + 3, module);
        }
        self.point(&path, module);
        at + 1
    }

    fn point(&mut self, path: &[String], module: &[String]) {
        let to = self.file_of(path);
        let named = path.last().is_some_and(|name| self.words.contains(name));
        let shown_only = self.publishing && module_of(&to).starts_with(module) && !named;
        self.arrows.insert(Arrow { to, shown_only });
    }
}

fn extended(module: &[String], name: &str) -> Vec<String> {
    module.iter().cloned().chain(iter::once(name.to_string())).collect()
}

/// The arrows of every file.
fn arrows(sources: &[(String, String)]) -> BTreeMap<String, BTreeSet<Arrow>> {
    let files: BTreeSet<String> = sources.iter().map(|(name, _)| name.clone()).collect();
    let one = |(name, text): &(String, String)| {
        let stream = without_tests(tokens(name, text)).0;
        let mut words = Words::default();
        words.read(stream.clone(), "");
        let arrows = BTreeSet::new();
        let words = words.elsewhere;
        let mut paths = Paths { files: &files, words, arrows, publishing: false };
        paths.walk(stream, &module_of(name));
        paths.arrows.retain(|arrow| arrow.to != *name);
        (name.clone(), paths.arrows)
    };
    sources.iter().map(one).collect()
}

fn place(name: &str) -> Option<(&'static Floor, usize)> {
    FLOORS.iter().find_map(|floor| {
        floor.files.iter().position(|file| *file == name).map(|index| (floor, index))
    })
}

fn floor_faults(sources: &[(String, String)]) -> Vec<String> {
    let mut faults = Vec::new();
    for (from, arrows) in arrows(sources) {
        let Some((floor, index)) = place(&from) else {
            faults.push(format!(
                "core/src/{from} has no rank: add it to FLOORS in core/tests/house/floors.rs, on the \
                 lowest floor that can carry it, and to the picture in docs/architecture.md"
            ));
            continue;
        };
        for arrow in arrows {
            let Some((below, below_index)) = place(&arrow.to) else { continue };
            let falls = below.level < floor.level;
            let in_order = floor.order == Order::Free || below_index < index || arrow.shown_only;
            let stays = below.name == floor.name && in_order;
            if !(falls || stays) || NEVER.contains(&(floor.name, below.name)) {
                faults.push(format!(
                    "core/src/{from} ({}) names {} ({}): arrows point down the floors, and in \
                     `tcp/` to earlier siblings",
                    floor.name, arrow.to, below.name
                ));
            }
        }
    }
    faults
}

fn circle_faults(sources: &[(String, String)]) -> Vec<String> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (from, arrows) in arrows(sources) {
        let built_on = arrows.into_iter().filter(|arrow| !arrow.shown_only);
        named.insert(from, built_on.map(|arrow| arrow.to).collect());
    }
    let reached_from = |start: &str| {
        let mut reached = BTreeSet::new();
        let mut next = vec![start];
        while let Some(name) = next.pop() {
            for to in named.get(name).into_iter().flatten() {
                if reached.insert(to.as_str()) {
                    next.push(to);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        named.keys().map(|name| (name.as_str(), reached_from(name))).collect();
    let goes_back = |from: &str, to: &str| reached.get(to).is_some_and(|to| to.contains(from));
    named
        .iter()
        .flat_map(|(from, arrows)| arrows.iter().map(move |to| (from, to)))
        .filter(|(from, to)| goes_back(from, to))
        .map(|(from, to)| format!("core/src/{from} names {to}, which leads back to it: a circle"))
        .collect()
}

#[test]
fn arrows_point_down_the_floors() {
    no_faults(floor_faults(&shipped("core/src")));
}

#[test]
fn every_rank_has_its_file() {
    let there = shipped("core/src");
    let ranks = FLOORS.iter().flat_map(|floor| floor.files);
    let gone = ranks.filter(|rank| !there.iter().any(|(name, _)| name == *rank));
    no_faults(gone.map(|rank| format!("{rank} has a rank and no file: take it out")).collect());
}

#[test]
fn there_are_no_import_circles() {
    no_faults(circle_faults(&shipped("core/src")));
}

fn planted(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
}

#[test]
fn planted_arrows_are_caught() {
    let base = [("lib.rs", ""), ("seq.rs", ""), ("device.rs", ""), ("wire/checksum.rs", "")];
    let base = [&base[..], &[("tcp/state.rs", ""), ("tcp/send.rs", ""), ("storage/list.rs", "")]];
    let base = base.concat();
    let faults = |file: &str, text: &str| {
        let mut files: Vec<_> = base.iter().filter(|(name, _)| *name != file).copied().collect();
        files.push((file, text));
        floor_faults(&planted(&files)).len()
    };
    let wrong = [
        ("seq.rs", "use crate::tcp::send::Send;"),
        ("wire/checksum.rs", "use crate::{seq::SeqNum, storage::{list}};"),
        ("storage/list.rs", "fn f() { let x = crate::wire::checksum::sum(&[]); }"),
        ("tcp/state.rs", "use super::send::Send;"),
        ("tcp/state.rs", "fn f() { g!(super::super::tcp::send::X) }"),
        ("tcp/send.rs", "use crate::device::Device;"),
        ("tcp/send.rs", "use crate::Unfloored;"),
        ("tcp/news.rs", ""),
    ];
    for (file, text) in wrong {
        assert_eq!(faults(file, text), 1, "{file}: {text}");
    }
    let right = [
        ("device.rs", "use crate::{seq::SeqNum, wire::checksum};"),
        ("tcp/send.rs", "use super::state::State; use super::super::seq;"),
        ("tcp/send.rs", "mod inner { use super::super::state::State; }"),
        ("seq.rs", "#[cfg(test)] mod tests { use crate::tcp::send::Send; }"),
        ("seq.rs", "#[cfg(test)] use crate::tcp::{send, state}; fn f() {}"),
        ("seq.rs", "macro_rules! make { () => { $crate::tcp::send::Send } }"),
        ("lib.rs", "pub mod tcp; pub use tcp::send::Send; pub use crate::seq::SeqNum;"),
    ];
    for (file, text) in right {
        assert_eq!(faults(file, text), 0, "{file}: {text}");
    }
}

#[test]
fn a_planted_circle_is_caught() {
    let circle = [("time.rs", "use crate::flow::A;"), ("flow.rs", "use crate::seq::B;")];
    let there = [&circle[..], &[("seq.rs", "use crate::time::C;"), ("lib.rs", "")]].concat();
    assert_eq!(circle_faults(&planted(&there)).len(), 3);
    let open = [&circle[..], &[("seq.rs", ""), ("lib.rs", "use crate::time::C;")]].concat();
    assert_eq!(circle_faults(&planted(&open)).len(), 0);
    for facade in ["pub use tcp::A;", "pub use tcp::A; enum B { #[default] A, C }"] {
        let facade = [("wire/mod.rs", facade), ("wire/tcp.rs", "use super::B;")];
        assert_eq!(circle_faults(&planted(&facade)).len(), 0, "a façade only shows its children");
    }
    let sorts = ["use tcp::A;", "pub use tcp::A; struct B(A);", "pub use tcp::A; enum B { C(A) }"];
    for real in sorts {
        let real = [("wire/mod.rs", real), ("wire/tcp.rs", "use super::B;")];
        assert_eq!(circle_faults(&planted(&real)).len(), 2);
    }
}

// ---- cfg in tcp/, unsafe ----

/// `cfg` in any form but `cfg(test)` and the `defmt` derive.
fn cfg_faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    each_run(tokens(name, text), &mut |run| {
        for (at, token) in run.iter().enumerate() {
            let cfg = ["cfg", "cfg_attr"].into_iter().find(|word| is_ident(Some(token), word));
            let Some(cfg) = cfg else { continue };
            let after = at + 1 + usize::from(is_punct(run.get(at + 1), '!'));
            let Some(condition) = group(run.get(after), Delimiter::Parenthesis) else { continue };
            let said = condition.stream().to_string().replace(char::is_whitespace, "");
            let allowed = match cfg {
                "cfg" => said == "test",
                _ => said.starts_with("feature=\"defmt\","),
            };
            if !allowed {
                let line = token.span().start().line;
                faults.push(format!("{name}:{line}: {cfg}({said}) has no place in tcp/"));
            }
        }
    });
    faults
}

fn unsafe_faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    each_run(tokens(name, text), &mut |run| {
        for token in run.iter().filter(|token| is_ident(Some(token), "unsafe")) {
            faults.push(format!("{name}:{}: unsafe", token.span().start().line));
        }
    });
    faults
}

#[test]
fn tcp_is_the_same_in_every_build() {
    let tcp = sources("core/src").into_iter().filter(|(name, _)| name.starts_with("tcp/"));
    no_faults(tcp.flat_map(|(name, text)| cfg_faults(&name, &text)).collect());
}

#[test]
fn nothing_is_unsafe() {
    let mut all = sources("core/src");
    all.extend(sources("core/testkit/src"));
    no_faults(all.iter().flat_map(|(name, text)| unsafe_faults(name, text)).collect());
    let lib = fs::read_to_string(root().join("core/src/lib.rs")).expect("core/src/lib.rs");
    assert!(lib.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn planted_cfg_and_unsafe_are_caught() {
    let wrong = [
        "#[cfg(feature = \"ipv6\")] fn f() {}",
        "fn f() { if cfg!(target_os = \"none\") {} }",
        "#[cfg_attr(feature = \"alloc\", derive(Clone))] struct A;",
        "#[cfg(not(test))] fn f() {}",
    ];
    for text in wrong {
        assert_eq!(cfg_faults("tcp/a.rs", text).len(), 1, "{text}");
    }
    let right = "#[cfg_attr(feature = \"defmt\", derive(defmt::Format))] struct A;
                 #[cfg(test)] mod tests; // cfg(feature = \"x\")";
    assert_eq!(cfg_faults("tcp/a.rs", right).len(), 0);
    assert_eq!(unsafe_faults("a.rs", "fn f() { unsafe { g() } }").len(), 1);
    assert_eq!(unsafe_faults("a.rs", "// unsafe\nconst A: &str = \"unsafe\";").len(), 0);
}

// ---- crates in use ----

/// The words of a file: those that it imports from one crate, and those outside of all imports.
#[derive(Default)]
struct Words {
    imported: BTreeSet<String>,
    elsewhere: BTreeSet<String>,
}

impl Words {
    fn read(&mut self, stream: TokenStream, name: &str) {
        let run: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < run.len() {
            if is_ident(run.get(at), "use") {
                let end = item_end(&run, at);
                if is_ident(run.get(at + 1), name) {
                    let import = run[at + 2..end].iter().cloned().collect();
                    each_run(import, &mut |words| {
                        self.imported.extend(words.iter().filter_map(|word| ident(Some(word))));
                    });
                }
                at = end;
                continue;
            }
            if is_ident(run.get(at), "enum") {
                at = self.read_enum(&run, at, name);
                continue;
            }
            match &run[at] {
                TokenTree::Group(group) => self.read(group.stream(), name),
                TokenTree::Ident(word) => drop(self.elsewhere.insert(word.to_string())),
                _ => {}
            }
            at += 1;
        }
    }
}

impl Words {
    /// The name of a variant is its own; what it holds is named from elsewhere.
    fn read_enum(&mut self, run: &[TokenTree], at: usize, name: &str) -> usize {
        let end = item_end(run, at);
        let Some(body) = group(run.get(end - 1), Delimiter::Brace) else { return at + 1 };
        let inside: Vec<TokenTree> = body.stream().into_iter().collect();
        for variant in inside.split(|token| is_punct(Some(token), ',')) {
            let at = variant.iter().position(|token| matches!(token, TokenTree::Ident(_)));
            let held = variant.iter().skip(at.map_or(0, |at| at + 1));
            self.read(held.cloned().collect(), name);
        }
        end
    }
}

/// Whether shipped code in `text` names the crate in code, or imports something and then uses it.
fn uses_crate(name: &str, text: &str) -> bool {
    let mut words = Words::default();
    words.read(without_tests(tokens(name, text)).0, name);
    words.elsewhere.contains(name) || !words.imported.is_disjoint(&words.elsewhere)
}

#[test]
fn the_promised_crates_carry_weight() {
    let all = shipped("core/src");
    let idle = CRATES_IN_USE.iter().filter(|name| !all.iter().any(|(_, t)| uses_crate(name, t)));
    no_faults(
        idle.map(|name| format!("{name} is a dependency that core/src never uses")).collect(),
    );
}

#[test]
fn a_crate_that_is_only_named_is_caught() {
    assert!(!uses_crate("heapless", "use heapless::Vec;"));
    assert!(!uses_crate("heapless", "use heapless::{Deque, Vec};"));
    assert!(!uses_crate("heapless", "// heapless::Vec\nfn f() {}"));
    assert!(!uses_crate("heapless", "#[cfg(test)] mod tests { type A = heapless::Vec<u8, 4>; }"));
    assert!(uses_crate("heapless", "use heapless::{Deque, Vec};\nstruct A { a: Vec<u8, 4> }"));
    assert!(uses_crate("heapless", "struct A { a: heapless::Vec<u8, 4> }"));
}
