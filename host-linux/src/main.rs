//! hikyaku on a Linux TUN interface.

fn main() {}
