//! `hikyaku listen`: wait for a connection and join it to stdin and stdout.

use anyhow::Context;
use hikyaku::ListenConfig;

use super::bridge::Bridge;
use super::services::hint;
use crate::cli::{BridgeArgs, LinkArgs};
use crate::link::{Need, first_address, open_device, places};
use crate::poll_loop::{Net, Signals, run};
use crate::report::note;

/// Runs the app to its end.
pub(crate) fn listen(
    args: &LinkArgs,
    bridge: &BridgeArgs,
    keep: bool,
    port: u16,
    verbose: bool,
) -> anyhow::Result<u8> {
    let (link, rung) = open_device(args, Need::Shared)?;
    let mut net = Net::new(link, args)?;
    let mut signals = Signals::take()?;
    let listener = net
        .stack
        .listen(port, &ListenConfig::new())
        .with_context(|| format!("cannot listen on port {port}"))?;
    note!("listening on {}", places(args, port));
    hint(rung, &format!("nc {} {port}", first_address(args)));
    let mut app = Bridge::listening(&net, listener, keep, bridge);
    let code = run(&mut net, &mut app, &mut signals);
    net.close(verbose);
    code
}
