//! What the engine tells elements: commands with a name and JSON arguments, each with one answer.
//!
//! An element that takes commands has the action signal `command` (name, arguments as JSON text, promise). The promise
//! is replied with a structure that has the field `result` (JSON text) or the fields `kind` and `error`. So any
//! program can drive it, in any language that has GStreamer:
//!
//! ```text
//! g_signal_emit_by_name (element, "command", "gather", "{}", promise);
//! ```

use futures::channel::oneshot;
use gst::glib;
use gst::glib::subclass::Signal;
use gst::prelude::*;
use serde_json::Value;

/// The signal's name.
pub const SIGNAL: &str = "command";

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct CommandError {
    /// The sort of failure, for programs.
    pub kind: CommandErrorKind,
    /// A stable word for programs, kebab-case: `no-remote-description`.
    pub code: String,
    /// A sentence for people.
    pub text: String,
}

/// The sort of failure of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandErrorKind {
    /// The element has no such command.
    Unknown,
    /// An argument is wrong.
    InvalidInput,
    /// The element is not in a state in which it can do that.
    Conflict,
    /// It cannot do that at all.
    Unsupported,
    /// It took too long.
    Timeout,
    /// Anything else.
    Failed,
}

impl CommandErrorKind {
    fn name(self) -> &'static str {
        match self {
            CommandErrorKind::Unknown => "unknown",
            CommandErrorKind::InvalidInput => "invalid-input",
            CommandErrorKind::Conflict => "conflict",
            CommandErrorKind::Unsupported => "unsupported",
            CommandErrorKind::Timeout => "timeout",
            CommandErrorKind::Failed => "failed",
        }
    }
}

impl CommandError {
    /// An error of this kind.
    pub fn new(kind: CommandErrorKind, code: &str, text: impl Into<String>) -> Self {
        CommandError { kind, code: code.into(), text: text.into() }
    }

    /// The element has no command of that name.
    pub fn unknown(name: &str) -> Self {
        Self::new(CommandErrorKind::Unknown, "unknown-command", format!("there is no command '{name}'"))
    }
}

/// What came of a command.
pub type CommandResult = Result<Value, CommandError>;

/// Answers one command, now or later, from any thread. One that is dropped answers that there is no answer.
pub struct Answer {
    promise: Option<gst::Promise>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        // Not `expire`: after it, GStreamer 1.22 frees the promise's data twice.
        if let Some(promise) = self.promise.take() {
            Answer { promise: Some(promise) }.send(Err(no_answer()));
        }
    }
}

impl Answer {
    /// Answers.
    pub fn send(mut self, result: CommandResult) {
        let Some(promise) = self.promise.take() else { return };
        let structure = gst::Structure::builder("answer");
        let structure = match result {
            Ok(value) => structure.field("result", value.to_string()),
            Err(error) => structure
                .field("kind", error.kind.name())
                .field("code", error.code)
                .field("error", error.text),
        };
        promise.reply(Some(structure.build()));
    }
}

/// The signal, for `ObjectImpl::signals` of an element that takes commands. `handle` gets the element, the name, the
/// arguments and where to answer; it must not block.
pub fn signal<T: IsA<gst::Element>>(
    handle: impl Fn(&T, &str, Value, Answer) + Send + Sync + 'static,
) -> Signal {
    Signal::builder(SIGNAL)
        .param_types([String::static_type(), String::static_type(), gst::Promise::static_type()])
        .action()
        .class_handler(move |values| {
            let element = values.first().and_then(|v| v.get::<T>().ok());
            let name = values.get(1).and_then(|v| v.get::<String>().ok());
            let arguments = values.get(2).and_then(|v| v.get::<String>().ok());
            let promise = values.get(3).and_then(|v| v.get::<gst::Promise>().ok());
            if let (Some(element), Some(name), Some(promise)) = (element, name, promise) {
                let answer = Answer { promise: Some(promise) };
                match serde_json::from_str(arguments.as_deref().filter(|a| !a.is_empty()).unwrap_or("{}")) {
                    Ok(arguments) => handle(&element, &name, arguments, answer),
                    Err(error) => answer.send(Err(CommandError::new(
                        CommandErrorKind::InvalidInput,
                        "not-json",
                        format!("the arguments are not JSON: {error}"),
                    ))),
                }
            }
            None
        })
        .build()
}

