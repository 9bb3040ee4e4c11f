//! What the words of a command line say to run.

use mote_api::Invocation;

/// Shells by their names: alone, they are no line for another shell, which
/// would keep their terminal from them.
const SHELLS: [&str; 2] = ["sh", "bash"];

/// What one word, which is a shell line, or several, which are a program and its
/// arguments, say to run.
pub fn argv(words: Vec<String>) -> Vec<String> {
    match words.as_slice() {
        [line] if !SHELLS.contains(&line.as_str()) => Invocation::shell(line).argv,
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> Vec<String> {
        argv(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn one_word_is_a_shell_line_and_several_are_an_argv() {
        assert_eq!(said(&["a | b"]), ["sh", "-c", "a | b"]);
        assert_eq!(said(&["ls"]), ["sh", "-c", "ls"]);
        assert_eq!(said(&["js", "-e", "1"]), ["js", "-e", "1"]);
    }

    #[test]
    fn a_shell_alone_is_not_within_another() {
        assert_eq!(said(&["sh"]), ["sh"]);
        assert_eq!(said(&["bash"]), ["bash"]);
        assert_eq!(said(&["sh -e"]), ["sh", "-c", "sh -e"]);
    }
}
