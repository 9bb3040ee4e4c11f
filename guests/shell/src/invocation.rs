//! The command line of the shell itself: `sh -c LINE`, `sh FILE`, `sh`.

/// What a shell was asked to run.
#[derive(Debug, PartialEq, Eq)]
pub struct Invocation {
    /// Where the script comes from.
    pub script: Script,
    /// `$0`.
    pub name: String,
    /// `$1`, `$2` and so on.
    pub args: Vec<String>,
    /// Words for `set`, such as `-e` or `-o pipefail`, in order.
    pub set: Vec<String>,
    /// Words for `shopt`, such as `-s globstar`, in order.
    pub shopt: Vec<String>,
    /// Whether to read the login files first.
    pub login: bool,
}

/// Where a script comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Script {
    /// The text after `-c`.
    Text(String),
    /// The file of this name.
    File(String),
    /// Standard input.
    Stdin,
}

/// The letters that `set` knows.
const SET_LETTERS: &str = "abefhkmnptuvxBCEHPT";

/// Reads a command line, of which the first word is the shell's own name.
///
/// # Errors
/// What is wrong with it, as bash says it.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Invocation, String> {
    let shell = words.next().unwrap_or_else(|| "sh".to_owned());
    let mut parser = Parser {
        shell,
        words,
        text: false,
        stdin: false,
        login: false,
        set: Vec::new(),
        shopt: Vec::new(),
    };
    let operand = parser.options()?;
    parser.finish(operand)
}

struct Parser<I> {
    shell: String,
    words: I,
    /// `-c`: the first operand is the script itself.
    text: bool,
    /// `-s`: all operands are arguments.
    stdin: bool,
    login: bool,
    set: Vec<String>,
    shopt: Vec<String>,
}

impl<I: Iterator<Item = String>> Parser<I> {
    /// Takes all options; what comes back is the first operand.
    fn options(&mut self) -> Result<Option<String>, String> {
        while let Some(word) = self.words.next() {
            match word.as_str() {
                "-" | "--" => return Ok(self.words.next()),
                // bashkit's `bash` answers these.
                "--version" | "--help" => {
                    self.text = true;
                    return Ok(Some(format!("bash {word}")));
                }
                "--login" => self.login = true,
                "--posix" => self.set.extend(["-o".to_owned(), "posix".to_owned()]),
                "--verbose" => self.set.push("-v".to_owned()),
                // No start-up files but the login ones, no editing, no prompt.
                "--noprofile" | "--norc" | "--noediting" | "--restricted" => {}
                "--rcfile" | "--init-file" => {
                    self.value(&word)?;
                }
                long if long.starts_with("--") => return Err(self.wrong(long, "invalid option")),
                short if short.starts_with(['-', '+']) => self.short(short)?,
                _ => return Ok(Some(word)),
            }
        }
        Ok(None)
    }

    /// One word of combined letters, such as `-euo`.
    fn short(&mut self, word: &str) -> Result<(), String> {
        let (sign, letters) = word.split_at(1);
        for letter in letters.chars() {
            match letter {
                'c' if sign == "-" => self.text = true,
                's' if sign == "-" => self.stdin = true,
                'l' if sign == "-" => self.login = true,
                'i' | 'r' | 'D' => {}
                'o' => {
                    let name = self.value(word)?;
                    self.set.extend([format!("{sign}o"), name]);
                }
                'O' => {
                    let name = self.value(word)?;
                    self.shopt
                        .extend([if sign == "-" { "-s" } else { "-u" }.to_owned(), name]);
                }
                letter if SET_LETTERS.contains(letter) => self.set.push(format!("{sign}{letter}")),
                _ => return Err(self.wrong(word, "invalid option")),
            }
        }
        Ok(())
    }

    fn value(&mut self, option: &str) -> Result<String, String> {
        self.words
            .next()
            .ok_or_else(|| self.wrong(option, "option requires an argument"))
    }

    fn wrong(&self, word: &str, what: &str) -> String {
        format!("{}: {word}: {what}", self.shell)
    }

