//! Words and numbers of a script's line. Nothing here knows what they are for.

use hikyaku::wire::tcp::Flags;

/// What is wrong with a line, in words.
pub(super) type Wrong = String;

/// The words of one line, read from left to right. Octets behind `#` are a remark.
#[derive(Debug, Clone)]
pub struct Words<'t> {
    rest: std::collections::VecDeque<&'t str>,
}

impl<'t> Words<'t> {
    /// The words of a line. A word in quotes may hold blanks.
    #[must_use]
    pub fn new(line: &'t str) -> Self {
        let mut rest = std::collections::VecDeque::new();
        let mut left = line.split('#').next().unwrap_or("").trim();
        while !left.is_empty() {
            let quoted = left.strip_prefix('"').and_then(|text| text.split_once('"'));
            let (word, behind) =
                quoted.or_else(|| left.split_once(char::is_whitespace)).unwrap_or((left, ""));
            rest.push_back(word);
            left = behind.trim_start();
        }
        Self { rest }
    }

    /// The next word, left where it is.
    #[must_use]
    pub fn peek(&self) -> Option<&'t str> {
        self.rest.front().copied()
    }

    /// The next word, if there is one.
    pub fn next_word(&mut self) -> Option<&'t str> {
        self.rest.pop_front()
    }

    /// The next word, which must be there.
    ///
    /// # Errors
    ///
    /// The line ends.
    pub fn need(&mut self, what: &str) -> Result<&'t str, Wrong> {
        self.next_word().ok_or_else(|| format!("{what} is missing"))
    }

    /// Takes the next word if it is this one.
    pub fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        if found {
            self.rest.pop_front();
        }
        found
    }

    /// Takes the last word if it is this one.
    pub(crate) fn take_last(&mut self, word: &str) -> bool {
        let found = self.rest.back() == Some(&word);
        if found {
            self.rest.pop_back();
        }
        found
    }

    /// A number; `_` between digits is allowed.
    ///
    /// # Errors
    ///
    /// It is missing, no number, or too large.
    pub fn number<N: TryFrom<i64>>(&mut self, what: &str) -> Result<N, Wrong> {
        number(self.need(what)?).map_err(|wrong| format!("{what}: {wrong}"))
    }

    /// A span of time, microseconds.
    ///
    /// # Errors
    ///
    /// It is missing, or not a span.
    pub fn span(&mut self, what: &str) -> Result<u64, Wrong> {
        span(self.need(what)?).map_err(|wrong| format!("{what}: {wrong}"))
    }

    /// `on` or `off`.
    ///
    /// # Errors
    ///
    /// It is neither.
    pub fn switch(&mut self) -> Result<bool, Wrong> {
        match self.need("on or off")? {
            "on" => Ok(true),
            "off" => Ok(false),
            other => Err(format!("{other} is neither on nor off")),
        }
    }

    /// Whether the line is used up.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn end(&self) -> Result<(), Wrong> {
        self.peek().map_or(Ok(()), |word| Err(format!("what is {word} for?")))
    }
}

/// A number; `_` between digits is allowed.
///
/// # Errors
///
/// It is none, or too large for its type.
pub(super) fn number<N: TryFrom<i64>>(word: &str) -> Result<N, Wrong> {
    let value: i64 =
        word.replace('_', "").parse().map_err(|_| format!("{word} is not a number"))?;
    N::try_from(value).map_err(|_| format!("{word} is out of range"))
}

/// A sequence number; below zero it lies before the start.
///
/// # Errors
///
/// It is none.
pub(super) fn sequence(word: &str) -> Result<u32, Wrong> {
    let value: i64 = number(word)?;
    let range = -i64::from(i32::MAX)..=i64::from(u32::MAX);
    if !range.contains(&value) {
        return Err(format!("{word} is no sequence number"));
    }
    Ok(value as u32)
}

const UNITS: [(&str, u64); 5] =
    [("us", 1), ("ms", 1_000), ("min", 60_000_000), ("s", 1_000_000), ("h", 3_600_000_000)];

/// A span such as `0`, `15us`, `1.5s`, `2min`: microseconds.
///
/// # Errors
///
/// It has no unit, or is finer than a microsecond.
pub(super) fn span(word: &str) -> Result<u64, Wrong> {
    if word == "0" {
        return Ok(0);
    }
    let unit = UNITS.iter().find(|(name, _)| word.ends_with(name));
    let (name, scale) = unit.ok_or_else(|| format!("{word} has no unit (us, ms, s, min, h)"))?;
    let digits = word.trim_end_matches(name).replace('_', "");
    let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
    let bad = |_| format!("{word} is not a span of time");
    let whole: u64 = whole.parse().map_err(bad)?;
    let mut micros = whole * scale;
    let mut scale = *scale;
    for digit in part.chars() {
        let digit = u64::from(digit.to_digit(10).ok_or_else(|| format!("{word}: what is that?"))?);
        if !(scale * digit).is_multiple_of(10) {
            return Err(format!("{word} is finer than a microsecond"));
        }
        micros += scale * digit / 10;
        scale /= 10;
    }
    Ok(micros)
}

const FLAGS: [(&str, Flags); 8] = [
    ("SYN", Flags::SYN),
    ("FIN", Flags::FIN),
    ("RST", Flags::RST),
    ("PSH", Flags::PSH),
    ("ACK", Flags::ACK),
    ("URG", Flags::URG),
    ("ECE", Flags::from_bits(0x40)),
    ("CWR", Flags::from_bits(0x80)),
];

/// The control bit with this name.
#[must_use]
pub(super) fn flag(word: &str) -> Option<Flags> {
    FLAGS.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag)
}

/// Control bits by name; `none` where none is set.
#[must_use]
pub(super) fn flag_names(flags: Flags) -> String {
    let set = FLAGS.iter().filter(|(_, flag)| flags.intersects(*flag));
    let names: Vec<_> = set.map(|(name, _)| *name).collect();
    if names.is_empty() { "none".into() } else { names.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact_to_the_microsecond() {
        for (word, micros) in [
            ("0", Ok(0)),
            ("15us", Ok(15)),
            ("1.5s", Ok(1_500_000)),
            ("0.000001s", Ok(1)),
            ("299.999ms", Ok(299_999)),
            ("2min", Ok(120_000_000)),
            ("1h", Ok(3_600_000_000)),
            ("0.5us", Err(())),
            ("1.0005ms", Err(())),
            ("7", Err(())),
            ("xms", Err(())),
        ] {
            assert_eq!(span(word).map_err(|_| ()), micros, "{word}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(number::<u16>("65_535"), Ok(65_535));
        assert!(number::<u16>("65536").is_err() && number::<u16>("-1").is_err());
        assert_eq!(sequence("-1"), Ok(u32::MAX));
        assert!(sequence("4294967296").is_err());
    }

    #[test]
    fn quoted_words_hold_blanks_and_remarks_do_not_count() {
        let mut words = Words::new("  drop \"bad checksum\" 1 # two words");
        assert_eq!(words.next_word(), Some("drop"));
        assert_eq!(words.next_word(), Some("bad checksum"));
        assert_eq!(words.number("n"), Ok(1_u8));
        assert_eq!(words.end(), Ok(()));
        assert_eq!(flag_names(Flags::SYN | Flags::ACK), "SYN ACK");
    }
}
