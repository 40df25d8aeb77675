//! What flows where: formats that are known beforehand, services of the hubs, converters.

use crate::catalog::{Part, PortSpec};
use crate::diagnostic::{Code, Diagnostic, Subject};
use crate::format::{Format, Medium};
use crate::packages::install_help;
use crate::spec::LinkSpec;

use super::codec::{self, Demand, NoService, Service};
use super::{Capabilities, Probe};

/// What an output produces, as far as it is known beforehand.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Produced {
    /// One of these; none: not known before it runs.
    Formats(Vec<Format>),
    /// Nothing: the source has no such stream.
    Nothing,
}

/// What an output produces: what the probed stream is, else what its port says.
pub(super) fn produced(port: &PortSpec, probe: Option<&Probe>) -> Produced {
    if let Some(Probe::Streams(streams)) = probe {
        // Of several streams of one medium, the first is played.
        return match streams.iter().find(|format| format.medium() == port.medium) {
            Some(format) => Produced::Formats(vec![format.clone()]),
            None => Produced::Nothing,
        };
    }
    Produced::Formats(port.formats.clone())
}

/// What the hub does for a link, and why.
pub(super) struct Served {
    pub(super) service: Option<Service>,
    pub(super) absent: bool,
    pub(super) why: String,
}

/// Decides about one link; `running` are the encodings that the hub makes for links before it.
pub(super) fn serve(
    link: &LinkSpec,
    produced: &Produced,
    accepts: &[Format],
    running: &[Format],
    capabilities: &dyn Capabilities,
) -> Result<Served, Box<Diagnostic>> {
    let formats = match produced {
        Produced::Nothing => {
            let why = format!("no such stream: the source has no {}", link.medium);
            return Ok(Served { service: None, absent: true, why });
        }
        Produced::Formats(formats) => formats,
    };
    let limits = link.options.picture_of(link.medium);
    let takes = match limits.is_none() {
        true => names(accepts),
        false => format!("{}, at most {limits}", names(accepts)),
    };
    if formats.is_empty() {
        let anything = accepts.is_empty() && limits.is_none();
        let why = match anything {
            true => "the consumer takes any format".to_owned(),
            false => format!("the format is known when it runs; the consumer takes {takes}"),
        };
        return Ok(Served { service: anything.then_some(Service::Pass), absent: false, why });
    }
    let demand = Demand { accepts, transcoding: link.options.transcoding, limits };
    let results: Vec<Result<Service, NoService>> =
        formats.iter().map(|format| codec::serve(format, running, &demand, capabilities)).collect();
    // It is trouble only if nothing that may come can be served.
    if let Some(Err(_)) = results.iter().find(|r| r.is_ok()).or(results.first()) {
        return Err(Box::new(trouble(link, formats, accepts, results)));
    }
    match &results[..] {
        [Ok(service)] => {
            let why = service.why(&formats[0], &demand);
            Ok(Served { service: Some(service.clone()), absent: false, why })
        }
        all if all.iter().all(|result| *result == Ok(Service::Pass)) => {
            let why = format!("the consumer takes whatever comes of {}: it passes untouched", names(formats));
            Ok(Served { service: Some(Service::Pass), absent: false, why })
        }
        _ => {
            let why = format!(
                "{} comes, which one is known when it runs; the consumer takes {takes}",
                names(formats)
            );
            Ok(Served { service: None, absent: false, why })
        }
    }
}

fn trouble(
    link: &LinkSpec,
    formats: &[Format],
    accepts: &[Format],
    results: Vec<Result<Service, NoService>>,
) -> Diagnostic {
    let trouble = results.into_iter().find_map(Result::err);
    let (code, help) = match &trouble {
        Some(NoService::NoDecoder(format)) => {
            (Code::NoDecoder, codec::decoders(format).first().map(|factory| install_help(factory)))
        }
        Some(NoService::NoEncoder(wanted)) => {
            let factory = wanted.iter().find_map(|format| codec::encoders(format).first());
            (Code::NoEncoder, factory.map(|factory| install_help(factory)))
        }
        Some(NoService::Forbidden { .. }) => {
            let help = match link.options.picture_of(link.medium).is_none() {
                true => format!("let it transcode, or choose a consumer that takes {}", names(formats)),
                false => "let it transcode, or leave out the limits for the picture".to_owned(),
            };
            (Code::TranscodingForbidden, Some(help))
        }
        None => (Code::IncompatibleFormats, None),
    };
    let reason = trouble.map_or_else(
        || format!("{} cannot become {}", names(formats), names(accepts)),
        |trouble| trouble.to_string(),
    );
    Diagnostic::new(code, format!("`{}` cannot be served: {reason}", link.id()))
        .maybe_help(help)
        .about(Subject::Link(link.id()))
}

/// Converters in front of an input that takes raw media, each with its reason.
pub(super) fn converters(
    link: &LinkSpec,
    output: Option<&PortSpec>,
    input: &PortSpec,
    accepts: &[Format],
    served: &Served,
) -> Vec<Part> {
    let raw_only = !accepts.is_empty() && accepts.iter().all(Format::is_raw);
    // The format is known and raw, or nothing else can come.
    let produced = output.map(|port| port.formats.as_slice()).unwrap_or_default();
    let delivered_raw = match &served.service {
        Some(Service::Decode { .. } | Service::Shrink { .. }) => true,
        Some(Service::Encode { .. }) => false,
        Some(Service::Pass) => !produced.is_empty() && produced.iter().all(Format::is_raw) || raw_only,
        None => raw_only,
    };
    if served.absent || !delivered_raw || accepts.is_empty() {
        return Vec::new();
    }
    match link.medium {
        Medium::Video => {
            if input.layouts.is_empty() {
                return Vec::new();
            }
            let given = output.map(|port| port.layouts.as_slice()).unwrap_or_default();
            let undecoded = matches!(served.service, Some(Service::Pass));
            if undecoded && !given.is_empty() && given.iter().all(|layout| input.layouts.contains(layout)) {
                return Vec::new();
            }
            let why = format!("`{}` takes {}", link.to, input.layouts.join(", "));
            vec![Part { factory: "videoconvert".to_owned(), why }]
        }
        Medium::Audio => {
            let wants = match input.layouts.as_slice() {
                [] => "may want other samples, channels or rates than come".to_owned(),
                layouts => format!("takes {}", layouts.join(", ")),
            };
            let why = format!("`{}` {wants}", link.to);
            ["audioconvert", "audioresample"]
                .map(|factory| Part { factory: factory.to_owned(), why: why.clone() })
                .to_vec()
        }
        Medium::Data => Vec::new(),
    }
}

/// `VP8 or VP9`.
pub(super) fn names(formats: &[Format]) -> String {
    match formats {
        [] => "any format".to_owned(),
        _ => formats.iter().map(Format::name).collect::<Vec<_>>().join(" or "),
    }
}
