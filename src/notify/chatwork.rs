//! Chatwork, API v2: <https://developer.chatwork.com/reference/post-rooms-room_id-messages>

use std::fmt::Write as _;

use http::Method;

use super::delivery::{Http, Request, Undelivered, by_status};
use super::message::{Line, Message, Part, word};
use crate::clock;

/// The most characters of a message's body.
pub const LIMIT: usize = 65_535;

/// A room.
#[derive(Clone)]
pub struct Chatwork {
    /// The token of the account that writes.
    pub token: String,
    /// The room's number.
    pub room: String,
    /// The API's host, or a whole URL; the Go tool's `CHATWORK_SITE`.
    pub site: String,
    /// Numbers of accounts to mention where something is not OK; `all` for everybody in the room.
    pub mention: Vec<String>,
}

impl Chatwork {
    /// Sends the message.
    pub async fn send(&self, http: &Http, message: &Message) -> Result<u32, Undelivered> {
        Ok(http.deliver(&self.request(message), by_status).await?.tries)
    }

    fn request(&self, message: &Message) -> Request {
        let base = if self.site.contains("://") { self.site.clone() } else { format!("https://{}", self.site) };
        let body = form_urlencoded::Serializer::new(String::new()).append_pair("body", &self.text(message)).finish();
        Request {
            method: Method::POST,
            url: format!("{}/v2/rooms/{}/messages", base.trim_end_matches('/'), self.room),
            headers: vec![(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded".to_owned())],
            body: body.into_bytes(),
            repeatable: false,
            wants_body: false,
        }
        .header("x-chatworktoken", self.token.clone())
    }

    /// The message in Chatwork's notation: <https://developer.chatwork.com/docs/message-notation>
    pub fn text(&self, message: &Message) -> String {
        let render = |message: &Message| {
            let mut text = String::new();
            if !message.is_ok() && !self.mention.is_empty() {
                let mention = |who: &String| if who == "all" { "[toall]".to_owned() } else { format!("[To:{who}]") };
                let _ = writeln!(text, "{}", self.mention.iter().map(mention).collect::<Vec<_>>().join(" "));
            }
            text + &message.parts.iter().map(part).collect::<Vec<_>>().join("\n")
        };
        message.fitted(render, |text| text.chars().count() <= LIMIT)
    }
}

impl std::fmt::Debug for Chatwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chatwork").field("room", &self.room).field("site", &self.site).finish_non_exhaustive()
    }
}

fn part(part: &Part) -> String {
    let mut text = format!("[info][title]{}[/title]", plain(&part.title()));
    let lines: Vec<String> = part.checks.iter().map(line).collect();
    text.push_str(&lines.join("\n"));
    if part.more_checks > 0 {
        let _ = write!(text, "\n… and {} more", part.more_checks);
    }
    let took = clock::human(part.duration_ms);
    let _ = write!(text, "\n[hr]{}, {} in {took}", plain(&part.versions()), part.counts);
    if let Some(report) = &part.report {
        let _ = write!(text, "\nreport: {}", plain(report));
    }
    let _ = write!(text, "\nrun {}, started {}[/info]", plain(&part.run), part.started);
    text
}

fn line(check: &Line) -> String {
    let mut text = format!("{} {}", word(check.verdict), plain(&check.name));
    if let Some(millis) = check.duration_ms {
        let _ = write!(text, " ({})", clock::human(millis));
    }
    let Some(trouble) = &check.trouble else { return text };
    if let Some(step) = &trouble.step {
        let _ = write!(text, "\n  step: {}", plain(step));
    }
    let _ = write!(text, "\n  reason: {}", plain(&trouble.reason));
    if let Some(cause) = &trouble.cause {
        let _ = write!(text, "\n  cause: {}", plain(cause));
    }
    if let Some(next) = &trouble.next {
        let _ = write!(text, "\n  next:[code]{}[/code]", code(next));
    }
    text
}

/// Text that stays text. The notation has no escapes; an invisible space after each bracket makes it no tag, in whatever language
/// the tag is written.
fn plain(text: &str) -> String {
    text.replace('[', "[\u{200b}")
}

/// Inside code only its own end is a tag; everything else stays as it is, to be copied.
fn code(text: &str) -> String {
    text.replace("[/", "[\u{200b}/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::message::Told;
    use crate::report::sample;

    fn room() -> Chatwork {
        Chatwork {
            token: "secret-token".to_owned(),
            room: "123".to_owned(),
            site: "api.chatwork.com".to_owned(),
            mention: vec!["42".to_owned(), "43".to_owned()],
        }
    }

    #[test]
    fn the_message_of_every_verdict() {
        insta::assert_snapshot!(room().text(&crate::notify::sample::of_every_verdict()));
    }

    #[test]
    fn blue_and_green_in_one_message() {
        insta::assert_snapshot!(room().text(&crate::notify::sample::blue_and_green()));
    }

    #[test]
    fn nobody_is_mentioned_where_all_is_ok() {
        let text = room().text(&crate::notify::sample::ok());
        assert!(!text.contains("[To:"), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_request_as_it_goes_out() {
        let request = room().request(&crate::notify::sample::ok());
        assert_eq!(request.url, "https://api.chatwork.com/v2/rooms/123/messages");
        assert_eq!(request.headers[1], ("x-chatworktoken".parse().unwrap(), "secret-token".to_owned()));
        insta::assert_snapshot!(String::from_utf8(request.body).unwrap());
        let elsewhere = Chatwork { site: "http://127.0.0.1:8080/".to_owned(), ..room() };
        assert_eq!(elsewhere.request(&crate::notify::sample::ok()).url, "http://127.0.0.1:8080/v2/rooms/123/messages");
        assert!(!format!("{:?}", room()).contains("secret-token"));
    }

    #[test]
    fn the_cluster_can_neither_mention_nor_mark_up() {
        let mut result = sample::hostile();
        let evil = "[toall][To:1][/code][/info][引用 aid=1][qt]x[/qt]";
        result.target.name = evil.to_owned();
        result.checks[0].name = evil.to_owned();
        let failure = result.checks[0].failure.as_mut().unwrap();
        failure.next[0] = evil.to_owned();
        evil.clone_into(&mut failure.expected);
        let nobody = Chatwork { mention: Vec::new(), ..room() };
        let text =
            nobody.text(&Message::new(&[Told { result: &result, before: None, report: Some(evil), cluster: None }]));
        // Only our own tags are left, each as often as we wrote it; inside code only its end counts.
        let tags = |tag: &str| text.matches(tag).count();
        assert_eq!([tags("[info]"), tags("[/info]"), tags("[title]"), tags("[code]"), tags("[/code]")], [1; 5]);
        let (before, rest) = text.split_once("[code]").unwrap();
        let (_, after) = rest.split_once("[/code]").unwrap();
        for outside in [before, after] {
            for tag in ["[To:", "[toall", "[qt", "[引用"] {
                assert!(!outside.contains(tag), "{tag} in {outside}");
            }
        }
    }

    #[test]
    fn a_message_keeps_the_limit_whatever_there_is_to_tell() {
        let text = room().text(&crate::notify::sample::oversized());
        assert!(text.chars().count() <= LIMIT, "{}", text.chars().count());
        assert!(text.contains("more") && text.ends_with("[/info]"));
    }
}
