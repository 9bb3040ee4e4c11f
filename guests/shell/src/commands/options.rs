//! Command lines in the way of GNU: options anywhere, letters combined, long
//! names that may be cut short, `--` at the end of them.

use super::Report;

/// What options a command has: letters as for `getopt` (a colon after one
/// that takes a value) and long names, each with the letter it stands for.
pub struct Known {
    /// The letters.
    pub letters: &'static str,
    /// The long names. One whose letter is not among `letters` takes a value
    /// only after an equals sign.
    pub names: &'static [(&'static str, char)],
    /// Status of a command that was called the wrong way.
    pub wrong: i32,
}

/// Options found, in order, and the operands.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    found: Vec<(char, Option<String>)>,
    /// What is no option.
    pub operands: Vec<String>,
}

impl Options {
    /// Reads the arguments of the command that `report` is of.
    ///
    /// # Errors
    /// What is wrong is said in the report.
    pub fn parse(report: &mut Report, known: &Known, args: &[String]) -> Option<Self> {
        let mut options = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let result = match word.strip_prefix("--") {
                Some("") => {
                    options.operands.extend(words.by_ref().cloned());
                    Ok(())
                }
                Some(long) => options.long(known, long, &mut words),
                None if word.len() > 1 && word.starts_with('-') => {
                    options.short(known, word.get(1..).unwrap_or_default(), &mut words)
                }
                None => {
                    options.operands.push(word.clone());
                    Ok(())
                }
            };
            if let Err(text) = result {
                usage(report, known.wrong, &text);
                return None;
            }
        }
        Some(options)
    }

    /// Whether the option was given.
    pub fn has(&self, letter: char) -> bool {
        self.found.iter().any(|(found, _)| *found == letter)
    }

    /// The last of these options that was given.
    pub fn last(&self, letters: &str) -> Option<char> {
        let mut found = self.found.iter().rev().map(|(letter, _)| *letter);
        found.find(|letter| letters.contains(*letter))
    }

    /// The last value of an option.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.values(letter).last()
    }

    /// All values of an option.
    pub fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        self.found
            .iter()
            .filter(move |(found, _)| *found == letter)
            .filter_map(|(_, value)| value.as_deref())
    }

    fn long<'a>(
        &mut self,
        known: &Known,
        word: &str,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let exact = known.names.iter().find(|(known, _)| *known == name);
        let mut starting = known
            .names
            .iter()
            .filter(|(known, _)| known.starts_with(name));
        let (full, letter) = match (exact, starting.next(), starting.next()) {
            (Some(found), ..) | (None, Some(found), None) => *found,
            (None, Some(_), Some(_)) => return Err(format!("option '--{word}' is ambiguous")),
            (None, None, _) => return Err(format!("unrecognized option '--{word}'")),
        };
        let value = match inline {
            None if takes_value(known, letter) => Some(
                words
                    .next()
                    .ok_or_else(|| format!("option '--{full}' requires an argument"))?
                    .clone(),
            ),
            inline => inline,
        };
        self.found.push((letter, value));
        Ok(())
    }

    fn short<'a>(
        &mut self,
        known: &Known,
        letters: &str,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            if letter == ':' || !known.letters.contains(letter) {
                return Err(format!("invalid option -- '{letter}'"));
            }
            if !takes_value(known, letter) {
                self.found.push((letter, None));
                continue;
            }
            let value = match rest.as_str() {
                "" => words
                    .next()
                    .ok_or_else(|| format!("option requires an argument -- '{letter}'"))?
                    .clone(),
                inline => inline.to_owned(),
            };
            self.found.push((letter, Some(value)));
            return Ok(());
        }
        Ok(())
    }
}

fn takes_value(known: &Known, letter: char) -> bool {
    let mut letters = known.letters.chars();
    letters.any(|known| known == letter) && letters.next() == Some(':')
}

/// Says what is wrong with a command line.
pub fn usage(report: &mut Report, status: i32, text: &str) {
    report.fail(status, text);
    report.err.push_str(&format!(
        "Try '{} --help' for more information.\n",
        report.name
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known = Known {
        letters: "rt:v",
        names: &[
            ("recursive", 'r'),
            ("target-directory", 't'),
            ("verbose", 'v'),
            ("version-sort", 'V'),
            ("color", 'c'),
        ],
        wrong: 1,
    };

    fn parse(line: &str) -> Result<Options, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut report = Report::new("cp");
        Options::parse(&mut report, &KNOWN, &words).ok_or(report.err)
    }

    #[test]
    fn letters_combine_and_stand_anywhere() {
        let options = parse("a -rv b -tdir -t other -- -x").expect("right");
        assert_eq!(options.operands, ["a", "b", "-x"]);
        assert!(options.has('r') && options.has('v'));
        assert_eq!(options.values('t').collect::<Vec<_>>(), ["dir", "other"]);
        assert_eq!(options.last("rv"), Some('v'));
    }

    #[test]
    fn long_names_may_be_cut_short_and_take_values() {
        let options = parse("--rec --target=d --target-directory e --color=auto").expect("right");
        assert!(options.has('r'));
        assert_eq!(options.values('t').collect::<Vec<_>>(), ["d", "e"]);
        assert_eq!(options.value('c'), Some("auto"));
    }

    #[test]
    fn what_is_wrong_is_said_as_gnu_says_it() {
        let wrong = |text: &str| {
            Err(format!(
                "cp: {text}\nTry 'cp --help' for more information.\n"
            ))
        };
        assert_eq!(parse("-z"), wrong("invalid option -- 'z'"));
        assert_eq!(parse("-t"), wrong("option requires an argument -- 't'"));
        assert_eq!(parse("--zap"), wrong("unrecognized option '--zap'"));
        assert_eq!(parse("--ver"), wrong("option '--ver' is ambiguous"));
    }
}
