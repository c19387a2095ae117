//! The HTML report in a real headless Chromium: content, no messages on the console, no request to anywhere, layout, folds.
//!
//! Without a Chromium (`$CHROMIUM`, else by its usual names on `$PATH`) the trials are shown as ignored, not as passed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kibertas::compare::{self, Comparison};
use kibertas::report::{Format, read, render};
use kibertas::result::RunResult;
use libtest_mimic::{Arguments, Failed, Trial};

/// A trial: what it is called and what it does.
type Case = (&'static str, fn(&Browser) -> Result<(), Failed>);

const CASES: &[Case] = &[
    ("says what the result says", says_what_the_result_says),
    ("leaves the console silent", leaves_the_console_silent),
    ("asks nobody for anything", asks_nobody_for_anything),
    ("runs nothing that the cluster says", runs_nothing_that_the_cluster_says),
    ("fits a phone and a wall", fits_a_phone_and_a_wall),
    ("opens the fold that a link points into", opens_the_fold_that_a_link_points_into),
    ("prints every fold", prints_every_fold),
];

/// What the cluster might say to a page that shows it.
const HOSTILE: &str =
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\"> ' \" & \u{1b}[2J";

fn main() {
    let arguments = Arguments::from_args();
    let chromium = find_chromium();
    let trials = CASES.iter().map(|&(name, case)| {
        let chromium = chromium.clone();
        let ignored = chromium.is_none();
        let trial = Trial::test(name, move || {
            let chromium = chromium.ok_or("no Chromium: set CHROMIUM or install one")?;
            case(&Browser { chromium, folder: tempfile::tempdir()? })
        });
        trial.with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn find_chromium() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("CHROMIUM") {
        return Some(given.into());
    }
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let all = std::env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
    all.into_iter().find(|path| path.is_file())
}

/// A browser with a profile and a folder of its own for each trial.
struct Browser {
    chromium: PathBuf,
    folder: tempfile::TempDir,
}

impl Browser {
    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failed> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn page(&self, name: &str, result: &RunResult) -> Result<PathBuf, Failed> {
        self.write(name, &render(std::slice::from_ref(result), Format::Html)?)
    }

    fn run(&self, path: &Path, flags: &[&str]) -> Result<Output, Failed> {
        let profile = self.folder.path().join("profile");
        let output = Command::new(&self.chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync", "--disable-quic"])
            .args(["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"])
            // Whatever a page asks for outside, nobody answers.
            .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--allow-file-access-from-files"])
            .args(["--timeout=30000", "--virtual-time-budget=3000"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(flags)
            .arg(format!("file://{}", path.display()))
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            Ok(output)
        } else {
            Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
        }
    }

    /// The document after the browser has built it.
    fn dom(&self, path: &Path) -> Result<String, Failed> {
        Ok(String::from_utf8(self.run(path, &["--dump-dom"])?.stdout)?)
    }

    /// What a script finds out about a page that it looks at from outside, in a frame of so many pixels' width. The page itself
    /// allows no script.
    fn look(&self, page: &str, width: u32, script: &str) -> Result<String, Failed> {
        let outside = format!(
            "<!doctype html><title>nothing was found</title>\
             <iframe id=f src=\"{page}\" style=\"border:0;width:{width}px;height:900px\"></iframe>\
             <script>f.onload = () => {{\
               const page = f.contentDocument, root = page.documentElement;\
               document.title = String((() => {{ {script} }})());\
             }}</script>"
        );
        let path = self.write("outside.html", &outside)?;
        let dom = self.dom(&path)?;
        let title = dom.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        Ok(title.ok_or("the document has no title")?.0.to_owned())
    }
}

fn every_verdict() -> Result<RunResult, Failed> {
    Ok(read::parse(include_str!("fixtures/report-v1.json"))?)
}

fn hostile() -> Result<RunResult, Failed> {
    /// What the program itself writes, and no cluster.
    const OURS: [&str; 5] = ["schema", "started", "verdict", "certainty", "origin"];
    fn spoil(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) => HOSTILE.clone_into(text),
            serde_json::Value::Array(items) => items.iter_mut().for_each(spoil),
            serde_json::Value::Object(map) => {
                map.iter_mut().filter(|(key, _)| !OURS.contains(&key.as_str())).for_each(|(_, value)| spoil(value));
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(every_verdict()?)?;
    spoil(&mut value);
    Ok(serde_json::from_value(value)?)
}

fn expect(holds: bool, otherwise: impl Into<String>) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise.into().into()) }
}

fn says_what_the_result_says(browser: &Browser) -> Result<(), Failed> {
    let result = every_verdict()?;
    browser.page("page.html", &result)?;
    let text = browser.look("page.html", 1200, "return page.body.innerText.replace(/\\s+/g, ' ')")?;
    for check in &result.checks {
        expect(text.contains(&check.name), format!("{} is not in the page:\n{text}", check.name))?;
        for step in &check.steps {
            expect(text.contains(&step.name), format!("{} is not in the page:\n{text}", step.name))?;
        }
        if let Some(failure) = &check.failure {
            expect(text.contains(&failure.seen), format!("{} is not in the page:\n{text}", failure.seen))?;
        }
    }
    let folded = browser.look("page.html", 1200, "return page.querySelectorAll('.steps > li').length")?;
    let steps: usize = result.checks.iter().map(|check| check.steps.len() + usize::from(check.cleanup.is_some())).sum();
    expect(folded == steps.to_string(), format!("{folded} rows for {steps} steps and clean-ups"))
}

fn leaves_the_console_silent(browser: &Browser) -> Result<(), Failed> {
    let console = |path: &Path| -> Result<Vec<String>, Failed> {
        let output = browser.run(path, &["--dump-dom"])?;
        let lines = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect::<Vec<_>>();
        Ok(lines.into_iter().filter(|line| line.contains("CONSOLE")).collect())
    };
    // That the browser tells of messages at all is part of the proof.
    let loud = browser.write("loud.html", "<script>console.error('heard')</script>")?;
    expect(
        console(&loud)?.iter().any(|line| line.contains("heard")),
        "the browser does not tell its console's messages",
    )?;
    for (name, result) in [("every.html", every_verdict()?), ("hostile.html", hostile()?)] {
        let lines = console(&browser.page(name, &result)?)?;
        expect(lines.is_empty(), format!("{name}: {}", lines.join("\n")))?;
    }
    Ok(())
}

fn asks_nobody_for_anything(browser: &Browser) -> Result<(), Failed> {
    let requests = |path: &Path| -> Result<Vec<String>, Failed> {
        let log = browser.folder.path().join("net.json");
        browser.run(path, &["--dump-dom", &format!("--log-net-log={}", log.display())])?;
        let log: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(log)?)?;
        let events = log["events"].as_array().ok_or("the log of the network has no events")?;
        // A page's requests have an origin; those without one are the browser's own business.
        let of_a_page =
            |params: &serde_json::Value| params["initiator"].as_str().is_some_and(|by| by != "not an origin");
        let urls = events.iter().map(|event| &event["params"]).filter(|params| of_a_page(params));
        let urls = urls.filter_map(|params| params["url"].as_str()).filter(|url| !url.starts_with("file:"));
        Ok(urls.map(str::to_owned).collect())
    };
    let asking = browser.write("asking.html", "<img src=http://example.invalid/x.png>")?;
    expect(!requests(&asking)?.is_empty(), "the log of the network does not show requests")?;
    let mut result = hostile()?;
    result.target.name =
        "<img src=http://example.invalid/1> <link rel=stylesheet href=http://example.invalid/2>".into();
    for (name, result) in [("every.html", every_verdict()?), ("hostile.html", result)] {
        let urls = requests(&browser.page(name, &result)?)?;
        expect(urls.is_empty(), format!("{name} asks for {}", urls.join(", ")))?;
    }
    Ok(())
}

fn runs_nothing_that_the_cluster_says(browser: &Browser) -> Result<(), Failed> {
    browser.page("page.html", &hostile()?)?;
    let found = browser.look(
        "page.html",
        1200,
        "return page.title.includes('onerror=') + ' ' + page.querySelectorAll('script, img, iframe, form').length + ' ' + \
         [...page.querySelectorAll('*')].filter(e => [...e.attributes].some(a => a.name.startsWith('on'))).length",
    )?;
    expect(found == "true 0 0", format!("title as it is, foreign elements, handlers: {found}"))
}

fn fits_a_phone_and_a_wall(browser: &Browser) -> Result<(), Failed> {
    let comparison = Comparison::of(&[every_verdict()?], &[hostile()?])?;
    let pages = [
        ("every.html", render(&[every_verdict()?], Format::Html)?),
        ("hostile.html", render(&[hostile()?], Format::Html)?),
        ("clusters.html", render(&[every_verdict()?, hostile()?], Format::Html)?),
        ("comparison.html", compare::html(&comparison)),
    ];
    for (name, page) in pages {
        browser.write(name, &page)?;
        for width in [320, 390, 1200, 3840] {
            // The page does not scroll sideways, and nothing lies outside it.
            let found = browser.look(
                name,
                width,
                "const wide = [...page.body.querySelectorAll('*')].filter(e => !e.closest('.skip, .axis, pre') && \
                   e.getBoundingClientRect().right > root.clientWidth + 1);\
                 return root.scrollWidth <= root.clientWidth ? wide.map(e => e.outerHTML.slice(0, 80)).join(' ') : 'scrolls'",
            )?;
            expect(found.is_empty(), format!("{name} at {width} pixels: {found}"))?;
        }
    }
    Ok(())
}

fn opens_the_fold_that_a_link_points_into(browser: &Browser) -> Result<(), Failed> {
    browser.page("page.html", &every_verdict()?)?;
    let open = "return page.querySelector('#step-1-3').closest('details').open";
    let before = browser.look("page.html", 1200, open)?;
    let after = browser.look("page.html#step-1-3", 1200, open)?;
    expect((before.as_str(), after.as_str()) == ("false", "true"), format!("open before: {before}, after: {after}"))?;
    // The step that broke is open by itself, and what a reader can fold is reached by the keyboard.
    let broken = browser.look(
        "page.html",
        1200,
        "const open = [...page.querySelectorAll('.steps details[open] .name')].map(e => e.innerText).join(', ');\
         const summaries = [...page.querySelectorAll('summary')];\
         return open + ' / ' + summaries.every(e => { e.focus(); return page.activeElement === e; })",
    )?;
    expect(broken == "DNS record, permissions, objects in the bucket / true", broken)
}

fn prints_every_fold(browser: &Browser) -> Result<(), Failed> {
    let path = browser.page("page.html", &every_verdict()?)?;
    let size = |path: &Path, name: &str| -> Result<usize, Failed> {
        let printed = browser.folder.path().join(name);
        browser.run(path, &["--no-pdf-header-footer", &format!("--print-to-pdf={}", printed.display())])?;
        // Each page's object says what it is; its text is compressed.
        Ok(String::from_utf8_lossy(&std::fs::read(printed)?).matches("/Type /Page\n").count())
    };
    let folded = size(&path, "folded.pdf")?;
    let open = render(&[every_verdict()?], Format::Html)?.replace("<details>", "<details open>");
    let open = size(&browser.write("open.html", &open)?, "open.pdf")?;
    let without = render(&[every_verdict()?], Format::Html)?.replace("::details-content", "::-x-nothing");
    let without = size(&browser.write("without.html", &without)?, "without.pdf")?;
    expect(folded == open && without < folded, format!("pages: {folded} as it is, {open} open, {without} folded"))
}
