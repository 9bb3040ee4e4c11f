//! A volume holds no more than its `sizeLimit`.

use super::*;

/// Writes so many bytes to a file, and says how that ended.
fn fill(address: &str, file: &str, mebibytes: u32) -> String {
    let dd = format!("dd if=/dev/zero of={file} bs=1M count={mebibytes}");
    execute(address, &format!("sh -c '{dd} 2>&1; echo $?'")).unwrap()
}

#[tokio::test]
async fn a_volume_holds_no_more_than_its_size_limit_and_beside_it_there_is_room() {
    let story = Story::begin("wasm-sizes").await;
    // Where it can be honoured, a session is chosen.
    let mut pod = session("wasm-auto");
    pod["volumes"] = json!([
        { "name": "data", "emptyDir": { "sizeLimit": "1Mi" } },
        { "name": "tmp", "emptyDir": { "sizeLimit": "1Mi" } },
        { "name": "more", "emptyDir": { "sizeLimit": "0" } },
    ]);
    pod["containers"][0]["volumeMounts"] = json!([
        { "name": "data", "mountPath": "/data" },
        { "name": "tmp", "mountPath": "/tmp" },
        { "name": "more", "mountPath": "/more" },
    ]);
    story.create::<Sandbox>(sandbox("s", pod)).await;
    let sandbox = until_serving(&story, "s").await;
    assert_eq!(sandbox.annotations()["mote.dev/tier"], "wasm");
    let address = address(&sandbox);
    for full in ["/data/f", "/tmp/f"] {
        let told = fill(&address, full, 2);
        assert!(told.contains("No space left on device"), "{full}: {told}");
        assert!(told.ends_with("\n1\n"), "{full}: {told}");
    }
    for free in ["/workspace/f", "/more/f"] {
        let told = fill(&address, free, 2);
        assert!(told.ends_with("0\n"), "{free}: {told}");
    }
    // So it is once it comes back, and what goes makes room.
    mode(&story, "Suspended").await;
    story.until_ready_is("s", "False", "SandboxSuspended").await;
    mode(&story, "Running").await;
    until_serving(&story, "s").await;
    let told = fill(&address, "/data/g", 1);
    assert!(told.contains("No space left on device"), "{told}");
    execute(&address, "rm /data/f /data/g").unwrap();
    let told = fill(&address, "/data/g", 1);
    assert!(told.ends_with("0\n"), "{told}");
    story.end().await;
}
