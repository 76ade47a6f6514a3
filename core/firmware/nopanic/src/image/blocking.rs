//! The calls of streams that block. Their `sleep` returns whatever time it likes.

use embedded_io::{Read, ReadReady, Write, WriteReady};
use hikyaku::adapter::embedded_io::Blocking;
use hikyaku::{Instant, Wake};

use super::input::{Input, Port, TheStack};
use crate::Chosen;

type Net = Blocking<'static, 'static, Chosen, Port, fn(Wake) -> Instant>;

operations! {
    fn blocking_new(stack: &'static mut TheStack, device: &'static mut Port) {
        let net: Net = Blocking::new(stack, device, |_| Instant::ZERO);
        core::hint::black_box(&net);
    }
    fn blocking_connect_v4(net: &mut Net, input: &mut Input) {
        net.connect(input.remote_v4(), &input.connect)
    }
    #[cfg(feature = "ipv6")]
    fn blocking_connect_v6(net: &mut Net, input: &mut Input) {
        net.connect(input.remote_v6(), &input.connect)
    }
    fn blocking_accept(net: &mut Net, input: &mut Input) { net.accept(input.listener) }
    fn blocking_stack(net: &mut Net) { net.stack().usage() }
    fn blocking_stream(net: &mut Net, input: &mut Input) {
        let mut stream = net.stream(input.tcp);
        let _ = core::hint::black_box(stream.read(input.buffer));
        let _ = core::hint::black_box(stream.write(input.buffer));
        let _ = core::hint::black_box(stream.flush());
        let _ = core::hint::black_box(stream.read_ready());
        stream.write_ready()
    }
}
