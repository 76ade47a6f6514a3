//! The calls of `TcpSocket` and `UdpSocket`, on sockets in hand.

use hikyaku::{TcpSocket, UdpSocket};

use super::input::Input;
use crate::Chosen;

type Tcp = TcpSocket<'static, 'static, Chosen>;
type Udp = UdpSocket<'static, 'static, Chosen>;

operations! {
    fn tcp_socket_write(input: &mut Input, socket: &mut Tcp) { socket.write(input.buffer) }
    fn tcp_socket_write_with(input: &mut Input, socket: &mut Tcp) {
        socket.write_with(|room| {
            core::hint::black_box(room);
            input.count
        })
    }
    fn tcp_socket_read(input: &mut Input, socket: &mut Tcp) { socket.read(input.buffer) }
    fn tcp_socket_read_with(input: &mut Input, socket: &mut Tcp) {
        socket.read_with(|octets| {
            core::hint::black_box(octets);
            input.count
        })
    }
    fn tcp_socket_peek(input: &mut Input, socket: &mut Tcp) { socket.peek(input.buffer) }
    fn tcp_socket_close(socket: &mut Tcp) { socket.close() }
    fn tcp_socket_shutdown(input: &mut Input, socket: &mut Tcp) { socket.shutdown(input.half) }
    fn tcp_socket_abort(socket: &mut Tcp) { socket.abort() }
    fn tcp_socket_release(socket: Tcp) { socket.release() }
    fn tcp_socket_mark_urgent(socket: &mut Tcp) { socket.mark_urgent() }
    fn tcp_socket_urgent(socket: &mut Tcp) { socket.urgent() }
    fn tcp_socket_set_nagle(input: &mut Input, socket: &mut Tcp) { socket.set_nagle(input.switch) }
    fn tcp_socket_set_dscp(input: &mut Input, socket: &mut Tcp) {
        socket.set_dscp(u8::from(input.switch))
    }
    fn tcp_socket_state(socket: &mut Tcp) { socket.state() }
    fn tcp_socket_close_reason(socket: &mut Tcp) { socket.close_reason() }
    fn tcp_socket_readable(socket: &mut Tcp) { socket.readable() }
    fn tcp_socket_writable(socket: &mut Tcp) { socket.writable() }
    fn tcp_socket_send_queue(socket: &mut Tcp) { socket.send_queue() }
    fn tcp_socket_is_flushed(socket: &mut Tcp) { socket.is_flushed() }
    fn tcp_socket_local(socket: &mut Tcp) { socket.local() }
    fn tcp_socket_remote(socket: &mut Tcp) { socket.remote() }
    fn tcp_socket_info(socket: &mut Tcp) { socket.info() }

    fn udp_socket_recv_from(input: &mut Input, socket: &mut Udp) { socket.recv_from(input.buffer) }
    fn udp_socket_source(socket: &mut Udp) { socket.source() }
    fn udp_socket_send_to_v4(input: &mut Input, socket: &mut Udp) {
        socket.send_to(input.buffer, input.remote_v4())
    }
    #[cfg(feature = "ipv6")]
    fn udp_socket_send_to_v6(input: &mut Input, socket: &mut Udp) {
        socket.send_to(input.buffer, input.remote_v6())
    }
    fn udp_socket_is_flushed(socket: &mut Udp) { socket.is_flushed() }
    fn udp_socket_local_port(socket: &mut Udp) { socket.local_port() }
    fn udp_socket_close(socket: Udp) { socket.close() }
}
