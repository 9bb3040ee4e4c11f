//! `GET /v1/files/…` of a folder.

use mote_conformance::Target;
use serde_json::Value;

/// What the listing of a folder holds.
pub(crate) async fn entries(target: &Target, path: &str) -> Vec<Value> {
    let reply = target.rest().get(&format!("/v1/files/{path}")).await;
    let listing = reply.expect(200).json();
    listing["entries"].as_array().unwrap().clone()
}

/// The names in a folder.
pub(crate) async fn names(target: &Target, path: &str) -> Vec<String> {
    let entries = entries(target, path).await;
    let names = entries.iter().map(|entry| entry["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

pub(crate) async fn a_listing_is_as_clients_know_it(target: &Target) {
    target.file("dir/b.txt?mode=0600", "12345").await;
    target.file("dir/a/inner", "").await;
    let reply = target.rest().get("/v1/files/dir").await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let told = reply.json();
    let [folder, file] = told["entries"].as_array().unwrap().as_slice() else {
        panic!("{told}");
    };
    let time = |entry: &Value| entry["modified_at"].as_str().unwrap().to_owned();
    let expected = format!(
        "{{\"path\":\"/dir\",\"entries\":[\
         {{\"name\":\"a\",\"size\":{},\"type\":\"directory\",\"modified_at\":\"{}\",\"mode\":\"0755\"}},\
         {{\"name\":\"b.txt\",\"size\":5,\"type\":\"file\",\"modified_at\":\"{}\",\"mode\":\"0600\"}}]}}\n",
        folder["size"],
        time(folder),
        time(file),
    );
    assert_eq!(reply.text(), expected);
    for time in [time(folder), time(file)] {
        let shape: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(shape, "0000-00-00T00:00:00Z");
    }
}

pub(crate) async fn an_empty_folder_has_a_list_of_none(target: &Target) {
    target.sh("mkdir empty").await.ok();
    let reply = target.rest().get("/v1/files/empty").await.expect(200);
    assert_eq!(reply.text(), "{\"path\":\"/empty\",\"entries\":[]}\n");
}

pub(crate) async fn the_root_is_listed_as_slash(target: &Target) {
    target.file("f", "").await;
    let reply = target.rest().get("/v1/files/").await.expect(200);
    assert_eq!(reply.json()["path"], "/");
    assert_eq!(reply.json()["entries"][0]["name"], "f");
}

pub(crate) async fn names_are_sorted_by_their_bytes(target: &Target) {
    for name in ["b", "B", "a", "%C3%A9", "10", "9", ".hidden", "a.b"] {
        target.file(&format!("d/{name}"), "").await;
    }
    let expected = [".hidden", "10", "9", "B", "a", "a.b", "b", "é"];
    assert_eq!(names(target, "d").await, expected);
}

pub(crate) async fn a_link_is_listed_as_what_it_leads_to(target: &Target) {
    let line = "mkdir -p d/folder; printf 1234567 > d/file; cd d; ln -s file to-file; ln -s folder to-folder";
    target.sh(line).await.ok();
    let listed = entries(target, "d").await;
    let told: Vec<_> = listed
        .iter()
        .map(|entry| {
            (
                entry["name"].as_str().unwrap(),
                entry["type"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("file", "file"),
        ("folder", "directory"),
        ("to-file", "file"),
        ("to-folder", "directory"),
    ];
    assert_eq!(told, expected);
    assert_eq!(listed[2]["size"], 7);
}

pub(crate) async fn links_that_lead_nowhere_or_out_are_left_out(target: &Target) {
    let line = "mkdir d; cd d; touch kept; ln -s nothing broken; ln -s / out; ln -s ../../.. up; ln -s loop loop";
    target.sh(line).await.ok();
    assert_eq!(names(target, "d").await, ["kept"]);
}

pub(crate) async fn head_of_a_folder_has_no_body(target: &Target) {
    target.file("d/f", "").await;
    let reply = target.rest().head("/v1/files/d").await.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.text(), "");
}

pub(crate) async fn many_files_are_all_listed(target: &Target) {
    let line = "mkdir d; i=0; while [ $i -lt 1500 ]; do i=$((i + 1)); : > d/$i; done";
    target.sh(line).await.ok();
    assert_eq!(names(target, "d").await.len(), 1500);
}
