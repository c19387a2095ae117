//! Entries as users write them, and what is told about wrong ones.

use std::path::Path;

use super::*;
use crate::config::ConfigFile;

fn sources(file: &str, env: &[(&str, &str)]) -> Sources {
    let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut sources = Sources::default();
    (sources.file, sources.env) = (ConfigFile::parse(Path::new("k.yaml"), file).unwrap(), env);
    sources
}

fn problems(file: &str, env: &[(&str, &str)]) -> Vec<String> {
    channels(&sources(file, env)).unwrap_err().0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_go_tools_environment_is_enough() {
    let env = [("CHATWORK_API_TOKEN", "t0ken"), ("CHATWORK_ROOM_ID", "42"), ("CHATWORK_SITE", "chat.example.com")];
    let found = channels(&sources("", &env)).unwrap();
    let [Channel { service: Service::Chatwork(room), on: When::Always, name, .. }] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((room.room.as_str(), room.site.as_str(), name.as_str()), ("42", "chat.example.com", "chatwork"));
    assert!(channels(&sources("", &env[..1])).unwrap().is_empty(), "without a room nobody is told, as there");
    assert_eq!(
        channels(&sources("notify: [{service: webhook}]", &[("KIBERTAS_WEBHOOK_URL", "https://x.example")]))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn several_at_once_of_one_service_too() {
    let file = "notify:\n  - {service: slack, on: failure, webhookUrlEnv: ONE}\n  - {service: slack, tokenEnv: TWO, channel: C1, mention: [here]}\n";
    let found =
        channels(&sources(file, &[("ONE", "https://hooks.slack.com/x"), ("TWO", "xoxb-1"), ("SLACK_BOT_TOKEN", "y")]))
            .unwrap();
    assert_eq!((found[0].on, found[1].on), (When::Failure, When::Always));
    assert_eq!(found[1].name, "slack (notify[1])");
    assert!(!format!("{found:?}").contains("xoxb-1"), "{found:?}");
    assert!(found[1].secrets.0.contains(&"xoxb-1".to_owned()));
}

#[test]
fn a_secret_comes_from_a_file_or_the_environment_and_never_from_the_configuration() {
    let told = problems("notify: [{service: chatwork, token: hunter2, room: 1}]", &[]);
    assert_eq!(
        told,
        ["notify[0].token should be given as tokenEnv or tokenFile: the configuration file is no place for a secret"]
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "from-file\n").unwrap();
    let file = format!("notify: [{{service: chatwork, tokenFile: {}, room: 1}}]", path.display());
    let found = channels(&sources(&file, &[("CHATWORK_API_TOKEN", "from-env")])).unwrap();
    assert_eq!(found[0].secrets.0, ["from-file"]);
    std::fs::write(&path, " \n").unwrap();
    assert!(problems(&file, &[])[0].contains("notify[0].token should be a text that is not empty"));
    let told = problems("notify: [{service: chatwork, tokenEnv: NOT_THERE, room: 1}]", &[]);
    assert_eq!(told, ["notify[0].tokenEnv should be where the secret is, but NOT_THERE is not in the environment"]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_no_secret_with_it() {
    let file = "notify:\n  - {service: pager}\n  - {service: chatwork, mention: ['@all'], rooom: 1}\n  - {service: slack, on: sometimes}\n  - {service: teams, webhookUrlEnv: BAD}\n  - {service: github, repository: x, commit: abc}\n";
    let told = problems(file, &[("BAD", "hunter2")]);
    let has = |words: &[&str]| told.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["notify[0].service is \"pager\"", "chatwork, slack, teams, webhook, github"]), "{told:#?}");
    assert!(has(&["notify[1].rooom should be one of"]), "{told:#?}");
    assert!(has(&["notify[1].token should be given", "CHATWORK_API_TOKEN"]), "{told:#?}");
    assert!(has(&["notify[1].room should be given", "CHATWORK_ROOM_ID"]), "{told:#?}");
    assert!(has(&["notify[1].mention", "numbers"]), "{told:#?}");
    assert!(has(&["notify[2].on is \"sometimes\"", "always, failure, change"]), "{told:#?}");
    assert!(has(&["notify[2].webhookUrl"]), "{told:#?}");
    assert!(has(&["notify[3].webhookUrl should be a URL"]), "{told:#?}");
    assert!(has(&["notify[4].repository", "OWNER/NAME"]), "{told:#?}");
    assert!(has(&["notify[4].commit", "in full"]), "{told:#?}");
    assert!(told.iter().all(|line| !line.contains("hunter2")), "{told:#?}");
}

#[test]
fn what_is_no_list_of_mappings_is_refused_without_being_shown() {
    for file in ["notify: hunter2", "notify: [hunter2]", "notify: {token: hunter2}"] {
        let error = ConfigFile::parse(Path::new("k.yaml"), file).unwrap_err().to_string();
        assert!(error.contains("a list of mappings") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn every_setting_is_documented() {
    let page = include_str!("../../../docs/notifications.md");
    for service in SERVICES {
        for setting in settings_of(service).unwrap() {
            assert!(page.contains(&format!("`{}`", setting.key)), "{service}.{} is not documented", setting.key);
            for name in setting.env {
                assert!(page.contains(&format!("`{name}`")), "{name} is not documented");
            }
        }
    }
}
