//! The files of a new filter.

use std::path::PathBuf;

/// Why there is no filter of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name cannot be used.
    #[error(
        "'{0}' cannot be a filter's name: use small letters, digits and single dashes, and begin with a letter"
    )]
    Unfit(String),
    /// It would clash with a word of Rust.
    #[error("'{0}' is a word of Rust; choose another name")]
    Keyword(String),
}

/// Words that a module cannot be called.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "faces", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "lib", "loop", "macro", "main", "match", "mod", "move", "mut", "override", "plugin", "priv", "pub",
    "ref", "return", "self", "sprite", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The files of a new filter, by their paths in the project: `filters/src/NAME.rs`, which compiles and has its tests,
/// and `pipelines/NAME.yaml`, which shows it. Nothing else has to be touched.
///
/// # Errors
///
/// The name cannot be a filter's.
pub fn new_filter(name: &str) -> Result<Vec<(PathBuf, String)>, NameError> {
    let fits = name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !fits {
        return Err(NameError::Unfit(name.to_owned()));
    }
    if KEYWORDS.contains(&name) {
        return Err(NameError::Keyword(name.to_owned()));
    }
    let module = name.replace('-', "_");
    let fill = |template: &str| {
        template
            .replace("@NAME@", name)
            .replace("@TYPE@", &camel(name))
            .replace("@FACTORY@", &crate::filter::describe::factory(name))
            .replace("@TITLE@", &crate::filter::describe::long_name(name))
    };
    Ok(vec![
        (PathBuf::from(format!("filters/src/{module}.rs")), fill(include_str!("../templates/filter.rs.txt"))),
        (PathBuf::from(format!("pipelines/{name}.yaml")), fill(include_str!("../templates/filter.yaml.txt"))),
    ])
}

/// `face-overlay` -> `FaceOverlay`.
fn camel(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    name.split('-').map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_filled_in() {
        let files = new_filter("my-wobble2").unwrap();
        assert_eq!(files[0].0, PathBuf::from("filters/src/my_wobble2.rs"));
        assert_eq!(files[1].0, PathBuf::from("pipelines/my-wobble2.yaml"));
        assert!(files[0].1.contains("impl VideoFilter for MyWobble2"));
        assert!(files[0].1.contains("\"abmywobble2\""));
        assert!(files.iter().all(|(_, text)| !text.contains('@')));
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in ["", "Wobble", "2d", "a--b", "a-", "-a", "a_b", "a b", "../x", "é"] {
            assert!(matches!(new_filter(bad), Err(NameError::Unfit(_))), "{bad}");
        }
        assert!(matches!(new_filter("loop"), Err(NameError::Keyword(_))));
    }
}
