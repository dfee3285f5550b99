//! Groups (ty 9): which members one may have (TS-0001, 9.6.13), and one request to all of them through `fopt` (TS-0001, 10.2.7).
//!
//! Absent: groups in groups, subscriptions through `fopt`, and notices that are collected for a group.

use super::{
    answer::Outcome,
    attributes::Given,
    errors::{Fault, rsc},
    operate::{self, follow},
    primitive::{Operation, Primitive, To},
    show::id_text,
};
use futures_util::{StreamExt, stream};
use landfall_core::{Core, OriginCaller, Right, Target};
use landfall_model::{ErrorKind, Resource, ResourceKind};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

type Result<T> = std::result::Result<T, Fault>;

/// The virtual child through which all members are reached.
const FAN_OUT: &str = "fopt";
/// Members that are asked at a time.
const AT_ONCE: usize = 4;
/// Seconds after which no further member is asked.
const DEADLINE_S: i64 = 30;
/// `mt` of a group of several types.
const MIXED: u64 = 0;

/// What becomes of members of another type than the group's; `csy` (TS-0004, 6.3.4.2.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    AbandonMember,
    AbandonGroup,
    SetMixed,
}

/// Checks `mid` and `macp` of a new group or of a change, and puts ids in their place. `macp` must have been looked up already.
pub(super) async fn settle(core: &Core, by: &OriginCaller, before: Option<&Resource>, given: &mut Given) -> Result<()> {
    let number = |name: &str| {
        let of = |attributes: &Map<String, Value>| attributes.get(name).and_then(Value::as_u64);
        of(&given.attributes).or_else(|| before.and_then(|group| of(&group.attributes)))
    };
    let most = number("mnm").unwrap_or(0);
    let strategy = match number("csy") {
        Some(2) => Strategy::AbandonGroup,
        Some(3) => Strategy::SetMixed,
        _ => Strategy::AbandonMember,
    };
    let ty = number("mt").unwrap_or(MIXED);
    let Some(Value::Array(members)) = given.attributes.get("mid") else {
        let kept = before.and_then(|group| group.attributes.get("mid")).and_then(Value::as_array).map_or(0, Vec::len);
        return check_count(kept, most);
    };
    let members: Vec<String> = members.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let account = by.account();
    let (mut ids, mut found) = (HashSet::new(), vec![]);
    for (no, text) in members.iter().enumerate() {
        let member = member(core, by, no, text).await?;
        if ids.insert(member.id(account.id)) {
            found.push((id_text(account.id, &account.name, member.id(account.id)), u64::from(member.ty())));
        }
    }
    let (ty, kept) = consistent(ty, strategy, found)?;
    check_count(kept.len(), most)?;
    given.attributes.insert("mid".to_owned(), kept.into());
    if before.is_none() || ty != number_of(before, "mt") {
        given.attributes.insert("mt".to_owned(), ty.into());
    }
    if before.is_none() {
        given.attributes.entry("csy").or_insert(1.into());
    }
    Ok(())
}

fn number_of(group: Option<&Resource>, name: &str) -> u64 {
    group.and_then(|group| group.attributes.get(name)).and_then(Value::as_u64).unwrap_or(MIXED)
}

/// A member that the originator may retrieve, and that is no group.
async fn member(core: &Core, by: &OriginCaller, no: usize, text: &str) -> Result<Target> {
    let absent = || Fault::new(rsc::NOT_FOUND, format!("mid[{no}]: resource not found"));
    let to = To::of_id(text, &by.account().name).ok_or_else(absent)?;
    let found = match follow(core, by, &to).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(absent()),
        found => found?,
    };
    if !core.may(by, &found, Right::Retrieve).await? {
        return Err(Fault::new(rsc::NO_PRIVILEGE, format!("mid[{no}]: originator has no privilege")));
    }
    if matches!(&found, Target::Resource(member) if member.kind == ResourceKind::Group) {
        return Err(Fault::bad(format!("mid[{no}]: a group cannot be a member of a group")));
    }
    Ok(found)
}

