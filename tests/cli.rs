//! The command line as its users meet it: help, completions, and what is wrong told before anything is touched.

use std::path::Path;
use std::process::Command;

/// The exit code and what was printed, with what is this machine's taken out.
struct Told {
    code: Option<i32>,
    output: String,
    errors: String,
}

/// Runs the program with no settings of this machine.
fn run(args: &[&str], environment: &[(&str, &str)]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kibertas-rs"));
    command.env_clear().env("COLUMNS", "100").envs(environment.iter().copied()).args(args);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Told { code: output.status.code(), output: text(&output.stdout), errors: text(&output.stderr) }
}

/// Demands exit code 2, nothing on standard output, and these words.
fn refused(args: &[&str], environment: &[(&str, &str)], words: &[&str]) {
    let told = run(args, environment);
    assert_eq!(told.code, Some(2), "{args:?}: {}{}", told.output, told.errors);
    assert_eq!(told.output, "", "{args:?}");
    for word in words {
        assert!(told.errors.contains(word), "{args:?} does not say {word:?}: {}", told.errors);
    }
    assert!(!told.errors.contains("panicked"), "{}", told.errors);
}

fn file(folder: &Path, name: &str, content: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_string_lossy().into_owned()
}

/// A kubeconfig of one context, `here`.
fn kubeconfig(server: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         clusters: [{{name: here, cluster: {{server: '{server}', insecure-skip-tls-verify: true}}}}]\n\
         users: [{{name: me, user: {user}}}]\n\
         contexts: [{{name: here, context: {{cluster: here, user: me}}}}]\n"
    )
}

#[test]
fn help_says_what_there_is() {
    for command in [
        &[][..],
        &["test"],
        &["list"],
        &["config", "check"],
        &["config", "show"],
        &["sweep"],
        &["report", "render"],
        &["notify"],
        &["completions"],
    ] {
        let told = run(&[command, &["--help"]].concat(), &[]);
        assert_eq!((told.code, told.errors.as_str()), (Some(0), ""), "{command:?}");
        insta::assert_snapshot!([&["help"], command].concat().join("-"), told.output);
    }
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let told = run(&["completions", shell], &[]);
        assert_eq!(told.code, Some(0));
        assert!(told.output.contains("no-dns-check") && told.output.contains("kibertas-rs"), "{shell}");
    }
}

#[test]
fn an_unknown_check_is_told_with_those_there_are() {
    refused(&["test", "nothing"], &[], &["\"nothing\"", "ingress, cert-manager, rollouts"]);
    refused(&["test", "rolouts"], &[], &["did you mean \"rollouts\""]);
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").to_string_lossy().into_owned();
    refused(&["test"], &[("KUBECONFIG", &missing)], &["KUBECONFIG", &missing, "no such file"]);
    refused(&["test", "--kubeconfig", &missing], &[], &["--kubeconfig", &missing]);
    let nonsense = file(folder.path(), "nonsense", "{[");
    refused(&["test", "--kubeconfig", &nonsense], &[], &[&nonsense]);
    let good = file(folder.path(), "good", &kubeconfig("https://127.0.0.1:1", "{token: abc}"));
    refused(&["test", "--kubeconfig", &good, "--context", "nope"], &[], &["--context \"nope\"", "one of here"]);
    refused(&["test", "--kubeconfig", &good], &[], &["https://127.0.0.1:1", "refused", "context \"here\""]);
}

#[test]
fn a_credential_plugin_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let user = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin, interactiveMode: Never}}";
    let config = file(folder.path(), "exec", &kubeconfig("https://127.0.0.1:1", user));
    refused(&["test", "--kubeconfig", &config], &[], &["the plug-in \"no-such-plugin\"", "No such file"]);
}

