//! The states of a command (1.7.1, contract section 9): which one goes out next, and which state follows which.
//!
//! Pure: what was loaded, what happened and the time come in; the next states go out.

use super::batch;
use crate::Outcome;
use landfall_model::{AppId, Cause, Command, CommandId, CommandState, Device, Error, Result, TargetEnd, TargetState, Time};

/// The times that a change of state goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// Now.
    pub now: Time,
    /// When what was sent now must be acknowledged.
    pub ack_by: Time,
    /// When what is acknowledged now must have its result.
    pub result_by: Time,
}

/// What tells a command from the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    /// Id.
    pub id: CommandId,
    /// Number on the device side.
    pub mid: u16,
    /// Place in the device's queue.
    pub place: u64,
}

/// A command as it is made, in the name of `app` and for `by`: of a service, a method and parameters that fit the product.
pub(crate) fn pending(
    device: &Device,
    (app, by): (Option<AppId>, Option<AppId>),
    numbers: Numbers,
    (service_id, method, paras): (&str, &str, &str),
    now: Time,
) -> Command {
    Command {
        id: numbers.id,
        account: device.account,
        app,
        by,
        job: None,
        device: device.id,
        version: 1,
        place: numbers.place,
        mid: numbers.mid,
        service_id: service_id.to_owned(),
        method: method.to_owned(),
        paras: paras.to_owned(),
        callback_url: None,
        expire_s: None,
        max_retransmit: 0,
        state: CommandState::Pending,
        created_at: now,
        issued_times: 0,
        issued_at: None,
        delivered_at: None,
        executed_at: None,
        result: None,
        due_at: None,
    }
}

/// The command without validity that goes out before everything else, even to a device that sleeps.
pub(crate) fn immediate(open: &[Command]) -> Option<&Command> {
    open.iter().find(|command| command.state == CommandState::Pending && is_immediate(command))
}

/// The oldest cached command, unless one before it still waits for its acknowledgement.
pub(crate) fn in_turn(open: &[Command]) -> Option<&Command> {
    let waits = |command: &Command| command.state == CommandState::Sent && !is_immediate(command);
    open.iter().find(|command| command.state == CommandState::Pending).filter(|_| !open.iter().any(waits))
}

/// The command that an answer of the device is for: by its number, else the oldest that waits for one.
pub(crate) fn answered(open: &[Command], mid: Option<u16>) -> Option<&Command> {
    let waits = |c: &&Command| matches!(c.state, CommandState::Sent | CommandState::Delivered);
    open.iter().filter(waits).find(|command| mid.is_none_or(|mid| command.mid == mid))
}

/// Whether one more may be queued. `CommandLimit`.
pub(crate) fn check_room(open: &[Command], most: usize) -> Result<()> {
    if open.iter().filter(|command| command.state == CommandState::Pending).count() >= most {
        return Err(Error::new(Cause::CommandLimit, "the device has as many pending commands as it may"));
    }
    Ok(())
}

/// It goes out.
pub(crate) fn sent(command: &Command, times: Times) -> Command {
    Command {
        issued_times: command.issued_times + 1,
        issued_at: Some(times.now),
        due_at: Some(times.ack_by),
        ..moved(command, CommandState::Sent)
    }
}

/// Whether it goes out once more (maxRetransmit).
pub(crate) fn goes_again(command: &Command, outcome: &Outcome) -> bool {
    *outcome == Outcome::Unanswered
        && command.state == CommandState::Sent
        && command.issued_times <= command.max_retransmit.into()
}

