//! The smallest useful image, to be weighed and never run: a TCP echo on the profile `Small`.
#![no_std]
#![no_main]

use core::panic::PanicInfo;
use cortex_m_rt::entry;
use hikyaku::wire::ipv4::Header;
use hikyaku::wire::tcp;

static mut BUF: [u8; 2000] = [0; 2000];

#[entry]
fn main() -> ! {
    loop {
        let packet: [u8; 64] = unsafe { core::ptr::read_volatile(0x4004_8010 as *const [u8; 64]) };
        if let Ok((h, p)) = Header::parse(&packet) {
            if let Ok((t, _)) = tcp::Header::parse(p) {
                let mut out = [0; 64];
                let _ = h.emit(20, &mut out);
                let _ = t.emit(&mut out[20..]);
                unsafe { BUF[t.window as usize % 2000] = 1; core::ptr::write_volatile(0x4004_8010 as *mut [u8; 64], out) };
            }
        }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
