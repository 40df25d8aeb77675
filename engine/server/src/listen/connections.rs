//! The connections that there are. When there are too many, the one that has been idle for the longest goes: sockets
//! that somebody opens and leaves do not keep others out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// All connections.
pub(crate) struct Connections {
    most: usize,
    most_per_client: usize,
    inner: Mutex<Inner>,
    empty: Notify,
}

#[derive(Default)]
struct Inner {
    next: u64,
    all: HashMap<u64, Entry>,
    clients: HashMap<IpAddr, usize>,
    /// Counts what happens; an older number is longer ago.
    clock: u64,
}

struct Entry {
    client: IpAddr,
    /// Requests under way; a connection that became a WebSocket always has one.
    busy: usize,
    since: u64,
    over: CancellationToken,
}

/// A place among the connections; given back when dropped.
pub(crate) struct Slot {
    id: u64,
    connections: Arc<Connections>,
    over: CancellationToken,
}

/// A request under way.
pub(crate) struct Busy {
    slot: Arc<Slot>,
}

impl Connections {
    pub fn new(most: usize, most_per_client: usize) -> Arc<Self> {
        Arc::new(Connections { most, most_per_client, inner: Mutex::default(), empty: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().all.len()
    }

    /// A place for a connection of that client; none if all are taken by connections that are not idle.
    pub fn admit(self: &Arc<Self>, client: IpAddr) -> Option<Arc<Slot>> {
        let mut inner = self.lock();
        if inner.clients.get(&client).is_some_and(|n| *n >= self.most_per_client) {
            inner.evict(Some(client))?;
        }
        if inner.all.len() >= self.most {
            inner.evict(None)?;
        }
        inner.next += 1;
        inner.clock += 1;
        let (id, since, over) = (inner.next, inner.clock, CancellationToken::new());
        inner.all.insert(id, Entry { client, busy: 0, since, over: over.clone() });
        *inner.clients.entry(client).or_default() += 1;
        Some(Arc::new(Slot { id, connections: self.clone(), over }))
    }

    /// Closes the connection that has been idle for the longest.
    pub fn evict_one(&self) -> bool {
        self.lock().evict(None).is_some()
    }

    /// Waits until there are none.
    pub async fn gone(&self) {
        loop {
            let empty = self.empty.notified();
            if self.lock().all.is_empty() {
                return;
            }
            empty.await;
        }
    }
}

impl Inner {
    fn evict(&mut self, client: Option<IpAddr>) -> Option<()> {
        let idle = self.all.iter().filter(|(_, e)| e.busy == 0 && client.is_none_or(|c| c == e.client));
        let id = idle.min_by_key(|(_, e)| e.since).map(|(id, _)| *id)?;
        self.remove(id);
        Some(())
    }

    fn remove(&mut self, id: u64) {
        let Some(entry) = self.all.remove(&id) else { return };
        entry.over.cancel();
        if let Some(count) = self.clients.get_mut(&entry.client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&entry.client);
            }
        }
    }
}

impl Slot {
    /// Cancelled when another connection takes the place.
    pub fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// A request is under way until the answer is dropped.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.count(1);
        Busy { slot: self.clone() }
    }

    fn count(&self, change: isize) {
        let mut inner = self.connections.lock();
        inner.clock += 1;
        let now = inner.clock;
        if let Some(entry) = inner.all.get_mut(&self.id) {
            entry.busy = entry.busy.saturating_add_signed(change);
            entry.since = now;
        }
    }
}

impl Busy {
    /// The connection became something else and is never idle again.
    pub fn forever(self) {
        self.slot.count(1);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.slot.count(-1);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let empty = {
            let mut inner = self.connections.lock();
            inner.remove(self.id);
            inner.all.is_empty()
        };
        if empty {
            self.connections.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    #[test]
    fn the_longest_idle_connection_makes_room() {
        let all = Connections::new(3, 3);
        let slots: Vec<_> = (0..3).map(|_| all.admit(A).unwrap()).collect();
        let _first_is_busy = slots[0].busy();
        let _new = all.admit(B).unwrap();
        let over: Vec<bool> = slots.iter().map(|s| s.over().is_cancelled()).collect();
        assert_eq!(over, [false, true, false]);
        assert_eq!(all.count(), 3);
    }

    #[test]
    fn a_client_displaces_only_its_own() {
        let all = Connections::new(10, 2);
        let other = all.admit(B).unwrap();
        let (one, _two) = (all.admit(A).unwrap(), all.admit(A).unwrap());
        let _three = all.admit(A).unwrap();
        assert!(one.over().is_cancelled() && !other.over().is_cancelled());
    }

    #[test]
    fn busy_connections_stay_and_newcomers_are_refused() {
        let all = Connections::new(1, 1);
        let slot = all.admit(A).unwrap();
        let busy = slot.busy();
        assert!(all.admit(B).is_none());
        busy.forever();
        assert!(all.admit(B).is_none(), "a WebSocket is never idle");
        drop(slot);
        assert!(all.admit(B).is_some());
    }

    #[tokio::test]
    async fn the_last_one_that_goes_is_heard() {
        let all = Connections::new(2, 2);
        let slot = all.admit(A).unwrap();
        let mut gone = std::pin::pin!(all.gone());
        assert!(futures::poll!(&mut gone).is_pending());
        drop(slot);
        gone.await;
    }
}
