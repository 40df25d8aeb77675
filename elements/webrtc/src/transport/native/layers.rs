//! Which of the layers that a peer sends (simulcast) is taken.

use std::time::{Duration, Instant};

use super::continuity::Continuity;

/// A layer that brought nothing for so long has stopped.
const STOPPED: Duration = Duration::from_millis(1000);

/// Over this time a layer's bit rate is measured.
const WINDOW: Duration = Duration::from_millis(1000);

/// A layer is better only if it is so many times as rich: two of nearly one rate would take turns.
const BETTER: f64 = 1.3;

/// A packet as far as the choice needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival<'a> {
    pub ssrc: u32,
    pub rid: Option<&'a str>,
    /// Extended.
    pub sequence: u64,
    pub timestamp: u32,
    pub bytes: usize,
    /// Whether a key frame begins here.
    pub key: bool,
    pub at: Instant,
}

#[derive(Debug)]
struct Layer {
    ssrc: u32,
    rid: Option<String>,
    last: Instant,
    window: Instant,
    bytes: usize,
    /// Bytes a second.
    rate: f64,
}

/// The layers of one track.
#[derive(Debug)]
pub(super) struct Layers {
    known: Vec<Layer>,
    wanted: Option<String>,
    current: Option<u32>,
    /// Whose key frame is waited for.
    next: Option<u32>,
    stream: Continuity,
}

impl Layers {
    pub fn new(clock_rate: u32, wanted: Option<String>) -> Self {
        Layers { known: Vec::new(), wanted, current: None, next: None, stream: Continuity::new(clock_rate) }
    }

    /// Takes this layer (RID), `None` the best one.
    pub fn want(&mut self, rid: Option<&str>) {
        self.wanted = rid.map(str::to_owned);
    }

    /// Whose key frames to ask for: those of the layer that is waited for, or of the present one.
    pub fn source(&self) -> Option<u32> {
        self.next.or(self.current)
    }

    /// The source that is passed on.
    pub fn current(&self) -> Option<u32> {
        self.current
    }

    /// The RID that is passed on.
    pub fn rid(&self) -> Option<&str> {
        self.known.iter().find(|layer| Some(layer.ssrc) == self.current)?.rid.as_deref()
    }

    /// The RIDs and bit rates that come.
    pub fn rates(&self) -> impl Iterator<Item = (Option<&str>, u32, f64)> {
        self.known.iter().map(|layer| (layer.rid.as_deref(), layer.ssrc, layer.rate * 8.0))
    }

    /// Where the packet goes in the stream that is passed on: sequence number and timestamp. The second value is
    /// whether a key frame is to be asked for, of [`Layers::source`].
    pub fn take(&mut self, packet: &Arrival) -> (Option<(u64, u32)>, bool) {
        let ask = self.watch(packet);
        let switch = match self.current {
            None => packet.key || packet.rid.is_none(),
            Some(current) if current == packet.ssrc => false,
            // Without layers another SSRC is the same source begun anew.
            Some(_) if packet.rid.is_none() => true,
            Some(_) => self.next == Some(packet.ssrc) && packet.key,
        };
        if switch {
            self.current = Some(packet.ssrc);
            self.next = None;
            self.stream.begin(packet.sequence, packet.timestamp, packet.at);
        }
        if self.current != Some(packet.ssrc) {
            return (None, ask);
        }
        (self.stream.map(packet.sequence, packet.timestamp, packet.at), ask)
    }

    /// Measures, and looks for a better layer once a window.
    fn watch(&mut self, packet: &Arrival) -> bool {
        let at = packet.at;
        let layer = match self.known.iter_mut().find(|layer| layer.ssrc == packet.ssrc) {
            Some(layer) => layer,
            None => {
                let rid = packet.rid.map(str::to_owned);
                self.known.retain(|layer| layer.rid != rid);
                self.known.push(Layer { ssrc: packet.ssrc, rid, last: at, window: at, bytes: 0, rate: 0.0 });
                let Some(layer) = self.known.last_mut() else { return false };
                layer
            }
        };
        layer.last = at;
        layer.bytes += packet.bytes;
        let measured = at.saturating_duration_since(layer.window);
        if measured < WINDOW {
            return false;
        }
        layer.rate = layer.bytes as f64 / measured.as_secs_f64();
        layer.bytes = 0;
        layer.window = at;
        if packet.rid.is_none() {
            return false;
        }
        let better = self.best(at).filter(|best| Some(*best) != self.current);
        self.next = better;
        better.is_some()
    }

