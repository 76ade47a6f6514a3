//! Lets the linker find `memory.x` and `device.x` wherever cargo was started, and tells the image
//! `parts` what it is made of.

fn main() {
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets this");
    println!("cargo:rustc-link-search={here}");
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rerun-if-changed=device.x");
    // Words with a blank between them, each `cfg(part = "WORD")`.
    println!("cargo:rustc-check-cfg=cfg(part, values(any()))");
    println!("cargo:rerun-if-env-changed=HIKYAKU_PARTS");
    for part in std::env::var("HIKYAKU_PARTS").unwrap_or_default().split_whitespace() {
        println!("cargo:rustc-cfg=part=\"{part}\"");
    }
}
