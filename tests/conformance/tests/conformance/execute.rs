//! `Execute`: one program, to its end.

use std::collections::HashMap;
use std::time::Duration;

use mote_conformance::{Ended, Target, argv, sh, within};
use mote_surface::proto::{ExecuteRequest, ProcessConfig, StartRequest};
use tonic::{Code, Request};

use crate::start::ended_with;

fn within_folder(cwd: &str) -> ProcessConfig {
    ProcessConfig {
        cwd: Some(cwd.to_owned()),
        ..sh("pwd")
    }
}

/// The code of both calls that start programs, which must agree.
async fn refused(target: &Target, config: ProcessConfig) -> (Code, String) {
    let executed = target.execute(config.clone()).await.unwrap_err();
    let request = StartRequest {
        config: Some(config),
        pty: None,
    };
    let Err(started) = target.start(request).await else {
        panic!("Start does what Execute refuses: {executed}");
    };
    assert_eq!(started.code(), executed.code());
    (executed.code(), executed.message().to_owned())
}

pub(crate) async fn both_outputs_and_the_exit_code_are_told_apart(target: &Target) {
    let ended = target.sh("echo out; echo err >&2; exit 3").await;
    let expected = Ended {
        code: 3,
        stdout: "out\n".to_owned(),
        stderr: "err\n".to_owned(),
    };
    assert_eq!(ended, expected);
}

pub(crate) async fn empty_command_is_invalid_argument(target: &Target) {
    let (code, message) = refused(target, ProcessConfig::default()).await;
    assert_eq!(
        (code, message.as_str()),
        (Code::InvalidArgument, "command is required")
    );
}

pub(crate) async fn missing_config_is_an_empty_command(target: &Target) {
    let mut client = target.grpc().await;
    let request = ExecuteRequest { config: None };
    let refused = within("Execute", client.execute(request))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.message(), "command is required");
}

pub(crate) async fn a_program_that_is_not_there_is_not_found(target: &Target) {
    for program in ["no-such-program", "/bin/no-such-program", "./nothing"] {
        let (code, _) = refused(target, argv(&[program])).await;
        assert_eq!(code, Code::NotFound, "{program}");
    }
}

pub(crate) async fn a_file_that_may_not_be_run_is_permission_denied(target: &Target) {
    target.file("data?mode=0644", "no program\n").await;
    let (code, _) = refused(target, argv(&["./data"])).await;
    assert_eq!(code, Code::PermissionDenied);
}

pub(crate) async fn a_folder_is_no_program(target: &Target) {
    target.file("folder/file", "").await;
    let (code, _) = refused(target, argv(&["./folder"])).await;
    assert_eq!(code, Code::PermissionDenied);
}

pub(crate) async fn argv_reaches_the_program_with_no_shell_between(target: &Target) {
    let words = ["echo", "a  b", "$HOME", "*", "'"];
    let ended: Ended = target.execute(argv(&words)).await.unwrap().into();
    assert_eq!(ended.ok(), "a  b $HOME * '\n");
}

pub(crate) async fn a_line_for_bash_is_run_by_a_shell(target: &Target) {
    for shell in [["/bin/sh", "-c"], ["bash", "-lc"], ["sh", "-c"]] {
        let [program, flag] = shell;
        let config = argv(&[program, flag, "x=2; echo $((x + 1)) | cat"]);
        let ended: Ended = target.execute(config).await.unwrap().into();
        assert_eq!(ended.ok(), "3\n", "{shell:?}");
    }
}

pub(crate) async fn cwd_is_the_root_unless_set(target: &Target) {
    let expected = format!("{}\n", target.root);
    assert_eq!(target.sh("pwd").await.ok(), expected);
    for root in ["", ".", "/", "/..", target.root.as_str()] {
        let ended: Ended = target.execute(within_folder(root)).await.unwrap().into();
        assert_eq!(ended.ok(), expected, "{root}");
    }
}

pub(crate) async fn cwd_is_a_path_below_the_root(target: &Target) {
    target.file("sub/deep/file", "").await;
    let whole = format!("{}/sub/deep", target.root);
    for cwd in ["sub/deep", "/sub/deep", "sub/../sub//deep/", whole.as_str()] {
        let ended: Ended = target.execute(within_folder(cwd)).await.unwrap().into();
        assert_eq!(ended.ok(), format!("{whole}\n"), "{cwd}");
    }
}

pub(crate) async fn cwd_that_escapes_is_permission_denied(target: &Target) {
    target.sh("ln -s ../.. out").await.ok();
    for cwd in ["..", "../..", "sub/../../other", "out", "out/etc"] {
        let (code, _) = refused(target, within_folder(cwd)).await;
        assert_eq!(code, Code::PermissionDenied, "{cwd}");
    }
}

pub(crate) async fn cwd_that_is_not_there_is_not_found(target: &Target) {
    let (code, _) = refused(target, within_folder("nowhere")).await;
    assert_eq!(code, Code::NotFound);
}

pub(crate) async fn variables_are_added_and_win(target: &Target) {
    let variables = [("HOME", "/elsewhere"), ("ADDED", "a b")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = ProcessConfig {
        env_vars: HashMap::from(variables),
        ..sh("echo \"$HOME|$ADDED|${PATH:+path}\"")
    };
    let ended: Ended = target.execute(config).await.unwrap().into();
    assert_eq!(ended.ok(), "/elsewhere|a b|path\n");
}

pub(crate) async fn execute_has_no_input(target: &Target) {
    assert_eq!(target.sh("cat; echo end").await.ok(), "end\n");
}

pub(crate) async fn an_output_larger_than_a_message_of_clients_is_whole(target: &Target) {
    // grpc-go and grpc-python take 4 MiB unless told otherwise; the server
    // has no such limit.
    target.file("big", "x".repeat(6_000_000)).await;
    let ended = target.sh("cat big").await;
    assert_eq!(ended.ok().len(), 6_000_000);
}

pub(crate) async fn bytes_that_are_no_text_pass_unchanged(target: &Target) {
    let bytes: Vec<u8> = (0..=255).collect();
    target.file("bytes", bytes.clone()).await;
    let ended = target.execute(sh("cat bytes")).await.unwrap();
    assert_eq!(ended.stdout, bytes);
}

pub(crate) async fn a_deadline_ends_the_program(target: &Target) {
    let mut request = Request::new(ExecuteRequest {
        config: Some(sh(crate::start::BEAT)),
    });
    request.set_timeout(Duration::from_millis(500));
    let mut client = target.grpc().await;
    let ended = within("Execute", client.execute(request)).await;
    let code = ended.unwrap_err().code();
    // Whichever side is first.
    assert!(
        [Code::DeadlineExceeded, Code::Cancelled].contains(&code),
        "{code}"
    );
    ended_with(target).await;
}

pub(crate) async fn a_caller_that_goes_ends_the_program(target: &Target) {
    let mut client = target.grpc().await;
    let request = ExecuteRequest {
        config: Some(sh(crate::start::BEAT)),
    };
    let call = tokio::spawn(async move { client.execute(request).await });
    crate::start::beating(target).await;
    call.abort();
    ended_with(target).await;
}

pub(crate) async fn nul_in_an_argument_or_variable_is_invalid(target: &Target) {
    let (code, _) = refused(target, argv(&["echo", "a\0b"])).await;
    assert_eq!(code, Code::InvalidArgument);
    let config = ProcessConfig {
        env_vars: HashMap::from([("A".to_owned(), "b\0c".to_owned())]),
        ..sh("echo")
    };
    let (code, _) = refused(target, config).await;
    assert_eq!(code, Code::InvalidArgument);
}
