//! Questions and tasks that are asked about later, by id. Ours are done at once; the id is kept for as long as AWS keeps
//! answers.

use super::put;
use crate::ApiError;
use crate::call::Ctx;
use crate::entity::Job;
use crate::state::key;
use hallpass_session::random_hex;
use hallpass_store::Op;
use std::sync::Arc;

/// AWS keeps the answer this long ("GenerateServiceLastAccessedDetails").
const KEPT_SECONDS: i64 = 4 * 3_600;
const JOBS_MAX: usize = 1_000;
/// Old jobs that one new one sweeps away.
const SWEPT_MAX: usize = 50;

/// A random UUID (RFC 9562, version 4).
pub(super) fn uuid(ctx: &Ctx<'_>) -> String {
    let hex = random_hex(&*ctx.env.entropy, 31);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    // The variant's two bits are fixed; eight keeps them.
    format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    )
}

fn is_kept(ctx: &Ctx<'_>, job: &Job) -> bool {
    ctx.call.now.since(job.created) < KEPT_SECONDS
}

/// A new job, and the writes that keep it.
pub(super) fn begin(ctx: &Ctx<'_>, arn: &str, granularity: Option<&str>) -> Result<(Job, Vec<Op>), ApiError> {
    let jobs = ctx.account.jobs.values();
    let old = jobs.clone().filter(|job| !is_kept(ctx, job)).take(SWEPT_MAX);
    let id = ctx.account.id();
    let mut ops: Vec<Op> = old.map(|job| Op::Delete(key(id, "job", &job.id))).collect();
    if ops.is_empty() && jobs.count() >= JOBS_MAX {
        return Err(ApiError::limit(
            "Too many reports were asked for. Try again later.",
        ));
    }
    let job = Job {
        id: uuid(ctx),
        created: ctx.call.now,
        arn: arn.to_owned(),
        granularity: granularity.map(str::to_owned),
    };
    ops.push(put(key(id, "job", &job.id), &job));
    Ok((job, ops))
}

/// The job of that id.
pub(super) fn find<'a>(ctx: &'a Ctx<'_>, id: &str) -> Option<&'a Arc<Job>> {
    let job = ctx.account.jobs.get(&id.to_ascii_lowercase());
    job.filter(|job| is_kept(ctx, job))
}
