//! Tasks that cancel all pending commands of a device (1.7.5, 1.7.6).

use crate::{Core, RevokeFilter, Scope, batch};
use landfall_model::{
    Cause, Command, CommandId, CommandState, DeviceId, Page, PageRequest, Result, RevokeState, RevokeTask, TaskId, Write,
};

impl Core {
    /// Cancels all pending commands of a device (1.7.5). The task is over when this returns; commands that went out meanwhile make it
    /// PART_SUCCESS. `DeviceNotFound`, `DeviceForeign`.
    pub async fn revoke_commands(&self, scope: &Scope, device: DeviceId) -> Result<(RevokeTask, Vec<Command>)> {
        let device = self.device(scope, device).await?;
        let open = self.store.open_commands(device.id).await?;
        let pending: Vec<CommandId> = open.iter().filter(|c| c.state == CommandState::Pending).map(|c| c.id).collect();
        let mut task = RevokeTask {
            id: TaskId::from_random(self.random_16()),
            account: device.account,
            app: scope.name_at(&device),
            device: device.id,
            state: RevokeState::Running,
            commands: pending.clone(),
            created_at: self.now(),
        };
        self.store.commit(batch(vec![Write::RevokeTask(Box::new(task.clone()))], vec![])).await?;
        let mut commands = Vec::with_capacity(pending.len());
        task.state = RevokeState::Success;
        for id in pending {
            match self.cancel_command(scope, id).await {
                Ok(command) => commands.push(command),
                Err(error) if error.cause == Cause::CommandNotPending => {
                    task.state = RevokeState::PartSuccess;
                    commands.push(self.command(scope, id).await?);
                }
                Err(error) => {
                    task.state = RevokeState::Failed;
                    self.store.commit(batch(vec![Write::RevokeTask(Box::new(task))], vec![])).await?;
                    return Err(error);
                }
            }
        }
        self.store.commit(batch(vec![Write::RevokeTask(Box::new(task.clone()))], vec![])).await?;
        Ok((task, commands))
    }

    /// Revocation tasks of the scope, newest first (1.7.6), each with its commands as they are now.
    pub async fn revoke_tasks(
        &self,
        scope: &Scope,
        mut filter: RevokeFilter,
        page: PageRequest,
    ) -> Result<Page<(RevokeTask, Vec<Command>)>> {
        filter.account = scope.account;
        filter.app = scope.app.or(filter.app);
        let found = self.store.revoke_tasks(&filter, page).await?;
        let mut items = Vec::with_capacity(found.items.len());
        for task in found.items {
            let mut commands = Vec::with_capacity(task.commands.len());
            for id in &task.commands {
                commands.extend(self.store.command(*id).await?);
            }
            items.push((task, commands));
        }
        Ok(Page { items, total: found.total })
    }
}
