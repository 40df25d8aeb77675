//! When to look again for a source that is away, and whether anybody listens there.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::location::Location;
use super::trouble;

/// The first pause.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause between two looks whether anybody listens. A camera has to be on again within two seconds of its
/// coming back.
const LONGEST: Duration = Duration::from_millis(500);

/// The longest pause after a server that listened but did not give the media.
const REFUSED: Duration = Duration::from_secs(1);

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(1);

/// The pause before attempt number `attempt`, from 0. `answered`: somebody listened there the last time.
pub fn pause(attempt: u32, answered: bool) -> Duration {
    let most = if answered { REFUSED } else { LONGEST };
    FIRST.saturating_mul(1 << attempt.min(10)).min(most)
}

/// Whether somebody listens at the location's host. A connection that is opened and closed costs less than an attempt to
/// play, and tells sooner: a connection attempt that began while the host was away takes seconds to notice that it
/// is back. Blocks for a second.
pub fn listens(location: &Location) -> bool {
    let Location::Uri(uri) = location else { return true };
    let Some(server) = trouble::server(uri) else { return true };
    let Ok(addresses) = server.to_socket_addrs() else { return false };
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, LOOK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_short() {
        let pauses: Vec<u128> = (0..6).map(|n| pause(n, false).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 500, 500]);
        assert_eq!(pause(40, true), REFUSED);
        // A look and the pause after it: less than two seconds.
        assert!(LOOK + LONGEST < Duration::from_secs(2));
    }

    #[test]
    fn a_listener_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Location::Uri(format!("rtsp://{}/a", listener.local_addr().unwrap()));
        assert!(listens(&address));
        drop(listener);
        assert!(!listens(&address));
    }
}
