//! What a session has mounted beside its workspace, and where its programs
//! begin.

use mote_rpc::v1::refusal::Reason;
use mote_rpc::v1::volume::Source;
use mote_rpc::v1::{EmptyDir, File, Files, Mount, Phase, Resources, SessionSpec, Volume};

use super::harness::{Host, said, sh, spec, uid};
use crate::harness::guest;

fn own(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        source: Some(Source::EmptyDir(EmptyDir { size_bytes: 0 })),
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
    for (n, folder) in [(1, "/workspace/app/src"), (2, "/data")] {
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
    for path in ["/", "/workspace", "/workspace/data", "/tmp", "relative"] {
        let (reason, told) = controller.refusal(with(path)).await;
        assert_eq!(reason, Reason::Invalid);
        assert!(told.contains(&uid(1)) && told.contains("; "), "{told}");
    }
    let sized = SessionSpec {
        volumes: vec![sent("conf", &[("../../escaped", "")])],
        mounts: Vec::new(),
        ..equipped(1, "")
    };
    assert_eq!(controller.refusal(sized).await.0, Reason::Invalid);
}
