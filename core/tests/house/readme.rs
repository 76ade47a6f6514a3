//! The README of the package: that of the repository, with links that work in a registry.

use std::fs;

/// Where the files of the repository are.
const REPOSITORY: &str = "https://github.com/hikyaku/hikyaku/blob/main/";

/// The page with each relative link made absolute.
fn packaged(page: &str) -> String {
    let mut parts = page.split("](");
    let mut packaged = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_relative = !part.starts_with("http") && !part.starts_with('#');
        packaged.push_str("](");
        packaged.push_str(if is_relative { REPOSITORY } else { "" });
        packaged.push_str(part);
    }
    packaged
}

fn read(name: &str) -> String {
    fs::read_to_string(super::root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_package_has_the_readme_of_the_repository() {
    let wanted = packaged(&read("README.md"));
    let path = super::root().join("core/README.md");
    if std::env::var_os("HIKYAKU_WRITE_README").is_some() {
        fs::write(&path, &wanted).expect("a writable file");
    }
    assert!(
        read("core/README.md") == wanted,
        "core/README.md differs from README.md; \
         HIKYAKU_WRITE_README=1 cargo test -p hikyaku --test house readme"
    );
}

#[test]
fn links_are_made_absolute() {
    let page = "[a](docs/a.md) [b](https://b) [c](#c) `d[0](e)` text";
    let wanted =
        format!("[a]({REPOSITORY}docs/a.md) [b](https://b) [c](#c) `d[0]({REPOSITORY}e)` text");
    assert_eq!(packaged(page), wanted);
}

/// Relative links of the page, without their fragments.
fn links(page: &str) -> Vec<String> {
    let targets = page.split("](").skip(1).filter_map(|part| part.split(')').next());
    let files = targets.filter(|target| !target.starts_with("http") && !target.starts_with('#'));
    files.map(|target| target.split('#').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_links_of_the_readme_lead_to_files() {
    let missing: Vec<String> = links(&read("README.md"))
        .into_iter()
        .filter(|link| !super::root().join(link).exists())
        .collect();
    assert!(missing.is_empty(), "README.md links to {missing:?}");
    assert_eq!(links("[a](b.md#c) [d](https://e) [f](#g)"), ["b.md"]);
}

#[test]
fn the_readme_shows_the_example_that_is_run() {
    let example = read("core/examples/echo.rs");
    let lines = "// ----------------------------------------------------------------------------";
    let shown = example.split(lines).nth(1).and_then(|part| part.split_once('\n'));
    let (_, shown) = shown.expect("lines of dashes");
    let page = read("README.md");
    let (_, code) = page.split_once("```rust\n").expect("code");
    let (code, _) = code.split_once("```").expect("its end");
    assert_eq!(shown.trim(), code.trim(), "README.md and core/examples/echo.rs");
}

#[test]
fn the_readme_lists_every_feature() {
    let manifest = read("core/Cargo.toml");
    let (_, features) = manifest.split_once("[features]\n").expect("features");
    let (features, _) = features.split_once("\n[").expect("their end");
    let page = read("README.md");
    for line in features.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, _)) = line.split_once(" = [") else { continue };
        let row = format!("| `{name}` |");
        assert!(name == "default" || page.contains(&row), "README.md has no row {row}");
    }
}
