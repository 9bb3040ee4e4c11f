//! `kubectl mote cp` of what is large.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;

use crate::{each_kind, said};

/// Bytes of the file: many times what any buffer on the way holds.
const BYTES: usize = 64 << 20;

/// Bytes that do not compress, and are the same each time (xorshift64).
fn noise(mut write: impl Write) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..BYTES / 8 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        write.write_all(&state.to_le_bytes()).unwrap();
    }
}

fn are_equal(one: &Path, other: &Path) -> bool {
    let open = |path: &Path| BufReader::new(File::open(path).unwrap()).bytes();
    open(one)
        .map(Result::unwrap)
        .eq(open(other).map(Result::unwrap))
}

/// What `sha256sum` prints, up to the name.
fn digest(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

#[tokio::test]
async fn a_large_file_comes_back_as_it_went_from_both_tiers() {
    let story = each_kind().await;
    let here = tempfile::tempdir().unwrap();
    let sent = here.path().join("sent");
    noise(std::io::BufWriter::new(File::create(&sent).unwrap()));
    let sum = std::process::Command::new("sha256sum").arg(&sent).output();
    let sum = String::from_utf8(sum.unwrap().stdout).unwrap();
    for name in ["light", "daemon"] {
        let there = format!("{name}:large");
        said(&story, &["cp", sent.to_str().unwrap(), &there]);
        let arrived = said(&story, &["exec", name, "sha256sum large"]);
        assert_eq!(digest(&arrived), digest(&sum), "{name}");
        let back = here.path().join(name);
        said(&story, &["cp", &there, back.to_str().unwrap()]);
        assert!(are_equal(&back, &sent), "{name}");
        said(&story, &["exec", name, "rm large"]);
    }
    story.end().await;
}
