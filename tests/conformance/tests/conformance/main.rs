//! Every row of the protocols, as a claim, against both kinds of sandbox.
//!
//! A case that is not in the table below is dead code, and does not compile.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test target is a crate of its own, and may stop at what it did not expect"
)]

mod archive;
mod contexts;
mod delete;
mod download;
mod execute;
mod limits;
mod listing;
mod malformed;
mod paths;
mod ranges;
mod runtime_files;
mod runtime_run;
mod service;
mod signals;
mod start;
mod stdin;
mod terminal;
mod upload;

use mote_conformance::{Sandboxd, Target, node};

async fn process_target() -> Target {
    match Target::named() {
        Some(target) => target,
        None => Sandboxd::start().await.target(),
    }
}

async fn wasm_target() -> Target {
    node().sandbox().await
}

/// A test of a case for one kind of sandbox, if the case is for it:
/// `any` is for both; `process` needs what only an operating system has, and
/// `wasm` what only the node host has. The reason is with the case.
macro_rules! test {
    (process $module:ident $case:ident wasm) => {};
    (wasm $module:ident $case:ident process) => {};
    (process $module:ident $case:ident $for:ident) => {
        #[test]
        fn $case() {
            mote_conformance::run(async {
                crate::$module::$case(&crate::process_target().await).await;
            });
        }
    };
    (wasm $module:ident $case:ident $for:ident) => {
        #[test]
        fn $case() {
            mote_conformance::run(async {
                crate::$module::$case(&crate::wasm_target().await).await;
            });
        }
    };
}

macro_rules! tests {
    ($($module:ident: { $($case:ident $for:ident,)* })*) => {
        mod process { $( mod $module { $( test!(process $module $case $for); )* } )* }
        mod wasm { $( mod $module { $( test!(wasm $module $case $for); )* } )* }
    };
}

