//! One change to a folder that holds `file`, `other`, `sub/` and `link`:
//! OPERATION DIRECTORY.

use probes::bindings::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};
use probes::files::{open, preopen};

fn open_with(
    directory: &Descriptor,
    oflags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<(), ErrorCode> {
    let path = if oflags.contains(OpenFlags::CREATE) {
        "new"
    } else {
        "file"
    };
    directory
        .open_at(PathFlags::empty(), path, oflags, flags)
        .map(drop)
}

fn change(operation: &str, directory: &Descriptor) -> Result<(), ErrorCode> {
    let (none, empty) = (PathFlags::empty(), OpenFlags::empty());
    match operation {
        "create" => open_with(directory, OpenFlags::CREATE, DescriptorFlags::WRITE),
        "create-to-read" => open_with(directory, OpenFlags::CREATE, DescriptorFlags::READ),
        "truncate-to-write" => open_with(directory, OpenFlags::TRUNCATE, DescriptorFlags::WRITE),
        "truncate-to-read" => open_with(directory, OpenFlags::TRUNCATE, DescriptorFlags::READ),
        "open-to-write" => open_with(directory, empty, DescriptorFlags::WRITE),
        "set-size" => open(directory, "file")?.set_size(1),
        "write" => open(directory, "file")?.write(b"changed", 0).map(drop),
        "write-by-stream" => {
            let stream = open(directory, "file")?.write_via_stream(0)?;
            stream
                .blocking_write_and_flush(b"changed")
                .map_err(|_| ErrorCode::Io)
        }
        "append-by-stream" => {
            let stream = open(directory, "file")?.append_via_stream()?;
            stream
                .blocking_write_and_flush(b"changed")
                .map_err(|_| ErrorCode::Io)
        }
        "set-times" => open(directory, "file")?.set_times(NewTimestamp::Now, NewTimestamp::Now),
        "set-times-at" => {
            directory.set_times_at(none, "file", NewTimestamp::Now, NewTimestamp::Now)
        }
        "set-times-of-link" => directory.set_times_at(
            PathFlags::SYMLINK_FOLLOW,
            "link",
            NewTimestamp::Now,
            NewTimestamp::Now,
        ),
        "set-times-of-folder" => directory.set_times(NewTimestamp::Now, NewTimestamp::Now),
        "rename" => directory.rename_at("file", directory, "renamed"),
        "replace" => directory.rename_at("other", directory, "file"),
        "create-directory" => directory.create_directory_at("made"),
        "remove-directory" => directory.remove_directory_at("sub"),
        "unlink" => directory.unlink_file_at("file"),
        "unlink-link" => directory.unlink_file_at("link"),
        "link" => directory.link_at(none, "file", directory, "linked"),
        "symlink" => directory.symlink_at("file", "symlinked"),
        "create-below-handle" => {
            let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
            let open = |flags| directory.open_at(none, "sub", OpenFlags::DIRECTORY, flags);
            let below = open(flags).or_else(|_| open(DescriptorFlags::READ))?;
            open_with(&below, OpenFlags::CREATE, DescriptorFlags::WRITE)
        }
        other => panic!("no operation is called {other}"),
    }
}

fn main() -> std::process::ExitCode {
    let operation: String = probes::argument(1);
    let directory = preopen(&probes::argument::<String>(2));
    probes::report(
        change(&operation, &directory)
            .map(|()| operation)
            .map_err(|error| error.name()),
    )
}