/// The states that follow an outcome, in order; none for a command that is beyond it. `has_result`: its model defines one.
pub(crate) fn after(command: &Command, outcome: &Outcome, has_result: bool, times: Times) -> Vec<Command> {
    use CommandState::{Delivered, Failed, Sent, Successful, Timeout};
    let ends =
        |command: &Command, state, result: &str| Command { result: Some(result.to_owned()), ..ended(command, state, times.now) };
    match (command.state, outcome) {
        (Sent, Outcome::Unanswered) => vec![Command { result: None, ..ended(command, Timeout, times.now) }],
        (Sent, Outcome::Delivered) => vec![delivered(command, has_result, times)],
        // Whatever a device says of a command, it has received it.
        (Sent, Outcome::Done(_) | Outcome::Refused(_)) => {
            let delivered = delivered(command, has_result, times);
            let mut states = after(&delivered, outcome, has_result, times);
            states.insert(0, delivered);
            states
        }
        (Delivered, Outcome::Done(result)) => vec![ends(command, Successful, result)],
        (Delivered, Outcome::Refused(result)) | (Sent | Delivered, Outcome::Failed(result)) => {
            vec![ends(command, Failed, result)]
        }
        _ => vec![],
    }
}

/// It fails before it is sent: as the result stands why.
pub(crate) fn failed(command: &Command, error: &Error, now: Time) -> Command {
    let result = serde_json::json!({ "error": error.to_string() }).to_string();
    Command { result: Some(result), ..ended(command, CommandState::Failed, now) }
}

/// Its time is over: EXPIRED if it was never tried, else TIMEOUT.
pub(crate) fn over(command: &Command, now: Time) -> Command {
    let unsent = command.state == CommandState::Pending && !is_immediate(command);
    ended(command, if unsent { CommandState::Expired } else { CommandState::Timeout }, now)
}

/// It is taken back. `CommandNotPending` once it was sent.
pub(crate) fn canceled(command: &Command) -> Result<Command> {
    if command.state != CommandState::Pending {
        return Err(Error::new(Cause::CommandNotPending, "only a pending command can be canceled"));
    }
    Ok(Command { due_at: None, ..moved(command, CommandState::Canceled) })
}

/// What ends of the job that a command was made for: a command that is over, or acknowledged and without a result to wait for.
pub(crate) fn end_of_target(command: &Command) -> Option<TargetEnd> {
    let (job, place) = command.job?;
    let state = match command.state {
        CommandState::Delivered if command.due_at.is_none() => TargetState::Succeeded,
        CommandState::Pending | CommandState::Sent | CommandState::Delivered => return None,
        CommandState::Successful => TargetState::Succeeded,
        CommandState::Failed | CommandState::Canceled => TargetState::Failed,
        CommandState::Timeout => TargetState::TimedOut,
        CommandState::Expired => TargetState::Expired,
    };
    Some(TargetEnd { job, place, state, detail: Some(batch::outcome(command)) })
}

/// Sent at once or never.
fn is_immediate(command: &Command) -> bool {
    command.expire_s == Some(0)
}

/// Its device took it, and has until `due_at` to say what became of it.
pub(super) fn taken(command: &Command, due_at: Option<Time>, now: Time) -> Command {
    Command { delivered_at: Some(now), due_at, ..moved(command, CommandState::Delivered) }
}

/// Acknowledged: it waits for its result, if its model defines one, else stays so (contract section 9).
fn delivered(command: &Command, has_result: bool, times: Times) -> Command {
    Command {
        delivered_at: Some(times.now),
        due_at: has_result.then_some(times.result_by),
        ..moved(command, CommandState::Delivered)
    }
}

/// It is over.
pub(super) fn ended(command: &Command, state: CommandState, now: Time) -> Command {
    let executed = matches!(state, CommandState::Successful | CommandState::Failed);
    Command { executed_at: executed.then_some(now).or(command.executed_at), due_at: None, ..moved(command, state) }
}

