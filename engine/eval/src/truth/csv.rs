//! Truth as a table. The first line names the columns, in any order; cells may be quoted as in a spreadsheet; empty
//! cells say nothing; lines that begin with `#` are comments.
//!
//! | column | what |
//! |---|---|
//! | `file` or `frame` | the picture's file, or the frame's number (0 is the first) |
//! | `time` | seconds, for an event in a film |
//! | `label` | what it is; for an event: what must stand in its data |
//! | `x`, `y`, `width`, `height` | the box in pixels, or relative to the picture after `# coordinates: relative` |
//! | `id` | the number that the thing keeps from frame to frame |
//! | `text` | what can be read; without a box: somewhere in the frame |
//! | `count` | how many things there are in the frame |
//! | `event` | the name of an event that must happen here |
//! | `ignore` | 1: counts neither when it is found nor when it is missed |

use super::{Expected, Key, Thing, Truth, TruthError, When, error::shorten, number, pixels, whole};

const COLUMNS: [&str; 13] =
    ["file", "frame", "time", "label", "x", "y", "width", "height", "id", "text", "count", "event", "ignore"];

const RELATIVE: &str = "# coordinates: relative";

struct Row<'a> {
    file: &'a str,
    line: usize,
    cells: Vec<(&'static str, String)>,
}

impl Row<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        self.cells
            .iter()
            .find(|(name, _)| *name == column)
            .map(|(_, cell)| cell.as_str())
            .filter(|c| !c.is_empty())
    }

    fn number(&self, column: &str) -> Result<Option<f64>, TruthError> {
        self.cell(column).map(|text| number(self.file, self.line, &format!("`{column}`"), text)).transpose()
    }

    fn whole(&self, column: &str) -> Result<Option<u64>, TruthError> {
        self.cell(column).map(|text| whole(self.file, self.line, &format!("`{column}`"), text)).transpose()
    }

    fn error(&self, message: impl Into<String>) -> TruthError {
        TruthError::new(self.file, self.line, message)
    }
}

pub(super) fn parse(name: &str, text: &str) -> Result<Truth, TruthError> {
    let mut truth = Truth { relative: text.lines().any(|line| line.trim() == RELATIVE), ..Truth::default() };
    let mut columns: Option<Vec<&'static str>> = None;
    let mut records = Records { file: name, text, at: 0, line: 1 };
    while let Some((line, cells)) = records.next_record()? {
        if cells.len() == 1 && cells[0].is_empty() {
            continue;
        }
        let Some(columns) = &columns else {
            columns = Some(header(name, line, &cells)?);
            continue;
        };
        if cells.len() > columns.len() {
            let message = format!("there are {} cells, but only {} columns", cells.len(), columns.len());
            return Err(TruthError::new(name, line, message));
        }
        let cells = columns.iter().copied().zip(cells.into_iter().map(|cell| cell.trim().to_owned()));
        add(&mut truth, &Row { file: name, line, cells: cells.collect() })?;
    }
    Ok(truth)
}

fn header(name: &str, line: usize, cells: &[String]) -> Result<Vec<&'static str>, TruthError> {
    let mut columns = Vec::new();
    for cell in cells {
        let wanted = cell.trim().to_lowercase();
        let Some(column) = COLUMNS.iter().find(|column| **column == wanted) else {
            let message =
                format!("there is no column '{}'; the columns are {}", shorten(cell), COLUMNS.join(", "));
            return Err(TruthError::new(name, line, message));
        };
        if columns.contains(column) {
            return Err(TruthError::new(name, line, format!("the column '{column}' stands here twice")));
        }
        columns.push(*column);
    }
    if !["file", "frame", "time"].iter().any(|column| columns.contains(column)) {
        let message = "one of the columns must be `file` (pictures), `frame` or `time` (a film)";
        return Err(TruthError::new(name, line, message));
    }
    if columns.contains(&"file") && (columns.contains(&"frame") || columns.contains(&"time")) {
        let message = "either `file` (pictures) or `frame` and `time` (a film), not both";
        return Err(TruthError::new(name, line, message));
    }
    Ok(columns)
}

fn add(truth: &mut Truth, row: &Row<'_>) -> Result<(), TruthError> {
    let file = row.cell("file").map(|file| file.replace('\\', "/"));
    let frame = row.whole("frame")?;
    let time = row.number("time")?;
    let text = row.cell("text").map(str::to_owned);
    if let Some(event) = row.cell("event") {
        if row.cell("x").is_some() || row.cell("count").is_some() {
            return Err(row.error("a line is about an event, or a thing, or a count: take a line for each"));
        }
        let when = frame.map(When::Frame).or(time.map(When::Time));
        if when.is_none() && file.is_none() {
            return Err(row.error("an event needs `file`, `frame` or `time`"));
        }
        if let Some(file) = &file {
            truth.frames.entry(Key::File(file.clone())).or_default();
        }
        let detail = row.cell("label").map(str::to_owned).into_iter().chain(text).collect();
        truth.events.push(Expected { name: event.to_owned(), when, file, detail });
        return Ok(());
    }
    let key = file
        .map(Key::File)
        .or(frame.map(Key::Frame))
        .ok_or_else(|| row.error("a line that is not about an event needs `file` or `frame`"))?;
    let sides = ["x", "y", "width", "height"].map(|column| row.number(column));
    let [x, y, width, height] = sides;
    let frame = truth.frames.entry(key).or_default();
    if let Some(count) = row.number("count")? {
        if count < 0.0 {
            return Err(row.error(format!("there cannot be {count} things")));
        }
        if frame.count.replace(count).is_some_and(|old| old != count) {
            return Err(row.error("an earlier line gives this frame another `count`"));
        }
    }
    match (x?, y?, width?, height?) {
        (None, None, None, None) => frame.texts.extend(text),
        (Some(x), Some(y), Some(width), Some(height)) => {
            let at = pixels(row.file, row.line, x, y, width, height)?;
            if truth.relative && (at.x > 1.5 || at.y > 1.5 || at.width > 1.5 || at.height > 1.5) {
                let message = format!("this box is not relative to the picture, as `{RELATIVE}` says");
                return Err(row.error(message));
            }
            frame.things.push(Thing {
                label: row.cell("label").unwrap_or_default().to_owned(),
                at,
                id: row.whole("id")?,
                text,
                ignore: row.number("ignore")?.is_some_and(|flag| flag != 0.0),
                ..Thing::default()
            });
        }
        _ => return Err(row.error("a box needs all of `x`, `y`, `width` and `height`")),
    }
    Ok(())
}

