//! Each `parse` and `emit` of `wire`, and what else is done with octets there.

use core::net::IpAddr;
#[cfg(feature = "ipv6")]
use core::net::Ipv6Addr;

use hikyaku::wire::address::Cidr;
use hikyaku::wire::checksum::{self, Sum};
use hikyaku::wire::{Protocol, arp, dhcp, ethernet, icmpv4, ipv4, tcp, tcp_options, udp};
#[cfg(feature = "ipv6")]
use hikyaku::wire::{icmpv6, ipv6, ndp};

use super::input::Input;

operations! {
    fn address_cidr_contains(cidr: &Cidr, other: &IpAddr) { cidr.contains(*other) }
    fn address_cidr_is_broadcast(cidr: &Cidr, other: &IpAddr) { cidr.is_broadcast(*other) }
    fn address_cidr_host_fault(cidr: &Cidr) { cidr.host_fault() }

    fn checksum_sum_add_bytes(sum: &mut Sum, input: &mut Input) { sum.add_bytes(input.buffer) }
    fn checksum_sum_add_u16(sum: &mut Sum, number: u16) { sum.add_u16(number) }
    fn checksum_sum_add_u32(sum: &mut Sum, number: u32) { sum.add_u32(number) }
    fn checksum_pseudo_header(source: &IpAddr, other: &IpAddr, protocol: u8, length: u32) {
        checksum::pseudo_header(*source, *other, Protocol(protocol), length)
    }

    fn ethernet_address_is_unicast(address: &ethernet::Address) { address.is_unicast() }
    fn ethernet_header_parse(input: &mut Input) {
        core::hint::black_box(&ethernet::Header::parse(input.buffer));
    }
    fn ethernet_header_emit(header: &ethernet::Header, input: &mut Input) {
        header.emit(input.buffer)
    }
    fn arp_packet_parse(input: &mut Input) {
        core::hint::black_box(&arp::Packet::parse(input.buffer));
    }
    fn arp_packet_emit(packet: &arp::Packet, input: &mut Input) { packet.emit(input.buffer) }

    fn ipv4_header_parse(input: &mut Input) {
        core::hint::black_box(&ipv4::Header::parse(input.buffer));
    }
    fn ipv4_header_parse_quoted(input: &mut Input) {
        core::hint::black_box(&ipv4::Header::parse_quoted(input.buffer));
    }
    fn ipv4_header_emit(header: &ipv4::Header<'_>, input: &mut Input) {
        header.emit(input.count, input.buffer)
    }

    #[cfg(feature = "ipv6")]
    fn ipv6_header_parse(input: &mut Input) {
        core::hint::black_box(&ipv6::Header::parse(input.buffer));
    }
    #[cfg(feature = "ipv6")]
    fn ipv6_header_parse_quoted(input: &mut Input) {
        core::hint::black_box(&ipv6::Header::parse_quoted(input.buffer));
    }
    #[cfg(feature = "ipv6")]
    fn ipv6_header_emit(header: &ipv6::Header, input: &mut Input) {
        header.emit(input.count, input.buffer)
    }
    #[cfg(feature = "ipv6")]
    fn ipv6_fragment_emit(fragment: &ipv6::Fragment, next: u8, input: &mut Input) {
        fragment.emit(Protocol(next), input.buffer)
    }
    #[cfg(feature = "ipv6")]
    fn ipv6_upper_layer(header: &ipv6::Header, input: &mut Input) {
        core::hint::black_box(&ipv6::upper_layer(header, input.buffer, input.switch));
    }

    fn icmpv4_message_parse(input: &mut Input) {
        core::hint::black_box(&icmpv4::Message::parse(input.buffer));
    }
    fn icmpv4_message_parts(message: &icmpv4::Message<'_>) {
        core::hint::black_box(&message.parts());
    }
    fn icmpv4_message_emit(message: &icmpv4::Message<'_>, input: &mut Input) {
        message.emit(input.buffer)
    }
    fn icmp_header_emit(message: &icmpv4::Message<'_>, input: &mut Input) {
        message.parts().0.emit(input.buffer)
    }

    #[cfg(feature = "ipv6")]
    fn icmpv6_message_parse(input: &mut Input, other: &Ipv6Addr) {
        core::hint::black_box(&icmpv6::Message::parse(input.buffer, input.ipv6, *other));
    }
    #[cfg(feature = "ipv6")]
    fn icmpv6_message_parts(message: &icmpv6::Message<'_>) {
        core::hint::black_box(&message.parts());
    }
    #[cfg(feature = "ipv6")]
    fn icmpv6_message_emit(message: &icmpv6::Message<'_>, input: &mut Input, other: &Ipv6Addr) {
        message.emit(input.buffer, input.ipv6, *other)
    }

    #[cfg(feature = "ipv6")]
    fn ndp_message_parse(input: &mut Input, kind: u8, code: u8) {
        core::hint::black_box(&ndp::Message::parse(kind, code, input.buffer));
    }
    #[cfg(feature = "ipv6")]
    fn ndp_message_emitted_len(message: &ndp::Message) { message.emitted_len() }
    #[cfg(feature = "ipv6")]
    fn ndp_message_emit(message: &ndp::Message, input: &mut Input) { message.emit(input.buffer) }

    fn tcp_header_parse(input: &mut Input) {
        core::hint::black_box(&tcp::Header::parse(input.buffer));
    }
    fn tcp_header_emit(header: &tcp::Header<'_>, input: &mut Input) { header.emit(input.buffer) }
    fn tcp_verify(input: &mut Input, source: &IpAddr, other: &IpAddr) {
        tcp::verify(input.buffer, *source, *other)
    }
    fn tcp_options_options_parse(input: &mut Input) { tcp_options::Options::parse(input.buffer) }
    fn tcp_options_options_emitted_len(options: &tcp_options::Options) { options.emitted_len() }
    fn tcp_options_options_emit(options: &tcp_options::Options, input: &mut Input) {
        options.emit(input.buffer)
    }

    fn dhcp_reply_parse(input: &mut Input) {
        core::hint::black_box(&dhcp::Reply::parse(input.buffer));
    }
    fn dhcp_request_emit(request: &dhcp::Request, input: &mut Input) {
        request.emit(input.buffer)
    }

    fn udp_parse(input: &mut Input, source: &IpAddr, other: &IpAddr) {
        core::hint::black_box(&udp::parse(input.buffer, *source, *other, input.switch));
    }
    fn udp_header_emit(header: &udp::Header, input: &mut Input) {
        header.emit(input.count, input.buffer)
    }
}
