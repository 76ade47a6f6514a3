//! A network of our own: namespaces, and the capabilities our children need in them.
//!
//! Everything here must happen while the process has one thread. Devices are made elsewhere.

use std::{fs, io};

use rustix::thread::{
    CapabilitySet, UnshareFlags, capabilities, configure_capability_in_ambient_set,
    set_capabilities, unshare_unsafe,
};

use crate::tun;

const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
const LIMIT: &str = "/proc/sys/user/max_user_namespaces";
/// What a child needs to bring up devices, capture, send raw packets and serve on low ports.
const FOR_CHILDREN: [CapabilitySet; 3] =
    [CapabilitySet::NET_ADMIN, CapabilitySet::NET_RAW, CapabilitySet::NET_BIND_SERVICE];

/// Moves into a user and a network namespace of our own, as the same user as before.
///
/// An error is a sentence with cause and remedy.
pub(crate) fn enter_user() -> Result<(), String> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)
        .map_err(|error| format!("a user namespace: {error}; {}", user_namespace_remedy()))?;
    // The order is the kernel's: an ordinary user may map a group only once setgroups is denied.
    // The same ids as before, not 0: tcpdump started by root gives its user id up for its own.
    for (path, line) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{0} {0} 1", uid.as_raw())),
        ("/proc/self/gid_map", format!("{0} {0} 1", gid.as_raw())),
    ] {
        fs::write(path, line)
            .map_err(|error| format!("{path}: {error}; {}", user_namespace_remedy()))?;
    }
    settle()
}

/// Moves into a network namespace of our own by the privilege that we have.
///
/// An error is a sentence with cause and remedy.
pub(crate) fn enter_privileged() -> Result<(), String> {
    unshare(UnshareFlags::NEWNET)
        .map_err(|error| format!("a network namespace: {error}; try as root"))?;
    settle()
}

/// Whether we may make devices in the network that we are in.
pub(crate) fn may_make_devices() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))
}

/// Whether we may make a network namespace, and devices in it, without a user namespace.
pub(crate) fn may_unshare_network() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Whether tcpdump fails in a user namespace of ours: started by root, it becomes another user,
/// and no other user id is mapped.
pub(crate) fn breaks_tcpdump() -> bool {
    rustix::process::geteuid().is_root()
}

/// The command line prefix by which another terminal joins this process' network.
pub(crate) fn join_line(own_user_namespace: bool) -> String {
    let pid = std::process::id();
    let user = if own_user_namespace { "-U --preserve-credentials " } else { "" };
    format!("nsenter -t {pid} {user}-n")
}

fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the dangerous flags are those that split the descriptor table; neither caller gives
    // one. That there is one thread only is checked by the kernel.
    Ok(unsafe { unshare_unsafe(flags) }?)
}

/// Makes the new network liveable: `lo` up, and capabilities that survive an exec.
fn settle() -> Result<(), String> {
    tun::bring_up("lo").map_err(|error| format!("lo: {error}; {}", user_namespace_remedy()))?;
    let raise = || -> rustix::io::Result<()> {
        let mut sets = capabilities(None)?;
        for capability in FOR_CHILDREN {
            sets.inheritable |= capability;
        }
        set_capabilities(None, sets)?;
        FOR_CHILDREN.iter().try_for_each(|set| configure_capability_in_ambient_set(*set, true))
    };
    raise().map_err(|error| format!("ambient capabilities: {error}"))
}

/// What stands in the way of user namespaces here, as far as the system tells.
fn user_namespace_remedy() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    if read(APPARMOR) == "1" {
        return "AppArmor takes the capabilities of user namespaces away; try \
                `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`, or run as root"
            .to_owned();
    }
    if read(LIMIT) == "0" {
        return "try `sudo sysctl user.max_user_namespaces=10000`, or run as root".to_owned();
    }
    "this container or its seccomp filter forbids it; try outside of it, or as root".to_owned()
}
