//! Fragments of session descriptions (RFC 8840): candidates that come later, and new ICE credentials.

/// The most lines of a fragment that are looked at.
const MAX_LINES: usize = 1000;

/// What a client tells of its ICE after the offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// The ICE user fragment.
    pub ufrag: Option<String>,
    /// The ICE password.
    pub password: Option<String>,
    /// Candidates, in order.
    pub candidates: Vec<Candidate>,
}

/// A candidate of a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// `candidate:...`; empty: no more come.
    pub line: String,
    /// The m-line that it is for.
    pub mid: Option<String>,
}

/// Reads a fragment.
///
/// # Errors
///
/// A sentence about what is wrong.
pub(crate) fn parse(text: &str) -> Result<Fragment, String> {
    let mut fragment = Fragment::default();
    let mut mid = None;
    for (number, line) in text.lines().enumerate() {
        if number == MAX_LINES {
            return Err(format!("the fragment has more than {MAX_LINES} lines"));
        }
        let line = line.trim();
        let Some((kind, value)) = line.split_once('=') else {
            if line.is_empty() {
                continue;
            }
            return Err(format!("line {} is not `type=value`", number + 1));
        };
        match (kind, value.split_once(':').unwrap_or((value, ""))) {
            ("m", _) => mid = None,
            ("a", ("mid", value)) => mid = Some(value.to_owned()),
            ("a", ("ice-ufrag", value)) => fragment.ufrag = Some(value.to_owned()),
            ("a", ("ice-pwd", value)) => fragment.password = Some(value.to_owned()),
            ("a", ("candidate", _)) => {
                fragment.candidates.push(Candidate { line: value.to_owned(), mid: mid.clone() });
            }
            ("a", ("end-of-candidates", _)) => {
                fragment.candidates.push(Candidate { line: String::new(), mid: mid.clone() });
            }
            _ => {}
        }
    }
    Ok(fragment)
}

/// The first value of an attribute in a description: `ice-ufrag`, `ice-pwd`.
pub(crate) fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    sdp.lines().find_map(|line| line.trim().strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

/// The MIDs of a description, in the order of its m-lines.
pub(crate) fn mids(sdp: &str) -> Vec<String> {
    sdp.lines().filter_map(|line| line.trim().strip_prefix("a=mid:")).map(str::to_owned).collect()
}

/// Whether a description has candidates, and whether it says that they are all.
pub(crate) fn candidates(sdp: &str) -> (bool, bool) {
    (sdp.contains("\na=candidate:"), sdp.contains("\na=end-of-candidates"))
}

/// The offer with the fragment's credentials and candidates in place of its own: what an ICE restart means.
pub(crate) fn restarted(offer: &str, fragment: &Fragment) -> Option<String> {
    let (ufrag, password) = (fragment.ufrag.as_ref()?, fragment.password.as_ref()?);
    let mut sdp = String::with_capacity(offer.len() + 64);
    let mut line_out = |line: &str| {
        sdp.push_str(line);
        sdp.push_str("\r\n");
    };
    let mut first = true;
    for line in offer.lines().map(str::trim_end) {
        match line {
            l if l.starts_with("a=ice-ufrag:") => line_out(&format!("a=ice-ufrag:{ufrag}")),
            l if l.starts_with("a=ice-pwd:") => line_out(&format!("a=ice-pwd:{password}")),
            l if l.starts_with("a=candidate:") || l.starts_with("a=end-of-candidates") => {}
            l if l.starts_with("o=") => line_out(&next_version(l)),
            l if l.starts_with("a=mid:") && std::mem::take(&mut first) => {
                line_out(l);
                for candidate in fragment.candidates.iter().filter(|c| !c.line.is_empty()) {
                    line_out(&format!("a={}", candidate.line));
                }
            }
            l => line_out(l),
        }
    }
    Some(sdp)
}

/// `o=` with its version counted up, as every new description has.
fn next_version(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if let Some(version) = words.get_mut(2)
        && let Ok(number) = version.parse::<u64>()
    {
        *version = number.wrapping_add(1).to_string();
    }
    words.join(" ")
}

/// A fragment with the answer's credentials and candidates.
pub(crate) fn of_answer(answer: &str) -> String {
    let mut out = String::new();
    for name in ["ice-lite", "ice-options", "ice-ufrag", "ice-pwd"] {
        if name == "ice-lite" {
            if answer.lines().any(|l| l.trim() == "a=ice-lite") {
                out.push_str("a=ice-lite\r\n");
            }
        } else if let Some(value) = attribute(answer, name) {
            out.push_str(&format!("a={name}:{value}\r\n"));
        }
    }
    let mut media = false;
    for line in answer.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            if media {
                // Everything is bundled: the first m-line speaks for all.
                break;
            }
            media = true;
            out.push_str(line);
            out.push_str("\r\n");
        } else if media && (line.starts_with("a=mid:") || line.starts_with("a=candidate:")) {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out.push_str("a=end-of-candidates\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 7 2 IN IP4 127.0.0.1\r\ns=-\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
        a=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\na=candidate:1 1 udp 1 10.0.0.1 5 typ host\r\n\
        a=end-of-candidates\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=ice-ufrag:old\r\n\
        a=ice-pwd:oldpassword\r\n";

    #[test]
    fn candidates_know_their_line() {
        let text = "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n\
            a=candidate:1 1 udp 1 10.0.0.1 5 typ host\r\na=end-of-candidates\r\n";
        let fragment = parse(text).unwrap();
        assert_eq!((fragment.ufrag.as_deref(), fragment.password.as_deref()), (Some("u"), Some("p")));
        let lines: Vec<_> = fragment.candidates.iter().map(|c| (c.line.as_str(), c.mid.as_deref())).collect();
        let candidate = "candidate:1 1 udp 1 10.0.0.1 5 typ host";
        assert_eq!(lines, [(candidate, Some("0")), ("", Some("0"))]);
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        for wrong in ["nonsense", "a=mid:0\r\nhello", &"a=x\n".repeat(1001)] {
            assert!(parse(wrong).is_err(), "{wrong:.20}");
        }
        assert_eq!(parse("").unwrap(), Fragment::default());
    }

    #[test]
    fn a_restart_changes_the_credentials_alone() {
        let text = "a=ice-ufrag:new\r\na=ice-pwd:newpassword\r\nm=video 9 X 0\r\na=mid:0\r\n\
            a=candidate:2 1 udp 1 10.0.0.2 6 typ host\r\n";
        let sdp = restarted(OFFER, &parse(text).unwrap()).unwrap();
        assert!(!sdp.contains("old") && !sdp.contains("10.0.0.1 5"), "{sdp}");
        assert_eq!(sdp.matches("a=ice-ufrag:new\r\n").count(), 2);
        assert_eq!(sdp.matches("10.0.0.2 6").count(), 1);
        assert!(sdp.contains("o=- 7 3 IN"), "{sdp}");
        assert_eq!(mids(&sdp), ["0", "1"]);
        assert_eq!(restarted(OFFER, &Fragment::default()), None);
    }

    #[test]
    fn the_answer_to_a_restart_has_credentials_and_candidates() {
        let fragment = of_answer(OFFER);
        assert_eq!(
            fragment,
            "a=ice-ufrag:old\r\na=ice-pwd:oldpassword\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
             a=candidate:1 1 udp 1 10.0.0.1 5 typ host\r\na=end-of-candidates\r\n"
        );
        assert_eq!(candidates(OFFER), (true, true));
        assert_eq!(attribute(OFFER, "ice-ufrag"), Some("old"));
    }
}
