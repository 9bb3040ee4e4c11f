//! Words of a command line as Python's `shlex.split` finds them. It differs
//! from a shell in comments, in line ends and in what a backslash does
//! between double quotes.

/// A command line has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoWords {
    #[error("No closing quotation")]
    Quotation,
    #[error("No escaped character")]
    Escape,
}

/// The words of `line`.
pub(super) fn split(line: &str) -> Result<Vec<String>, NoWords> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => single(&mut rest, word.get_or_insert_default())?,
            '"' => double(&mut rest, word.get_or_insert_default())?,
            '\\' => {
                let escaped = rest.next().ok_or(NoWords::Escape)?;
                word.get_or_insert_default().push(escaped);
            }
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

fn single(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NoWords> {
    for character in rest {
        match character {
            '\'' => return Ok(()),
            plain => word.push(plain),
        }
    }
    Err(NoWords::Quotation)
}

fn double(rest: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), NoWords> {
    while let Some(character) = rest.next() {
        match character {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(NoWords::Escape)? {
                escaped @ ('"' | '\\') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            plain => word.push(plain),
        }
    }
    Err(NoWords::Quotation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_split_as_python_splits_them() {
        for (line, words) in [
            ("echo 'hello world'", vec!["echo", "hello world"]),
            ("a#b #c", vec!["a#b", "#c"]),
            ("a\\\nb", vec!["a\nb"]),
            ("\"a\\\nb\\$c\\\"\\\\\"", vec!["a\\\nb\\$c\"\\"]),
            ("a\rb\x0bc", vec!["a", "b\x0bc"]),
            ("a\"\"'b' ''", vec!["ab", ""]),
            (" \t", vec![]),
            (
                "a && b | c > d; $(e)",
                vec!["a", "&&", "b", "|", "c", ">", "d;", "$(e)"],
            ),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line:?}");
        }
    }

    #[test]
    fn what_python_refuses_is_refused_in_its_words() {
        for line in ["'x", "\"x", "\"\\\""] {
            assert_eq!(split(line), Err(NoWords::Quotation), "{line:?}");
        }
        for line in ["\\", "\"\\"] {
            assert_eq!(split(line), Err(NoWords::Escape), "{line:?}");
        }
    }
}
