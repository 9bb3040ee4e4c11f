//! The example tools do what their README says.

use mote_artifacts::folders::TOOLS;

use crate::command::Mote;

fn with_tools() -> Mote {
    Mote::new().flag("--ro").flag(format!("{TOOLS}:/tools"))
}

#[test]
fn the_one_in_rust_sums_columns() {
    let orders = "fruit,kilos,price\napple,12,2.10\npear,3,3.40\n";
    let mote = with_tools().file("orders.csv", orders);
    let printed = mote.run(&["/tools/rust.wasm", "orders.csv"]).ok();
    let expected = [
        "column           sum      mean",
        "kilos          15.00      7.50",
        "price           5.50      2.75",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    let missing = mote.run(&["/tools/rust.wasm"]);
    assert!(
        missing.code == 1 && missing.stderr.starts_with("usage: "),
        "{missing:?}"
    );
}

#[test]
fn the_one_in_python_counts_words() {
    let mote = with_tools().file("a.txt", "these words, those words; WORDS");
    let printed = mote.run(&["/tools/tool.py", "a.txt"]).ok();
    assert_eq!(
        printed,
        "words           3\nthese           1\nthose           1\n"
    );
}

#[test]
fn the_one_in_javascript_prints_a_table_of_contents() {
    let mote = with_tools().file("a.md", "# One\ntext\n## Two\n### Three\n");
    assert_eq!(
        mote.run(&["/tools/tool.js", "a.md"]).ok(),
        "- One\n  - Two\n    - Three\n"
    );
}

#[test]
fn they_run_from_the_shell_as_any_command_does() {
    let mote = with_tools().file("a.md", "# One\n");
    assert_eq!(mote.sh("/tools/tool.js a.md | tr a-z A-Z").ok(), "- ONE\n");
}