fn check_count(members: usize, most: u64) -> Result<()> {
    if members as u64 > most {
        return Err(Fault::new(rsc::TOO_MANY_MEMBERS, "mid: more members than mnm"));
    }
    Ok(())
}

/// The type of the group and its members, after those of another type were dealt with.
fn consistent(ty: u64, strategy: Strategy, members: Vec<(String, u64)>) -> Result<(u64, Vec<String>)> {
    let fits = |of: u64| ty == MIXED || of == ty;
    let odd = members.iter().any(|(_, of)| !fits(*of));
    let all = |members: Vec<(String, u64)>| members.into_iter().map(|(id, _)| id).collect();
    match strategy {
        _ if !odd => Ok((ty, all(members))),
        Strategy::AbandonMember => Ok((ty, all(members.into_iter().filter(|(_, of)| fits(*of)).collect()))),
        Strategy::AbandonGroup => Err(Fault::new(rsc::INCONSISTENT_MEMBERS, "mid: not all members are of the type mt")),
        Strategy::SetMixed => Ok((MIXED, all(members))),
    }
}

/// The group's part of an address and what is meant below each member; none where the address has no `fopt`.
pub(super) fn split(to: &To) -> Option<(To, &[String])> {
    let at = to.names().iter().position(|name| name == FAN_OUT)?;
    Some((to.with_names(&to.names()[..at]), &to.names()[at + 1..]))
}

/// What a request to all members needs; judged before its body is read.
pub(super) async fn check(core: &Core, by: &OriginCaller, asked: &Primitive, group: &Resource) -> Result<()> {
    let right = match asked.operation {
        Operation::Create(23) => return Err(Fault::new(rsc::INVALID_CHILD, "subscriptions are made at each member")),
        Operation::Create(_) => Right::Create,
        Operation::Retrieve => Right::Retrieve,
        Operation::Discover => Right::Discover,
        Operation::Update => Right::Update,
        Operation::Delete => Right::Delete,
    };
    core.check_fan_out(by, group, right).await?;
    if members_of(group).next().is_none() {
        return Err(Fault::new(rsc::NO_MEMBERS, "the group has no members"));
    }
    Ok(())
}

/// Does what is asked at every member: `{"m2m:agr": {"m2m:rsp": [...]}}`, in the order of `mid`. Rights are judged at each. Some are asked at
/// a time; what does not come within the deadline, or within the bytes of an answer, is told so.
pub(super) async fn fan_out(
    core: &Core,
    by: &OriginCaller,
    asked: &Primitive,
    group: &Resource,
    below: &[String],
    body: &[u8],
) -> Result<Outcome> {
    let deadline = core.now().plus_s(DEADLINE_S);
    let each = |id: To| {
        let one = Primitive { to: id, answer_bytes: asked.answer_bytes / AT_ONCE, ..asked.clone() };
        async move {
            if core.now() >= deadline {
                return Err(Fault::new(rsc::REQUEST_TIMEOUT, "the request took too long; this member was not asked"));
            }
            let target = operate::locate_one(core, by, &one).await?;
            operate::operate(core, by, &one, target, body).await
        }
    };
    // What has an id for its name is not meant; the base alone is a member by its name.
    let of_id = |id: &str| id.parse().map_or_else(|_| To::Names(below.to_vec()), |id| To::Id(id, below.to_vec()));
    let mut outcomes = stream::iter(members_of(group).map(of_id).map(each).collect::<Vec<_>>()).buffered(AT_ONCE);
    let mut answers = Answers { request_id: &asked.request_id, room: asked.answer_bytes, list: vec![] };
    while let Some(outcome) = outcomes.next().await {
        answers.take(outcome);
    }
    Ok(Outcome::of(rsc::OK, json!({ "m2m:agr": { "m2m:rsp": answers.list } })))
}

