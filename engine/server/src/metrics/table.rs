//! Numbers with names and labels, kept together by name.

use indexmap::IndexMap;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// What a number does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

type Labels = Vec<(&'static str, String)>;

/// Numbers by name.
#[derive(Debug, Default)]
pub(super) struct Table {
    families: IndexMap<&'static str, Family>,
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: Kind,
    values: Vec<(Labels, f64)>,
}

impl Table {
    /// Adds a number; a counter's name is without its `_total`.
    pub fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        value: f64,
        labels: &[(&'static str, String)],
    ) {
        let family = self.families.entry(name).or_insert_with(|| Family { help, kind, values: Vec::new() });
        family.values.push((labels.to_vec(), value));
    }

    pub fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        for (name, family) in &self.families {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut out = encoder.encode_descriptor(name, family.help, None, kind)?;
            for (labels, value) in &family.values {
                let one = out.encode_family(labels)?;
                match family.kind {
                    Kind::Counter => ConstCounter::new(*value).encode(one)?,
                    Kind::Gauge => ConstGauge::new(*value).encode(one)?,
                }
            }
        }
        Ok(())
    }
}
