//! Whether media flow, judged from counters of frames that are looked at now and then. It begins with the first frame and
//! ceases after two seconds without one, so that a hiccup is no news.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Media that say nothing for so long do not flow any more.
pub const SILENCE: Duration = Duration::from_secs(2);

/// Watches counters; time comes from outside.
pub struct FlowWatch<K> {
    seen: HashMap<K, Seen>,
}

struct Seen {
    count: u64,
    changed: Instant,
    flowing: bool,
}

impl<K> Default for FlowWatch<K> {
    fn default() -> Self {
        FlowWatch { seen: HashMap::new() }
    }
}

impl<K: Eq + Hash + Clone> FlowWatch<K> {
    /// Watches nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the counters now and returns what began (`true`) or ceased (`false`) to flow. A counter that is not
    /// listed any more has ceased.
    pub fn observe(&mut self, counters: &[(K, u64)], now: Instant) -> Vec<(K, bool)> {
        let mut changes = Vec::new();
        for (key, count) in counters {
            let seen =
                self.seen.entry(key.clone()).or_insert(Seen { count: 0, changed: now, flowing: false });
            if *count != seen.count {
                // One that is smaller than before counts something new.
                let moved = *count > 0;
                (seen.count, seen.changed) = (*count, now);
                if moved && !seen.flowing {
                    seen.flowing = true;
                    changes.push((key.clone(), true));
                }
            } else if seen.flowing && now.duration_since(seen.changed) >= SILENCE {
                seen.flowing = false;
                changes.push((key.clone(), false));
            }
        }
        let gone: Vec<K> =
            self.seen.keys().filter(|key| !counters.iter().any(|(k, _)| k == *key)).cloned().collect();
        for key in gone {
            if self.seen.remove(&key).is_some_and(|seen| seen.flowing) {
                changes.push((key, false));
            }
        }
        changes
    }

    /// Whether nothing is watched.
    pub fn is_idle(&self) -> bool {
        self.seen.is_empty()
    }

    /// Whether it flows.
    pub fn is_flowing(&self, key: &K) -> bool {
        self.seen.get(key).is_some_and(|seen| seen.flowing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_with_the_first_frame_and_ceases_after_two_seconds() {
        let mut watch = FlowWatch::new();
        let start = Instant::now();
        let mut at = |ms: u64, count: u64| watch.observe(&[("a", count)], start + Duration::from_millis(ms));
        assert_eq!(at(0, 0), []);
        assert_eq!(at(500, 3), [("a", true)]);
        assert_eq!(at(1000, 9), []);
        assert_eq!(at(2900, 9), [], "1.9 s of silence");
        assert_eq!(at(3000, 9), [("a", false)]);
        assert_eq!(at(3500, 9), []);
        assert_eq!(at(4000, 10), [("a", true)]);
        assert_eq!(at(4500, 2), [], "another counter, but something came");
        assert!(watch.is_flowing(&"a"));
        assert_eq!(watch.observe(&[], start), [("a", false)], "unlinked");
        assert!(!watch.is_flowing(&"a"));
    }
}