    fn finish(self, operand: Option<String>) -> Result<Invocation, String> {
        let Self {
            shell,
            words,
            text,
            stdin,
            login,
            set,
            shopt,
        } = self;
        let mut args: Vec<String> = operand.into_iter().chain(words).collect();
        let mut first = || (!args.is_empty()).then(|| args.remove(0));
        let (script, name) = if text {
            let Some(text) = first() else {
                return Err(format!("{shell}: -c: option requires an argument"));
            };
            (Script::Text(text), first().unwrap_or(shell))
        } else if stdin {
            (Script::Stdin, shell)
        } else {
            match first() {
                Some(file) => (Script::File(file.clone()), file),
                None => (Script::Stdin, shell),
            }
        };
        Ok(Invocation {
            script,
            name,
            args,
            set,
            shopt,
            login,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, String> {
        parse(line.split(' ').map(str::to_owned))
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn text(script: &str, name: &str, args: &str, set: &str) -> Invocation {
        Invocation {
            script: Script::Text(script.to_owned()),
            name: name.to_owned(),
            args: words(args),
            set: words(set),
            shopt: Vec::new(),
            login: false,
        }
    }

    #[test]
    fn a_line_has_a_name_and_arguments() {
        assert_eq!(parsed("sh -c LINE"), Ok(text("LINE", "sh", "", "")));
        assert_eq!(
            parsed("bash -c LINE me 1 -2"),
            Ok(text("LINE", "me", "1 -2", ""))
        );
        assert_eq!(parsed("sh -c -- LINE"), Ok(text("LINE", "sh", "", "")));
    }

    #[test]
    fn letters_combine_and_take_their_values_in_order() {
        assert_eq!(parsed("bash -ec LINE"), Ok(text("LINE", "bash", "", "-e")));
        assert_eq!(
            parsed("bash -euo pipefail -c LINE"),
            Ok(text("LINE", "bash", "", "-e -u -o pipefail"))
        );
        assert_eq!(
            parsed("bash -c -e +x LINE"),
            Ok(text("LINE", "bash", "", "-e +x"))
        );
        assert_eq!(
            parsed("bash -eo pipefail -uc LINE"),
            Ok(text("LINE", "bash", "", "-e -o pipefail -u"))
        );
    }

    #[test]
    fn a_login_shell_reads_its_files_first() {
        assert_eq!(
            parsed("bash -lc LINE"),
            Ok(Invocation {
                login: true,
                ..text("LINE", "bash", "", "")
            })
        );
        assert_eq!(parsed("bash --login -c LINE"), parsed("bash -lc LINE"));
    }

    #[test]
    fn shopt_has_options_of_its_own() {
        let shopt = words("-s globstar -u extglob");
        assert_eq!(
            parsed("bash -O globstar +O extglob -c L"),
            Ok(Invocation {
                shopt,
                ..text("L", "bash", "", "")
            })
        );
    }

    #[test]
    fn a_file_is_its_own_name() {
        let file = Invocation {
            script: Script::File("run.sh".to_owned()),
            ..text("", "run.sh", "-x a", "-e")
        };
        assert_eq!(parsed("sh -e run.sh -x a"), Ok(file));
    }

    #[test]
    fn without_operands_the_script_is_standard_input() {
        assert_eq!(
            parsed("sh"),
            Ok(Invocation {
                script: Script::Stdin,
                ..text("", "sh", "", "")
            })
        );
        assert_eq!(
            parsed("sh -s a b"),
            Ok(Invocation {
                script: Script::Stdin,
                ..text("", "sh", "a b", "")
            })
        );
        assert_eq!(parsed("sh -"), parsed("sh"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |text: &str| Err(text.to_owned());
        assert_eq!(
            parsed("sh -c"),
            wrong("sh: -c: option requires an argument")
        );
        assert_eq!(
            parsed("sh -eo"),
            wrong("sh: -eo: option requires an argument")
        );
        assert_eq!(parsed("sh -Z"), wrong("sh: -Z: invalid option"));
        assert_eq!(parsed("sh --zap"), wrong("sh: --zap: invalid option"));
    }

    #[test]
    fn questions_about_the_shell_are_scripts() {
        assert_eq!(
            parsed("sh --version"),
            Ok(text("bash --version", "sh", "", ""))
        );
        assert_eq!(
            parsed("sh -e --help"),
            Ok(text("bash --help", "sh", "", "-e"))
        );
    }
}
