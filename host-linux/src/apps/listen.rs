//! `hikyaku listen`: wait for a connection and join it to stdin and stdout.

use anyhow::Context;
use hikyaku::ListenConfig;

use super::bridge::Bridge;
use super::services::hint;
use crate::cli::{BridgeArgs, LinkArgs};
use crate::link::{Need, open_tun, spell};
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
    let (link, rung) = open_tun(args, Need::Shared)?;
    let mut net = Net::new(link, args)?;
    let mut signals = Signals::take()?;
    let listener = net
        .stack
        .listen(port, &ListenConfig::new())
        .with_context(|| format!("cannot listen on port {port}"))?;
    note!("listening on {} and {}", spell(args.addr, port), spell(args.addr6, port));
    hint(rung, &format!("nc {} {port}", args.addr));
    let mut app = Bridge::listening(&net, listener, keep, bridge);
    let code = run(&mut net, &mut app, &mut signals);
    net.report(verbose);
    code
}
