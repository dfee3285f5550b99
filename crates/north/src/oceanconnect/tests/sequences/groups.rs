//! Groups of devices and who is in them. Where a request is wrong in two ways, either may be told.

use super::*;

const GROUPS: &str = "/iocm/app/devgroup/v1.3.0/devGroups";

impl Play {
    pub(super) async fn group(&mut self, by: usize, of: Option<usize>, act: Act) -> Result<(), String> {
        let scope = scope(by, of, USUAL);
        let query = self.query(of).replace("appId", "accessAppId");
        let group = |n: usize| {
            let at = n % self.groups.len().max(1);
            scope.and_then(|app| self.groups.get(at).filter(|group| group.of == app && !group.gone).map(|_| at).ok_or("100603"))
        };
        let device = |n, wrong| scope.and_then(|app| visible(&self.devices, n, app, wrong, wrong));
        let body = |group, device| json!({ "devGroupId": id(&self.groups, group), "deviceIds": [id(&self.devices, device)] });
        match act {
            Act::Group(name, most, member) => {
                let mut body =
                    json!({ "name": format!("group{name}"), "maxDevNum": most, "deviceIds": [id(&self.devices, member)] });
                if of.is_some() {
                    body["appId"] = self.named(of).into();
                }
                let answer = self.call(by, "POST", GROUPS, Some(body)).await?;
                let is_same = |app| move |there: &Made| (there.of, there.what, there.gone) == (app, name, false);
                let taken = scope.and_then(|app| if self.groups.iter().any(is_same(app)) { Err("100602") } else { Ok(app) });
                if let Some((app, member)) = either(&answer, taken, device(member, "50400"))? {
                    self.groups.push(made(&answer["id"], by, app, name));
                    self.members.push((most, BTreeSet::from([member])));
                }
            }
            Act::Join(n, member) => {
                let path = format!("/iocm/app/dm/v1.1.0/devices/addDevGroupTagToDevices{query}");
                let answer = self.call(by, "POST", &path, Some(body(n, member))).await?;
                let joins = device(member, "100604");
                let has_room = |at: usize| {
                    let (most, members) = &self.members[at];
                    *most == 0 || members.len() < *most || joins.is_ok_and(|joins| members.contains(&joins))
                };
                let room = group(n).and_then(|at| if has_room(at) { Ok(at) } else { Err("100601") });
                if let Some((at, member)) = either(&answer, room, joins)? {
                    self.members[at].1.insert(member);
                }
            }
            Act::Leave(n, member) => {
                let path = format!("/iocm/app/dm/v1.1.0/devices/deleteDevGroupTagFromDevices{query}");
                let answer = self.call(by, "POST", &path, Some(body(n, member))).await?;
                let (group, leaves) = (group(n), device(member, "100604"));
                match (group, leaves) {
                    // Whoever is not there is in no group.
                    (Ok(_), Err("100604")) if answer.is_null() => {}
                    _ => {
                        if let Some((at, member)) = either(&answer, group, leaves)? {
                            self.members[at].1.remove(&member);
                        }
                    }
                }
            }
            Act::Ungroup(n) => {
                let answer = self.call(by, "DELETE", &format!("{GROUPS}/{}{query}", id(&self.groups, n)), None).await?;
                if let Some(at) = verdict(&answer, group(n))? {
                    self.groups[at].gone = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) async fn grouped(&mut self, by: usize, of: Option<usize>, act: Act) -> Result<(), String> {
        let scope = scope(by, of, USUAL);
        let query = self.query(of).replace("appId", "accessAppId");
        let Act::Members(n) = act else {
            let answer = self.call(by, "GET", &format!("{GROUPS}{query}"), None).await?;
            if let Some(app) = verdict(&answer, scope)? {
                listed(&answer, "list", "id", &self.groups, |group| group.of == app)?;
                for shown in answer["list"].as_array().into_iter().flatten() {
                    let at = self.groups.iter().position(|group| shown["id"] == group.id);
                    if at.is_none_or(|at| shown["curDevNum"] != self.members[at].1.len()) {
                        return Err(format!("{shown} has another size"));
                    }
                }
            }
            return Ok(());
        };
        let path = format!("/iocm/app/dm/v1.2.0/devices/ids?devGroupId={}&pageSize=1000", id(&self.groups, n));
        let answer = self.call(by, "GET", &format!("{path}{}", query.replace('?', "&")), None).await?;
        let at = n % self.groups.len().max(1);
        let sees = |app| self.groups.get(at).filter(|group| group.of == app && !group.gone).map(|_| at).ok_or("100603");
        if let Some(at) = verdict(&answer, scope.and_then(sees))? {
            let shown: BTreeSet<_> = answer["deviceIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let expected: BTreeSet<_> = self.members[at].1.iter().map(|n| self.devices[*n].id.as_str()).collect();
            if shown != expected || answer["totalCount"] != expected.len() {
                return Err(format!("members are {answer} instead of {expected:?}"));
            }
        }
        Ok(())
    }
}

/// As [`verdict`], of two things of which either may be what is wrong.
fn either<A, B>(
    answer: &Value,
    first: Result<A, &'static str>,
    second: Result<B, &'static str>,
) -> Result<Option<(A, B)>, String> {
    match (first, second) {
        (Err(_), Err(second)) if answer["error_code"] == second => verdict(answer, Err::<(A, B), _>(second)),
        (Err(first), _) | (_, Err(first)) => verdict(answer, Err(first)),
        (Ok(first), Ok(second)) => verdict(answer, Ok((first, second))),
    }
}
