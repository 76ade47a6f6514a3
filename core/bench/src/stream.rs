//! The two applications of a bench: what the one writes and the other reads. It knows octets
//! and their order, never a stack.

/// Octets offered or asked for in one call.
const CHUNK: usize = 16 * 1024;

/// The period of the bytes sent: two chunks and a bit, so that one moved by a block is seen.
const PERIOD: usize = 2 * CHUNK + 61;

/// A seeded source, where it stands, and the sink that reads it.
#[derive(Debug)]
pub(crate) struct Stream {
    pattern: Vec<u8>,
    written: u64,
    read: u64,
    buffer: Vec<u8>,
    verify: bool,
}

impl Stream {
    /// A stream of pseudo-random bytes from its beginning.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let pattern = (0..PERIOD).map(|_| random.next() as u8).collect();
        Self { pattern, written: 0, read: 0, buffer: vec![0; CHUNK], verify: false }
    }

    /// Whether what arrives is compared with what was sent: not while time is taken.
    pub(crate) fn set_verify(&mut self, verify: bool) {
        self.verify = verify;
    }

    /// What to write next, never empty.
    pub(crate) fn next(&self) -> &[u8] {
        let rest = &self.pattern[(self.written % PERIOD as u64) as usize..];
        &rest[..rest.len().min(CHUNK)]
    }

    /// Takes note that the first `count` octets of [`next`](Self::next) were accepted.
    pub(crate) fn on_written(&mut self, count: usize) {
        self.written += count as u64;
    }

    /// Where the sink reads into.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    /// Takes note that `count` octets lie at the head of the buffer.
    ///
    /// # Panics
    /// They are not those that were sent, and `verify` is set: a stack that delivers
    /// something else is not worth a measurement.
    pub(crate) fn on_read(&mut self, count: usize) {
        if self.verify {
            let sent = self.pattern.iter().cycle().skip((self.read % PERIOD as u64) as usize);
            let equal = self.buffer[..count].iter().eq(sent.take(count));
            assert!(equal, "what arrived after octet {} is not what was sent", self.read);
        }
        self.read += count as u64;
    }

    /// Octets read so far.
    pub(crate) const fn read(&self) -> u64 {
        self.read
    }
}

/// SplitMix64: small, seeded, and good enough to fill buffers and shuffle samples.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A sequence that is the same for the same `seed`.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Sixteen octets, for a secret.
    pub(crate) fn octets(&mut self) -> [u8; 16] {
        let (high, low) = (self.next(), self.next());
        (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
    }

    /// Puts `items` into an order of its own.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = (self.next() % (last as u64 + 1)) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(stream: &mut Stream, count: usize) {
        let chunk = stream.next()[..count].to_vec();
        stream.on_written(count);
        stream.buffer()[..count].copy_from_slice(&chunk);
        stream.on_read(count);
    }

    #[test]
    fn what_was_sent_is_recognised_beyond_the_period() {
        let mut stream = Stream::new(7);
        stream.set_verify(true);
        while stream.read() < 3 * PERIOD as u64 {
            let count = stream.next().len().min(1460);
            pass(&mut stream, count);
        }
    }

    #[test]
    #[should_panic(expected = "after octet 100 ")]
    fn a_wrong_octet_is_seen() {
        let mut stream = Stream::new(7);
        stream.set_verify(true);
        pass(&mut stream, 100);
        stream.buffer()[0] = !stream.next()[0];
        stream.on_read(1);
    }

    #[test]
    fn a_shuffle_loses_nothing() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::new(3).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