tests! {
    execute: {
        both_outputs_and_the_exit_code_are_told_apart any,
        empty_command_is_invalid_argument any,
        missing_config_is_an_empty_command any,
        a_program_that_is_not_there_is_not_found any,
        a_file_that_may_not_be_run_is_permission_denied any,
        a_folder_is_no_program any,
        argv_reaches_the_program_with_no_shell_between any,
        a_line_for_bash_is_run_by_a_shell any,
        cwd_is_the_root_unless_set any,
        cwd_is_a_path_below_the_root any,
        cwd_that_escapes_is_permission_denied any,
        cwd_that_is_not_there_is_not_found any,
        variables_are_added_and_win any,
        execute_has_no_input any,
        an_output_larger_than_a_message_of_clients_is_whole any,
        bytes_that_are_no_text_pass_unchanged any,
        a_deadline_ends_the_program any,
        a_caller_that_goes_ends_the_program any,
        nul_in_an_argument_or_variable_is_invalid any,
    }
    start: {
        init_is_first_and_exit_is_last any,
        output_arrives_while_the_program_runs any,
        outputs_arrive_in_order any,
        pieces_have_at_most_4096_bytes process,
        a_long_output_is_whole any,
        a_slow_reader_loses_nothing any,
        programs_are_numbered_from_1_upwards any,
        a_program_is_unknown_once_its_stream_has_ended any,
        a_number_that_no_program_has_is_not_found any,
        a_stream_that_is_dropped_ends_the_program any,
        a_deadline_ends_the_stream_and_the_program any,
        a_grandchild_that_holds_the_pipes_delays_exit_by_5_s process,
        a_signal_after_the_end_is_no_error process,
    }
    stdin: {
        input_reaches_the_program_and_eof_closes_it any,
        a_write_after_eof_is_an_internal_error any,
        a_large_input_is_whole any,
        an_empty_payload_changes_nothing any,
    }
    signals: {
        an_end_by_a_signal_is_minus_one any,
        an_end_by_a_signal_of_its_own_is_minus_one process,
        a_program_may_catch_term process,
        a_signal_reaches_all_that_the_program_started any,
        a_signal_that_has_no_name_is_invalid any,
    }
    terminal: {
        a_terminal_merges_both_outputs_on_stdout any,
        all_three_streams_are_the_terminal any,
        without_a_terminal_no_stream_is_one any,
        the_terminal_has_the_size_that_was_asked_for any,
        a_new_size_is_seen_by_the_program any,
        input_is_typed_into_the_terminal_and_echoed any,
        ctrl_c_ends_the_program any,
        ctrl_d_is_end_of_file any,
        the_last_output_of_a_terminal_is_not_lost any,
        a_size_for_no_terminal_is_a_failed_precondition any,
        a_size_that_no_terminal_has_harms_nothing any,
    }
    service: {
        reflection_names_the_service any,
    }
    malformed: {
        an_unknown_method_is_unimplemented any,
        bytes_that_are_no_message_are_refused any,
        unknown_fields_of_a_message_are_skipped any,
        a_message_that_is_too_large_is_refused any,
        rest_refuses_what_is_no_request any,
        runtime_refuses_what_is_no_request any,
        a_call_header_that_is_none_is_invalid any,
    }
    upload: {
        what_was_put_is_what_one_gets any,
        a_program_sees_what_was_put any,
        a_file_that_is_there_is_replaced any,
        an_empty_body_is_an_empty_file any,
        folders_on_the_way_are_made any,
        mode_is_0644_unless_asked_for any,
        a_mode_that_is_none_is_invalid any,
        a_folder_is_not_replaced_by_a_file any,
        a_form_writes_its_part_named_file any,
        a_form_without_a_file_is_invalid any,
        a_form_that_is_none_is_invalid any,
        a_form_cut_off_within_its_file_writes_none any,
        nothing_is_left_beside_the_file any,
        through_a_link_its_target_is_written any,
        a_folder_that_cannot_be_written_is_an_internal_error any,
    }
    download: {
        a_file_comes_with_what_clients_need any,
        head_is_get_without_the_body any,
        what_is_not_there_is_not_found any,
        a_name_below_a_file_is_an_internal_error any,
        health_tells_how_long_it_is_up any,
        metadata_tells_what_is_meant_to_be_told any,
        an_unknown_path_is_plain_404 any,
        an_unknown_method_is_plain_405 any,
        a_large_file_passes_whole any,
    }
    ranges: {
        a_range_is_a_part_of_the_file any,
        head_of_a_range_tells_its_length any,
        a_range_past_the_end_cannot_be_satisfied any,
        a_range_that_is_none_is_416 any,
        no_range_at_all_is_the_whole_file any,
        many_ranges_are_many_parts any,
        ranges_that_ask_for_more_than_the_file_get_the_file any,
        what_has_not_changed_is_304 any,
        what_has_changed_is_412 any,
        a_tag_is_never_that_of_a_file any,
        a_range_of_another_version_is_the_whole_file any,
    }
    listing: {
        a_listing_is_as_clients_know_it any,
        an_empty_folder_has_a_list_of_none any,
        the_root_is_listed_as_slash any,
        names_are_sorted_by_their_bytes any,
        a_link_is_listed_as_what_it_leads_to any,
        links_that_lead_nowhere_or_out_are_left_out any,
        head_of_a_folder_has_no_body any,
        many_files_are_all_listed any,
    }
    delete: {
        a_file_goes_once any,
        an_empty_folder_goes any,
        a_folder_that_holds_something_is_a_conflict any,
        recursive_takes_all_of_it any,
        recursive_is_a_truth_value any,
        the_root_goes_only_on_request_and_stays any,
        the_empty_root_stays_too any,
        through_a_link_its_target_goes any,
        nothing_outside_goes any,
        links_within_are_removed_and_not_followed any,
    }
    paths: {
        a_percent_encoded_slash_separates any,
        names_may_hold_what_a_url_may_not any,
        percent_encoded_dotdot_is_403 any,
        percent_encoded_dots_within_are_cleaned any,
        a_literal_dotdot_or_double_slash_is_301 any,
        the_folder_of_files_needs_its_slash any,
        an_absolute_path_is_one_below_the_root any,
        the_name_of_the_root_is_trimmed any,
        a_link_within_is_followed any,
        a_link_that_leads_out_is_403 any,
        an_absolute_link_is_taken_as_it_is process,
        a_path_that_no_file_can_have_is_refused any,
        a_circle_of_links_is_refused any,
        a_fifo_makes_nobody_wait process,
    }
    archive: {
        a_tree_goes_up_and_comes_back any,
        an_archive_writes_nothing_outside any,
        bytes_that_are_no_archive_are_invalid any,
        an_archive_that_stops_half_way_is_invalid any,
    }
    contexts: {
        a_context_remembers_from_call_to_call any,
        a_variable_names_the_context_of_a_program any,
        a_lost_context_is_told_of_once any,
        what_is_no_context_is_refused any,
        the_interface_describes_itself any,
        a_call_tells_what_it_used any,
    }
    runtime_run: {
        the_root_says_that_it_is_active any,
        a_command_leaves_outputs_and_exit_code any,
        quotes_are_undone_and_no_shell_reads_the_rest any,
        a_command_runs_in_the_base_folder any,
        a_command_that_cannot_start_is_200_with_exit_code_1 any,
        a_command_past_its_time_says_so any,
        in_time_there_is_no_word_of_time any,
        the_root_answers_at_once_while_a_command_runs any,
        output_that_is_no_text_is_replaced any,
        a_body_that_is_no_request_is_422 any,
        an_unknown_path_or_method_is_told_as_json any,
    }
    runtime_files: {
        what_was_uploaded_is_what_is_downloaded any,
        the_file_name_is_a_path any,
        an_upload_that_escapes_is_denied any,
        an_upload_without_a_file_is_422 any,
        a_download_of_nothing_is_404 any,
        a_path_that_escapes_is_denied any,
        a_list_tells_of_each_entry any,
        a_list_of_no_folder_is_404 any,
        exists_tells_whether_it_does any,
        the_surfaces_share_their_files any,
    }
    limits: {
        a_sandbox_that_is_not_there_is_not_found wasm,
        a_name_that_no_sandbox_can_have_is_refused wasm,
        a_suspended_sandbox_is_unavailable wasm,
        suspending_ends_what_runs wasm,
        deleting_ends_what_runs wasm,
        sandboxes_do_not_see_each_other wasm,
        a_full_disk_is_told_as_such wasm,
        a_sandbox_spec_is_checked wasm,
        a_name_that_is_taken_is_a_conflict wasm,
        a_call_that_asks_for_less_gets_less wasm,
    }
}
