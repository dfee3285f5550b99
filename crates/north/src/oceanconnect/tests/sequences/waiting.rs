//! What waits for a device: the revocation of its commands, and desired values of its shadow.

use super::*;

impl Play {
    /// Commands that wait for a device.
    pub(super) fn pending(&self, device: usize) -> impl Iterator<Item = usize> {
        let waits = move |made: &Made| made.what == device && !made.gone && made.name == "PENDING";
        self.commands.iter().enumerate().filter(move |(_, made)| waits(made)).map(|(at, _)| at)
    }

    pub(super) async fn revocations(&mut self, by: usize, of: Option<usize>, act: Act) -> Result<(), String> {
        let (scope, query) = (scope(by, of, USUAL), self.query(of));
        let all = "/iocm/app/cmd/v1.4.0/deviceCommandCancelTasks";
        let Act::Revoke(n) = act else {
            let answer = self.call(by, "GET", &format!("{all}{query}"), None).await?;
            if let Some(app) = verdict(&answer, scope)? {
                listed(&answer, "data", "taskId", &self.revocations, |task| task.of == app)?;
            }
            return Ok(());
        };
        let body = json!({ "deviceId": id(&self.devices, n) });
        let answer = self.call(by, "POST", &format!("{all}{query}"), Some(body)).await?;
        let expected = scope.and_then(|app| Ok((app, visible(&self.devices, n, app, "100418", "100418")?)));
        if let Some((app, device)) = verdict(&answer, expected)? {
            let waiting: Vec<_> = self.pending(device).collect();
            let count = |value: &Value| value.as_u64().map(|count| count.to_string());
            same("totalCount", count(&answer["totalCount"]).as_deref(), Some(waiting.len().to_string().as_str()))?;
            same("status", answer["status"].as_str(), Some("SUCCESS"))?;
            waiting.into_iter().for_each(|at| self.commands[at].name = "CANCELED".into());
            self.revocations.push(made(&answer["taskId"], by, app, device));
        }
        Ok(())
    }

    pub(super) async fn shadows(&mut self, by: usize, of: Option<usize>, act: Act) -> Result<(), String> {
        let (scope, query) = (scope(by, of, USUAL), self.query(of));
        let path = |n| format!("/iocm/app/shadow/v1.5.0/devices/{}{query}", id(&self.devices, n));
        let device = |n, none| scope.and_then(|app| visible(&self.devices, n, app, none, "100418"));
        match act {
            Act::Set(n, value) => {
                let wanted = json!({"serviceDesireds": [{"serviceId": "Settings", "desired": {"interval": value}}]});
                let answer = self.call(by, "PUT", &path(n), Some(wanted)).await?;
                if let Some(at) = verdict(&answer, device(n, "100403"))? {
                    self.settings.push((at, value));
                }
            }
            Act::Shadow(n) => {
                let answer = self.call(by, "GET", &path(n), None).await?;
                if let Some(at) = verdict(&answer, device(n, "100418"))? {
                    let services = answer["services"].as_array().into_iter().flatten();
                    let shown = services.filter_map(|service| service["desiredProps"]["interval"].as_u64()).next();
                    let newest = self.set_at(at).next();
                    same("interval", text(shown).as_deref(), text(newest).as_deref())?;
                }
            }
            Act::Settings(n) => {
                let of = id(&self.devices, n);
                let path =
                    format!("/iocm/app/shadow/v1.5.0/deviceDesiredHistory?deviceId={of}&pageSize=250{}", query.replace('?', "&"));
                let answer = self.call(by, "GET", &path, None).await?;
                if verdict(&answer, scope)?.is_some() {
                    let shown = answer["DeviceDesiredHistoryDTO"].as_array().into_iter().flatten();
                    let shown: Vec<_> = shown.filter_map(|setting| setting["desired"]["interval"].as_u64()).collect();
                    // There is no code for a device that is not there, or another's.
                    let expected: Vec<_> = device(n, "").into_iter().flat_map(|at| self.set_at(at)).collect();
                    if shown != expected || answer["totalCount"] != expected.len() {
                        return Err(format!("settings are {answer} instead of {expected:?}"));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What was set at a device, newest first.
    fn set_at(&self, device: usize) -> impl Iterator<Item = u64> {
        self.settings.iter().rev().filter(move |(at, _)| *at == device).map(|(_, value)| *value)
    }
}

fn text(value: Option<u64>) -> Option<String> {
    value.map(|value| value.to_string())
}
