//! Pages of targets: those that were begun have rows, the others are where blocks and counts say.

use crate::{
    engine::documents::one,
    engine::sql::{Sql, SqlResult, Value, query_all, query_one, to_db},
    job::{blocks, targets},
};
use landfall_core::store::TargetFilter;
use landfall_model::{Command, CommandId, DeviceId, Job, JobCounts, JobId, JobTarget, Page, PageRequest, TargetState, Targets};

/// A page of the targets of a job, by place; those in some states state by state.
pub(super) fn page(
    sql: &mut dyn Sql,
    (job, counts): &(Job, JobCounts),
    filter: &TargetFilter,
    page: PageRequest,
) -> SqlResult<Page<JobTarget>> {
    let (from, size) = (page.offset(), u64::from(page.size));
    if filter.device.is_some() || filter.command.is_some() {
        let fits = |target: &JobTarget| {
            (filter.states.is_empty() || filter.states.contains(&target.state))
                && filter.device.is_none_or(|device| target.device == Some(device))
                && filter.command.is_none_or(|command| target.command == Some(command))
        };
        let mut found = match (filter.command, filter.device) {
            (Some(command), _) => of_command(sql, job.id, command)?,
            (None, Some(device)) => of_device(sql, job, device)?,
            (None, None) => vec![],
        };
        found.retain(fits);
        let total = found.len() as u64;
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        return Ok(Page { total, items: found.into_iter().skip(skipped).take(page.size as usize).collect() });
    }
    if filter.states.is_empty() {
        let to = from.saturating_add(size).min(job.total);
        let mut items = begun(sql, job.id, from, to.min(job.begun))?;
        items.extend(waiting(sql, job.id, from.max(job.begun), to)?);
        return Ok(Page { total: job.total, items });
    }
    let (mut total, mut skipped, mut items) = (0, from, vec![]);
    for state in &filter.states {
        let there = of_state(job, counts, *state);
        let wanted = size - items.len() as u64;
        if skipped < there && wanted > 0 {
            items.extend(in_state(sql, job, *state, skipped, wanted)?);
        }
        skipped = skipped.saturating_sub(there);
        total += there;
    }
    Ok(Page { total, items })
}

/// Targets in a state, by place from `from` on.
pub(super) fn in_state_from(
    sql: &mut dyn Sql,
    job: JobId,
    state: TargetState,
    from: u64,
    limit: u32,
) -> SqlResult<Vec<JobTarget>> {
    let text = format!(
        "SELECT {} FROM job_target WHERE job = ?1 AND state = ?2 AND place >= ?3 ORDER BY place LIMIT ?4",
        targets::COLUMNS
    );
    let params =
        [Value::Bytes(job.0.as_bytes()), Value::Text(state.as_str()), Value::Int(to_db(from)), Value::Int(i64::from(limit))];
    query_all(sql, &text, &params, |row| targets::read(job, row))
}

/// The index alone is walked to the first of them.
fn in_state(sql: &mut dyn Sql, job: &Job, state: TargetState, skipped: u64, limit: u64) -> SqlResult<Vec<JobTarget>> {
    if state == TargetState::Waiting {
        let from = job.begun + skipped;
        return waiting(sql, job.id, from, (from + limit).min(job.total));
    }
    let text = "SELECT place FROM job_target WHERE job = ?1 AND state = ?2 ORDER BY place LIMIT 1 OFFSET ?3";
    let params = [Value::Bytes(job.id.0.as_bytes()), Value::Text(state.as_str()), Value::Int(to_db(skipped))];
    match query_one(sql, text, &params, |row| row.seq(0))? {
        Some(first) => in_state_from(sql, job.id, state, first, u32::try_from(limit).unwrap_or(u32::MAX)),
        None => Ok(vec![]),
    }
}

fn begun(sql: &mut dyn Sql, job: JobId, from: u64, to: u64) -> SqlResult<Vec<JobTarget>> {
    if from >= to {
        return Ok(vec![]);
    }
    let text =
        format!("SELECT {} FROM job_target WHERE job = ?1 AND place >= ?2 AND place < ?3 ORDER BY place", targets::COLUMNS);
    let params = [Value::Bytes(job.0.as_bytes()), Value::Int(to_db(from)), Value::Int(to_db(to))];
    query_all(sql, &text, &params, |row| targets::read(job, row))
}

fn waiting(sql: &mut dyn Sql, job: JobId, from: u64, to: u64) -> SqlResult<Vec<JobTarget>> {
    if from >= to {
        return Ok(vec![]);
    }
    let mut found = Vec::new();
    for block in blocks::between(sql, job, from, to)? {
        let devices: Vec<Option<DeviceId>> = match block.targets {
            Targets::Devices(devices) => devices.into_iter().map(Some).collect(),
            Targets::Rows(rows) => vec![None; rows.len()],
        };
        let each = devices.into_iter().zip(block.first..).map(|(device, place)| unbegun(job, place, device));
        found.extend(each.filter(|target| (from..to).contains(&target.place)));
    }
    Ok(found)
}

fn unbegun(job: JobId, place: u64, device: Option<DeviceId>) -> JobTarget {
    JobTarget { job, place, state: TargetState::Waiting, device, command: None, detail: None }
}

/// The command says which target it is for; of one that is gone, all targets are looked at.
fn of_command(sql: &mut dyn Sql, job: JobId, command: CommandId) -> SqlResult<Vec<JobTarget>> {
    let found: Option<Command> = one(sql, "SELECT doc FROM command WHERE id = ?1", command.0.as_bytes())?;
    match found.map(|command| command.job) {
        Some(Some((of, place))) if of == job => Ok(targets::at(sql, job, place)?.into_iter().collect()),
        Some(_) => Ok(vec![]),
        None => {
            let text = format!("SELECT {} FROM job_target WHERE job = ?1 AND command = ?2", targets::COLUMNS);
            let params = [Value::Bytes(job.0.as_bytes()), Value::Bytes(command.0.as_bytes())];
            query_all(sql, &text, &params, |row| targets::read(job, row))
        }
    }
}

fn of_device(sql: &mut dyn Sql, job: &Job, device: DeviceId) -> SqlResult<Vec<JobTarget>> {
    let text = format!("SELECT {} FROM job_target WHERE job = ?1 AND device = ?2 ORDER BY place", targets::COLUMNS);
    let params = [Value::Bytes(job.id.0.as_bytes()), Value::Bytes(device.0.as_bytes())];
    let mut found = query_all(sql, &text, &params, |row| targets::read(job.id, row))?;
    // Only a target that was not begun has no row.
    if found.is_empty()
        && let Some(place) = blocks::place_of(sql, job.id, device, job.begun)?
    {
        found.push(unbegun(job.id, place, Some(device)));
    }
    Ok(found)
}

fn of_state(job: &Job, counts: &JobCounts, state: TargetState) -> u64 {
    if state == TargetState::Waiting { job.total.saturating_sub(job.begun) } else { counts.of(state) }
}
