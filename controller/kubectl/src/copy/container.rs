//! By tar in a container, as `kubectl cp` does.

use std::io;
use std::path::{Component, Path, PathBuf};

use futures_util::stream::LocalBoxStream;
use futures_util::{StreamExt, stream};
use kube::api::AttachedProcess;
use mote_api::GuestPath;
use mote_client::archive;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use super::{Copy, Remote, Sink, Source, local, tell};
use crate::container::{Container, Streams, exit_code};
use crate::failure::Failure;
use crate::way::Way;

/// Most bytes of what tar complains of that are kept: a few sentences.
const MAX_COMPLAINT_BYTES: u64 = 4 << 10;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// Copies.
pub(super) async fn copy(pod: &Container, way: &Way, copy: &Copy) -> Result<(), Failure> {
    match copy {
        Copy::In(from, to) => copy_in(pod, from, to, &path(way, to)?).await,
        Copy::Out(from, to) => copy_out(pod, from, &path(way, from)?, to).await,
    }
}

/// A path of the container. Where sandboxd serves the same files, the paths
/// that it has are meant.
fn path(way: &Way, remote: &Remote) -> Result<String, Failure> {
    if matches!(way, Way::Container(_)) {
        return Ok(remote.path.clone());
    }
    let path = GuestPath::workspace().join(&remote.path);
    let path = path.map_err(|error| Failure::Usage(vec![format!("{remote}: {error}")]))?;
    Ok(path.as_str().to_owned())
}

async fn copy_in(pod: &Container, from: &Source, to: &Remote, path: &str) -> Result<(), Failure> {
    let Source::Path(source) = from else {
        return put_stream(pod, to, path).await;
    };
    let meta = tokio::fs::metadata(source).await;
    let meta = meta.map_err(|error| local::at_fault(source, &error))?;
    let (source_path, is_folder) = (source.clone(), meta.is_dir());
    let mut place = PathBuf::from(path.trim_start_matches('/'));
    if !is_folder && to.folder {
        place.push(super::last(source).map_err(|why| Failure::Usage(vec![why]))?);
    }
    if leads_up(&place) {
        return Err(Failure::Usage(vec![format!(
            "{to}: a path that leads up is none for an archive; write it from /"
        )]));
    }
    let (chunks, packing) = local::packed(source, move |to| match is_folder {
        true => archive::pack(&source_path, &place, to),
        false => archive::pack_file(&source_path, &place, to).map(|()| Vec::new()),
    });
    let sent = put(pod, to, path, chunks).await;
    tell(&packing.end(sent).await?);
    Ok(())
}

