//! `DELETE /v1/files/…`.

use mote_conformance::Target;

use crate::listing::names;

pub(crate) async fn a_file_goes_once(target: &Target) {
    target.file("f", "x").await;
    let rest = target.rest();
    assert_eq!(rest.delete("/v1/files/f").await.expect(204).text(), "");
    rest.delete("/v1/files/f").await.refused(404, "NOT_FOUND");
}

pub(crate) async fn an_empty_folder_goes(target: &Target) {
    target.sh("mkdir d").await.ok();
    target.rest().delete("/v1/files/d").await.expect(204);
    assert_eq!(names(target, "").await, [""; 0]);
}

pub(crate) async fn a_folder_that_holds_something_is_a_conflict(target: &Target) {
    target.file("d/f", "x").await;
    for query in ["", "?recursive=false", "?recursive=0", "?recursive=F"] {
        let reply = target.rest().delete(&format!("/v1/files/d{query}")).await;
        reply.refused(409, "CONFLICT");
    }
    target.rest().get("/v1/files/d/f").await.expect(200);
}

pub(crate) async fn recursive_takes_all_of_it(target: &Target) {
    for yes in ["1", "t", "T", "TRUE", "true", "True"] {
        target.file("d/e/f", "x").await;
        let path = format!("/v1/files/d?recursive={yes}");
        target.rest().delete(&path).await.expect(204);
        target.rest().get("/v1/files/d").await.expect(404);
    }
}

pub(crate) async fn recursive_is_a_truth_value(target: &Target) {
    target.file("f", "x").await;
    for no in ["yes", "tRUE", "2", "on", "%00"] {
        let reply = target.rest().delete(&format!("/v1/files/f?recursive={no}"));
        reply.await.refused(400, "INVALID_ARGUMENT");
    }
    target.rest().get("/v1/files/f").await.expect(200);
}

pub(crate) async fn the_root_goes_only_on_request_and_stays(target: &Target) {
    target.file("d/f", "x").await;
    target.file("g", "x").await;
    let rest = target.rest();
    rest.delete("/v1/files/").await.refused(409, "CONFLICT");
    assert_eq!(names(target, "").await, ["d", "g"]);
    rest.delete("/v1/files/?recursive=true").await.expect(204);
    assert_eq!(names(target, "").await, [""; 0]);
    target.file("again", "x").await;
}

pub(crate) async fn the_empty_root_stays_too(target: &Target) {
    let reply = target.rest().delete("/v1/files/").await;
    reply.refused(409, "CONFLICT");
}

pub(crate) async fn through_a_link_its_target_goes(target: &Target) {
    target.file("real", "x").await;
    target.sh("ln -s real link").await.ok();
    target.rest().delete("/v1/files/link").await.expect(204);
    let told = target.sh("test -L link && echo link; test -e real || echo gone");
    assert_eq!(told.await.ok(), "link\ngone\n");
}

pub(crate) async fn nothing_outside_goes(target: &Target) {
    target
        .sh("ln -s ../.. up; mkdir d; ln -s ../../x d/out")
        .await
        .ok();
    for path in ["up", "%2E%2E", "d/out", "d/out/x", "up%2Fx"] {
        let path = format!("/v1/files/{path}?recursive=true");
        let reply = target.rest().delete(&path).await;
        reply.refused(403, "PERMISSION_DENIED");
    }
}

pub(crate) async fn links_within_are_removed_and_not_followed(target: &Target) {
    target.file("kept/f", "x").await;
    let line = "mkdir d; ln -s ../kept d/in; ln -s ../../.. d/out; ln -s nothing d/broken";
    target.sh(line).await.ok();
    let rest = target.rest();
    rest.delete("/v1/files/d?recursive=true").await.expect(204);
    assert_eq!(names(target, "").await, ["kept"]);
    rest.get("/v1/files/kept/f").await.expect(200);
}
