//! What every store must do, run over SQLite always and over PostgreSQL when `LANDFALL_TEST_POSTGRES` holds a URL; each test has a
//! directory or schema of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test may fail,
#![allow(clippy::disallowed_methods)] // and it spawns what races.

mod addresses;
mod alarms;
mod binaries;
mod commands;
mod counts;
mod deletion;
mod device_requests;
mod fleet;
mod frames;
mod groups;
mod hang;
mod history;
mod identities;
mod jobs;
mod life;
mod lists;
mod members;
mod objects;
mod onem2m;
mod origin;
mod place;
mod presence;
mod records;
mod shadows;
mod stall;
mod stream;
mod time;
mod tls;
mod users;

use onem2m::{claims, instances, labels, tree};
use place::Place;
use std::future::Future;

fn run<F: Future<Output = ()>>(place: Place, test: impl FnOnce(Place) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test(place));
}

macro_rules! conformance {
    ($($module:ident: $($name:ident)*;)*) => {
        mod sqlite {
            $($(#[test]
            fn $name() {
                super::run(super::Place::sqlite(), super::$module::$name);
            })*)*
        }

        mod postgres {
            $($(#[test]
            fn $name() {
                if let Some(place) = super::Place::postgres(stringify!($name)) {
                    super::run(place, super::$module::$name);
                }
            })*)*
        }
    };
}

conformance! {
    records: records_come_back versions_are_checked node_ids_are_unique names_are_unique product_keys_are_unique
        subscriptions_are_unique a_refused_batch_leaves_nothing deleting_a_device_takes_all_with_it cursors_follow_their_subscription
        calls_and_sessions odd_texts_are_refused_alone reads_stay_coherent;
    lists: devices_by_filter_and_page a_device_is_listed_by_each_of_its_principals nul_in_a_filter_finds_nothing lists_stay_within_their_account due_devices_are_found many_devices_page_well;
    counts: counters_equal_counts a_limit_holds_against_parallel_registrations;
    deletion: a_container_is_gone_at_once_and_its_rows_go_in_slices a_lowered_limit_evicts_at_once_and_deletes_later
        a_subtree_goes_in_slices
        a_device_with_much_history_is_gone_at_once;
    stream: events_have_places_in_order a_refused_batch_takes_no_place events_are_read_from_anywhere waiting_ends_with_the_next_event
        places_by_time retention_of_events the_queue_is_bounded large_batches;
    history: history_by_pages history_by_time history_of_a_gateway history_of_every_child history_ages_by_receipt newest_values retention_of_history deleted_points_do_not_return
        flushing_never_hides_a_point points_of_a_device_in_slices;
    frames: frames_are_kept_with_history frames_page_over_chunks a_crash_repeats_no_frame frames_go_with_history decoded_again_is_history
        devices_of_a_product;
    commands: commands_are_versioned_and_placed many_commands_at_once open_commands_wait_in_order commands_by_filter_and_page revoke_tasks_by_filter
        retention_of_commands operations_by_filter_and_page;
    fleet: a_fleet_has_each_device_once ids_are_listed_as_their_devices addressees_are_known_whole;
    binaries: files_come_in_parts;
    device_requests: device_requests_are_unique_on_the_server;
    groups: groups_are_versioned_and_named members_are_read_from_both_ends a_group_is_gone_at_once_and_its_members_leave_in_slices;
    jobs: jobs_are_versioned_and_named jobs_by_filter_and_page blocks_hold_their_places targets_are_begun_once
        counts_are_exact_whatever_ends targets_by_page_begun_or_not targets_by_device_and_command
        the_targets_of_a_device_that_goes_fail a_job_is_gone_at_once_and_its_targets_go_in_slices rows_are_left_at_their_places
        the_first_claim_stays;
    members: a_group_has_no_more_devices_than_it_may two_that_fill_a_group_cannot_both members_are_counted
        devices_in_many_groups_leave_them members_are_read_from_any_place who_sees_devices_is_said_in_their_order;
    objects: objects_are_versioned objects_by_filter_and_page what_is_below_what an_object_has_few_above_it groups_are_found_by_their_place
        external_ids_are_unique new_objects_are_written_together many_links_of_what_is_gone_go_in_slices;
    addresses: addresses_stay_while_they_are_named addresses_stay_while_they_owe nothing_is_told_to_an_address_that_is_gone;
    alarms: a_device_has_one_open_alarm_of_a_kind alarms_by_filter_and_page the_newest_open_alarm_of_some_devices
        device_events_by_filter_and_page retention_of_alarms_and_events alarms_and_events_go_with_their_device;
    shadows: shadows_are_versioned settings_by_filter retention_of_settings;
    identities: names_that_mean_the_same_are_one_devices a_name_goes_with_its_device racing_names_have_one_winner
        many_names_are_looked_up_at_once new_devices_are_refused_one_by_one;
    presence: psk_identities_are_unique registrations_come_and_go secure_sessions_page_over_all_numbers
        what_is_about_a_device_goes_with_it;
    tree: resources_come_back resources_are_versioned_and_named parents_must_be_there a_subtree_goes_with_its_top
        resources_by_filter_and_page subscriptions_are_known_at_once a_subscription_goes_with_its_last_notice nodes_have_names devices_by_the_first_bytes_of_their_id
        resources_end_by_themselves telling_groups_are_known_at_once a_group_ends_with_its_record;
    instances: instances_come_back states_count_without_holes the_oldest_make_room names_are_unique_in_a_container
        a_refused_append_counts_nothing containers_must_be_there instances_by_pages instances_end_by_themselves
        deleted_instances_count_no_more outgoing_messages_are_work a_change_counts_and_makes_room
        notices_say_what_their_batch_made instances_go_with_their_last_retrieval;
    origin: the_number_comes_back_where_it_was_left a_copy_is_in_another_place;
    labels: subjects_are_found_by_labels labels_go_with_their_subject;
    claims: claims_name_who_is_there;
    life: a_crash_loses_nothing a_crash_inside_a_flush_repeats_nothing a_second_process_is_refused shutdown_drains
        small_chunks_are_merged a_lost_connection_is_replaced another_writer_ends_the_store a_lock_that_another_took_ends_the_store
        a_probe_writes a_clean_end_leaves_one_file a_database_that_is_gone_is_no_fresh_start;
    time: a_wrong_time_is_not_held a_report_of_a_wrong_time_counts_as_of_now a_small_step_back_is_not_shown a_start_tells_when_the_database_was_in_use;
    hang: a_database_that_hangs_is_given_up a_database_that_hangs_holds_no_end_and_no_start;
    users: users_come_back_by_name_and_by_device users_are_versioned_and_their_devices_unique users_by_role_and_page tenants_are_unique;
    tls: certificates_of_the_database_are_checked;
}
