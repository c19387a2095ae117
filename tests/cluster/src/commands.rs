//! What the commands of `cargo cluster` do.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use futures::future::try_join_all;
use test_cluster::{COMPONENTS, Cluster, Error, Options, Progress, Result, image};

use crate::cli::{Command, Down, Up};
use crate::demo;

/// Prints a line. A reader that went away, such as `head`, is no reason to fail.
macro_rules! say {
    ($($line:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(arguments) => return demo::run(arguments).await,
        Command::Up(arguments) => up(arguments).await?,
        Command::Down(arguments) => down(arguments).await?,
        Command::Status => status().await?,
        Command::Kubeconfig { name, print } => {
            let path = Cluster::find(&name).await?.kubeconfig().to_owned();
            if print {
                print!(
                    "{}",
                    std::fs::read_to_string(&path).map_err(|source| Error::File { action: "read", path, source })?
                );
            } else {
                say!("{}", path.display());
            }
        }
        Command::Exec { name, command } => return Err(exec(&name, &command).await?),
        Command::Logs { name, component, follow } => return Err(logs(&name, &component, follow).await?),
        Command::Stop { name, components } => {
            let cluster = Cluster::find(&name).await?;
            for component in components {
                cluster.stop(&component).await?;
                say!("{component} is stopped");
            }
        }
        Command::Start { name, components } => {
            let cluster = Cluster::find(&name).await?;
            for component in components {
                cluster.start(&component).await?;
                say!("{component} is ready");
            }
        }
        Command::Restart { name, component, flags } => {
            Cluster::find(&name).await?.restart_with(&component, &flags).await?;
            say!("{component} is ready");
        }
        Command::Load { name, archive } => {
            for image in Cluster::find(&name).await?.load(&archive).await? {
                say!("{image}");
            }
        }
        Command::Tool { name } => say!("{}", test_cluster::program(&name, &Progress::auto()).await?.display()),
        Command::Image { binary, out, reference } => {
            let binary = binary.map_or_else(|| built_folder().map(|folder| folder.join("release/kibertas-rs")), Ok)?;
            let out = out.map_or_else(|| built_folder().map(|folder| folder.join("kibertas-rs.tar")), Ok)?;
            let image = image::of_harness(&binary)?;
            let reference = reference.unwrap_or_else(|| image.reference("kibertas.local/kibertas-rs", "dev-"));
            image.write(&reference, &out)?;
            say!("{reference} {} {}", image.digest(), out.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The folder in which cargo keeps what it builds for this target: this program lies in `debug` or `release` of it, wherever the
/// configuration or `CARGO_TARGET_DIR` puts that.
fn built_folder() -> Result<PathBuf> {
    let path = PathBuf::from("the folder of this program");
    let program =
        std::env::current_exe().map_err(|source| Error::File { action: "find", path: path.clone(), source })?;
    let folder = program.ancestors().nth(2).map(Path::to_owned);
    folder.ok_or_else(|| Error::File { action: "find", path, source: std::io::ErrorKind::NotFound.into() })
}

async fn up(arguments: Up) -> Result<()> {
    if arguments.with.iter().any(|name| name == "help") {
        print_components();
        return Ok(());
    }
    let start = std::time::Instant::now();
    let progress = Progress::auto();
    let options = Options {
        profile: arguments.profile,
        with: arguments.with,
        kubernetes: arguments.kubernetes,
        install: !arguments.no_install,
    };
    let clusters = try_join_all(arguments.names.iter().map(|name| Cluster::up_with(name, &options, &progress))).await?;
    for cluster in clusters {
        say!(
            "{} is up after {:.1} s: export KUBECONFIG={}",
            cluster.site().name(),
            start.elapsed().as_secs_f64(),
            cluster.kubeconfig().display()
        );
    }
    Ok(())
}

fn print_components() {
    for facts in COMPONENTS.iter().map(|component| component.facts()) {
        let profile = match facts.profile {
            Some(profile) => format!("{profile:?}").to_lowercase(),
            None => "--with".to_owned(),
        };
        say!("{:<26} {profile:<7} {}", facts.name, facts.about);
    }
}

async fn down(arguments: Down) -> Result<()> {
    let names = if arguments.all { Cluster::names() } else { arguments.names };
    try_join_all(names.iter().map(async |name| {
        if Cluster::remove(name).await? {
            say!("{name} is down");
        } else {
            say!("{name} was not up");
        }
        Ok(())
    }))
    .await?;
    Ok(())
}

async fn status() -> Result<()> {
    let names = Cluster::names();
    if names.is_empty() {
        say!("no cluster is up; `cargo cluster up` makes one");
    }
    for name in names {
        let status = Cluster::find(&name).await?.status()?;
        let addresses = status.site.addresses();
        say!(
            "{name}  Kubernetes {}  node {}  pods {}  services {}  zone {}",
            status.kubernetes,
            addresses.node(),
            addresses.pod_range(),
            addresses.service_range(),
            status.site.zone()
        );
        for component in status.components {
            let process = component.pid.map_or_else(|| "stopped".to_owned(), |pid| format!("pid {pid}"));
            say!("  {:<26} {process:<12} {}", component.name, component.about);
        }
    }
    Ok(())
}

/// Becomes the command; returns only the error of not becoming it.
async fn exec(name: &str, words: &[String]) -> Result<Error> {
    let cluster = Cluster::find(name).await?;
    let (program, arguments) = words.split_first().map_or(("sh", [].as_slice()), |(first, rest)| (first, rest));
    let mut command = cluster.command(program);
    command.args(arguments);
    Ok(Error::Start { program: program.to_owned(), source: command.into_std().exec() })
}

/// Becomes `tail`; returns only the error of not becoming it.
async fn logs(name: &str, component: &str, follow: bool) -> Result<Error> {
    let cluster = Cluster::find(name).await?;
    let path = cluster.site().log(component);
    if !Path::new(&path).exists() {
        let known = cluster.status()?.components.iter().map(|it| it.name).collect::<Vec<_>>().join(", ");
        return Err(Error::NoComponent { name: component.to_owned(), known });
    }
    let mut tail = std::process::Command::new("tail");
    tail.args(["--lines", "+1"]).args(follow.then_some("--follow")).arg(path);
    Ok(Error::Start { program: "tail".to_owned(), source: tail.exec() })
}
