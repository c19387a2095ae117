//! `kibertas-rs notify`, as its users run it.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use stand_ins::chatwork::Chatwork;
use stand_ins::server::Server;
use stand_ins::webhook::Webhook;

use super::SECRET;
use super::audience::result;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("blue_and_green_are_one_message", blue_and_green_are_one_message),
        Trial::test("a_sample_says_what_became_of_it", a_sample_says_what_became_of_it),
        Trial::test("nobody_to_tell_is_a_usage_error", nobody_to_tell_is_a_usage_error),
    ]
}

/// The program as its users run it.
struct Ran {
    code: Option<i32>,
    out: String,
    errors: String,
}

fn program(args: &[&str], env: &[(&str, &str)]) -> Result<Ran, Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kibertas-rs"));
    let output = command.env_clear().envs(env.iter().copied()).args(args).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ran { code: output.status.code(), out: text(&output.stdout), errors: text(&output.stderr) })
}

fn blue_and_green_are_one_message() -> Result<(), Failed> {
    let server = Server::plain(Chatwork::new(SECRET, "42"))?;
    let folder = tempfile::tempdir()?;
    let mut files = Vec::new();
    for cluster in ["blue", "green"] {
        let mut run = result()?;
        cluster.clone_into(&mut run.target.name);
        let path = folder.path().join(format!("{cluster}.json"));
        std::fs::write(&path, serde_json::to_string(&run)?)?;
        files.push(path.to_string_lossy().into_owned());
    }
    let url = server.url();
    let env = [("CHATWORK_API_TOKEN", SECRET), ("CHATWORK_ROOM_ID", "42"), ("CHATWORK_SITE", url.as_str())];
    let ran = program(&["notify", "send", &files[0], &files[1]], &env)?;
    let messages = server.rules().messages.lock().map_err(|_| "poisoned")?.clone();
    let both = messages.len() == 1 && ["NG in blue", "NG in green"].iter().all(|text| messages[0].contains(text));
    if ran.code == Some(0) && ran.out == "OK chatwork\n" && both {
        Ok(())
    } else {
        Err(format!("{:?} {}{}{messages:#?}", ran.code, ran.out, ran.errors).into())
    }
}

fn a_sample_says_what_became_of_it() -> Result<(), Failed> {
    let (chatwork, webhook) = (Server::plain(Chatwork::new(SECRET, "42"))?, Server::plain(Webhook::new(SECRET))?);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kibertas.yaml");
    let (room, hook) = (chatwork.url(), webhook.url());
    let text = format!(
        "clusterName: blue\nnotify:\n  - {{service: chatwork, on: failure, tokenEnv: TOKEN, room: 42, site: '{room}'}}\n  \
         - {{service: webhook, urlEnv: HOOK, secretEnv: TOKEN}}\n"
    );
    std::fs::write(&file, text)?;
    let config = file.to_string_lossy().into_owned();
    let args = ["--config", config.as_str(), "notify", "test"];
    let ran = program(&args, &[("TOKEN", SECRET), ("HOOK", &hook)])?;
    if (ran.code, ran.out.as_str()) != (Some(0), "OK chatwork (notify[0])\nOK webhook (notify[1])\n") {
        return Err(format!("{:?} {}{}", ran.code, ran.out, ran.errors).into());
    }
    if !chatwork.rules().messages.lock().map_err(|_| "poisoned")?[0].contains("this is a sample") {
        return Err("the sample does not say that it is one".into());
    }
    let ran = program(&args, &[("TOKEN", "wrong-secret"), ("HOOK", &hook)])?;
    let expected = "NG chatwork (notify[0]): 401 Unauthorized: {\"errors\":[\"Invalid API token\"]}\n\
                    NG webhook (notify[1]): 401 Unauthorized: the signature is wrong\n";
    let leaked = format!("{}{}", ran.out, ran.errors).contains("wrong-secret");
    if ran.code == Some(1) && ran.out == expected && !leaked {
        Ok(())
    } else {
        Err(format!("{:?} {}{}", ran.code, ran.out, ran.errors).into())
    }
}

fn nobody_to_tell_is_a_usage_error() -> Result<(), Failed> {
    let ran = program(&["notify", "test"], &[])?;
    if ran.code == Some(2) && ran.errors.contains("nobody is to be told") {
        Ok(())
    } else {
        Err(format!("{:?} {}", ran.code, ran.errors).into())
    }
}
