//! A server for several connections at a time: it answers each line in capitals.
//!
//! Three clients on a second stack talk to it, over a wire in memory.
//! `cargo run -p hikyaku --example server`

#[path = "common/wire.rs"]
mod wire;

use hikyaku::*;

storage!(static SERVER: Small {
    connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});
storage!(static CLIENTS: Small {
    connections: 4, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});

type Host = Stack<'static, Small>;

fn host(storage: Option<Storage<'static, Small>>, last: u8) -> Host {
    // A board takes sixteen octets from its random number generator, anew at every start.
    let secret = Secret::new([last; 16]).expect("not all zero");
    let mut host =
        Stack::new(storage.expect("taken once"), &Config::new(), secret).expect("enough blocks");
    host.add_address([192, 168, 69, last].into(), 24).expect("a host's address");
    host
}

/// Serves whoever has news. Returns how many connections have ended.
fn serve(server: &mut Host) -> usize {
    let mut ended = 0;
    while let Some((handle, readiness)) = server.next_event() {
        match handle {
            Handle::Listener(listener) => {
                while let Ok(accepted) = server.accept(listener) {
                    let remote = server.tcp(accepted).map(|socket| socket.remote());
                    println!("{} came", remote.expect("just accepted"));
                }
            }
            Handle::Tcp(connection) => {
                let Ok(mut socket) = server.tcp(connection) else { continue };
                let mut line = [0; 256];
                // A line is answered once there is room for the whole answer.
                while let Ok(count @ 1..) = socket.peek(&mut line) {
                    let Some(end) = line[..count].iter().position(|octet| *octet == b'\n') else {
                        break;
                    };
                    let line = &mut line[..=end];
                    if (socket.writable() as usize) < line.len() {
                        break;
                    }
                    let _ = socket.read(line);
                    line.make_ascii_uppercase();
                    let _ = socket.write(line);
                }
                if readiness.contains(Readiness::PEER_CLOSED) && socket.readable() == 0 {
                    println!("{} is done", socket.remote());
                    socket.release();
                    ended += 1;
                }
            }
            Handle::Udp(_) => {}
        }
    }
    ended
}

fn main() {
    let (mut near, mut far) = wire::wire();
    let (mut server, mut clients) = (host(SERVER.take(), 2), host(CLIENTS.take(), 1));
    server.listen(7, &ListenConfig::new()).expect("a free port");

    let mut now = Instant::ZERO;
    let remote = "192.168.69.2:7".parse().expect("an address");
    let words = ["one\n", "two\n", "three\n"];
    let handles = words.map(|word| {
        let handle = clients.connect(now, remote, &ConnectConfig::new()).expect("a free slot");
        let mut socket = clients.tcp(handle).expect("held");
        // What is written before the connection is established waits for that.
        socket.write(word.as_bytes()).expect("room");
        handle
    });
    let (mut served, mut answers) = (0, [""; 3].map(String::from));
    while served < words.len() {
        server.poll(now, &mut near);
        served += serve(&mut server);
        clients.poll(now, &mut far);
        for (handle, answer) in handles.iter().zip(&mut answers) {
            let mut socket = clients.tcp(*handle).expect("held");
            let mut buffer = [0; 16];
            if let Ok(count @ 1..) = socket.read(&mut buffer) {
                answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
                socket.close();
            }
        }
        now = now + Duration::from_millis(1);
    }
    assert_eq!(answers, ["ONE\n", "TWO\n", "THREE\n"]);
    println!("{served} served: {answers:?}");
}
