//! How a command reaches a filter, which lives on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::prelude::*;
use serde_json::{Value, json};

use super::Context;
use crate::command::{Answer, CommandError, CommandErrorKind, CommandResult};
use crate::worker::{SideDoor, panic_text};

/// So many commands are kept for a filter that is not made yet.
const MOST_KEPT: usize = 64;

/// One command on its way to a filter.
pub(crate) struct Order {
    name: String,
    arguments: Value,
    /// `None` if it was answered when it was queued.
    answer: Option<Answer>,
    element: glib::WeakRef<gst::Element>,
    filter: &'static str,
}

impl Order {
    /// Carries the command out. If `act` panics, what it said is returned, and the filter is not to be used any more.
    pub(crate) fn run(
        self,
        act: impl FnOnce(&str, &Value, &mut Context) -> CommandResult,
    ) -> Result<(), String> {
        let mut ctx = Context::default();
        let done = catch_unwind(AssertUnwindSafe(|| act(&self.name, &self.arguments, &mut ctx)));
        let (result, panic) = match done {
            Ok(result) => (result, Ok(())),
            Err(panic) => {
                let text = panic_text(&*panic);
                let sentence = format!("it panicked at the command '{}': {text}", self.name);
                (Err(CommandError::new(CommandErrorKind::Failed, "panic", &sentence)), Err(sentence))
            }
        };
        if let Some(element) = self.element.upgrade() {
            for (name, data) in ctx.events {
                crate::message::post(&element, &name, data);
            }
            if let (None, Err(error)) = (&self.answer, &result) {
                let data = json!({
                    "filter": self.filter,
                    "reason": "command",
                    "detail": error.text,
                    "consequence": format!("the command '{}', which waited for the video, had no effect", self.name),
                });
                crate::message::post(&element, "filter-trouble", data);
            }
        }
        if let Some(answer) = self.answer {
            answer.send(result);
        }
        panic
    }
}

/// The answer of a filter that broke down and is not made again yet.
pub(crate) fn not_running() -> CommandError {
    let text = "the filter is not running at the moment; try again when it has recovered";
    CommandError::new(CommandErrorKind::Conflict, "not-running", text)
}

/// Work for a thread, among which there are commands.
pub(crate) trait Carrier: Sized {
    /// A command as work.
    fn wrap(order: Order) -> Self;

    /// The command, if it is one.
    fn unwrap(self) -> Option<Order>;
}

/// Where an element takes commands: it passes them on, and keeps those that come before the filter is made.
pub(crate) struct Desk<J> {
    state: Mutex<State<J>>,
}

struct State<J> {
    door: Option<SideDoor<J>>,
    kept: Vec<Order>,
}

impl<J> Default for Desk<J> {
    fn default() -> Self {
        Desk { state: Mutex::new(State { door: None, kept: Vec::new() }) }
    }
}

impl<J: Carrier> Desk<J> {
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a command of the filter `filter`, which knows the commands `known`.
    pub(crate) fn take(
        &self,
        filter: &'static str,
        known: &[&str],
        element: &gst::Element,
        (name, arguments): (&str, Value),
        answer: Answer,
    ) {
        if !known.contains(&name) {
            return answer.send(Err(CommandError::unknown(name)));
        }
        let element = element.downgrade();
        let mut new = Order { name: name.to_owned(), arguments, answer: Some(answer), element, filter };
        let mut state = self.lock();
        if let Some(door) = &state.door {
            match door.offer(J::wrap(new)) {
                Ok(()) => return,
                Err(back) => match back.unwrap() {
                    Some(back) => new = back,
                    None => return,
                },
            }
        }
        let answer = new.answer.take();
        let full = state.kept.len() >= MOST_KEPT;
        if !full {
            state.kept.push(new);
        }
        drop(state);
        if let Some(answer) = answer {
            answer.send(match full {
                false => Ok(json!({ "queued": true })),
                true => Err(not_running()),
            });
        }
    }

    /// The filter is made: gives it what was kept.
    pub(crate) fn open(&self, door: SideDoor<J>) {
        let mut state = self.lock();
        for order in state.kept.drain(..) {
            // A worker that is gone already takes nothing; then nobody waits for these either.
            let _ = door.offer(J::wrap(order));
        }
        state.door = Some(door);
    }

    /// The filter is gone.
    pub(crate) fn close(&self) {
        self.lock().door = None;
    }
}
