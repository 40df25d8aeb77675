//! Which of GStreamer's elements a client may put into a chain.

/// Looks at a chain in the language of gst-launch: every element must be allowed; `*` allows all.
///
/// # Errors
///
/// Names the first that is not.
pub(super) fn chain(allowed: &[String], text: &str) -> Result<(), String> {
    if allowed.iter().any(|name| name == "*") {
        return Ok(());
    }
    let plain = without_quoted(text);
    for part in plain.split('!') {
        let word = part.split_whitespace().next().unwrap_or_default();
        // Caps between two elements filter; they make nothing.
        let is_caps = word.contains('/');
        if !is_caps && !word.is_empty() && !allowed.iter().any(|name| name == word) {
            return Err(format!(
                "'{word}': clients may use this element of GStreamer only if the server's configuration lists it \
                 ([gstreamer] elements)"
            ));
        }
        // A second element without a link, a bin, a pad or another name for an element: none is needed in a chain.
        let rest = part.split_whitespace().skip(1);
        if !is_caps && rest.into_iter().any(|word| !word.contains('=')) {
            return Err(format!(
                "'{}': an element and its properties, NAME=VALUE, are expected",
                part.trim()
            ));
        }
    }
    Ok(())
}

/// The text without what stands in quotation marks; an escaped one ends nothing.
fn without_quoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            _ if quoted => {}
            _ => plain.push(c),
        }
        escaped = c == '\\' && !escaped;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_gets_in() {
        let allowed = ["videoflip".to_owned(), "queue".to_owned()];
        assert_eq!(chain(&allowed, "videoflip method=clockwise ! queue"), Ok(()));
        assert_eq!(chain(&allowed, "videoflip ! video/x-raw,width=320"), Ok(()));
        let text = r#"videoflip name="a ! b" ! queue"#;
        assert_eq!(chain(&allowed, text), Ok(()));
        for bad in [
            r#"videoflip name="a" filesink location=/tmp/x"#,
            r#"videoflip name="a\" ! queue" ! filesink"#,
            "filesink location=/tmp/x",
            "videoflip ! tee ! filesink location=/tmp/x",
            "videoflip filesink location=/tmp/x",
            "( filesink )",
        ] {
            assert!(chain(&allowed, bad).is_err(), "{bad}");
        }
        assert_eq!(chain(&["*".to_owned()], "filesink location=/tmp/x"), Ok(()));
    }
}
