//! Finds GStreamer objects that a program forgets: runs it with the `leaks` tracer and reads what is alive at its end.
//!
//! The program must end with `gst::deinit()`; `anabranch` does if `GST_TRACERS` is set.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// An object that was alive at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Its type: `GstPad`.
    pub type_name: String,
    /// What the tracer prints of it.
    pub what: String,
}

/// Runs a command to its end under the tracer and returns what it leaked.
///
/// # Errors
/// If the program fails, or if the tracer did not run (the count of zero would mean nothing).
pub fn leaks_of(command: &mut Command) -> Result<Vec<Leak>> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("gst.log");
    let out = trace(command, &log).stdin(Stdio::null()).output()?;
    if !out.status.success() {
        bail!(
            "the program failed: {}\n{}{}",
            out.status,
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    leaks_in(&log)
}

/// Makes a program that is yet to start write what it forgets into a file at its end.
pub fn trace<'a>(command: &'a mut Command, log: &Path) -> &'a mut Command {
    command
        .env("GST_TRACERS", "leaks(check-refs=false)")
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_FILE", log)
        .env("GST_DEBUG_NO_COLOR", "1")
}

/// What a program that was traced into this file has forgotten.
///
/// # Errors
/// If the tracer did not run.
pub fn leaks_in(log: &Path) -> Result<Vec<Leak>> {
    let text = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    // The tracer declares its records' format when it starts.
    if !text.contains("object-alive.class") {
        bail!("the leaks tracer did not run");
    }
    Ok(parse(&text))
}

fn parse(log: &str) -> Vec<Leak> {
    log.lines()
        .filter_map(|line| {
            let what = &line[line.find("object-alive, ")?..];
            let type_name = what.split("type-name=(string)").nth(1)?.split([',', ';']).next()?;
            // One more line declares the format: `type-name=(string)%s`.
            (type_name != "%s").then_some(())?;
            Some(Leak { type_name: type_name.trim_matches('"').to_owned(), what: what.to_owned() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Played by a child process: one element is forgotten if the environment says so.
    #[test]
    #[ignore = "the child of the test below"]
    fn child() {
        gst::init().unwrap();
        let element = gst::ElementFactory::make("fakesink").build().unwrap();
        if std::env::var_os("FORGET").is_some() {
            let _: *mut gst::ffi::GstElement = glib_forget(&element);
        }
        drop(element);
        // SAFETY: nothing of GStreamer is used after this.
        unsafe { gst::deinit() };
    }

    fn glib_forget(element: &gst::Element) -> *mut gst::ffi::GstElement {
        use gst::glib::translate::ToGlibPtr;
        element.to_glib_full()
    }

    fn run_child(forget: bool) -> Vec<Leak> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "leaks::tests::child", "--ignored"]);
        if forget {
            command.env("FORGET", "1");
        }
        leaks_of(&mut command).unwrap()
    }

    #[test]
    fn a_clean_program_leaks_nothing_and_a_forgetful_one_is_caught() {
        assert_eq!(run_child(false), []);
        let types: Vec<String> = run_child(true).into_iter().map(|l| l.type_name).collect();
        assert!(types.contains(&"GstFakeSink".to_owned()), "{types:?}");
    }
}
