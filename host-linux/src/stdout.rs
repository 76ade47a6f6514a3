//! Whether stdout was open when the program was started.
//!
//! Before `main` the standard library opens /dev/null in place of a standard descriptor that is
//! closed, so that later nobody can tell. The look comes before that.

use std::sync::atomic::{AtomicBool, Ordering};

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs when the program is loaded, before the standard library starts.
// SAFETY: the loader calls what this section names, with the signature of C. The function makes
// one system call and stores a flag, which needs nothing of the standard library.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    // SAFETY: no pointers are passed.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    WAS_CLOSED.store(flags < 0, Ordering::Relaxed);
}

/// Fails where data would have nowhere to go.
///
/// # Errors
/// stdout was closed.
pub(crate) fn require() -> anyhow::Result<()> {
    let was_closed = WAS_CLOSED.load(Ordering::Relaxed);
    anyhow::ensure!(
        !was_closed,
        "stdout is closed, so the data has nowhere to go; try `>FILE` or `>/dev/null`"
    );
    Ok(())
}
