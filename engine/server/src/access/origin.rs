//! Which web pages may ask, and by which names the server may be asked for.
//!
//! A server without tokens trusts whoever reaches its loopback address; a browser lets any page of the world do so. So
//! a page of another origin must be allowed, and a host name that is not the server's own is refused: it is how a page
//! makes its own origin look like the server's (DNS rebinding).

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::App;
use crate::problem::{Code, Problem};

/// The host of `host:port`, without brackets.
fn host_of(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

/// Whether the page is the server's own.
pub(crate) fn is_own(headers: &HeaderMap, tls: bool) -> bool {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => {
            let scheme = if tls { "https://" } else { "http://" };
            // Kurento's clients leave the scheme out. No browser does, so that it is no page of another origin.
            origin.strip_prefix(scheme).unwrap_or(origin).eq_ignore_ascii_case(host)
        }
        _ => false,
    }
}

/// Whether pages of that origin may ask: those that are configured, and on a loopback server those of loopback.
pub(crate) fn is_allowed(app: &App, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let config = app.config();
    if config.browser.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    config.listen.ip().is_loopback() && authority.is_some_and(|a| is_loopback(host_of(a)))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Refuses host names that are not the server's own. A token protects by itself: then any name will do.
pub(crate) fn check_host(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let config = app.config();
    if !app.access().is_open() {
        return Ok(());
    }
    let Some(host) = headers.get(header::HOST).and_then(|v| v.to_str().ok()).map(host_of) else {
        return Ok(());
    };
    let known = host.parse::<IpAddr>().is_ok()
        || is_loopback(host)
        || config.browser.hosts.iter().any(|name| name.eq_ignore_ascii_case(host));
    if known {
        return Ok(());
    }
    let detail = format!("this server does not answer to the name '{host}'; allow it with browser.hosts");
    Err(Problem::new(Code::Host, detail))
}