    fn best(&self, now: Instant) -> Option<u32> {
        let alive = |layer: &&Layer| now.saturating_duration_since(layer.last) < STOPPED;
        if let Some(wanted) = &self.wanted
            && let Some(layer) =
                self.known.iter().filter(alive).find(|layer| layer.rid.as_ref() == Some(wanted))
        {
            return Some(layer.ssrc);
        }
        let best = self.known.iter().filter(alive).max_by(|a, b| a.rate.total_cmp(&b.rate))?;
        let current = self.known.iter().filter(alive).find(|layer| Some(layer.ssrc) == self.current);
        match current {
            Some(current) if best.rate < current.rate * BETTER => Some(current.ssrc),
            _ => Some(best.ssrc),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers that send 30 packets a second each, of these sizes; every `gop`-th of a layer is a key frame.
    struct Sender {
        start: Instant,
        tick: u64,
        sizes: Vec<(&'static str, usize)>,
    }

    impl Sender {
        fn new(sizes: &[(&'static str, usize)]) -> Self {
            Sender { start: Instant::now(), tick: 0, sizes: sizes.to_vec() }
        }

        /// Sends for so many ticks; returns what was passed on and how often a key frame was asked for.
        fn run(&mut self, layers: &mut Layers, ticks: u64, gop: u64) -> (Vec<(u64, u32)>, usize) {
            let (mut passed, mut asked) = (Vec::new(), 0);
            for _ in 0..ticks {
                for (place, (rid, bytes)) in self.sizes.iter().enumerate() {
                    let arrival = Arrival {
                        ssrc: 100 + place as u32,
                        rid: Some(rid),
                        sequence: self.tick + 1000 * place as u64,
                        timestamp: self.tick as u32 * 3000 + 7777 * place as u32,
                        bytes: *bytes,
                        key: self.tick.is_multiple_of(gop),
                        at: self.start + Duration::from_micros(33_333 * self.tick),
                    };
                    let (out, ask) = layers.take(&arrival);
                    passed.extend(out);
                    asked += usize::from(ask);
                }
                self.tick += 1;
            }
            (passed, asked)
        }
    }

    #[test]
    fn the_richest_layer_is_taken_at_its_key_frame_without_a_break() {
        let mut layers = Layers::new(90_000, None);
        let mut sender = Sender::new(&[("l", 100), ("m", 400), ("h", 1000)]);
        let (passed, asked) = sender.run(&mut layers, 90, 45);
        assert_eq!(layers.rid(), Some("h"));
        assert!(asked >= 1);
        assert_eq!(passed.len(), 91, "one packet each time, and two at the change");
        assert_eq!(passed.last().unwrap().0 - passed[0].0, 90, "no number is missing");
        let steps: Vec<u32> = passed.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        let odd: Vec<&u32> = steps.iter().filter(|step| !(2990..=3010).contains(*step)).collect();
        assert_eq!(odd, [&1], "time goes on steadily over the change");
    }

    #[test]
    fn a_layer_that_is_wanted_is_taken_and_one_that_stops_is_left() {
        let mut layers = Layers::new(90_000, Some("m".into()));
        let mut sender = Sender::new(&[("l", 100), ("m", 400), ("h", 1000)]);
        sender.run(&mut layers, 90, 15);
        assert_eq!(layers.rid(), Some("m"));
        layers.want(Some("l"));
        sender.run(&mut layers, 60, 15);
        assert_eq!(layers.rid(), Some("l"));
        layers.want(None);
        sender.run(&mut layers, 60, 15);
        assert_eq!(layers.rid(), Some("h"));
        sender.sizes.pop();
        sender.run(&mut layers, 90, 15);
        assert_eq!(layers.rid(), Some("m"));
    }

    #[test]
    fn without_layers_another_source_goes_on_at_once() {
        let mut layers = Layers::new(48_000, None);
        let start = Instant::now();
        let arrival = |ssrc, sequence, ms: u64| Arrival {
            ssrc,
            rid: None,
            sequence,
            timestamp: 5,
            bytes: 10,
            key: false,
            at: start + Duration::from_millis(ms),
        };
        assert_eq!(layers.take(&arrival(1, 10, 0)), (Some((10, 5)), false));
        assert_eq!(layers.take(&arrival(2, 99, 20)), (Some((11, 965)), false));
    }
}
