//! What a session has mounted beside its workspace, and where its programs
//! begin.

use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::volume::Source;
use mote_rpc::v1::{EmptyDir, File, Files, Mount, Phase, Resources, SessionSpec, Volume};

use super::harness::{Host, said, sh, spec, uid};
use crate::harness::guest;

fn own(name: &str) -> Volume {
    sized(name, 0)
}

fn sized(name: &str, size_bytes: u64) -> Volume {
    Volume {
        name: name.to_owned(),
        source: Some(Source::EmptyDir(EmptyDir { size_bytes })),
    }
}

fn sent(name: &str, files: &[(&str, &str)]) -> Volume {
    let files = files.iter().map(|(path, text)| File {
        path: (*path).to_owned(),
        content: text.as_bytes().to_vec(),
        mode: 0o644,
    });
    Volume {
        name: name.to_owned(),
        source: Some(Source::Files(Files {
            files: files.collect(),
        })),
    }
}

fn mount(volume: &str, path: &str) -> Mount {
    Mount {
        volume: volume.to_owned(),
        path: path.to_owned(),
        ..Mount::default()
    }
}

/// With a folder of its own and one that was sent.
fn equipped(n: u32, text: &str) -> SessionSpec {
    SessionSpec {
        volumes: vec![
            own("data"),
            sent("conf", &[("app.txt", text), ("deep/er.txt", "deep")]),
        ],
        mounts: vec![mount("data", "/data"), mount("conf", "/etc/app")],
        ..spec(n)
    }
}

/// Reads what it is given a path of, in each language.
const READERS: [&str; 3] = [
    "cat $F",
    r#"python3 -c "import os; print(open(os.environ[\"F\"]).read(), end=\"\")""#,
    r#"node -e "process.stdout.write(require(\"fs\").readFileSync(process.env.F, \"utf8\"))""#,
];

#[tokio::test]
async fn volumes_are_seen_by_programs_of_every_kind() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let made = controller.ensure(equipped(1, "text\n")).await;
    let address = &made.addresses[0];
    let tool = std::fs::read(guest("tools/rust.wasm")).unwrap();
    let url = format!("http://{address}:8080/v1/files/tool.wasm");
    let put = reqwest::Client::new().put(url).body(tool).send();
    assert!(put.await.unwrap().status().is_success());
    said(address, "echo own > /data/f").await;
    for reader in READERS {
        for (path, text) in [
            ("/etc/app/app.txt", "text\n"),
            ("/etc/app/deep/er.txt", "deep"),
            ("/data/f", "own\n"),
        ] {
            let line = format!("export F={path}; {reader}");
            assert_eq!(said(address, &line).await, text, "{line}");
        }
    }
    // A program that was brought along, kept in a volume, reads from another.
    let line =
        "cp tool.wasm /data; printf \"n\\n2\\n4\\n\" > /data/n.csv; /data/tool.wasm /data/n.csv";
    let sums = said(address, line).await;
    assert!(sums.contains("6.00"), "{sums}");
    assert_eq!(said(address, "ls /etc/app").await, "app.txt\ndeep\n");
}

#[tokio::test]
async fn what_was_sent_cannot_be_changed_and_what_is_own_can() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let mut asked = equipped(1, "text");
    asked.mounts.push(Mount {
        sub_path: "deep".to_owned(),
        ..mount("conf", "/deep")
    });
    asked.volumes.push(own("shown"));
    asked.mounts.push(Mount {
        read_only: true,
        ..mount("shown", "/shown")
    });
    let address = &controller.ensure(asked).await.addresses[0];
    for line in [
        "echo x > /etc/app/app.txt",
        "echo x > /etc/app/new",
        "rm /etc/app/app.txt",
        "mkdir /etc/app/folder",
        "echo x >> /deep/er.txt",
        "echo x > /shown/f",
        r#"python3 -c "open(\"/etc/app/app.txt\", \"w\")""#,
    ] {
        let outcome = sh(address, line).await.unwrap();
        assert_ne!(outcome["exit_code"], 0, "{line}: {outcome}");
    }
    let all = "cat /etc/app/app.txt /deep/er.txt; ls /shown";
    assert_eq!(said(address, all).await, "textdeep");
    said(
        address,
        "mkdir /data/a && mv /data/a /data/b && rmdir /data/b",
    )
    .await;
}