/// Lines of a table; a quoted cell may hold commas, quotes (doubled) and line ends.
struct Records<'a> {
    file: &'a str,
    text: &'a str,
    at: usize,
    line: usize,
}

impl Records<'_> {
    /// The next line that is no comment, with its number.
    fn next_record(&mut self) -> Result<Option<(usize, Vec<String>)>, TruthError> {
        while self.text[self.at..].starts_with('#') {
            self.at += self.text[self.at..].find('\n').map_or(self.text.len() - self.at, |end| end + 1);
            self.line += 1;
        }
        if self.at >= self.text.len() {
            return Ok(None);
        }
        let first = self.line;
        let mut cells = vec![String::new()];
        let mut quoted = false;
        let mut chars = self.text[self.at..].char_indices().peekable();
        let mut end = self.text.len() - self.at;
        while let Some((at, c)) = chars.next() {
            if c == '\n' {
                self.line += 1;
            }
            let Some(cell) = cells.last_mut() else { break };
            match c {
                '"' if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    cell.push('"');
                    chars.next();
                }
                '"' if quoted => quoted = false,
                '"' if cell.trim().is_empty() => {
                    cell.clear();
                    quoted = true;
                }
                ',' if !quoted => cells.push(String::new()),
                '\n' if !quoted => {
                    end = at + 1;
                    break;
                }
                '\r' if !quoted => {}
                c => cell.push(c),
            }
        }
        if quoted {
            return Err(TruthError::new(self.file, first, "a quote is opened and never closed"));
        }
        self.at += end;
        Ok(Some((first, cells)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Pixels;

    #[test]
    fn boxes_counts_texts_and_events_are_told_apart() {
        let text = "\
# made by hand
frame,label,x,y,width,height,id,text,count,event,time
0,person,1,2,3,4,7,,,,
0,plate,5,6,7,8,,\"AB \"\"12\"\"\",,,
1,,,,,,,,5,,
2,,,,,,,HELLO,,,
3,door,,,,,,,,window-in,
,,,,,,,,,window-out,4.5
";
        let truth = parse("t.csv", text).unwrap();
        let first = &truth.frames[&Key::Frame(0)];
        assert_eq!((first.things[0].id, first.things[0].at), (Some(7), Pixels::new(1.0, 2.0, 3.0, 4.0)));
        assert_eq!(first.things[1].text.as_deref(), Some("AB \"12\""));
        assert_eq!(first.count(), 2.0);
        assert_eq!(truth.frames[&Key::Frame(1)].count(), 5.0);
        assert_eq!(truth.frames[&Key::Frame(2)].texts, ["HELLO"]);
        assert_eq!(truth.events[0].when, Some(When::Frame(3)));
        assert_eq!(truth.events[0].detail, ["door"]);
        assert_eq!(truth.events[1].when, Some(When::Time(4.5)));
        assert!(truth.is_film());
    }

    #[test]
    fn a_line_with_only_a_file_is_an_empty_picture() {
        let truth = parse("t.csv", "file,label,x,y,width,height\na.jpg\n").unwrap();
        assert_eq!(truth.frames[&Key::File("a.jpg".into())].things, []);
    }

    #[test]
    fn mistakes_have_their_line() {
        for (text, line, words) in [
            ("file,lable\n", 1, "no column 'lable'; the columns are file"),
            ("label,x\n", 1, "must be `file`"),
            ("file,frame\n", 1, "not both"),
            ("file,file\n", 1, "twice"),
            ("file,x,y,width,height\na.jpg,1,2,3\n", 2, "all of `x`"),
            ("# c\nfile,x\n\na.jpg,one\n", 4, "`x` must be a number, not 'one'"),
            ("file\na,b\n", 2, "2 cells, but only 1 columns"),
            ("file,text\na,\"b\n\n", 2, "never closed"),
            ("frame,count\n1,-2\n", 2, "-2 things"),
            ("frame,count\n1,2\n1,3\n", 3, "another `count`"),
            ("frame,x\n-1,\n", 2, "whole number from 0 on"),
            ("time,x\n1,\n", 2, "needs `file` or `frame`"),
            ("frame,event\n,x\n", 2, "needs `file`, `frame` or `time`"),
            ("frame,event,count\n1,x,3\n", 2, "take a line for each"),
            ("# coordinates: relative\nfile,x,y,width,height\na,10,10,20,20\n", 3, "not relative"),
        ] {
            let error = parse("t.csv", text).unwrap_err();
            assert_eq!(error.line, Some(line), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn quoted_cells_may_hold_anything() {
        let truth = parse("t.csv", "file,text\r\n\"a,b.jpg\",\"one\ntwo\"\r\nc.jpg,x\r\n").unwrap();
        assert_eq!(truth.frames[&Key::File("a,b.jpg".into())].texts, ["one\ntwo"]);
        assert_eq!(truth.frames[&Key::File("c.jpg".into())].texts, ["x"]);
    }
}
