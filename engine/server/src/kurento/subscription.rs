//! Who hears which events.

use std::collections::HashMap;
use std::sync::Arc;

/// All subscriptions.
#[derive(Default)]
pub(crate) struct Subscriptions {
    by_object: HashMap<Arc<str>, Vec<Subscription>>,
}

struct Subscription {
    id: String,
    session: Arc<str>,
    /// The event's name in Kurento 7.
    event: String,
    /// The name that the client used, which its messages carry.
    spelling: String,
}

/// Somebody who wants to hear an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub session: Arc<str>,
    pub spelling: String,
}

impl Subscriptions {
    /// Adds one.
    pub fn add(&mut self, id: String, object: &Arc<str>, session: &Arc<str>, event: &str, spelling: &str) {
        self.by_object.entry(object.clone()).or_default().push(Subscription {
            id,
            session: session.clone(),
            event: event.to_owned(),
            spelling: spelling.to_owned(),
        });
    }

    /// Takes one away; false if there is none.
    pub fn remove(&mut self, object: &str, id: &str) -> bool {
        let Some(list) = self.by_object.get_mut(object) else { return false };
        let before = list.len();
        list.retain(|subscription| subscription.id != id);
        let found = list.len() < before;
        if list.is_empty() {
            self.by_object.remove(object);
        }
        found
    }

    /// The object is gone.
    pub fn forget_object(&mut self, object: &str) {
        self.by_object.remove(object);
    }

    /// The session is gone.
    pub fn forget_session(&mut self, session: &str) {
        self.by_object.retain(|_, list| {
            list.retain(|subscription| *subscription.session != *session);
            !list.is_empty()
        });
    }

    /// How many subscriptions an object has.
    pub fn count(&self, object: &str) -> usize {
        self.by_object.get(object).map_or(0, Vec::len)
    }

    /// Who hears that event of that object, each session and spelling once.
    pub fn listeners(&self, object: &str, event: &str) -> Vec<Listener> {
        let mut out: Vec<Listener> = Vec::new();
        for subscription in self.by_object.get(object).into_iter().flatten() {
            let listener =
                Listener { session: subscription.session.clone(), spelling: subscription.spelling.clone() };
            if subscription.event == event && !out.contains(&listener) {
                out.push(listener);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_hears_an_event_once() {
        let mut all = Subscriptions::default();
        let (object, one, two): (Arc<str>, Arc<str>, Arc<str>) = ("o".into(), "1".into(), "2".into());
        for (id, session, spelling) in [
            ("a", &one, "IceCandidateFound"),
            ("b", &one, "IceCandidateFound"),
            ("c", &two, "OnIceCandidate"),
        ] {
            all.add(id.into(), &object, session, "IceCandidateFound", spelling);
        }
        let hears = |all: &Subscriptions| -> Vec<String> {
            all.listeners("o", "IceCandidateFound")
                .iter()
                .map(|l| format!("{}:{}", l.session, l.spelling))
                .collect()
        };
        assert_eq!(hears(&all), ["1:IceCandidateFound", "2:OnIceCandidate"]);
        assert!(all.remove("o", "a"));
        assert!(!all.remove("o", "a"));
        assert_eq!(hears(&all).len(), 2, "the second subscription of the session still stands");
        all.forget_session("2");
        assert_eq!(hears(&all), ["1:IceCandidateFound"]);
        assert!(all.listeners("o", "Error").is_empty());
        all.forget_object("o");
        assert_eq!(all.count("o"), 0);
    }
}
