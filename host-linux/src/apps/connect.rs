//! `hikyaku connect`: open a connection and join it to stdin and stdout.

use std::net::SocketAddr;

use anyhow::Context;
use hikyaku::ConnectConfig;

use super::bridge::Bridge;
use crate::cli::{BridgeArgs, LinkArgs};
use crate::link::{Need, open_device};
use crate::poll_loop::{Net, Signals, await_address, run};

/// Runs the app to its end.
pub(crate) fn connect(
    args: &LinkArgs,
    bridge: &BridgeArgs,
    remote: SocketAddr,
    verbose: bool,
) -> anyhow::Result<u8> {
    let (link, _) = open_device(args, Need::Inhabited)?;
    let mut net = Net::new(link, args)?;
    let mut signals = Signals::take()?;
    if let Some(code) = await_address(&mut net, remote.ip(), &mut signals)? {
        net.close(verbose);
        return Ok(code);
    }
    let now = net.now();
    let handle = net
        .stack
        .connect(now, remote, &ConnectConfig::new())
        .with_context(|| format!("cannot connect to {remote}"))?;
    let mut app = Bridge::connecting(&net, handle, bridge);
    let code = run(&mut net, &mut app, &mut signals);
    net.close(verbose);
    code
}
