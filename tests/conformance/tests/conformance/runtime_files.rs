//! python-runtime: `/upload`, `/download`, `/list` and `/exists`.

use mote_conformance::{Ask, Reply, Target};
use serde_json::{Value, json};

async fn upload(target: &Target, name: &str, content: &[u8]) -> Reply {
    let ask = Ask::new("POST", "/upload").form(&[("file", name, content)]);
    target.runtime().send(ask).await
}

async fn get(target: &Target, path: &str) -> Reply {
    target.runtime().get(path).await
}

fn denied(reply: Reply) {
    let reply = reply.expect(403);
    assert_eq!(reply.json(), json!({ "message": "Access denied" }));
}

pub(crate) async fn what_was_uploaded_is_what_is_downloaded(target: &Target) {
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let told = upload(target, "a.bin", &bytes).await.expect(200).json();
    let expected = json!({ "message": "File 'a.bin' uploaded successfully." });
    assert_eq!(told, expected);
    let got = get(target, "/download/a.bin").await.expect(200);
    assert_eq!(got.header("content-type"), Some("application/octet-stream"));
    assert_eq!(got.body, bytes);
}

pub(crate) async fn the_file_name_is_a_path(target: &Target) {
    upload(target, "deep/er/f.txt", b"x").await.expect(200);
    for path in ["/download/deep%2Fer%2Ff.txt", "/download/deep/er/f.txt"] {
        assert_eq!(get(target, path).await.expect(200).text(), "x");
    }
    assert_eq!(target.sh("cat deep/er/f.txt").await.ok(), "x");
}

pub(crate) async fn an_upload_that_escapes_is_denied(target: &Target) {
    for name in ["../x", "a/../../x", "../../../tmp/x"] {
        denied(upload(target, name, b"x").await);
    }
}

pub(crate) async fn an_upload_without_a_file_is_422(target: &Target) {
    let ask = Ask::new("POST", "/upload").form(&[("other", "f", b"x")]);
    let told = target.runtime().send(ask).await.expect(422).json();
    assert!(told["detail"].is_array(), "{told}");
}

pub(crate) async fn a_download_of_nothing_is_404(target: &Target) {
    target.file("folder/f", "").await;
    for path in ["nothing", "no%2Fwhere", "folder"] {
        let reply = get(target, &format!("/download/{path}")).await.expect(404);
        assert_eq!(reply.json(), json!({ "message": "File not found" }));
    }
}

pub(crate) async fn a_path_that_escapes_is_denied(target: &Target) {
    target.sh("ln -s ../.. out").await.ok();
    for path in ["%2E%2E%2Fx", "%2E%2E", "out%2Fpasswd", "a%2F..%2F..%2Fx"] {
        for verb in ["download", "list", "exists"] {
            denied(get(target, &format!("/{verb}/{path}")).await);
        }
    }
}

pub(crate) async fn a_list_tells_of_each_entry(target: &Target) {
    target.file("d/f.txt", "12345").await;
    target.file("d/sub/inner", "").await;
    let reply = get(target, "/list/d").await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let mut told = reply.json().as_array().unwrap().clone();
    told.sort_by_key(|entry| entry["name"].as_str().unwrap().to_owned());
    let [file, folder] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        (&file["name"], &file["type"]),
        (&json!("f.txt"), &json!("file"))
    );
    assert_eq!(file["size"], 5);
    assert!(file["mod_time"].is_f64(), "{file}");
    assert_eq!(
        (&folder["name"], &folder["type"]),
        (&json!("sub"), &json!("directory"))
    );
    assert_eq!(file.as_object().map(serde_json::Map::len), Some(4));
}

pub(crate) async fn a_list_of_no_folder_is_404(target: &Target) {
    target.file("f", "").await;
    for path in ["nothing", "f"] {
        let reply = get(target, &format!("/list/{path}")).await.expect(404);
        let expected = json!({ "message": "Path is not a directory" });
        assert_eq!(reply.json(), expected, "{path}");
    }
}

pub(crate) async fn exists_tells_whether_it_does(target: &Target) {
    target.file("a/f", "").await;
    for (path, exists) in [("a%2Ff", true), ("a", true), ("nothing", false)] {
        let told: Value = get(target, &format!("/exists/{path}"))
            .await
            .expect(200)
            .json();
        let path = path.replace("%2F", "/");
        assert_eq!(told, json!({ "path": path, "exists": exists }));
    }
}

pub(crate) async fn the_surfaces_share_their_files(target: &Target) {
    target.file("by-rest", "1").await;
    upload(target, "by-runtime", b"2").await.expect(200);
    target.sh("printf 3 > by-program").await.ok();
    for (name, content) in [("by-rest", "1"), ("by-runtime", "2"), ("by-program", "3")] {
        let got = get(target, &format!("/download/{name}")).await.expect(200);
        assert_eq!(got.text(), content);
        let got = target.rest().get(&format!("/v1/files/{name}")).await;
        assert_eq!(got.expect(200).text(), content);
    }
}
