use proptest::prelude::*;

use super::*;

/// What a program reads, with `<END>` and `<INT>` for what is no text.
fn read(keys: &[u8]) -> String {
    let actions = LineDiscipline::new().input(keys);
    let texts = actions.into_iter().map(|action| match action {
        Action::Echo(_) => String::new(),
        Action::Line(line) => String::from_utf8_lossy(&line).into_owned(),
        Action::End => "<END>".to_owned(),
        Action::Interrupt => "<INT>".to_owned(),
    });
    texts.collect()
}

fn shown(keys: &[u8]) -> Vec<u8> {
    let actions = LineDiscipline::new().input(keys);
    let echoes = actions.into_iter().filter_map(|action| match action {
        Action::Echo(bytes) => Some(bytes),
        _ => None,
    });
    echoes.flatten().collect()
}

#[test]
fn a_line_arrives_once_it_is_ended() {
    assert_eq!(read(b"ls -l"), "");
    assert_eq!(read(b"ls -l\r"), "ls -l\n");
    assert_eq!(read(b"a\nb\r"), "a\nb\n");
    assert_eq!(shown(b"ls\r"), b"ls\r\n");
}

#[test]
fn the_last_character_is_erased_whole() {
    assert_eq!(read("aä\u{7f}b\r".as_bytes()), "ab\n");
    assert_eq!(read(b"a\x08\x08\x08b\r"), "b\n");
    assert_eq!(shown("ä\u{7f}".as_bytes()), "ä\u{8} \u{8}".as_bytes());
    assert_eq!(shown(b"\x7f\x08\x15\x17"), b"", "nothing to erase");
    assert_eq!(shown(b"\x1b\x7f"), b"^[\x08 \x08\x08 \x08");
}

#[test]
fn a_word_and_a_line_are_erased() {
    assert_eq!(read(b"one two  \x17x\r"), "one x\n");
    assert_eq!(read(b"one\x17\x17x\r"), "x\n");
    assert_eq!(read(b"one two\x15x\r"), "x\n");
    assert_eq!(shown(b"ab\x15"), b"ab\x08 \x08\x08 \x08");
}

#[test]
fn the_end_hands_over_what_there_is_or_ends_the_input() {
    assert_eq!(read(b"\x04"), "<END>");
    assert_eq!(read(b"ab\x04\x04c\r"), "ab<END>c\n");
    assert_eq!(shown(b"\x04"), b"");
}

#[test]
fn an_interrupt_drops_the_line() {
    assert_eq!(read(b"rm -rf /\x03ls\r"), "<INT>ls\n");
    assert_eq!(shown(b"a\x03"), b"a^C");
}

#[test]
fn a_line_is_bounded_and_can_still_be_ended() {
    let mut keys = vec![b'x'; MAX_LINE_BYTES - 1];
    assert_eq!(read(&[&keys[..], b"\r"].concat()).len(), MAX_LINE_BYTES);
    keys.extend(b"more\r");
    assert_eq!(read(&keys).len(), MAX_LINE_BYTES);
    assert!(shown(&keys).ends_with(b"x\x07\x07\x07\x07\r\n"));
}

/// Follows what a screen shows; panics where a line's start is passed.
fn column_after(echo: &[u8]) -> usize {
    echo.iter().fold(0, |column, byte| match byte {
        b'\x08' => column.checked_sub(1).expect("left of the line's start"),
        b'\r' => 0,
        b'\n' | &BELL => column,
        byte if is_continuation(*byte) => column,
        _ => column + 1,
    })
}

fn keys() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        4 => any::<u8>(),
        4 => b' '..b'~',
        4 => prop::sample::select(b"\x08\x7f\x15\x17\x04\t \n\r".to_vec()),
    ];
    prop::collection::vec(key, 0..200)
}

proptest! {
    #[test]
    fn erasing_stays_on_the_line(keys in keys()) {
        // A line that was interrupted or handed over stays on the screen.
        let keys: Vec<u8> = keys.into_iter().filter(|key| !matches!(*key, INTERRUPT | END)).collect();
        let mut terminal = LineDiscipline::new();
        let mut echo = Vec::new();
        for action in terminal.input(&keys) {
            if let Action::Echo(bytes) = action {
                echo.extend(bytes);
            }
        }
        prop_assert_eq!(column_after(&echo), columns(&terminal.line));
    }

    #[test]
    fn what_is_typed_and_not_erased_arrives(text in "[ -~äöü€\n]{0,200}", rest in 0_usize..200) {
        let mut terminal = LineDiscipline::new();
        let bytes = text.as_bytes();
        let (one, two) = bytes.split_at(rest.min(bytes.len()));
        let mut got = Vec::new();
        for action in terminal.input(one).into_iter().chain(terminal.input(two)) {
            match action {
                Action::Line(line) => got.extend(line),
                Action::Echo(_) => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
        got.extend(&terminal.line);
        prop_assert_eq!(String::from_utf8(got).unwrap(), text);
    }

    #[test]
    fn lines_are_never_too_long(keys in keys(), times in 1_usize..60) {
        for action in LineDiscipline::new().input(&keys.repeat(times)) {
            if let Action::Line(line) = action {
                prop_assert!(line.len() <= MAX_LINE_BYTES);
            }
        }
    }

    #[test]
    fn output_loses_nothing(text in "[a-z\r\n]{0,100}") {
        let shown = String::from_utf8(LineDiscipline::output(text.as_bytes())).unwrap();
        prop_assert_eq!(shown.matches('\n').count(), shown.matches("\r\n").count());
        prop_assert_eq!(shown.replace("\r\n", "\n"), text);
    }
}
