//! Sums the columns of a CSV file that hold numbers: `./tool.wasm orders.csv`.

use std::{env, fs, process::ExitCode};

fn main() -> ExitCode {
    let path = env::args().nth(1).unwrap_or_default();
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("usage: ./tool.wasm FILE.csv ({path:?} cannot be read)");
        return ExitCode::FAILURE;
    };
    let mut rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = rows.next().unwrap_or_default();
    let rows: Vec<_> = rows.collect();
    println!("{:<10}{:>10}{:>10}", "column", "sum", "mean");
    for (index, name) in names.iter().enumerate() {
        let number = |row: &Vec<&str>| row.get(index)?.trim().parse::<f64>().ok();
        if let Some(numbers) = rows.iter().map(number).collect::<Option<Vec<_>>>() {
            let sum: f64 = numbers.iter().sum();
            println!("{name:<10}{sum:>10.2}{:>10.2}", sum / rows.len() as f64);
        }
    }
    ExitCode::SUCCESS
}
