//! The texts of others: made safe to show, and taken apart.

/// The longest line that is shown, in characters.
pub(super) const LONGEST: usize = 300;

/// A text on one line without control characters, such as a terminal's escape sequences, of at most `longest` characters.
pub(super) fn clean(text: &str, longest: usize) -> String {
    let visible = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let words = without_escapes(text);
    let line: String = words
        .split_whitespace()
        .map(|word| word.chars().filter(|&c| visible(c)).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    shortened(&line, longest)
}

/// A text as evidence or part of a sentence: clean, short, without the full stop at its end, and without how long was waited for it.
pub(super) fn quoted(text: &str) -> String {
    let waited = text.rsplit_once(" (waited ").and_then(|(said, rest)| Some((said, rest.split_once(')')?.1)));
    let said = waited.map_or_else(|| text.to_owned(), |(said, rest)| format!("{said}{rest}"));
    clean(&said, 240).trim_end_matches(['.', ' ']).to_owned()
}

/// A word as a shell takes it.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", clean(word, 253).replace('\'', r"'\''"))
}

/// What stands between two texts; up to the end where `after` does not come.
pub(super) fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after).map_or(rest, |(found, _)| found)).filter(|found| !found.is_empty())
}

/// Whether a text has one of these words, in any case of letters.
pub(super) fn has_any(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(&word.to_lowercase()))
}

/// Whether a text tells one of these HTTP status codes: `HTTP 403`, `status 403` or `(403)`. A bare number may be anything.
pub(super) fn tells_status(text: &str, codes: &[u16]) -> bool {
    codes.iter().any(|code| has_any(text, &[&format!("HTTP {code}"), &format!("status {code}"), &format!("({code})")]))
}

fn shortened(line: &str, longest: usize) -> String {
    if line.chars().count() <= longest {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(longest.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Removes the escape sequences of ECMA-48 that start with `ESC [` or `ESC ]`; a lone ESC goes as a control character.
fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        kept.push_str(before);
        rest = match after.chars().next() {
            Some('[') => after[1..].split_once(|c: char| ('@'..='~').contains(&c)).map_or("", |(_, rest)| rest),
            Some(']') => after[1..].split_once(['\u{7}', '\u{1b}']).map_or("", |(_, rest)| rest),
            _ => after,
        };
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_controls_and_line_breaks_go() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\r\nnext\tline\u{7}", 99), "red next line");
        assert_eq!(clean("a\u{1b}]0;title\u{7}b\u{202e}c", 99), "abc");
        assert_eq!(clean("\u{1b}", 99), "");
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_at_a_character() {
        assert_eq!(clean("ääää", 3), "ää…");
        assert_eq!(clean("ääää", 4), "ääää");
    }

    #[test]
    fn no_word_leaves_the_shell_quotes() {
        assert_eq!(shell_word("web-1"), "web-1");
        assert_eq!(shell_word("a;reboot"), "'a;reboot'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn a_quotation_is_without_full_stop_and_waiting_time() {
        assert_eq!(quoted("404 from 192.0.2.1 (waited 10.0 s)"), "404 from 192.0.2.1");
        assert_eq!(quoted("no way (refused (waited 1.0 s))"), "no way (refused)");
        assert_eq!(quoted("it is gone. "), "it is gone");
        assert_eq!(quoted("404 (Server: x)"), "404 (Server: x)");
    }

    #[test]
    fn a_number_alone_is_no_status() {
        assert!(tells_status("HTTP 503 Service Unavailable from /x", &[502, 503]));
        assert!(tells_status("AccessDenied: no (status 403)", &[403]) && tells_status("busy (429)", &[429]));
        assert!(!tells_status("the newest point is 503 s old", &[503]));
    }

    #[test]
    fn quoted_names_are_found() {
        assert_eq!(between(r#"class "x" is"#, "class \"", "\""), Some("x"));
        assert_eq!(between("quota: small, requested", "quota: ", ","), Some("small"));
        assert_eq!(between("quota: ", "quota: ", ","), None);
    }
}
