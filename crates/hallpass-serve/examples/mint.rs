//! Sessions minted per second, in process: `AssumeRole` from its parameters to its answer, authorized by policy, with its
//! record in the audit log as the front door writes it, and without. One thread, so that a second of processor time is
//! a core's: `cargo run --release -p hallpass-serve --example mint [FOLDER]`, the log in FOLDER.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops when it cannot go on, and prints"
)]

use hallpass_access::{Caller, Permit, authorize_assume};
use hallpass_agent::SystemEntropy;
use hallpass_audit::{AuditLog, Durability, EventKind, Identity, Record};
use hallpass_authority::{Answer, Authority, Call, Machine, Requirement, Service};
use hallpass_store::MemoryStore;
use hallpass_types::UnixSeconds;
use hallpass_wire::QueryParams;
use serde_json::{Map, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
/// Minted in each way.
const SESSIONS: u64 = 100_000;
/// Of the kernel's clock that tells processor time.
const TICKS_PER_SECOND: f64 = 100.0;

struct Bench {
    authority: Authority,
    admin: Arc<Caller>,
    audit: AuditLog,
    minted: AtomicU64,
}

impl Bench {
    async fn open(folder: &std::path::Path) -> Self {
        let machine = Machine {
            private_ip: "127.0.0.1".to_owned(),
            networks: vec![],
        };
        let authority = Authority::open(
            Arc::new(MemoryStore::default()),
            Box::new(|| vec![[3; 32]]),
            "eu-central-1",
            machine,
            Arc::new(SystemEntropy),
        );
        let authority = authority.await.unwrap();
        let made = authority.bootstrap(NOW).await.unwrap();
        let admin = authority.candidate(&made.access_key_id, None, NOW).unwrap();
        let bench = Self {
            authority,
            admin: admin.caller,
            audit: AuditLog::open(folder).unwrap(),
            minted: AtomicU64::new(0),
        };
        let account = bench.admin.account;
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"sts:AssumeRole"}}}}"#
        );
        let trust: String = trust.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let call = bench.call(
            Service::Iam,
            "CreateRole",
            &format!("RoleName=app&AssumeRolePolicyDocument={trust}"),
        );
        let permit = Permit::unconditional(Arc::clone(&bench.admin), &call.iam_action(), "a measurement");
        bench.authority.execute(&permit, &call).await.unwrap();
        bench
    }

    fn call(&self, service: Service, action: &str, params: &str) -> Call {
        Call {
            service,
            action: action.to_owned(),
            params: QueryParams::parse(params).unwrap(),
            caller: Arc::clone(&self.admin),
            now: NOW,
        }
    }

    async fn mint(&self) -> (Call, Permit, Answer) {
        let account = self.admin.account;
        let params = format!("RoleArn=arn%3Aaws%3Aiam%3A%3A{account}%3Arole%2Fapp&RoleSessionName=bench");
        let call = self.call(Service::Sts, "AssumeRole", &params);
        let Requirement::Trust(actions, trust) = self.authority.requirement(&call).unwrap() else {
            unreachable!("AssumeRole is a matter of trust");
        };
        let (bundle, tags) = self.authority.policies_for(&self.admin);
        let context = self.admin.context(NOW, &tags);
        let permit = authorize_assume(&self.admin, actions, &context, trust.as_ref(), &bundle).unwrap();
        let answer = self.authority.execute(&permit, &call).await.unwrap();
        (call, permit, answer)
    }

    fn record(&self, call: &Call, permit: &Permit, answer: Answer) -> Record {
        let number = self.minted.fetch_add(1, Ordering::Relaxed);
        let params = call.params.iter();
        let params: Map<_, _> = params
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let made: Map<_, _> = answer
            .made
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        let mut detail = Map::new();
        let authorized = permit.actions().iter();
        let authorized: Vec<_> = authorized
            .map(|one| json!({ "action": one.action, "resource": one.resource }))
            .collect();
        detail.insert("authorized".to_owned(), json!(authorized));
        Record {
            time: NOW,
            kind: EventKind::Management,
            source: "sts.amazonaws.com".to_owned(),
            name: call.action.clone(),
            region: "eu-central-1".to_owned(),
            source_ip: "127.0.0.1".to_owned(),
            user_agent: Some("aws-cli/2.15.0 md/awscrt#0.19.19 exec-env/bench".to_owned()),
            identity: Identity {
                kind: "IAMUser".to_owned(),
                principal_id: Some(self.admin.user_id.clone()),
                arn: Some(self.admin.principal.arn.clone()),
                account_id: Some(self.admin.account.to_string()),
                access_key_id: self.admin.access_key_id.as_ref().map(ToString::to_string),
                user_name: Some("admin".to_owned()),
                ..Identity::default()
            },
            error_code: None,
            error_message: None,
            request_parameters: params.into(),
            response_elements: made.into(),
            resources: permit.actions().iter().map(|one| one.resource.clone()).collect(),
            read_only: false,
            request_id: format!("{number:032x}"),
            event_id: format!("{number:032x}"),
            account: self.admin.account.to_string(),
            bytes: None,
            detail,
        }
    }
}

/// Seconds of processor time of this process, all its threads together.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / TICKS_PER_SECOND
}

async fn measure(bench: &Arc<Bench>, name: &str, at_once: u64, durability: Option<Durability>) {
    let (began, used) = (Instant::now(), processor_seconds());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let bench = Arc::clone(bench);
        tasks.spawn(async move {
            for _ in 0..SESSIONS / at_once {
                let (call, permit, answer) = bench.mint().await;
                if let Some(durability) = durability {
                    let record = bench.record(&call, &permit, answer);
                    bench.audit.append(&record, durability).await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    #[expect(clippy::cast_precision_loss, reason = "a hundred thousand")]
    let sessions = (SESSIONS / at_once * at_once) as f64;
    let (took, used) = (began.elapsed().as_secs_f64(), processor_seconds() - used);
    println!(
        "{name:<44} {:>7.0}/s {:>7.0}/s of processor time {:>6.1} µs each",
        sessions / took,
        sessions / used,
        used / sessions * 1e6
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let parent = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, Into::into);
    let folder = parent.join(format!("hallpass-mint-{}", std::process::id()));
    let bench = Arc::new(Bench::open(&folder).await);
    measure(&bench, "no record", 1, None).await;
    measure(&bench, "record written, 1 at once", 1, Some(Durability::Written)).await;
    measure(
        &bench,
        "record on the disk, 256 at once",
        256,
        Some(Durability::Synced),
    )
    .await;
    std::fs::remove_dir_all(folder).unwrap();
}
