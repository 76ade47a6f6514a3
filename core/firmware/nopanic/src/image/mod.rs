//! An image that is linked and never run: one exported function for every public operation.
//!
//! Each takes all that it works on behind one pointer, from a caller that the optimiser cannot
//! know, so that nothing is ruled out by what a caller happens to pass. The panic handler calls a
//! function that does not exist: whatever can still panic after optimisation fails the link.

/// Declares exported functions, and a table of them that keeps them in the image.
macro_rules! operations {
    ($($(#[$attribute:meta])* fn $name:ident($($input:ident: $type:ty),*) $body:block)*) => {
        $($(#[$attribute])*
        #[unsafe(no_mangle)]
        #[allow(improper_ctypes_definitions, clippy::unit_arg, clippy::let_unit_value)]
        extern "C" fn $name($($input: $type),*) {
            let _ = core::hint::black_box($body);
        })*

        pub(super) fn keep() {
            $($(#[$attribute])* { core::hint::black_box($name as *const ()); })*
        }
    };
}

mod aio;
mod blocking;
mod input;
mod service;
mod sockets;
mod stack;
mod wire;

use core::panic::PanicInfo;

/// Where execution would begin. All that it does is to name the operations to the linker.
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    stack::keep();
    sockets::keep();
    service::keep();
    wire::keep();
    aio::keep();
    blocking::keep();
    loop {
        core::hint::spin_loop();
    }
}

unsafe extern "C" {
    /// Defined nowhere.
    fn a_panic_path_is_left() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: an image that calls this cannot be linked.
    unsafe { a_panic_path_is_left() }
}