/// Sends a command to an element.
///
/// # Errors
///
/// What the element answers; [`CommandErrorKind::Unknown`] if it takes no commands, [`CommandErrorKind::Failed`] if it
/// went away without an answer.
pub async fn call(element: &impl IsA<gst::Element>, name: &str, arguments: &Value) -> CommandResult {
    let element = element.as_ref();
    if glib::subclass::SignalId::lookup(SIGNAL, element.type_()).is_none() {
        return Err(CommandError::unknown(name));
    }
    let (sender, receiver) = oneshot::channel();
    let promise = gst::Promise::with_change_func(move |reply| {
        let _ = sender.send(read(reply));
    });
    element.emit_by_name::<()>(SIGNAL, &[&name, &arguments.to_string(), &promise]);
    drop(promise);
    receiver.await.unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> CommandError {
    CommandError::new(CommandErrorKind::Failed, "no-answer", "the element gave no answer")
}

fn read(reply: Result<Option<&gst::StructureRef>, gst::PromiseError>) -> CommandResult {
    let reply = reply.ok().flatten().ok_or_else(no_answer)?;
    if let Ok(result) = reply.get::<&str>("result") {
        return serde_json::from_str(result).map_err(|_| no_answer());
    }
    let kind = reply.get::<&str>("kind").unwrap_or("failed");
    let kind = serde_json::from_value(Value::from(kind)).unwrap_or(CommandErrorKind::Failed);
    let code = reply.get::<String>("code").unwrap_or_default();
    Err(CommandError { kind, code, text: reply.get::<String>("error").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    mod imp {
        use std::sync::LazyLock;

        use gst::subclass::prelude::*;

        use super::*;

        #[derive(Default)]
        pub struct Echo;

        #[glib::object_subclass]
        impl ObjectSubclass for Echo {
            const NAME: &'static str = "AbTestEcho";
            type Type = super::Echo;
            type ParentType = gst::Element;
        }

        impl ObjectImpl for Echo {
            fn signals() -> &'static [Signal] {
                static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                    vec![signal(|_: &super::Echo, name, arguments, answer| match name {
                        "echo" => answer.send(Ok(arguments)),
                        "later" => {
                            std::thread::spawn(move || answer.send(Ok(Value::Null)));
                        }
                        "forget" => drop(answer),
                        other => answer.send(Err(CommandError::unknown(other))),
                    })]
                });
                &SIGNALS
            }
        }
        impl GstObjectImpl for Echo {}
        impl ElementImpl for Echo {}
    }

    glib::wrapper! {
        pub struct Echo(ObjectSubclass<imp::Echo>) @extends gst::Element, gst::Object;
    }

    #[test]
    fn every_command_has_one_answer() {
        gst::init().unwrap();
        let echo: Echo = glib::Object::new();
        let call =
            |name: &str| futures::executor::block_on(call(&echo, name, &serde_json::json!({"a": "ä"})));
        assert_eq!(call("echo"), Ok(serde_json::json!({"a": "ä"})));
        assert_eq!(call("later"), Ok(Value::Null));
        assert_eq!(call("forget").unwrap_err().code, "no-answer");
        assert_eq!(call("dance").unwrap_err(), CommandError::unknown("dance"));
    }

    #[test]
    fn an_element_without_commands_says_so() {
        gst::init().unwrap();
        let result = futures::executor::block_on(call(&gst::Bin::new(), "echo", &Value::Null));
        assert_eq!(result.unwrap_err().kind, CommandErrorKind::Unknown);
    }
}
