//! Batch tasks: a command for each of some devices, which ends with it.

use super::*;

/// Tasks of an application that are not over.
const OPEN_MOST: usize = 10;

impl Play {
    pub(super) async fn batch(&mut self, by: usize, of: Option<usize>, name: usize, over: [usize; 2]) -> Result<(), String> {
        let scope = scope(by, of, USUAL);
        let mut devices = over.map(|n| id(&self.devices, n).to_owned()).to_vec();
        devices.dedup();
        let command = json!({"serviceId": "Device", "method": "REBOOT", "paras": {"delay": 1}});
        let body = json!({
            "appId": self.named(Some(of.unwrap_or(by))), "taskName": format!("task-{name}"), "taskType": "DeviceCmd", "timeout": 60,
            "param": {"type": "DeviceList", "deviceList": devices, "command": command},
        });
        self.work().await;
        let answer = self.call(by, "POST", "/iocm/app/batchtask/v1.1.0/tasks", Some(body)).await?;
        let expected = scope.and_then(|app| {
            let mine = || self.tasks.iter().enumerate().filter(|(_, task)| task.of == app);
            if mine().filter(|(at, _)| self.states(*at).any(|state| state == "WaitResult")).count() >= OPEN_MOST {
                return Err("105001");
            }
            if mine().any(|(_, task)| task.what == name) { Err("105002") } else { Ok(app) }
        });
        let Some(app) = verdict(&answer, expected)? else { return Ok(()) };
        let at = self.tasks.len();
        self.tasks.push(made(&answer["taskID"], by, app, name));
        self.work().await;
        let shown = self.details(by, of, at).await?;
        for (sub_task, device) in shown.iter().zip(&devices) {
            same("deviceId", sub_task["param"]["deviceId"].as_str(), Some(device))?;
            let n = self.devices.iter().position(|made| made.id == *device);
            let takes = n.map_or(Err("100403"), |n| visible(&self.devices, n, app, "100403", "100418"));
            let takes = takes.and_then(|n| if self.pending(n).count() < PENDING_MOST { Ok(n) } else { Err("100223") });
            let command = match takes {
                Ok(n) => {
                    let made = made(&sub_task["param"]["commandId"], by, app, n);
                    self.commands.push(Made { name: "PENDING".into(), ..made });
                    Some(self.commands.len() - 1)
                }
                Err(code) => {
                    let error = sub_task["error"].as_str().unwrap_or_default();
                    if !error.contains(code) {
                        return Err(format!("{sub_task} instead of {code}"));
                    }
                    None
                }
            };
            self.sub_tasks.push((at, command));
        }
        self.compare(at, &shown)
    }

    pub(super) async fn task(&mut self, by: usize, of: Option<usize>, n: usize) -> Result<(), String> {
        self.work().await;
        let path = format!("/iocm/app/batchtask/v1.1.0/tasks/{}{}", id(&self.tasks, n), self.query(of));
        let answer = self.call(by, "GET", &path, None).await?;
        let at = n % self.tasks.len().max(1);
        let sees = |app| self.tasks.get(at).filter(|task| task.of == app).map(|_| at).ok_or("105005");
        let Some(at) = verdict(&answer, scope(by, of, USUAL).and_then(sees))? else { return Ok(()) };
        let count = |states: &[&str]| self.states(at).filter(|state| states.contains(state)).count();
        let open = count(&["WaitResult"]);
        same("status", answer["status"].as_str(), Some(if open > 0 { "Running" } else { "Complete" }))?;
        for (key, expected) in
            [("totalCnt", open + count(&["Fail"])), ("failCnt", count(&["Fail"])), ("completeCnt", count(&["Fail"]))]
        {
            if answer[key] != expected {
                return Err(format!("{key} is {} instead of {expected}", answer[key]));
            }
        }
        let shown = self.details(by, of, at).await?;
        self.compare(at, &shown)
    }

    /// The engine of jobs does what there is to do.
    async fn work(&self) {
        while self.ground.core.turn_jobs().await.unwrap().more {}
    }

    async fn details(&self, by: usize, of: Option<usize>, at: usize) -> Result<Vec<Value>, String> {
        let query = self.query(of).replace('?', "&");
        let path = format!("/iocm/app/batchtask/v1.1.0/taskDetails?taskId={}{query}", self.tasks[at].id);
        let answer = self.call(by, "GET", &path, None).await?;
        Ok(answer["taskDetails"].as_array().cloned().unwrap_or_default())
    }

    fn compare(&self, at: usize, shown: &[Value]) -> Result<(), String> {
        let shown: Vec<_> = shown.iter().filter_map(|sub_task| sub_task["status"].as_str()).collect();
        let expected: Vec<_> = self.states(at).collect();
        if shown == expected { Ok(()) } else { Err(format!("sub-tasks are {shown:?} instead of {expected:?}")) }
    }

    /// The sub-tasks of a task: one without a command has failed, and so has one whose command was canceled or went with its device.
    fn states(&self, at: usize) -> impl Iterator<Item = &'static str> {
        let of_it = self.sub_tasks.iter().filter(move |(task, _)| *task == at);
        of_it.map(|(_, command)| {
            let waits = command.is_some_and(|n| self.commands[n].name == "PENDING" && !self.commands[n].gone);
            if waits { "WaitResult" } else { "Fail" }
        })
    }
}