fn leads_up(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// Unpacks an archive there, without owners: they are ours, not the pod's.
async fn put(
    pod: &Container,
    to: &Remote,
    path: &str,
    mut chunks: mpsc::Receiver<archive::Chunk>,
) -> Result<(), Failure> {
    let mut command = vec!["tar", "-xmof", "-"];
    if path.starts_with('/') {
        command.extend(["-C", "/"]);
    }
    let mut process = start(pod, &command, true).await?;
    let stdin = process.stdin();
    let sending = async {
        let Some(mut stdin) = stdin else { return };
        while let Some(Ok(chunk)) = chunks.recv().await {
            if stdin.write_all(&chunk).await.is_err() {
                break;
            }
        }
        let _ = stdin.shutdown().await;
        // Whoever packs does not wait for what nobody takes.
        chunks.close();
    };
    let ((), ended) = tokio::join!(sending, end(process));
    ended.map_err(|error| at_fault("write", to, &error))
}

/// One file of what comes on stdin: nobody knows its length, which an archive
/// begins with.
async fn put_stream(pod: &Container, to: &Remote, path: &str) -> Result<(), Failure> {
    let mut process = start(pod, &["sh", "-c", r#"cat > "$0""#, path], true).await?;
    let stdin = process.stdin();
    let sending = async {
        let Some(mut stdin) = stdin else { return };
        // What is not taken, the program's end explains.
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut stdin).await;
        let _ = stdin.shutdown().await;
    };
    let ((), ended) = tokio::join!(sending, end(process));
    ended.map_err(|error| at_fault("write", to, &error))
}

async fn copy_out(pod: &Container, from: &Remote, path: &str, to: &Sink) -> Result<(), Failure> {
    let path = if path.is_empty() { "." } else { path };
    let lost = |error: &io::Error| at_fault("read", from, error);
    let Sink::Path(here) = to else {
        let file = output(start(pod, &["cat", "--", path], false).await?);
        return local::pass(file, tokio::io::stdout(), lost).await;
    };
    // Whether it is a folder, tar itself says: into a file it cannot go.
    let process = start(pod, &["tar", "-cf", "-", "-C", path, "."], false).await?;
    let mut archive = output(process);
    match archive.next().await {
        Some(Err(error)) if is_no_folder(&error) => {
            let file = output(start(pod, &["cat", "--", path], false).await?);
            let here = local::destination(from.file_name(), here);
            local::take_file(file, &here, lost).await
        }
        first => {
            let whole = stream::iter(first).chain(archive);
            tell(&local::take_folder(whole, here, lost).await?);
            Ok(())
        }
    }
}

/// Whether tar failed for what is there is a file. The words are Linux's.
fn is_no_folder(error: &io::Error) -> bool {
    error.to_string().contains("Not a directory")
}

fn at_fault(verb: &str, remote: &Remote, error: &io::Error) -> Failure {
    let words = error.to_string();
    let advice = match words.contains("executable file not found") {
        true => "; the image needs tar, cat and sh for it",
        false => "",
    };
    Failure::Refused(format!("failed to {verb} {remote}: {words}{advice}"))
}

async fn start(pod: &Container, command: &[&str], stdin: bool) -> Result<AttachedProcess, Failure> {
    let command: Vec<_> = command.iter().map(|word| (*word).to_owned()).collect();
    let streams = Streams {
        stdin,
        terminal: false,
    };
    pod.start(&command, streams).await
}

/// Waits for a program that says nothing.
async fn end(process: AttachedProcess) -> io::Result<()> {
    let mut output = output(process);
    while let Some(chunk) = output.next().await {
        chunk?;
    }
    Ok(())
}

/// What a program writes, and an error at its end if it failed.
fn output(mut process: AttachedProcess) -> LocalBoxStream<'static, archive::Chunk> {
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let complaint = tokio::spawn(complaint(stderr));
    let bytes = stdout.map(|stdout| ReaderStream::with_capacity(stdout, READ_BYTES));
    let end = async move {
        let complaint = complaint.await.unwrap_or_default();
        let status = match status {
            Some(status) => status.await,
            None => None,
        };
        drop(process);
        let why = match exit_code(status.as_ref()) {
            Ok(0) => return None,
            Ok(code) if complaint.is_empty() => format!("the program ended with status {code}"),
            Ok(_) => complaint,
            Err(Failure::Declined(why, _) | Failure::Lost(why)) => why,
            Err(other) => format!("{other:?}"),
        };
        Some(Err(io::Error::other(why)))
    };
    stream::iter(bytes)
        .flatten()
        .chain(stream::once(end).filter_map(std::future::ready))
        .boxed_local()
}

/// The first of what a program says on stderr, all of which it must be able to
/// say.
async fn complaint(stderr: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stderr) = stderr else {
        return String::new();
    };
    let mut kept = Vec::new();
    let _ = (&mut stderr)
        .take(MAX_COMPLAINT_BYTES)
        .read_to_end(&mut kept)
        .await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_up_is_told_from_one_with_dots() {
        assert!(leads_up(Path::new("a/../b")) && leads_up(Path::new("..")));
        assert!(!leads_up(Path::new("a/..b/c.")));
    }

    #[tokio::test]
    async fn of_a_long_complaint_the_first_is_kept() {
        let long = "x".repeat(usize::try_from(MAX_COMPLAINT_BYTES).unwrap() * 2);
        let kept = complaint(Some(long.as_bytes())).await;
        assert_eq!(kept.len() as u64, MAX_COMPLAINT_BYTES);
        assert_eq!(complaint(Some(&b"tar: no\n"[..])).await, "tar: no");
        assert_eq!(complaint(None::<&[u8]>).await, "");
    }
}