fn members_of(group: &Resource) -> impl Iterator<Item = &str> {
    group.attributes.get("mid").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What the members answered, as response primitives (TS-0004, 6.4.2).
struct Answers<'a> {
    request_id: &'a str,
    /// Bytes of contents that still fit.
    room: usize,
    list: Vec<Value>,
}

impl Answers<'_> {
    fn take(&mut self, outcome: Result<Outcome>) {
        let (code, content, next) = match outcome {
            Ok(outcome) => (outcome.rsc, outcome.body, outcome.next_offset),
            Err(fault) => (fault.rsc, Some(json!({ "m2m:dbg": fault.text })), None),
        };
        let mut answer = Map::new();
        answer.insert("rsc".to_owned(), code.into());
        answer.insert("rqi".to_owned(), self.request_id.into());
        answer.insert("rvi".to_owned(), "4".into());
        if let Some(content) = content {
            let bytes = content.to_string().len();
            if bytes <= self.room {
                self.room -= bytes;
                answer.insert("pc".to_owned(), content);
            } else {
                // Partial content: what this member said found no room.
                self.room = 0;
                answer.insert("cnst".to_owned(), 1.into());
            }
        }
        if let Some(next) = next {
            answer.insert("cnst".to_owned(), 1.into());
            answer.insert("cnot".to_owned(), next.into());
        }
        self.list.push(Value::Object(answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_another_type_go_or_turn_the_group() {
        let members = || vec![("a".to_owned(), 3), ("b".to_owned(), 14)];
        let both = || vec!["a".to_owned(), "b".to_owned()];
        for (ty, strategy, expected) in [
            (0, Strategy::AbandonMember, Ok((0, both()))),
            (3, Strategy::AbandonMember, Ok((3, vec!["a".to_owned()]))),
            (23, Strategy::AbandonMember, Ok((23, vec![]))),
            (0, Strategy::AbandonGroup, Ok((0, both()))),
            (14, Strategy::AbandonGroup, Err(4110)),
            (3, Strategy::SetMixed, Ok((0, both()))),
        ] {
            let found = consistent(ty, strategy, members()).map_err(|fault| fault.rsc);
            assert_eq!(found, expected, "{ty} {strategy:?}");
        }
        assert_eq!(consistent(3, Strategy::SetMixed, vec![("a".into(), 3)]).unwrap().0, 3, "nothing is odd");
        assert_eq!((check_count(2, 2).is_ok(), check_count(3, 2).unwrap_err().rsc), (true, 6010));
    }

    #[test]
    fn addresses_are_split_where_the_members_begin() {
        let names = |path: &str| To::Names(path.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect());
        for (path, expected) in [
            ("g/fopt", Some(("g", ""))),
            ("a/g/fopt/b/la", Some(("a/g", "b/la"))),
            ("g/fopt/x/fopt", Some(("g", "x/fopt"))),
            ("fopt", Some(("", ""))),
            ("g", None),
        ] {
            let to = names(path);
            let found = split(&to).map(|(group, below)| (group, below.join("/")));
            assert_eq!(found, expected.map(|(group, below)| (names(group), below.to_owned())), "{path}");
        }
    }

    #[test]
    fn answers_that_find_no_room_say_so() {
        let mut answers = Answers { request_id: "r", room: 20, list: vec![] };
        answers.take(Ok(Outcome::of(2000, json!({"a": 1}))));
        answers.take(Ok(Outcome::of(2000, json!({"a": "a longer answer than that"}))));
        answers.take(Ok(Outcome::empty(2002)));
        answers.take(Ok(Outcome { next_offset: Some(7), ..Outcome::empty(2000) }));
        let expected = json!([
            {"rsc": 2000, "rqi": "r", "rvi": "4", "pc": {"a": 1}},
            {"rsc": 2000, "rqi": "r", "rvi": "4", "cnst": 1},
            {"rsc": 2002, "rqi": "r", "rvi": "4"},
            {"rsc": 2000, "rqi": "r", "rvi": "4", "cnst": 1, "cnot": 7},
        ]);
        assert_eq!(Value::Array(answers.list), expected);
    }
}