fn moved(command: &Command, state: CommandState) -> Command {
    Command { version: command.version + 1, state, ..command.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CommandState::{Canceled, Delivered, Expired, Failed, Pending, Sent, Successful, Timeout};
    use landfall_model::{AccountId, AppId, CommandId, DeviceId, JobId};

    const TIMES: Times = Times { now: Time(1_000), ack_by: Time(2_000), result_by: Time(3_000) };

    fn command(place: u8, state: CommandState, expire_s: Option<u32>) -> Command {
        Command {
            id: CommandId::from_random([place; 16]),
            account: AccountId::from_random([1; 16]),
            app: Some(AppId::from_random([1; 16])),
            by: None,
            job: None,
            device: DeviceId::from_random([1; 16]),
            version: 4,
            place: place.into(),
            mid: u16::from(place),
            service_id: "Device".into(),
            method: "REBOOT".into(),
            paras: "{}".into(),
            callback_url: None,
            expire_s,
            max_retransmit: 1,
            state,
            created_at: Time(0),
            issued_times: 1,
            issued_at: None,
            delivered_at: None,
            executed_at: None,
            result: None,
            due_at: Some(Time(500)),
        }
    }

    #[test]
    fn the_next_command_is_the_immediate_one_else_the_oldest_that_nothing_holds_up() {
        let (cached, now) = (None, Some(0));
        for (open, first, then) in [
            (vec![], None, None),
            (vec![(Pending, cached), (Pending, cached)], None, Some(1)),
            (vec![(Pending, cached), (Pending, now)], Some(2), Some(1)),
            (vec![(Sent, cached), (Pending, cached)], None, None),
            (vec![(Sent, cached), (Pending, now)], Some(2), None),
            (vec![(Sent, now), (Pending, cached)], None, Some(2)),
            (vec![(Delivered, cached), (Pending, Some(60))], None, Some(2)),
            (vec![(Sent, now), (Sent, now)], None, None),
        ] {
            let commands: Vec<_> = (1..).zip(&open).map(|(n, (state, expire_s))| command(n, *state, *expire_s)).collect();
            let place = |found: Option<&Command>| found.map(|command| command.place);
            assert_eq!((place(immediate(&commands)), place(in_turn(&commands))), (first, then), "{open:?}");
        }
    }

    #[test]
    fn an_answer_is_for_a_command_that_was_sent() {
        let open = [command(1, Pending, None), command(2, Delivered, None), command(3, Sent, None)];
        for (mid, found) in [(None, Some(2)), (Some(3), Some(3)), (Some(1), None), (Some(9), None)] {
            assert_eq!(answered(&open, mid).map(|command| command.place), found, "{mid:?}");
        }
    }

    #[test]
    fn the_end_of_a_command_is_that_of_its_target() {
        let job = JobId::from_random([7; 16]);
        for (state, due, expected) in [
            (Pending, true, None),
            (Sent, true, None),
            (Delivered, true, None),
            (Delivered, false, Some(TargetState::Succeeded)),
            (Successful, false, Some(TargetState::Succeeded)),
            (Failed, false, Some(TargetState::Failed)),
            (Canceled, false, Some(TargetState::Failed)),
            (Timeout, false, Some(TargetState::TimedOut)),
            (Expired, false, Some(TargetState::Expired)),
        ] {
            let result = Some("{}".to_owned());
            let made = Command { job: Some((job, 3)), result, ..command(1, state, None) };
            let made = Command { due_at: made.due_at.filter(|_| due), ..made };
            let end = end_of_target(&made);
            assert_eq!(
                end.as_ref().map(|end| (end.job, end.place, end.state)),
                expected.map(|state| (job, 3, state)),
                "{state:?}"
            );
            assert!(end.is_none_or(|end| end.detail.is_some()), "{state:?} says why");
            assert_eq!(end_of_target(&Command { job: None, ..made }), None);
        }
    }

    #[test]
    fn only_what_is_pending_takes_room() {
        let open = [command(1, Pending, None), command(2, Sent, None), command(3, Pending, Some(0))];
        assert!(check_room(&open, 3).is_ok());
        assert_eq!(check_room(&open, 2).unwrap_err().cause, Cause::CommandLimit);
    }

    #[test]
    fn each_outcome_has_its_states() {
        let [done, refused, failed] = [Outcome::Done, Outcome::Refused, Outcome::Failed].map(|outcome| outcome("{}".into()));
        for state in CommandState::ALL {
            for (outcome, from_sent, from_delivered) in [
                (&Outcome::Unanswered, vec![Timeout], vec![]),
                (&Outcome::Delivered, vec![Delivered], vec![]),
                (&done, vec![Delivered, Successful], vec![Successful]),
                (&refused, vec![Delivered, Failed], vec![Failed]),
                (&failed, vec![Failed], vec![Failed]),
            ] {
                let expected = match state {
                    Sent => from_sent,
                    Delivered => from_delivered,
                    _ => vec![],
                };
                let states = after(&command(1, state, None), outcome, true, TIMES);
                let found: Vec<_> = states.iter().map(|command| command.state).collect();
                assert_eq!(found, expected, "{state:?} {outcome:?}");
                let versions: Vec<_> = states.iter().map(|command| command.version).collect();
                assert_eq!(versions, (5..).take(states.len()).collect::<Vec<_>>(), "{state:?} {outcome:?}");
            }
        }
    }

    #[test]
    fn stages_are_stamped_and_have_their_deadline() {
        let start = command(1, Pending, None);
        let on_its_way = sent(&start, TIMES);
        assert_eq!((on_its_way.issued_times, on_its_way.issued_at, on_its_way.due_at), (2, Some(TIMES.now), Some(TIMES.ack_by)));
        for (has_result, due_at) in [(true, Some(TIMES.result_by)), (false, None)] {
            let acknowledged = after(&on_its_way, &Outcome::Delivered, has_result, TIMES).remove(0);
            assert_eq!((acknowledged.delivered_at, acknowledged.due_at), (Some(TIMES.now), due_at));
        }
        let done = after(&on_its_way, &Outcome::Done("{}".into()), true, TIMES).remove(1);
        assert_eq!((done.delivered_at, done.executed_at, done.due_at), (Some(TIMES.now), Some(TIMES.now), None));
        assert_eq!(done.result.as_deref(), Some("{}"));
        let refused = after(&on_its_way, &Outcome::Refused("{}".into()), true, TIMES).remove(1);
        assert_eq!((refused.delivered_at, refused.executed_at, refused.due_at), (Some(TIMES.now), Some(TIMES.now), None));
        let unsent = after(&on_its_way, &Outcome::Failed("{}".into()), true, TIMES).remove(0);
        assert_eq!((unsent.delivered_at, unsent.executed_at, unsent.due_at), (None, Some(TIMES.now), None));
        let silent = after(&on_its_way, &Outcome::Unanswered, true, TIMES).remove(0);
        assert_eq!((silent.executed_at, silent.result, silent.due_at), (None, None, None));
        let bad = failed(&start, &Error::new(Cause::CodecFailed, "encode: no"), TIMES.now);
        assert_eq!((bad.state, bad.executed_at), (Failed, Some(TIMES.now)));
        assert!(bad.result.is_some_and(|result| result.contains("encode: no")));
    }

    #[test]
    fn it_goes_again_as_often_as_it_may() {
        for (state, issued_times, outcome, expected) in [
            (Sent, 1, Outcome::Unanswered, true),
            (Sent, 2, Outcome::Unanswered, false),
            (Sent, 1, Outcome::Delivered, false),
            (Delivered, 1, Outcome::Unanswered, false),
        ] {
            let command = Command { issued_times, ..command(1, state, None) };
            assert_eq!(goes_again(&command, &outcome), expected, "{state:?} {issued_times} {outcome:?}");
        }
    }

    #[test]
    fn what_ends_unanswered_says_whether_it_was_tried() {
        for (state, expire_s, expected) in [
            (Pending, None, Expired),
            (Pending, Some(60), Expired),
            (Pending, Some(0), Timeout),
            (Sent, None, Timeout),
            (Delivered, None, Timeout),
        ] {
            let over = over(&command(1, state, expire_s), TIMES.now);
            assert_eq!((over.state, over.due_at), (expected, None), "{state:?} {expire_s:?}");
        }
    }

    #[test]
    fn only_what_is_pending_is_canceled() {
        for state in CommandState::ALL {
            let canceled = canceled(&command(1, state, None));
            match state {
                Pending => assert_eq!(canceled.map(|c| (c.state, c.due_at, c.version)), Ok((Canceled, None, 5))),
                _ => assert_eq!(canceled.unwrap_err().cause, Cause::CommandNotPending, "{state:?}"),
            }
        }
    }
}
