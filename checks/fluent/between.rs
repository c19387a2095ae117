//! A text half-way between two others, as S3 sorts keys: by their bytes.

/// The first and the last character that a key is searched by; printable ASCII.
const FIRST: u8 = b' ';
const LAST: u8 = b'~';
/// The number of digits: one a character, and 0 for the end of a text.
const BASE: u128 = (LAST - FIRST + 2) as u128;
/// As many characters as are looked at behind what both texts share; as numbers they fit into 128 bits.
const DIGITS: usize = 16;

/// A text after `low` and before `high`, about half-way; `None` where there is none of printable ASCII within reach.
///
/// `high` of `None` is after every text that begins with `prefix`, which `low` does as well.
pub(super) fn between(prefix: &str, low: &str, high: Option<&str>) -> Option<String> {
    let shared = match high {
        Some(high) => low.bytes().zip(high.bytes()).take_while(|(a, b)| a == b).count(),
        None => prefix.len(),
    };
    let from = number(low.as_bytes().get(shared..)?);
    let to = match high {
        Some(high) => number(high.as_bytes().get(shared..)?),
        None => BASE.pow(u32::try_from(DIGITS).ok()?) - 1,
    };
    let middle = from + to.checked_sub(from)? / 2;
    let mut text = low.as_bytes()[..shared].to_vec();
    text.extend(characters(middle));
    let text = String::from_utf8(text).ok()?;
    (text.as_str() > low && high.is_none_or(|high| text.as_str() < high)).then_some(text)
}

fn number(text: &[u8]) -> u128 {
    let digit = |at: usize| match text.get(at) {
        None => 0,
        Some(&byte) => u128::from(byte.clamp(FIRST, LAST) - FIRST + 1),
    };
    (0..DIGITS).fold(0, |number, at| number * BASE + digit(at))
}

fn characters(mut number: u128) -> Vec<u8> {
    let mut digits = [0_u8; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = u8::try_from(number % BASE).unwrap_or_default();
        number /= BASE;
    }
    let end = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
    digits[..end].iter().map(|&digit| FIRST + digit.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let Some(middle) = between(prefix, low, high) else {
                assert_eq!(low, "logs/\u{e9}", "{low} {high:?}");
                continue;
            };
            assert!(middle.as_str() > low && high.is_none_or(|high| middle.as_str() < high), "{low} {middle} {high:?}");
        }
    }

    #[test]
    fn neighbours_have_nothing_between_them() {
        assert_eq!(between("", "a", Some("a ")), None);
        assert_eq!(between("", "b", Some("a")), None);
        assert_eq!(between("", "a", Some("a")), None);
    }

    #[test]
    fn halving_comes_to_an_end_soon() {
        let (low, high) = ("logs/20251121-000000-000000".to_owned(), "logs/20261121-000000-999999".to_owned());
        let goal = "logs/20261121-000000-314159";
        let (mut low, mut high, mut steps) = (low, Some(high), 0);
        while let Some(middle) = between("logs/", &low, high.as_deref()) {
            if middle.as_str() < goal {
                low = middle
            } else {
                high = Some(middle)
            }
            steps += 1;
            assert!(steps < 160, "{low} {high:?}");
        }
        assert!(low.as_str() < goal && high.is_some_and(|high| goal <= high.as_str()));
    }
}
