//! Sessions: who holds which objects, which connection hears events, what was answered a moment ago.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::connection::Outbox;

/// How long an answer is kept for a request that is sent again.
pub(crate) const ANSWERS_KEPT: Duration = Duration::from_secs(20);
/// The most answers that a session keeps.
const MAX_ANSWERS: usize = 4096;

/// All sessions. Time comes from outside.
#[derive(Default)]
pub(crate) struct Sessions {
    by_id: HashMap<Arc<str>, Session>,
}

struct Session {
    /// Where its events go; none: its connection has gone.
    outbox: Option<Outbox>,
    /// The objects that it keeps alive.
    refs: BTreeSet<Arc<str>>,
    /// Whether it was used since the collector passed.
    touched: bool,
    answers: VecDeque<Answer>,
}

struct Answer {
    at: Instant,
    id: Value,
    /// Tells a request that is sent again from another one with the same id.
    fingerprint: u64,
    response: Value,
}

impl Sessions {
    /// Makes the session if it is new, marks it as used and sends its events to this connection from now on.
    pub fn enter(&mut self, id: &Arc<str>, outbox: &Outbox) {
        let session = self.by_id.entry(id.clone()).or_insert_with(|| Session {
            outbox: None,
            refs: BTreeSet::new(),
            touched: true,
            answers: VecDeque::new(),
        });
        session.touched = true;
        if session.outbox.as_ref().is_none_or(|old| !old.is_same(outbox)) {
            session.outbox = Some(outbox.clone());
        }
    }

    /// The session of that name.
    pub fn find(&self, id: &str) -> Option<Arc<str>> {
        self.by_id.get_key_value(id).map(|(id, _)| id.clone())
    }

    /// All sessions.
    pub fn ids(&self) -> Vec<Arc<str>> {
        let mut ids: Vec<_> = self.by_id.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Marks a session as used.
    pub fn touch(&mut self, id: &str) {
        if let Some(session) = self.by_id.get_mut(id) {
            session.touched = true;
        }
    }

    /// Marks all sessions as used that have an open connection.
    pub fn touch_connected(&mut self) {
        for session in self.by_id.values_mut() {
            session.touched |= session.outbox.is_some();
        }
    }

    /// A connection has gone: its sessions stay for a while, so that their client can come back.
    pub fn leave(&mut self, outbox: &Outbox) {
        for session in self.by_id.values_mut() {
            if session.outbox.as_ref().is_some_and(|own| own.is_same(outbox)) {
                session.outbox = None;
            }
        }
    }

    /// The collector's pass: sessions that were not used since the pass before are named.
    pub fn pass(&mut self) -> Vec<Arc<str>> {
        let mut unused = Vec::new();
        for (id, session) in &mut self.by_id {
            if !std::mem::take(&mut session.touched) {
                unused.push(id.clone());
            }
        }
        unused
    }

    /// Ends a session and returns what it held.
    pub fn remove(&mut self, id: &str) -> Option<BTreeSet<Arc<str>>> {
        self.by_id.remove(id).map(|session| session.refs)
    }

    /// The session keeps the object alive from now on.
    pub fn hold(&mut self, id: &str, object: &Arc<str>) {
        if let Some(session) = self.by_id.get_mut(id) {
            session.refs.insert(object.clone());
        }
    }

    /// The session does not keep the object alive any more.
    pub fn let_go(&mut self, id: &str, object: &str) {
        if let Some(session) = self.by_id.get_mut(id) {
            session.refs.remove(object);
        }
    }

    /// The object is gone for all.
    pub fn forget(&mut self, object: &str) {
        for session in self.by_id.values_mut() {
            session.refs.remove(object);
        }
    }

    /// Whether a session keeps the object alive.
    pub fn is_held(&self, object: &str) -> bool {
        self.by_id.values().any(|session| session.refs.contains(object))
    }

    /// Where the session's events go.
    pub fn outbox(&self, id: &str) -> Option<Outbox> {
        self.by_id.get(id).and_then(|session| session.outbox.clone())
    }

    /// What this very request was answered a moment ago.
    pub fn answered(&mut self, id: &str, request: &Value, fingerprint: u64, now: Instant) -> Option<Value> {
        let session = self.by_id.get_mut(id)?;
        while session.answers.front().is_some_and(|a| now.duration_since(a.at) >= ANSWERS_KEPT) {
            session.answers.pop_front();
        }
        let found = session.answers.iter().find(|a| a.id == *request && a.fingerprint == fingerprint);
        found.map(|answer| answer.response.clone())
    }

    /// Keeps an answer.
    pub fn keep(&mut self, id: &str, request: Value, fingerprint: u64, response: Value, now: Instant) {
        if let Some(session) = self.by_id.get_mut(id) {
            session.answers.push_back(Answer { at: now, id: request, fingerprint, response });
            if session.answers.len() > MAX_ANSWERS {
                session.answers.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sessions() -> (Sessions, Outbox, Arc<str>) {
        let (mut sessions, outbox, id) = (Sessions::default(), Outbox::new().0, Arc::<str>::from("s"));
        sessions.enter(&id, &outbox);
        (sessions, outbox, id)
    }

    #[test]
    fn a_session_that_is_not_used_for_a_whole_period_goes_at_the_second_pass() {
        let (mut sessions, outbox, id) = sessions();
        assert_eq!(sessions.pass(), [], "it was used");
        sessions.touch_connected();
        assert_eq!(sessions.pass(), [], "its connection is open");
        sessions.leave(&outbox);
        sessions.touch_connected();
        assert_eq!(sessions.pass(), std::slice::from_ref(&id), "a whole period without use");
        assert!(sessions.remove(&id).is_some());
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn a_client_that_comes_back_in_time_keeps_its_session() {
        let (mut sessions, outbox, id) = sessions();
        sessions.leave(&outbox);
        assert_eq!(sessions.pass(), []);
        let second = Outbox::new().0;
        sessions.enter(&id, &second);
        assert_eq!(sessions.pass(), []);
        assert!(sessions.outbox(&id).is_some_and(|o| o.is_same(&second)), "events go to the new connection");
        sessions.leave(&outbox);
        assert!(sessions.outbox(&id).is_some(), "the old connection's end does not matter");
    }

    #[test]
    fn objects_are_held_per_session() {
        let (mut sessions, outbox, id) = sessions();
        let other: Arc<str> = "t".into();
        sessions.enter(&other, &outbox);
        let object: Arc<str> = "o".into();
        sessions.hold(&id, &object);
        sessions.hold(&other, &object);
        sessions.let_go(&id, &object);
        assert!(sessions.is_held(&object));
        assert_eq!(sessions.remove(&other), Some(BTreeSet::from([object.clone()])));
        assert!(!sessions.is_held(&object));
    }

    #[test]
    fn answers_are_kept_for_20_seconds_for_the_same_request_only() {
        let (mut sessions, _outbox, id) = sessions();
        let start = Instant::now();
        sessions.keep(&id, json!(7), 1, json!("yes"), start);
        let mut ask = |id: &str, request: Value, print, seconds| {
            sessions.answered(id, &request, print, start + Duration::from_secs(seconds))
        };
        assert_eq!(ask("s", json!(7), 1, 19), Some(json!("yes")));
        assert_eq!(ask("s", json!("7"), 1, 19), None);
        assert_eq!(ask("s", json!(7), 2, 19), None, "the id is used again for something else");
        assert_eq!(ask("t", json!(7), 1, 19), None);
        assert_eq!(ask("s", json!(7), 1, 20), None);
    }
}
