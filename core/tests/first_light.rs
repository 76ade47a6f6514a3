//! Two stacks, one wire.
#![cfg(feature = "alloc")]
use hikyaku::*;

fn stack<P: Profile>(last: u8) -> Stack<'static, P> {
    let capacity = Capacity {
        connections: 8,
        listeners: 2,
        half_open: 4,
        time_wait: 4,
        udp_sockets: 2,
        blocks: 64,
        block_size: 2048,
        records: 64,
    };
    let mut config = Config::new();
    config.policy = AllocationPolicy::Reserved;
    let mut stack =
        Stack::new(Storage::allocate(&capacity), &config, Secret::new([last; 16]).unwrap())
            .unwrap();
    stack.add_address([10, 0, 0, last].into(), 24).unwrap();
    stack
}

fn run<P: Profile, Q: Profile>(drop_every: u32) {
    let mut a = stack::<P>(1);
    let mut b = stack::<Q>(2);
    let mut now = Instant::ZERO;
    let listener = b.listen(7, &ListenConfig::new()).unwrap();
    let client = a.connect(now, "10.0.0.2:7".parse().unwrap(), &ConnectConfig::new()).unwrap();
    let mut server = None;
    let total = 1 << 20;
    let (mut sent, mut got) = (0usize, 0usize);
    let mut buffer = [0u8; 2000];
    let mut n = 0u32;
    let mut closed = false;
    for _ in 0..10_000_000u64 {
        let mut progress = false;
        while let Some(len) = a.transmit(now, &mut buffer) {
            progress = true;
            n += 1;
            if drop_every == 0 || n % drop_every != 0 {
                b.receive(now, &buffer[..len]);
            }
        }
        while let Some(len) = b.transmit(now, &mut buffer) {
            progress = true;
            n += 1;
            if drop_every == 0 || n % drop_every != 0 {
                a.receive(now, &buffer[..len]);
            }
        }
        if server.is_none() {
            server = b.accept(listener).ok();
            if server.is_some() {
                progress = true;
            }
        }
        let mut chunk = [0u8; 1000];
        if sent < total {
            for (i, c) in chunk.iter_mut().enumerate() {
                *c = ((sent + i) % 251) as u8;
            }
            let want = chunk.len().min(total - sent);
            if let Ok(k) = a.tcp(client).unwrap().write(&chunk[..want]) {
                sent += k;
                progress |= k > 0;
            }
        } else if !closed {
            a.tcp(client).unwrap().close();
            closed = true;
            progress = true;
        }
        if let Some(server) = server {
            match b.tcp(server).unwrap().read(&mut chunk) {
                Ok(0) => {
                    assert_eq!(got, total);
                    break;
                }
                Ok(k) => {
                    for (i, c) in chunk[..k].iter().enumerate() {
                        assert_eq!(*c, ((got + i) % 251) as u8);
                    }
                    got += k;
                    progress = true;
                }
                Err(_) => {}
            }
        }
        if !progress {
            let (wa, wb) = (a.next_wake(now), b.next_wake(now));
            let at = |w| match w {
                Wake::At(t) => Some(t),
                Wake::Now => Some(now),
                _ => None,
            };
            let next = [at(wa), at(wb)].into_iter().flatten().min();
            match next {
                Some(t) => now = t.max(now + Duration::from_micros(1)),
                None => panic!(
                    "stuck {got} of {sent}: {:?} {:?} {:?}",
                    a.tcp(client).unwrap().info(),
                    a.counters(),
                    b.counters()
                ),
            }
        }
        now = now + Duration::from_micros(10);
    }
    assert_eq!(got, total);
    println!("time {:?} {:?}", now, a.counters().iter().collect::<Vec<_>>());
    b.tcp(server.unwrap()).unwrap().release();
    a.tcp(client).unwrap().release();
    for _ in 0..1000 {
        while let Some(len) = a.transmit(now, &mut buffer) {
            b.receive(now, &buffer[..len]);
        }
        while let Some(len) = b.transmit(now, &mut buffer) {
            a.receive(now, &buffer[..len]);
        }
        now = now + Duration::from_millis(500);
    }
    b.close_listener(listener).unwrap();
    println!("{:?}\n{:?}", a.usage(), b.usage());
    assert_eq!(a.usage().connections + b.usage().connections + a.usage().time_wait, 0);
    assert_eq!(
        a.usage().blocks_used
            + a.usage().blocks_promised
            + b.usage().blocks_used
            + b.usage().blocks_promised,
        0
    );
}

#[test]
fn full() {
    run::<Full, Full>(0);
}
#[test]
fn full_lossy() {
    run::<Full, Full>(37);
}
#[test]
fn small() {
    run::<Small, Small>(0);
}
#[test]
fn small_lossy() {
    run::<Small, Small>(37);
}
