//! A client that blocks, with the traits of `embedded-io`: it asks a server for a page.
//!
//! The server runs on a second stack whenever the client sleeps.
//! `cargo run -p hikyaku --features embedded-io --example client`

#[path = "common/wire.rs"]
mod wire;

use embedded_io::{Read, Write};
use hikyaku::adapter::embedded_io::Blocking;
use hikyaku::io::IoError;
use hikyaku::*;

storage!(static CLIENT: Small {
    connections: 1, listeners: 0, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});
storage!(static SERVER: Small {
    connections: 1, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
    records: 0, window: 4096,
});

/// Asks for a page and returns it without its head.
fn fetch(
    net: &mut Blocking<'_, '_, Small, impl Device, impl FnMut(Wake) -> Instant>,
    path: &str,
) -> Result<String, IoError> {
    let server = "192.168.69.2:80".parse().expect("an address");
    let connection = net.connect(server, &ConnectConfig::new())?;
    let mut stream = net.stream(connection);
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
    let (mut page, mut buffer) = (Vec::new(), [0; 100]);
    while let count @ 1.. = stream.read(&mut buffer)? {
        page.extend_from_slice(&buffer[..count]);
    }
    if let Ok(socket) = net.stack().tcp(connection) {
        socket.release();
    }
    let page = String::from_utf8_lossy(&page).into_owned();
    Ok(page.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_string()))
}

fn host(storage: Option<Storage<'static, Small>>, last: u8) -> Stack<'static, Small> {
    // A board takes sixteen octets from its random number generator, anew at every start.
    let secret = Secret::new([last; 16]).expect("not all zero");
    let mut host =
        Stack::new(storage.expect("taken once"), &Config::new(), secret).expect("enough blocks");
    host.add_address([192, 168, 69, last].into(), 24).expect("a host's address");
    host
}

fn main() {
    let (mut near, mut far) = wire::wire();
    let (mut client, mut server) = (host(CLIENT.take(), 1), host(SERVER.take(), 2));
    let listener = server.listen(80, &ListenConfig::new()).expect("a free port");

    // A board would wait for an interrupt; here the server has a turn, and time goes on.
    let (mut now, mut held) = (Instant::ZERO, None);
    let sleep = |_: Wake| {
        now = now + Duration::from_micros(100);
        server.poll(now, &mut far);
        held = held.or_else(|| server.accept(listener).ok());
        if let Some(mut socket) = held.and_then(|held| server.tcp(held).ok()) {
            let mut request = [0; 64];
            if let Ok(count @ 1..) = socket.read(&mut request) {
                let asked = String::from_utf8_lossy(&request[..count]).into_owned();
                let path = asked.split(' ').nth(1).unwrap_or("?");
                let page = format!("HTTP/1.0 200 OK\r\n\r\nThis is {path}.");
                socket.write(page.as_bytes()).expect("room");
                socket.close();
            }
        }
        server.poll(now, &mut far);
        now
    };
    let mut net = Blocking::new(&mut client, &mut near, sleep);
    let page = fetch(&mut net, "/index.html").expect("a page");
    assert_eq!(page, "This is /index.html.");
    println!("the page says: {page}");
}