#[tokio::test]
async fn own_volumes_live_as_long_as_the_session_and_count_against_its_disk() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let asked = SessionSpec {
        resources: Some(Resources {
            disk_bytes: 1 << 20,
            ..Resources::default()
        }),
        ..equipped(1, "text")
    };
    let made = controller.ensure(asked.clone()).await;
    let address = made.addresses[0].clone();
    assert!(!made.has_files, "{made:?}");
    let fill = "head -c 700000 /dev/zero > /data/most";
    said(&address, fill).await;
    assert!(controller.ensure(asked.clone()).await.has_files);
    let more = sh(&address, "head -c 700000 /dev/zero > more").await;
    assert_ne!(more.unwrap()["exit_code"], 0, "there was room for more");
    host.crash();
    let controller = host.controller().await;
    assert!(controller.ensure(asked.clone()).await.has_files);
    assert_eq!(said(&address, "wc -c < /data/most").await.trim(), "700000");
    let more = sh(&address, "head -c 700000 /dev/zero > more").await;
    assert_ne!(more.unwrap()["exit_code"], 0, "a crash made room");
    controller.delete(&[&uid(1)]).await;
    let again = controller.ensure(asked).await;
    assert!(!again.has_files, "{again:?}");
    assert_eq!(said(&again.addresses[0], "ls /data").await, "");
}

#[tokio::test]
async fn other_files_take_the_place_of_those_from_before() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let asked = |text: &str| {
        let mut asked = equipped(1, text);
        asked.mounts.push(Mount {
            sub_path: "deep".to_owned(),
            ..mount("conf", "/deep")
        });
        asked
    };
    let made = controller.ensure(asked("one")).await;
    let address = made.addresses[0].clone();
    let read = "cat /etc/app/*.txt /deep/*";
    assert_eq!(said(&address, read).await, "onedeep");
    assert_eq!(controller.ensure(asked("two")).await, made);
    assert_eq!(said(&address, read).await, "twodeep");
    let mut other = asked("");
    other.volumes[1] = sent("conf", &[("b.txt", "three"), ("deep/x", "!")]);
    controller.ensure(other.clone()).await;
    host.crash();
    assert_eq!(said(&address, read).await, "three!");
    // It holds that already: nothing changes.
    let controller = host.controller().await;
    assert_eq!(controller.ensure(other).await.generation, 1);

    let asleep = SessionSpec {
        generation: 2,
        suspended: true,
        ..asked("four")
    };
    controller.ensure(asleep).await;
    let awake = |text| SessionSpec {
        generation: 3,
        ..asked(text)
    };
    let fewer = SessionSpec {
        volumes: vec![own("data")],
        mounts: Vec::new(),
        ..awake("")
    };
    let (reason, told) = controller.refusal(fewer).await;
    assert_eq!(reason, Reason::Immutable);
    assert!(told.contains("volumes"), "{told}");
    let resumed = controller.ensure(awake("five")).await;
    assert_eq!(resumed.phase(), Phase::Running);
    assert_eq!(said(&address, read).await, "fivedeep");
}

#[tokio::test]
async fn a_program_that_runs_sees_the_files_that_take_the_place_of_others() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let made = controller.ensure(equipped(1, "one")).await;
    let address = made.addresses[0].clone();
    let wait = "touch begun; while grep -q one /etc/app/app.txt; do sleep 0.05; done; cat /etc/app/app.txt";
    let call = tokio::spawn(async move { said(&address, wait).await });
    while !controller.ensure(equipped(1, "one")).await.has_files {}
    controller.ensure(equipped(1, "two")).await;
    assert_eq!(super::within(call).await.unwrap(), "two");
}

#[tokio::test]
async fn a_session_that_comes_back_has_the_environment_of_its_object_now() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let at = |generation, suspended, colour: &str| SessionSpec {
        generation,
        suspended,
        env: [("COLOUR".to_owned(), colour.to_owned())].into(),
        ..equipped(1, "text")
    };
    let made = controller.ensure(at(1, false, "red")).await;
    let address = &made.addresses[0];
    let read = r#"printf %s "$COLOUR""#;
    assert_eq!(said(address, read).await, "red");
    // It goes on as it was made.
    controller.ensure(at(2, false, "blue")).await;
    assert_eq!(said(address, read).await, "red");
    controller.ensure(at(3, true, "blue")).await;
    let resumed = controller.ensure(at(4, false, "blue")).await;
    assert_eq!(resumed.phase(), Phase::Running);
    assert_eq!(said(address, read).await, "blue");
    host.crash();
    assert_eq!(said(address, read).await, "blue", "it was not kept");
    let controller = host.controller().await;
    controller.ensure(at(5, true, "")).await;
    let mut odd = at(6, false, "");
    odd.env.insert("a=b".to_owned(), String::new());
    assert_eq!(controller.refusal(odd).await.0, Reason::Invalid);
}

