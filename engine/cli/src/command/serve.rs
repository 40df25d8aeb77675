//! `anabranch serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use anabranch_engine::{Engine, OutcomeKind};
use anabranch_server::{App, Config, DescriptionError, Guard, ServeError, Server};
use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::{Exit, bad_input};
use crate::{input, output};

/// Runs the media server: REST, WHIP and WHEP, Kurento's protocol, the console.
///
/// It listens on loopback unless it is told otherwise. Ctrl-C and SIGTERM end it gracefully: pipelines are drained, so
/// that recordings are finalised.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  anabranch serve
  anabranch serve pipelines/several-consumers.yaml
  anabranch serve --print-config > server.toml
  anabranch serve --config server.toml --listen 127.0.0.1:9000

Exit codes: 0 ended as asked, 1 it cannot listen, 2 bad input, 4 a pipeline did not end in time,
130 stopped at once by a second Ctrl-C.")]
pub struct Args {
    /// The configuration (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where it listens, instead of what the configuration says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Listens on an address that others can reach although there is no token.
    #[arg(long)]
    insecure_listen: bool,
    /// Prints a configuration with all defaults and ends.
    #[arg(long)]
    print_config: bool,
    /// Descriptions to start and keep running, besides those of the configuration.
    #[arg(value_name = "DESCRIPTION")]
    pipelines: Vec<PathBuf>,
}

pub fn run(args: Args) -> Result<Exit> {
    if args.print_config {
        output::result(Config::DEFAULT_TEXT)?;
        return Ok(Exit::Done);
    }
    let mut config = match &args.config {
        Some(file) => Config::load(file).map_err(|error| bad_input(error.to_string()))?,
        None => Config::default(),
    };
    config.listen = args.listen.unwrap_or(config.listen);
    config.insecure_listen |= args.insecure_listen;
    config.pipelines.extend(args.pipelines);
    let guard = guard()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build()?;
    let exit = runtime.block_on(execute(config, args.config, guard));
    // What hangs in a blocking call does not keep the program.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    exit
}

/// What fetches media by http must do so through the guard. Who has a proxy already keeps it: it is the one that decides
/// what can be reached.
fn guard() -> Result<Option<Guard>> {
    if std::env::var_os("http_proxy").is_some_and(|proxy| !proxy.is_empty()) {
        return Ok(None);
    }
    let guard = Guard::bind()?;
    // SAFETY: this is the only thread of the program so far.
    unsafe { std::env::set_var("http_proxy", guard.url()) };
    Ok(Some(guard))
}

/// Media have threads of their own; these are for the network and for deciding.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8))
}

async fn execute(config: Config, file: Option<PathBuf>, guard: Option<Guard>) -> Result<Exit> {
    let engine = Engine::new()?;
    if let Err((key, reason)) = config.check(engine.catalog()) {
        let file = file.map(|f| format!("{}: ", f.display())).unwrap_or_default();
        return Err(bad_input(format!("{file}{key}: {reason}")));
    }
    let server = match Server::bind(App::new(engine, config)).await {
        Ok(server) => match guard {
            Some(guard) => server.with_guard(guard),
            None => server,
        },
        Err(ServeError::Description(DescriptionError::Mistakes { diagnostics, .. })) => {
            input::draw(&diagnostics);
            return Ok(Exit::BadInput);
        }
        Err(error @ ServeError::Listen { .. }) => return Err(error.into()),
        Err(error) => return Err(bad_input(error.to_string())),
    };
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    output::result(&format!("Listening on {}\n", server.url()))?;
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        output::note("Ending: recordings are being finalised. Ctrl-C again stops at once.");
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(Exit::Interrupted as i32);
        });
    };
    let mut exit = Exit::Done;
    for (name, outcome) in server.run(stop).await {
        if outcome.result == OutcomeKind::TimedOut {
            output::error(&format!("the pipeline '{name}' did not end in time"));
            exit = Exit::TimeLimit;
        }
    }
    Ok(exit)
}
