//! The calls of clients that use a stack.

use hikyaku::service::dhcp::Client;

use super::input::{Input, TheStack};

operations! {
    fn client_poll(client: &mut Client, input: &mut Input, stack: &mut TheStack) {
        core::hint::black_box(&client.poll(stack, input.now));
    }
    fn client_release(client: &mut Client, input: &mut Input, stack: &mut TheStack) {
        client.release(stack, input.now)
    }
    fn client_restart(client: &mut Client, input: &mut Input) { client.restart(input.now) }
}