#[test]
fn credentials_that_the_server_refuses_are_told_from_a_server_that_is_not_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let read = std::io::Read::read(&mut stream, &mut request).unwrap();
        let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}"#;
        let head = format!(
            "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        std::io::Write::write_all(&mut stream, (head + body).as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let folder = tempfile::tempdir().unwrap();
    let config = file(folder.path(), "expired", &kubeconfig(&format!("http://{address}"), "{token: long-expired}"));
    refused(&["test", "--kubeconfig", &config], &[], &["401", "context \"here\"", "expired", "log in again"]);
    assert!(answering.join().unwrap().contains("Bearer long-expired"));
}

/// Flags, variables, and what the refusal says.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn values_are_refused_with_field_value_and_what_would_be_right() {
    let cases: &[Case] = &[
        (&["--timeout", "-5"], &[], &["--timeout is \"-5\"", "15m"]),
        (&["--timeout", "0"], &[], &["--timeout is \"0\"", "above 0"]),
        (&["--timeout", "99999999"], &[], &["at most 86400s"]),
        (&["--step-timeout", "soon"], &[], &["--step-timeout is \"soon\""]),
        (&["--step-timeout", "20m", "--timeout", "10m"], &[], &["stepTimeout", "at most the timeout"]),
        (&["--set", "ingress.host=bad_host!"], &[], &["--set ingress.host is \"bad_host!\"", "a DNS name"]),
        (&["--set", "ingress.colour=red"], &[], &["--set ingress.colour should be one of host"]),
        (&["--set", "nothing.host=a"], &[], &["--set nothing.host", "one of the checks"]),
        (&["--set", "nonsense"], &[], &["--set is \"nonsense\"", "CHECK.KEY=VALUE"]),
        (&[], &[("EXTERNAL_HOSTNAME", "no host")], &["EXTERNAL_HOSTNAME is \"no host\""]),
        (&[], &[("KIBERTAS_DNS_SERVERS", "here")], &["KIBERTAS_DNS_SERVERS is \"here\""]),
        (&[], &[("RESOURCE_NAME", "Not_A_Name")], &["RESOURCE_NAME is \"Not_A_Name\""]),
        (
            &["ingress", "--no-dns-check", "--set", "ingress.dnsCheck=true"],
            &[],
            &["--no-dns-check should be left out, or agree with --set ingress.dnsCheck"],
        ),
        (&["cert-manager", "--no-dns-check"], &[], &["--no-dns-check is for the check ingress"]),
        (&["--report", "xyz=a"], &[], &["\"xyz\"", "json, junit"]),
        (&["--report", "json=/nowhere/at/all.json"], &[], &["/nowhere/at", "not there"]),
    ];
    for (args, environment, words) in cases {
        refused(&[&["test"], *args].concat(), environment, words);
    }
}

#[test]
fn an_empty_choice_of_rollouts_is_not_all_of_them() {
    for choice in ["--selector=", "--selector= ", "--project=", "--namespace="] {
        let (flag, _) = choice.split_once('=').unwrap();
        for operation in [&["promote", "--full"][..], &["abort"], &["status"]] {
            let args = [&["rollouts"], operation, &["--all-namespaces", "--kubeconfig", "/nowhere", choice]].concat();
            let args: Vec<&str> =
                args.into_iter().filter(|a| flag != "--namespace" || *a != "--all-namespaces").collect();
            refused(&args, &[], &[flag, "it is empty", "--all"]);
        }
    }
}

#[test]
fn a_configuration_file_is_refused_as_a_whole_with_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let text = "colour: red\ntimeout: soon\nchecks:\n  ingress:\n    hots: a.example\n  ingres: {}\n";
    let wrong = file(folder.path(), "wrong.yaml", text);
    let words = ["colour should be one of clusterName", "timeout is \"soon\"", "checks.ingress.hots", "checks.ingres "];
    refused(&["test", "--config", &wrong], &[], &words);
    let broken = file(folder.path(), "broken.yaml", "checks: [\n");
    refused(&["test", "--config", &broken], &[], &["broken.yaml", "line 1"]);
    let missing = folder.path().join("missing.yaml").to_string_lossy().into_owned();
    refused(&["test"], &[("KIBERTAS_CONFIG", &missing)], &[&missing]);
}