#[tokio::test]
async fn programs_begin_in_the_working_directory() {
    let host = Host::start().await;
    let controller = host.controller().await;
    for (n, folder) in [(1, "/workspace/app/src"), (2, "/data"), (3, "/tmp")] {
        let asked = SessionSpec {
            working_dir: folder.to_owned(),
            ..equipped(n, "text")
        };
        let address = &controller.ensure(asked).await.addresses[0];
        let line =
            r#"pwd; echo x > here; python3 -c "import os; print(os.getcwd(), os.listdir())""#;
        let expected = format!("{folder}\n{folder} ['here']\n");
        assert_eq!(said(address, line).await, expected);
        // It is there again, too.
        if n == 1 {
            said(address, "rm -r /workspace/app").await;
            controller
                .ensure(SessionSpec {
                    suspended: true,
                    working_dir: folder.to_owned(),
                    ..equipped(n, "text")
                })
                .await;
            controller
                .ensure(SessionSpec {
                    working_dir: folder.to_owned(),
                    ..equipped(n, "text")
                })
                .await;
            assert_eq!(said(address, "pwd; ls").await, format!("{folder}\n"));
        }
    }
}

#[tokio::test]
async fn what_cannot_be_mounted_is_refused_by_a_sentence() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let with = |path: &str| SessionSpec {
        mounts: vec![mount("data", path)],
        ..equipped(1, "")
    };
    for path in ["/", "/workspace/data", "/tmp/x", "relative"] {
        let (reason, told) = controller.refusal(with(path)).await;
        assert_eq!(reason, Reason::Invalid);
        assert!(told.contains(&uid(1)) && told.contains("; "), "{told}");
    }
    let escaping = SessionSpec {
        volumes: vec![sent("conf", &[("../../escaped", "")])],
        mounts: Vec::new(),
        ..equipped(1, "")
    };
    assert_eq!(controller.refusal(escaping).await.0, Reason::Invalid);
}

const MIB: u64 = 1 << 20;

/// Of what there are 4 MiB in all, `/data` may hold one, and the workspace two.
fn bounded() -> SessionSpec {
    SessionSpec {
        resources: Some(Resources {
            disk_bytes: 4 * MIB,
            ..Resources::default()
        }),
        volumes: vec![sized("data", MIB), sized("work", 2 * MIB)],
        mounts: vec![
            mount("data", "/data"),
            Mount {
                sub_path: "part".to_owned(),
                ..mount("data", "/part")
            },
            mount("work", "/workspace"),
        ],
        ..spec(1)
    }
}

/// Certain that the line failed for lack of space, and that this was said of
/// it.
async fn full(address: &str, line: &str, why: &str) {
    let outcome = sh(address, line).await.unwrap();
    assert_ne!(outcome["exit_code"], 0, "{line}: {outcome}");
    let told = outcome["stderr"].as_str().unwrap();
    let hint = format!("A write failed because the {why} is reached");
    assert!(told.contains(&hint), "{line}: {told}");
}

const OF_DATA: &str = "size limit of /data";
const OF_WORKSPACE: &str = "size limit of /workspace";

#[tokio::test]
async fn a_volume_holds_no_more_than_its_size_however_it_is_written_and_after_a_crash() {
    let mut host = Host::start().await;
    let controller = host.controller().await;
    let address = controller.ensure(bounded()).await.addresses[0].clone();
    said(&address, "head -c 1048576 /dev/zero > /data/full").await;
    said(&address, "printf x > x").await;
    let grow = [
        "echo x >> /data/full",
        "echo x > /data/f",
        "echo x > /part/f",
        "cp x /data/x",
        "mv x /part/x",
        r#"python3 -c "import os; os.truncate(\"/data/full\", 2 << 20)""#,
        r#"python3 -c "open(\"/part/g\", \"wb\", 0).write(b\"x\")""#,
        r#"node -e "require(\"fs\").writeFileSync(\"/data/h\", \"x\")""#,
    ];
    for crashed in [false, true] {
        if crashed {
            host.crash();
        }
        for line in grow {
            full(&address, line, OF_DATA).await;
        }
        // Beside it there is room, and what found none is where it was.
        said(&address, "cp /data/full beside; rm beside").await;
        assert_eq!(said(&address, "cat x").await, "x");
    }
    let told = sh(&address, "echo x > /data/f").await.unwrap();
    let told = told["stderr"].as_str().unwrap();
    assert!(told.contains("No space left on device"), "{told}");
    // What goes makes room, by any name of the folder, and no more than that.
    said(
        &address,
        "rm /data/full; head -c 1048576 /dev/zero > /part/full",
    )
    .await;
    full(&address, "echo x > /data/f", OF_DATA).await;
    // All together hold what the session may, too.
    said(
        &address,
        "rm /part/full; dd if=/dev/zero of=most bs=512K count=3 2>/dev/null",
    )
    .await;
    said(
        &address,
        "dd if=/dev/zero of=/tmp/more bs=1M count=2 2>/dev/null",
    )
    .await;
    full(
        &address,
        "dd if=/dev/zero of=/data/g bs=1M count=1",
        "disk limit",
    )
    .await;
}

