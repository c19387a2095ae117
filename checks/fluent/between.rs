//! A text half-way between two others, as S3 sorts keys: by their bytes.

/// As many characters as are looked at behind what both texts share; as numbers they fit into 128 bits.
const DIGITS: usize = 16;

/// The characters that keys are made of, in their order. The fewer they are, the sooner a search by halving is over.
#[derive(Debug, Clone)]
pub(super) struct Alphabet(Vec<u8>);

impl Alphabet {
    /// Printable ASCII as far as it is in the keys; other characters are not searched by.
    pub(super) fn of<'k>(keys: impl Iterator<Item = &'k str>) -> Self {
        let mut there = [false; 128];
        for byte in keys.flat_map(str::bytes).filter(|byte| (b' '..=b'~').contains(byte)) {
            there[usize::from(byte)] = true;
        }
        Self((b' '..=b'~').filter(|&byte| there[usize::from(byte)]).collect())
    }

    /// The number of digits: one a character, and 0 for the end of a text.
    fn base(&self) -> u128 {
        self.0.len() as u128 + 1
    }

    fn number(&self, text: &[u8]) -> u128 {
        let digit = |at: usize| text.get(at).map_or(0, |byte| self.0.partition_point(|known| known <= byte));
        (0..DIGITS).fold(0, |number, at| number * self.base() + digit(at) as u128)
    }

    fn characters(&self, mut number: u128) -> Vec<u8> {
        let mut digits = [0_usize; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = usize::try_from(number % self.base()).unwrap_or_default();
            number /= self.base();
        }
        let end = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
        digits[..end].iter().filter_map(|&digit| self.0.get(digit.saturating_sub(1)).copied()).collect()
    }

    /// A text after `low` and before `high`, about half-way; `None` where there is none within reach.
    ///
    /// `high` of `None` is after every text that begins with `prefix`, which `low` does as well.
    pub(super) fn between(&self, prefix: &str, low: &str, high: Option<&str>) -> Option<String> {
        let shared = match high {
            Some(high) => low.bytes().zip(high.bytes()).take_while(|(a, b)| a == b).count(),
            None => prefix.len(),
        };
        let from = self.number(low.as_bytes().get(shared..)?);
        let to = match high {
            Some(high) => self.number(high.as_bytes().get(shared..)?),
            None => self.base().pow(u32::try_from(DIGITS).ok()?) - 1,
        };
        let middle = from + to.checked_sub(from)? / 2;
        let mut text = low.as_bytes()[..shared].to_vec();
        text.extend(self.characters(middle));
        let text = String::from_utf8(text).ok()?;
        (text.as_str() > low && high.is_none_or(|high| text.as_str() < high)).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Alphabet {
        let all: String = (' '..='~').collect();
        Alphabet::of(std::iter::once(all.as_str()))
    }

    #[test]
    fn it_is_between() {
        let pairs = [
            ("logs/", "logs/a", Some("logs/c")),
            ("logs/", "logs/a", Some("logs/b")),
            ("logs/", "logs/20261121-1459", Some("logs/20261121-15")),
            ("logs/", "logs/2026", None),
            ("", "", None),
            ("logs/", "logs/\u{e9}", None),
            ("", "a", Some("a!!")),
        ];
        for (prefix, low, high) in pairs {
            let Some(middle) = all().between(prefix, low, high) else {
                assert_eq!(low, "logs/\u{e9}", "{low} {high:?}");
                continue;
            };
            assert!(middle.as_str() > low && high.is_none_or(|high| middle.as_str() < high), "{low} {middle} {high:?}");
        }
    }

    #[test]
    fn neighbours_have_nothing_between_them() {
        assert_eq!(all().between("", "a", Some("a ")), None);
        assert_eq!(all().between("", "b", Some("a")), None);
        assert_eq!(all().between("", "a", Some("a")), None);
    }

    #[test]
    fn halving_comes_to_an_end_soon() {
        let (low, high) = ("logs/20251121-000000-0123456789".to_owned(), "logs/20261121-000000-999999".to_owned());
        let goal = "logs/20261121-000000-314159";
        let digits = Alphabet::of([low.as_str()].into_iter());
        let (mut low, mut high, mut steps) = (low, Some(high), 0);
        while let Some(middle) = digits.between("logs/", &low, high.as_deref()) {
            if middle.as_str() < goal {
                low = middle;
            } else {
                high = Some(middle);
            }
            steps += 1;
            assert!(steps < 100, "{low} {high:?}");
        }
        assert!(low.as_str() < goal && high.is_some_and(|high| goal <= high.as_str()));
    }
}
