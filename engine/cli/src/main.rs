//! The command line of Anabranch.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod command;
mod exit;
mod input;
mod output;

use clap::{Parser, Subcommand};

// Named, so that they are linked: their elements register themselves.
use gstanabranchelements as _;
use gstanabranchfilters as _;
use gstanabranchhttp as _;
use gstanabranchhubs as _;
use gstanabranchpython as _;
use gstanabranchrtp as _;
use gstanabranchrtsp as _;
use gstanabranchwebrtc as _;

/// Media pipelines from a description: check, draw and run them.
#[derive(Parser)]
#[command(
    name = "anabranch",
    version,
    about,
    max_term_width = 110,
    after_help = "\
Examples:
  anabranch run pipelines/magic-mirror.yaml
  anabranch run 'player uri=in.mp4 -> recorder location=out.webm'
  anabranch check pipelines/*.yaml
  anabranch serve
  anabranch show recorder
  anabranch eval face-detector --data photos --truth coco:truth.json
  anabranch doctor

Exit codes: 0 done, 1 a fault of the program or its surroundings, 2 bad input, 3 media failure, 4 time limit.
ANABRANCH_LOG sets what is logged to stderr, for example ANABRANCH_LOG=debug or ANABRANCH_LOG=pipeline=debug;
ANABRANCH_LOG_FORMAT=json logs lines of JSON."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(command::run::Args),
    Serve(command::serve::Args),
    Check(command::check::Args),
    Explain(command::explain::Args),
    Graph(command::graph::Args),
    List(command::list::Args),
    Show(command::show::Args),
    NewFilter(command::new_filter::Args),
    Models(command::models::Args),
    Eval(Box<command::eval::Args>),
    Doctor(command::doctor::Args),
    Schema(command::schema::Args),
    Completions(command::completions::Args),
}

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    start_logging(matches!(cli.command, Command::Serve(_)));
    let result = match cli.command {
        Command::Run(args) => command::run::run(args),
        Command::Serve(args) => command::serve::run(args),
        Command::Check(args) => command::check::run(args),
        Command::Explain(args) => command::explain::run(args),
        Command::Graph(args) => command::graph::run(args),
        Command::List(args) => command::list::run(args),
        Command::Show(args) => command::show::run(args),
        Command::NewFilter(args) => command::new_filter::run(args),
        Command::Models(args) => command::models::run(args),
        Command::Eval(args) => command::eval::run(*args),
        Command::Doctor(args) => command::doctor::run(args),
        Command::Schema(args) => command::schema::run(args),
        Command::Completions(args) => command::completions::run(args),
    };
    let exit = result.unwrap_or_else(|error| {
        output::error(&format!("{error:#}"));
        exit::of_error(&error)
    });
    // A filter that hangs is left behind.
    anabranch_kit::worker::wait_for_all(std::time::Duration::from_secs(2));
    close_gstreamer();
    exit.into()
}

/// Logs go to stderr, and only if asked for; a server logs what it does without being asked.
fn start_logging(serves: bool) {
    let filter = match std::env::var("ANABRANCH_LOG") {
        Ok(filter) => filter,
        // Whoever asks GStreamer for its log wants to see it.
        Err(_) if serves && std::env::var_os("GST_DEBUG").is_some() => "info,gst=trace".to_owned(),
        Err(_) if serves => "info".to_owned(),
        Err(_) => return,
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr);
    match std::env::var("ANABRANCH_LOG_FORMAT").as_deref() {
        Ok("json") => logs.json().flatten_event(true).init(),
        _ => logs.with_ansi(output::colour()).init(),
    }
    anabranch_engine::log_gstreamer();
}

/// A tracer tells what it found when GStreamer is closed; without one there is no need to.
fn close_gstreamer() {
    if std::env::var_os("GST_TRACERS").is_some() && gst::INITIALIZED.load(std::sync::atomic::Ordering::SeqCst)
    {
        // SAFETY: the last call before the end; no thread of this program uses GStreamer any more.
        unsafe { gst::deinit() };
    }
}
