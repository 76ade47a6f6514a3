//! The calls of sockets that tasks wait for. A future is polled until it is done, or until whoever
//! waits has lost interest.

use core::future::Future;
use core::hint::black_box;
use core::pin::pin;
use core::task::Context;

use hikyaku::aio::{
    Async, Connection, Datagrams, Listener, Notify, Reader, Receiver, Sender, Shared, Writer,
};

use super::input::{Input, Port};
use crate::Chosen;

type Profile = Async<Chosen>;
type Net = Shared<'static, Profile>;
type Tcp = Connection<'static, 'static, Profile>;
type TcpReader = Reader<'static, 'static, Profile>;
type TcpWriter = Writer<'static, 'static, Profile>;
type Port0 = Listener<'static, 'static, Profile>;
type Udp = Datagrams<'static, 'static, Profile>;
type UdpReceiver = Receiver<'static, 'static, Profile>;
type UdpSender = Sender<'static, 'static, Profile>;

impl Notify for Port {
    fn notify(&mut self, waker: &core::task::Waker) {
        black_box(waker);
    }
}

fn wait<F: Future>(context: &mut Context<'_>, future: F) {
    let mut future = pin!(future);
    while future.as_mut().poll(context).is_pending() {
        if black_box(false) {
            return;
        }
    }
}

operations! {
    fn shared_run(net: &Net, context: &mut Context<'_>, input: &mut Input) {
        let mut future = pin!(net.run(&mut input.device));
        while black_box(true) {
            let _ = future.as_mut().poll(context);
        }
    }
    fn shared_poll(net: &Net, context: &mut Context<'_>, input: &mut Input) {
        net.poll(context, &mut input.device).is_pending()
    }
    fn shared_with(net: &Net) { net.with(|stack| stack.usage()).is_ok() }
    fn shared_connect_v4(net: &Net, context: &mut Context<'_>, input: &mut Input) {
        wait(context, net.connect(input.remote_v4(), &input.connect))
    }
    #[cfg(feature = "ipv6")]
    fn shared_connect_v6(net: &Net, context: &mut Context<'_>, input: &mut Input) {
        wait(context, net.connect(input.remote_v6(), &input.connect))
    }
    fn shared_listen(net: &'static Net, input: &mut Input) {
        net.listen(input.port, &input.listen).is_ok()
    }
    fn shared_bind_udp_v4(net: &'static Net, input: &mut Input) {
        net.bind_udp(&input.bind, Some(input.remote_v4())).is_ok()
    }
    #[cfg(feature = "ipv6")]
    fn shared_bind_udp_v6(net: &'static Net, input: &mut Input) {
        net.bind_udp(&input.bind, Some(input.remote_v6())).is_ok()
    }

    fn connection_read(tcp: &mut Tcp, context: &mut Context<'_>, input: &mut Input) {
        wait(context, tcp.read(input.buffer))
    }
    fn connection_readable(tcp: &mut Tcp, context: &mut Context<'_>) {
        wait(context, tcp.readable())
    }
    fn connection_write(tcp: &mut Tcp, context: &mut Context<'_>, input: &mut Input) {
        wait(context, tcp.write(input.buffer))
    }
    fn connection_write_all(tcp: &mut Tcp, context: &mut Context<'_>, input: &mut Input) {
        wait(context, tcp.write_all(input.buffer))
    }
    fn connection_flush(tcp: &mut Tcp, context: &mut Context<'_>) { wait(context, tcp.flush()) }
    fn connection_finish(tcp: &mut Tcp, context: &mut Context<'_>) { wait(context, tcp.finish()) }
    fn connection_shutdown(tcp: &mut Tcp, input: &mut Input) { tcp.shutdown(input.half) }
    fn connection_with(tcp: &mut Tcp) { tcp.with(|socket| socket.abort()) }
    fn connection_split(tcp: &mut Tcp) {
        let (reader, writer) = tcp.split();
        black_box((&reader, &writer));
    }
    fn connection_read_ready(tcp: &mut Tcp) { tcp.read_ready() }
    fn connection_write_ready(tcp: &mut Tcp) { tcp.write_ready() }

    fn reader_read(tcp: &mut TcpReader, context: &mut Context<'_>, input: &mut Input) {
        wait(context, tcp.read(input.buffer))
    }
    fn reader_readable(tcp: &mut TcpReader, context: &mut Context<'_>) {
        wait(context, tcp.readable())
    }
    fn reader_read_ready(tcp: &mut TcpReader) { tcp.read_ready() }
    fn writer_write(tcp: &mut TcpWriter, context: &mut Context<'_>, input: &mut Input) {
        wait(context, tcp.write(input.buffer))
    }
    fn writer_flush(tcp: &mut TcpWriter, context: &mut Context<'_>) { wait(context, tcp.flush()) }
    fn writer_finish(tcp: &mut TcpWriter) { tcp.finish() }
    fn writer_write_ready(tcp: &mut TcpWriter) { tcp.write_ready() }

    fn listener_accept(listener: &mut Port0, context: &mut Context<'_>) {
        wait(context, listener.accept())
    }

    fn datagrams_recv_from(udp: &mut Udp, context: &mut Context<'_>, input: &mut Input) {
        wait(context, udp.recv_from(input.buffer))
    }
    fn datagrams_readable(udp: &mut Udp, context: &mut Context<'_>) {
        wait(context, udp.readable())
    }
    fn datagrams_send_to_v4(udp: &mut Udp, context: &mut Context<'_>, input: &mut Input) {
        let remote = input.remote_v4();
        wait(context, udp.send_to(input.buffer, remote))
    }
    #[cfg(feature = "ipv6")]
    fn datagrams_send_to_v6(udp: &mut Udp, context: &mut Context<'_>, input: &mut Input) {
        let remote = input.remote_v6();
        wait(context, udp.send_to(input.buffer, remote))
    }
    fn datagrams_flush(udp: &mut Udp, context: &mut Context<'_>) { wait(context, udp.flush()) }
    fn datagrams_with(udp: &mut Udp) { udp.with(|socket| socket.local_port()) }
    fn datagrams_split(udp: &mut Udp) {
        let (receiver, sender) = udp.split();
        black_box((&receiver, &sender));
    }
    fn receiver_recv_from(udp: &mut UdpReceiver, context: &mut Context<'_>, input: &mut Input) {
        wait(context, udp.recv_from(input.buffer))
    }
    fn receiver_readable(udp: &mut UdpReceiver, context: &mut Context<'_>) {
        wait(context, udp.readable())
    }
    fn sender_send_to_v4(udp: &mut UdpSender, context: &mut Context<'_>, input: &mut Input) {
        let remote = input.remote_v4();
        wait(context, udp.send_to(input.buffer, remote))
    }
    #[cfg(feature = "ipv6")]
    fn sender_send_to_v6(udp: &mut UdpSender, context: &mut Context<'_>, input: &mut Input) {
        let remote = input.remote_v6();
        wait(context, udp.send_to(input.buffer, remote))
    }
    fn sender_flush(udp: &mut UdpSender, context: &mut Context<'_>) { wait(context, udp.flush()) }
}
