//! What of a value may be shown.

use std::borrow::Cow;

use super::Kind;
use crate::redact::MASK;

impl Kind {
    /// A value as it may be shown: nothing of a secret, and a URL without what it brings to log in with.
    pub fn shown(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Secret => Cow::Borrowed(MASK),
            Self::Url => match user_info(text) {
                Some(secret) => Cow::Owned(text.replacen(&format!("{secret}@"), &format!("{MASK}@"), 1)),
                None => Cow::Borrowed(text),
            },
            _ => Cow::Borrowed(text),
        }
    }

    /// The part of a value that must never show, if there is one. A user's name alone may be a token.
    pub fn secret_of(self, text: &str) -> Option<&str> {
        match self {
            Self::Secret => Some(text),
            Self::Url => user_info(text).map(|info| info.split_once(':').map_or(info, |(_, password)| password)),
            _ => None,
        }
    }
}

/// What stands before the `@` of a URL's authority (<https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1>).
fn user_info(url: &str) -> Option<&str> {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map(|(info, _)| info).filter(|info| !info.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_no_password() {
        let shown = |text: &'static str| Kind::Url.shown(text).into_owned();
        assert_eq!(shown("https://push:hu@sh@gw.test/a@b"), "https://***@gw.test/a@b");
        assert_eq!(shown("https://token@gw.test"), "https://***@gw.test");
        assert_eq!(shown("https://gw.test/a@b"), "https://gw.test/a@b");
        assert_eq!(shown("push:hush@gw.test"), "***@gw.test", "one without a scheme is refused, and told");
        assert_eq!(Kind::Text.shown("a:b@c"), "a:b@c");
    }

    #[test]
    fn the_redactor_is_told_of_it() {
        assert_eq!(Kind::Url.secret_of("https://push:hush@gw.test/"), Some("hush"));
        assert_eq!(Kind::Url.secret_of("https://token@gw.test"), Some("token"));
        assert_eq!((Kind::Url.secret_of("https://gw.test"), Kind::Text.secret_of("x")), (None, None));
        assert_eq!(Kind::Secret.secret_of("x"), Some("x"));
    }
}