#[tokio::test]
async fn nothing_is_moved_into_a_volume_or_out_of_it_but_by_copying() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let address = &controller.ensure(bounded()).await.addresses[0];
    said(
        address,
        "head -c 900000 /dev/zero > big; mkdir dir; cp big dir; ln -s big n",
    )
    .await;
    // As between two mounts of a pod.
    let try_all = r#"
import errno, os
def told(do, *paths):
    try:
        do(*paths)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
print(told(os.rename, "big", "/data/big"), told(os.rename, "dir", "/data/dir"),
    told(os.link, "big", "/data/big"), told(os.link, "big", "/part/big"),
    told(os.rename, "n", "/tmp/n"), told(os.rename, "big", "/part/../../workspace/b"))
held = open("big", "r+b")
print(told(os.replace, "big", "/data/big"), len(os.listdir("/data")))
print(told(os.rename, "big", "renamed"), told(os.rename, "renamed", "big"))
"#;
    let put = reqwest::Client::new()
        .put(format!("http://{address}:8080/v1/files/try.py"))
        .body(try_all);
    assert!(put.send().await.unwrap().status().is_success());
    assert_eq!(
        said(address, "python3 try.py").await,
        "EXDEV EXDEV EXDEV EXDEV EXDEV EXDEV\nEXDEV 1\ndone done\n",
        "in /data is the folder that is mounted, alone"
    );
    // The shell and the library of a language do as they do there.
    said(
        address,
        "mv big /data/big; ls big 2>/dev/null; wc -c < /data/big",
    )
    .await;
    full(address, "mv dir /data/dir", OF_DATA).await;
    said(
        address,
        "mv /data/big big2; rm -r /data/dir; mv dir /part/dir; wc -c < /data/part/dir/big",
    )
    .await;
    full(address, "cp big2 /data", OF_DATA).await;
    let back = r#"python3 -c "import shutil; shutil.move(\"/part/dir\", \"dir\")""#;
    said(address, back).await;
    said(address, "cp big2 /data; wc -c < /data/big2").await;
}

#[tokio::test]
async fn uploads_obey_the_size_of_the_volume_that_is_the_workspace() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let address = &controller.ensure(bounded()).await.addresses[0];
    let client = reqwest::Client::new();
    let files = format!("http://{address}:8080/v1/files");
    let put = |name: &str, bytes: u64| {
        let body = vec![0; usize::try_from(bytes).unwrap()];
        client.put(format!("{files}/{name}")).body(body).send()
    };
    let refused = put("a", 2 * MIB + 1).await.unwrap();
    assert_eq!(refused.status(), 507);
    let told = refused.text().await.unwrap();
    let named = "the size limit of /workspace is reached; delete files there";
    assert!(told.contains(named), "{told}");
    assert!(put("a", 2 * MIB).await.unwrap().status().is_success());
    assert_eq!(put("b", 1).await.unwrap().status(), 507);
    full(address, "echo x > c", OF_WORKSPACE).await;
    // There is room elsewhere.
    said(
        address,
        "head -c 1000000 /dev/zero > /data/f; cp /data/f /tmp",
    )
    .await;
    let gone = client.delete(format!("{files}/a")).send().await.unwrap();
    assert!(gone.status().is_success(), "{gone:?}");
    assert!(put("b", MIB).await.unwrap().status().is_success());
}

#[tokio::test]
async fn a_size_does_not_change_while_the_session_lives() {
    let host = Host::start().await;
    let controller = host.controller().await;
    let at = |generation, suspended, size| {
        let mut asked = SessionSpec {
            generation,
            suspended,
            ..bounded()
        };
        asked.volumes[0] = sized("data", size);
        asked
    };
    let address = controller.ensure(at(1, false, MIB)).await.addresses[0].clone();
    // That is for the next time, as a pod's template is.
    controller.ensure(at(2, false, 3 * MIB)).await;
    full(
        &address,
        "dd if=/dev/zero of=/data/f bs=1M count=2",
        OF_DATA,
    )
    .await;
    controller.ensure(at(3, true, 3 * MIB)).await;
    let (reason, told) = controller.refusal(at(4, false, 3 * MIB)).await;
    assert_eq!(reason, Reason::Immutable);
    assert!(told.contains("volumes"), "{told}");
    controller.ensure(at(5, false, MIB)).await;
    full(
        &address,
        "dd if=/dev/zero of=/data/g bs=1M count=2",
        OF_DATA,
    )
    .await;
}
