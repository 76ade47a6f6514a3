//! The calls of `Stack`, of the memory that is lent to it and of packets that it hands out.

use core::mem::MaybeUninit;

use hikyaku::device::Packet;
use hikyaku::{Secret, Stack, storage};

use super::input::{Input, TheStack};
use crate::Chosen;

storage!(static NET: Chosen {
    connections: 4,
    listeners: 2,
    half_open: 4,
    time_wait: 4,
    udp_sockets: 2,
    neighbors: 4,
    records: 16,
    blocks: 16 x 256
});

operations! {
    fn static_storage_take(input: &mut Input) { input.storage = NET.take() }
    fn secret_new(input: &mut Input) { Secret::new(input.secret) }

    fn stack_new(input: &mut Input, stack: &mut Option<TheStack>) {
        if let (Some(storage), Some(secret)) = (input.storage.take(), Secret::new(input.secret)) {
            *stack = Stack::new(storage, &input.config, secret).ok();
        }
    }
    fn stack_new_in(input: &mut Input, place: &mut MaybeUninit<TheStack>) {
        if let (Some(storage), Some(secret)) = (input.storage.take(), Secret::new(input.secret)) {
            let made = Stack::new_in(place, storage, &input.config, secret);
            core::hint::black_box(made.is_ok());
        }
    }
    fn stack_warnings(stack: &mut TheStack) { stack.warnings().last() }
    fn stack_add_address_v4(input: &mut Input, stack: &mut TheStack) {
        stack.add_address(input.address_v4(), input.prefix)
    }
    #[cfg(feature = "ipv6")]
    fn stack_add_address_v6(input: &mut Input, stack: &mut TheStack) {
        stack.add_address(input.address_v6(), input.prefix)
    }
    fn stack_remove_address_v4(input: &mut Input, stack: &mut TheStack) {
        stack.remove_address(input.address_v4())
    }
    #[cfg(feature = "ipv6")]
    fn stack_remove_address_v6(input: &mut Input, stack: &mut TheStack) {
        stack.remove_address(input.address_v6())
    }
    fn stack_set_gateway_v4(input: &mut Input, stack: &mut TheStack) {
        stack.set_gateway(input.address_v4())
    }
    #[cfg(feature = "ipv6")]
    fn stack_set_gateway_v6(input: &mut Input, stack: &mut TheStack) {
        stack.set_gateway(input.address_v6())
    }
    fn stack_probe_address_v4(input: &mut Input, stack: &mut TheStack) {
        stack.probe_address(input.address_v4(), input.prefix)
    }
    #[cfg(feature = "ipv6")]
    fn stack_probe_address_v6(input: &mut Input, stack: &mut TheStack) {
        stack.probe_address(input.address_v6(), input.prefix)
    }
    #[cfg(feature = "ipv6")]
    fn stack_add_link_local(stack: &mut TheStack) { stack.add_link_local() }
    fn stack_address_state_v4(input: &mut Input, stack: &mut TheStack) {
        stack.address_state(input.address_v4())
    }
    #[cfg(feature = "ipv6")]
    fn stack_address_state_v6(input: &mut Input, stack: &mut TheStack) {
        stack.address_state(input.address_v6())
    }
    fn stack_neighbor_v4(input: &mut Input, stack: &mut TheStack) {
        stack.neighbor(input.address_v4())
    }
    #[cfg(feature = "ipv6")]
    fn stack_neighbor_v6(input: &mut Input, stack: &mut TheStack) {
        stack.neighbor(input.address_v6())
    }
    fn stack_poll(input: &mut Input, stack: &mut TheStack) {
        stack.poll(input.now, &mut input.device)
    }
    fn stack_receive(input: &mut Input, stack: &mut TheStack) {
        stack.receive(input.now, input.buffer)
    }
    fn stack_transmit(input: &mut Input, stack: &mut TheStack) {
        stack.transmit(input.now, input.buffer)
    }
    fn stack_next_wake(input: &mut Input, stack: &mut TheStack) { stack.next_wake(input.now) }
    fn stack_next_event(stack: &mut TheStack) { stack.next_event() }
    fn stack_listen(input: &mut Input, stack: &mut TheStack) {
        stack.listen(input.port, &input.listen)
    }
    fn stack_accept(input: &mut Input, stack: &mut TheStack) { stack.accept(input.listener) }
    fn stack_close_listener(input: &mut Input, stack: &mut TheStack) {
        stack.close_listener(input.listener)
    }
    fn stack_connect_v4(input: &mut Input, stack: &mut TheStack) {
        stack.connect(input.now, input.remote_v4(), &input.connect)
    }
    #[cfg(feature = "ipv6")]
    fn stack_connect_v6(input: &mut Input, stack: &mut TheStack) {
        stack.connect(input.now, input.remote_v6(), &input.connect)
    }
    fn stack_tcp(input: &mut Input, stack: &mut TheStack) { stack.tcp(input.tcp).is_ok() }
    fn stack_bind_udp(input: &mut Input, stack: &mut TheStack) { stack.bind_udp(&input.bind) }
    fn stack_udp(input: &mut Input, stack: &mut TheStack) { stack.udp(input.udp).is_ok() }
    fn stack_counters(stack: &mut TheStack) {
        let counters = stack.counters();
        counters.iter().for_each(|counter| { core::hint::black_box(counter); });
        counters.drops.total()
    }
    fn stack_observer(stack: &mut TheStack) { *stack.observer() }
    fn stack_usage(stack: &mut TheStack) { stack.usage() }

    fn packet_len(packet: &Packet<'_>) { packet.len() }
    fn packet_is_empty(packet: &Packet<'_>) { packet.is_empty() }
    fn packet_checksum(packet: &Packet<'_>) { packet.checksum() }
    fn packet_parts(packet: &Packet<'_>) {
        packet.parts().for_each(|part| { core::hint::black_box(part); })
    }
    fn packet_copy_into(packet: &Packet<'_>, input: &mut Input) { packet.copy_into(input.buffer) }
}
