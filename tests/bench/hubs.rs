//! `composite` against GStreamer's `compositor` by hand with the same nine live inputs, and `audio-mixer` against one
//! `audiomixer` for each of eight parties.
//!
//! Both run in turn, A B A B, each in a process of its own, so that a machine whose speed drifts slows both. What counts is
//! the CPU time (user and system) of the whole process. A third process only makes the inputs. Prints Markdown.
//! `bench-hubs [RUNS [SECONDS]]`.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use gst::prelude::*;
use gstanabranchhubs as _;

const NINE: usize = 9;
const EIGHT: usize = 8;

/// Nine live cameras of 1280x720 at 30 pictures a second, each into `to(n)`.
fn cameras(to: impl Fn(usize) -> String) -> String {
    (0..NINE).fold(String::new(), |mut line, n| {
        let colour = 0xff00_0000_u32 | (20 * n as u32) << 16 | 0x40_80;
        let _ = write!(
            line,
            " videotestsrc is-live=true pattern=solid-color foreground-color={colour} ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! {}",
            to(n)
        );
        line
    })
}

fn voices(to: impl Fn(usize) -> String) -> String {
    (0..EIGHT).fold(String::new(), |mut line, n| {
        let hertz = 300 + 110 * n;
        let _ = write!(
            line,
            " audiotestsrc is-live=true freq={hertz} volume=0.1 samplesperbuffer=960 ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! {}",
            to(n)
        );
        line
    })
}

fn line(case: &str) -> anyhow::Result<String> {
    let sink = "fakesink sync=false async=false";
    let whole = "video/x-raw,format=I420,width=1280,height=720,framerate=30/1";
    Ok(match case {
        "composite" => format!(
            "abcomposite name=c width=1280 height=720 frame-rate=30 c.src_video ! {sink} {}",
            cameras(|n| format!("c.sink_video_{n}"))
        ),
        "compositor" => {
            let (columns, width, height) = (3, 1280 / 3, 720 / 3);
            let pads = (0..NINE).fold(String::new(), |mut pads, n| {
                let (x, y) = (n % columns * width, n / columns * height);
                let _ = write!(pads, " sink_{n}::xpos={x} sink_{n}::ypos={y} sink_{n}::width={width} sink_{n}::height={height} sink_{n}::sizing-policy=keep-aspect-ratio");
                pads
            });
            format!(
                "compositor name=c background=black latency=40000000 {pads} ! {whole} ! {sink} {}",
                cameras(|n| format!("c.sink_{n}"))
            )
        }
        "cameras" => cameras(|_| sink.to_owned()),
        "audio-mixer" => {
            let ports = (0..EIGHT).fold(String::new(), |mut ports, n| {
                let _ =
                    write!(ports, " abhubport name=p{n} hub=all pipeline-id=bench p{n}.src_audio ! {sink}");
                ports
            });
            format!(
                "abaudiomixer name=all pipeline-id=bench {ports} {}",
                voices(|n| format!("p{n}.sink_audio"))
            )
        }
        "audiomixers" => {
            let mixers = (0..EIGHT).fold(String::new(), |mut mixers, n| {
                let _ = write!(mixers, " audiomixer name=m{n} latency=40000000 m{n}. ! audio/x-raw,format=S16LE,rate=48000,channels=2 ! {sink}");
                for other in (0..EIGHT).filter(|other| *other != n) {
                    let _ = write!(mixers, " t{other}. ! queue ! m{n}.");
                }
                mixers
            });
            format!("{} {mixers}", voices(|n| format!("tee name=t{n}")))
        }
        "voices" => voices(|_| sink.to_owned()),
        other => bail!("there is no case '{other}'"),
    })
}

/// Runs a case for so long, and counts what comes out.
fn child(case: &str, seconds: u64) -> anyhow::Result<()> {
    gst::init()?;
    anabranch_kit::registry::register_all(None)?;
    let pipeline = gst::parse::launch(&line(case)?)?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(seconds), &[gst::MessageType::Error]);
    if let Some(message) = message {
        bail!("{message:?}");
    }
    if let Some(hub) = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("c"))
        && hub.find_property("stats").is_some()
    {
        let stats: Option<gst::Structure> = hub.property("stats");
        println!("{}", stats.map(|s| s.to_string()).unwrap_or_default());
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}

/// CPU seconds of a case. `bash`'s `time` reads the same kernel counters as a `wait4` of our own would.
fn cost(case: &str, seconds: u64) -> anyhow::Result<(f64, String)> {
    let own = std::env::current_exe()?;
    let output = Command::new("bash")
        .arg("-c")
        .arg("TIMEFORMAT='%U %S'; time \"$0\" \"$@\"")
        .arg(own)
        .args(["child", case, &seconds.to_string()])
        .stdin(Stdio::null())
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{case} failed:\n{text}");
    }
    let times: Vec<f64> =
        text.lines().last().unwrap_or_default().split_whitespace().filter_map(|f| f.parse().ok()).collect();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match times[..] {
        [user, system] => Ok((user + system, said)),
        _ => bail!("no times in {text:?}"),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, case, seconds] = arguments.as_slice()
        && word == "child"
    {
        return child(case, seconds.parse()?);
    }
    let number = |at: usize, default: u64| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (runs, seconds) = (number(0, 3)?, number(1, 10)?);
    let length = Duration::from_secs(seconds);
    println!("Median of {runs} runs of {length:?} each, A B A B; CPU seconds of the process.\n");
    println!("| case | ours | by hand | inputs alone | ratio | ratio without the inputs |");
    println!("|---|---|---|---|---|---|");
    for (name, ours, peer, inputs) in [
        ("9 live inputs 1280x720 into one 1280x720, 30 fps", "composite", "compositor", "cameras"),
        ("8 parties, each hears the other 7", "audio-mixer", "audiomixers", "voices"),
    ] {
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            let (cpu, said) = cost(ours, seconds)?;
            if !said.is_empty() {
                eprintln!("{said}");
            }
            a.push(cpu);
            b.push(cost(peer, seconds)?.0);
            c.push(cost(inputs, seconds)?.0);
        }
        let (a, b, c) = (median(a), median(b), median(c));
        println!("| {name} | {a:.2} | {b:.2} | {c:.2} | {:.2} | {:.2} |", a / b, (a - c) / (b - c));
    }
    Ok(())
}
