//! Text from the cluster, made safe to show: an event's message or a pod's log must not drive the reader's terminal.

use std::borrow::Cow;

use console::strip_ansi_codes;

/// What stands for a line break where there is room for one line only.
const BREAK: &str = " ⏎ ";

/// A text in one line: colours are dropped, line breaks and every other control character become visible signs.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(needs_care) {
        return Cow::Borrowed(text);
    }
    let text = strip_ansi_codes(text.trim_end()).replace("\r\n", "\n");
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => safe.push_str(BREAK),
            c => safe.push(visible(c)),
        }
    }
    Cow::Owned(safe)
}

/// A text as the lines that it has, each made safe.
pub(crate) fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| one_line(line).into_owned()).collect()
}

/// A text cut to `longest` characters, with `…` where something is missing.
pub(crate) fn shortened(text: &str, longest: usize) -> Cow<'_, str> {
    match text.char_indices().nth(longest) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept: String = text.chars().take(longest.saturating_sub(1)).collect();
            Cow::Owned(format!("{}…", kept.trim_end()))
        }
    }
}

fn needs_care(c: char) -> bool {
    c.is_control() || turns_text(c)
}

/// Characters that reorder what a reader sees: <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>.
fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A control character as its picture, <https://www.unicode.org/charts/PDF/U2400.pdf>.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '␡',
        _ if needs_care(c) => '\u{fffd}',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_left_alone() {
        assert!(matches!(one_line("クラスタ: 4/4 ready ✓"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_that_drives_a_terminal_is_left() {
        let hostile = "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7} a\rb\r\nc\td \u{202e}gpj.exe \u{8}\u{7f}\0";
        let shown = one_line(hostile);
        assert!(!shown.contains(needs_care), "{shown:?}");
        assert!(shown.contains("a ⏎ b ⏎ c d"), "{shown:?}");
        assert!(shown.contains("red"), "{shown:?}");
        assert!(shown.contains("␈␡␀"), "{shown:?}");
        assert!(!one_line("\u{9b}2J \u{85} \u{90}q\u{9c}").contains(needs_care));
    }

    #[test]
    fn a_last_line_break_is_no_line() {
        assert_eq!(one_line("one\ntwo\n"), "one ⏎ two");
        assert_eq!(lines("one\r\n\u{7}two\n"), ["one", "␇two"]);
    }

    #[test]
    fn shortening_counts_characters_and_says_so() {
        assert_eq!(shortened("añb", 3), "añb");
        assert_eq!(shortened("añbc", 3), "añ…");
        assert_eq!(shortened("", 0), "");
    }
}
