//! Just enough Rust to check sources textually: comments and strings told from code, test regions, functions.
//!
//! Absent: a parser. What does not follow rustfmt's layout may be seen wrongly; nothing is ever refused for being unreadable.

/// A source file taken apart. All texts have the same length and lines as the source; what does not belong is blank.
#[derive(Debug)]
pub(crate) struct Source {
    /// Without comments and without the inside of strings and characters.
    pub code: String,
    /// Without comments only.
    pub uncommented: String,
    /// Without the inside of strings and characters only.
    pub unquoted: String,
    /// For each line from 0: whether it belongs to a `#[cfg(test)]` item.
    pub is_test_line: Vec<bool>,
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub name: String,
    /// From 1.
    pub line: usize,
    pub lines: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Code,
    Comment,
    Quoted,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        let classes = classify(text.as_bytes());
        let keep = |blank: &[Class]| -> String {
            let shown = |(c, class): (char, Class)| if c == '\n' || !blank.contains(&class) { c } else { ' ' };
            // One class per byte; a character has that of its first byte, and blanks may be shorter than what they hide.
            text.char_indices().map(|(i, c)| shown((c, classes.get(i).copied().unwrap_or(Class::Code)))).collect()
        };
        let code = keep(&[Class::Comment, Class::Quoted]);
        let is_test_line = test_lines(&code);
        Self { uncommented: keep(&[Class::Comment]), unquoted: keep(&[Class::Quoted]), is_test_line, code }
    }

    /// Number and text of each line of `part` that is not test code; numbers from 1.
    pub(crate) fn live<'a>(&'a self, part: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
        let live = |(i, _): &(usize, &str)| !self.is_test_line.get(*i).copied().unwrap_or_default();
        part.lines().enumerate().filter(live).map(|(i, line)| (i + 1, line))
    }

    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for at in words(&self.code, "fn") {
            let rest = &self.code[at + 2..];
            let name: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let body = item_end(rest).filter(|(_, braced)| *braced);
            if let (false, Some((end, _))) = (name.is_empty(), body) {
                let lines = rest[..end].matches('\n').count() + 1;
                functions.push(Function { name, line: self.code[..at].matches('\n').count() + 1, lines });
            }
        }
        functions
    }
}

/// Where `word` stands as a whole word in `text`.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let whole = move |at: &usize| {
        let (before, behind) = (text[..*at].chars().next_back(), text[at + word.len()..].chars().next());
        let starts = word.starts_with(|c: char| c.is_alphanumeric());
        let ends = word.ends_with(|c: char| c.is_alphanumeric());
        !(starts && part_of_word(before) || ends && part_of_word(behind))
    };
    text.match_indices(word).map(|(at, _)| at).filter(whole)
}

fn classify(text: &[u8]) -> Vec<Class> {
    let mut classes = vec![Class::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (length, class) = match rest {
            [b'/', b'/', ..] => (line_length(rest), Class::Comment),
            [b'/', b'*', ..] => (block_length(rest), Class::Comment),
            [b'"', ..] => (string_length(rest), Class::Quoted),
            [b'r', b'"' | b'#', ..] if !follows_word(text, at) && raw_length(rest).is_some() => {
                (raw_length(rest).unwrap_or(1), Class::Quoted)
            }
            [b'\'', ..] if char_length(rest).is_some() => (char_length(rest).unwrap_or(1), Class::Quoted),
            _ => (1, Class::Code),
        };
        let end = (at + length).min(text.len());
        classes[at..end].fill(class);
        at = end;
    }
    classes
}

/// `r` may follow only the `b` or `c` of `br""` and `cr""`.
fn follows_word(text: &[u8], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|i| text.get(i)).copied().unwrap_or(b' ');
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    word(before(1)) && (!matches!(before(1), b'b' | b'c') || word(before(2)))
}

fn line_length(text: &[u8]) -> usize {
    text.iter().position(|b| *b == b'\n').unwrap_or(text.len())
}

fn block_length(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn raw_length(text: &[u8]) -> Option<usize> {
    let hashes = text[1..].iter().take_while(|b| **b == b'#').count();
    let open = 1 + hashes;
    if text.get(open) != Some(&b'"') {
        return None;
    }
    let close: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inside = &text[open + 1..];
    let end = inside.windows(close.len()).position(|w| w == close).unwrap_or(inside.len());
    Some(open + 1 + end + close.len())
}

/// The length of a character literal; `None` for a lifetime.
fn char_length(text: &[u8]) -> Option<usize> {
    let inside = match text.get(1)? {
        b'\\' => 2 + text.get(3..)?.iter().take(12).position(|b| *b == b'\'')?,
        first => match first.leading_ones() {
            0 => 1,
            bytes => bytes as usize,
        },
    };
    let close = inside + 1;
    (text.get(close) == Some(&b'\'')).then_some(close + 1)
}

fn test_lines(code: &str) -> Vec<bool> {
    const MARK: &str = "#[cfg(test)]";
    let mut lines = vec![false; code.lines().count()];
    for (at, _) in code.match_indices(MARK) {
        let first = code[..at].matches('\n').count();
        let rest = &code[at + MARK.len()..];
        let end = item_end(rest).map_or(rest.len(), |(end, _)| end);
        let last = first + rest[..end].matches('\n').count();
        lines.iter_mut().take(last + 1).skip(first).for_each(|line| *line = true);
    }
    lines
}

/// Where the item that starts `code` ends, and whether with braces: at the first `;` or the closing brace of the first `{`
/// outside of parentheses and brackets.
fn item_end(code: &str) -> Option<(usize, bool)> {
    let mut depth = 0_i32;
    let mut braces = 0_i32;
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 && braces == 0 => return Some((at + 1, false)),
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && depth == 0 {
                    return Some((at + 1, true));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_characters_are_told_apart() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x // y", 'z')"#, "f(        ,    )"),
            (r##"r#"a"b"# + br"c""##, "         + b    "),
            ("fn f<'a>(x: &'a str) -> char { '\\'' }", "fn f<'a>(x: &'a str) -> char {      }"),
            ("'\\u{1f600}' 'é'", "                "),
            ("for r in 0..9 {}", "for r in 0..9 {}"),
            ("\"never closed", "             "),
        ];
        for (text, code) in cases {
            assert_eq!(Source::new(text).code.trim_end(), code.trim_end(), "{text}");
        }
        let source = Source::new("x(\"TEXT\") // note");
        assert_eq!(source.uncommented.trim_end(), "x(\"TEXT\")");
        assert_eq!(source.unquoted, "x(      ) // note");
    }

    #[test]
    fn test_items_are_left_out_of_live_lines() {
        let text = "use a;\n#[cfg(test)]\nuse b;\nfn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\nfn h() {}\n";
        let source = Source::new(text);
        let live: Vec<usize> = source.live(&source.code).map(|(n, _)| n).collect();
        assert_eq!(live, [1, 4, 9]);
    }

    #[test]
    fn functions_are_found_with_their_length() {
        let text = "trait T { fn no_body(&self) -> [u8; 2]; }\nimpl T for X {\n    fn a(&self, f: fn(u8)) {\n        if x { y }\n    }\n}\nfn b() {}";
        let function = |name: &str, line, lines| Function { name: name.to_owned(), line, lines };
        assert_eq!(Source::new(text).functions(), [function("a", 3, 3), function("b", 7, 1)]);
    }

    #[test]
    fn words_are_whole() {
        let text = "spawn respawn spawner x.spawn( spawn_blocking";
        assert_eq!(words(text, "spawn").count(), 2);
        assert_eq!(words(text, ".spawn(").count(), 1);
    }
}
