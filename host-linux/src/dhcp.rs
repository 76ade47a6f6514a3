//! DHCP on the host: every step of the client is told on stderr as it happens.

use hikyaku::service::dhcp::{Client, Event, Lease, Loss, State};
use hikyaku::{AddressState, Instant, Stack};

use crate::report::note;

/// A client and the step that was told last.
pub(crate) struct Dhcp {
    client: Client,
    state: State,
    sent: u64,
    taken: u64,
    probing: bool,
}

impl Dhcp {
    /// Tells the steps of this client, which has not begun.
    pub(crate) fn new(client: Client) -> Self {
        Self { client, state: State::Init, sent: 0, taken: 0, probing: false }
    }

    /// The client.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Gives the address back.
    pub(crate) fn release(&mut self, stack: &mut Stack<'_>, now: Instant) {
        self.client.release(stack, now);
    }

    /// Lets the client work.
    pub(crate) fn poll(&mut self, stack: &mut Stack<'_>, now: Instant) {
        loop {
            let event = self.client.poll(stack, now);
            self.tell_step(stack);
            let Some(event) = event else { return };
            tell_event(&event);
        }
    }

    /// Tells what is new in the client's state.
    fn tell_step(&mut self, stack: &Stack<'_>) {
        let (before, after) = (self.state, self.client.state());
        let counters = self.client.counters();
        let (sent, taken) = (counters.sent as u64, counters.taken as u64);
        let has_sent = sent > std::mem::replace(&mut self.sent, sent);
        let has_taken = taken > std::mem::replace(&mut self.taken, taken);
        self.state = after;
        let asked = matches!(before, State::Requesting | State::Rebooting);
        let begins_anew = matches!(after, State::Init | State::Selecting);
        if asked && begins_anew {
            if has_taken {
                note!("dhcp: the server refuses the address that it has offered");
            } else {
                note!("dhcp: no answer to the request for the address");
            }
        }
        match after {
            State::Selecting if before != after => note!("dhcp: searching for a server"),
            State::Selecting if has_sent => note!("dhcp: no answer; searching again"),
            State::Requesting if before != after => self.tell_offer(),
            State::Requesting if has_sent => note!("dhcp: no answer; asking for the address again"),
            State::Renewing | State::Rebinding if has_sent => self.tell_renewal(before),
            _ => {}
        }
        self.tell_probe(stack);
    }

    fn tell_offer(&self) {
        if let Some((address, server)) = self.client.offered() {
            note!("dhcp: offer of {address} received from {server}; asking for it");
        }
    }

    fn tell_renewal(&self, before: State) {
        let Some(Lease { address, server, .. }) = self.client.lease() else { return };
        match (before, self.client.state()) {
            (State::Bound, _) => note!("dhcp: renewing {address} with {server}"),
            (State::Renewing, State::Renewing) => {
                note!("dhcp: no answer from {server}; renewing {address} again");
            }
            (State::Rebinding, _) => note!("dhcp: no answer; asking every server for {address}"),
            _ => note!("dhcp: no answer from {server}; asking every server for {address}"),
        }
    }

    fn tell_probe(&mut self, stack: &Stack<'_>) {
        let lease = self.client.lease();
        let state = lease.and_then(|lease| stack.address_state(lease.address.into()));
        let probing = state == Some(AddressState::Tentative);
        if let Some(lease) = lease.filter(|_| probing && !self.probing) {
            let Lease { address, server, .. } = lease;
            note!("dhcp: {server} grants {address}; probing whether another host uses it");
        }
        self.probing = probing;
    }
}

/// Tells what has become of our address.
fn tell_event(event: &Event) {
    match event {
        Event::Configured(lease) => note!("dhcp: our address is {}", spell_lease(lease)),
        Event::Renewed(lease) => note!("dhcp: still {}", spell_lease(lease)),
        Event::Lost(address, loss) => {
            let why = match loss {
                Loss::Expired => "no server extended the lease; looking for another",
                Loss::Refused => "the server refuses it; looking for another",
                Loss::Conflict => "somebody else uses it; looking for another",
                Loss::Stopped => "given back",
            };
            note!("dhcp: {address} is ours no more: {why}");
        }
        Event::NoRoom => note!("dhcp: the stack has no room for it; trying again"),
    }
}

fn spell_lease(lease: &Lease) -> String {
    let mut text = format!("{}/{} from {}", lease.address, lease.prefix, lease.server);
    if let Some(router) = lease.router {
        text.push_str(&format!(", by way of {router}"));
    }
    for server in &lease.dns {
        text.push_str(&format!(", names from {server}"));
    }
    text
}
