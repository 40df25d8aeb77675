//! Where a hub and its ports find each other: one room for each hub of each pipeline in this process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, Weak};

use crate::hub::{Hub, Wants};
use crate::lock;
use crate::party::Party;

/// A pipeline and the id of a hub in it.
type Key = (String, String);

static ROOMS: Mutex<Option<HashMap<Key, Weak<Room>>>> = Mutex::new(None);

/// Called with what the hub takes, once it is there.
pub type OnWants = Arc<dyn Fn(Wants) + Send + Sync>;

/// A hub, if it is there, and its ports. Ports outlive a hub that is built anew.
#[derive(Default)]
pub struct Room {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hub: Option<Arc<Hub>>,
    ports: BTreeMap<String, (Arc<Party>, OnWants)>,
}

/// The room of a hub.
pub fn room(pipeline: &str, hub: &str) -> Arc<Room> {
    let mut rooms = lock(&ROOMS);
    let rooms = rooms.get_or_insert_default();
    rooms.retain(|_, room| room.strong_count() > 0);
    let key = (pipeline.to_owned(), hub.to_owned());
    if let Some(room) = rooms.get(&key).and_then(Weak::upgrade) {
        return room;
    }
    let room = Arc::new(Room::default());
    rooms.insert(key, Arc::downgrade(&room));
    room
}

impl Room {
    /// The hub is there: all ports join it.
    pub fn open(&self, hub: &Arc<Hub>) {
        let ports: Vec<_> = {
            let mut state = lock(&self.state);
            state.hub = Some(hub.clone());
            state.ports.values().cloned().collect()
        };
        for (party, wants) in ports {
            hub.join(&party);
            wants(hub.wants());
        }
    }

    /// The hub goes; another may come.
    pub fn close(&self, hub: &Arc<Hub>) {
        let mut state = lock(&self.state);
        if state.hub.as_ref().is_some_and(|present| Arc::ptr_eq(present, hub)) {
            state.hub = None;
        }
    }

    /// A port is there.
    pub fn enter(&self, party: &Arc<Party>, wants: OnWants) {
        let hub = {
            let mut state = lock(&self.state);
            state.ports.insert(party.name.clone(), (party.clone(), wants.clone()));
            state.hub.clone()
        };
        if let Some(hub) = hub {
            hub.join(party);
            wants(hub.wants());
        }
    }

    /// A port goes.
    pub fn leave(&self, party: &Arc<Party>) {
        let hub = {
            let mut state = lock(&self.state);
            let same = state.ports.get(&party.name).is_some_and(|(present, _)| Arc::ptr_eq(present, party));
            if same {
                state.ports.remove(&party.name);
            }
            state.hub.clone()
        };
        if let Some(hub) = hub {
            hub.leave(party);
        }
    }
}
