//! `hallpass demo`: the whole story by itself, against a throw-away system. Each step says what it shows, does it for
//! real, and fails when reality disagrees.

use crate::args::DemoArgs;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::Ready;
use crate::signed_client::{Answer, Credentials, SignedClient};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "backup";
const BUCKET: &str = "demo";
const OBJECT: &str = "/demo/letter.txt";
const LETTER: &str = "a role instead of a key\n";
/// `nobody` on Debian and its like.
const NOBODY: u32 = 65_534;
/// How long the throw-away system may take to start.
const START_TIME_MAX: Duration = Duration::from_secs(15);
/// How long changed rules may take to be in force.
const RULES_TIME_MAX: Duration = Duration::from_secs(5);

const EC2_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const BROKEN_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}"#;
const BUCKET_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"OneBucket","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::demo/*"}]}"#;
const READ_ONLY_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"OneBucket","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::demo/*"}]}"#;
const EVERYTHING_POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

/// The throw-away system: a process of its own, stopped when this value goes.
struct System {
    child: Child,
    ready: Ready,
    _folder: tempfile::TempDir,
}

impl Drop for System {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(0)) {
            // It may have died already; that shows elsewhere.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

struct Demo<'a> {
    printer: &'a Printer,
    broken: Option<String>,
    system: System,
    client: SignedClient,
    admin: Credentials,
    step: usize,
}

/// The steps by name, in order; `--break-step` takes these.
const STEPS: &[&str] = &[
    "role",
    "credential",
    "object",
    "elsewhere",
    "nobody",
    "stolen",
    "revoked",
    "audit",
];

pub(crate) async fn run(options: DemoArgs, printer: &Printer) -> Result<u8, CliError> {
    if let Some(step) = options.break_step.as_deref().filter(|step| !STEPS.contains(step)) {
        return Err(CliError::failed(format!(
            "there is no step `{step}`; there are {}",
            STEPS.join(", ")
        )));
    }
    let started = Instant::now();
    let system = start()?;
    let admin = Credentials::from_file(&system.ready.admin_credentials)?;
    let client = SignedClient::new(&system.ready.api, &system.ready.region, None)?;
    printer.say(&format!(
        "A throw-away hallpass runs at {} (account {}).",
        system.ready.api, system.ready.account
    ));
    let mut demo = Demo {
        printer,
        broken: options.break_step,
        system,
        client,
        admin,
        step: 0,
    };
    demo.tell().await?;
    printer.say("");
    printer.say(&format!(
        "That was all of it, in {:.1} seconds. Now for real: hallpass dev",
        started.elapsed().as_secs_f32()
    ));
    Ok(0)
}

fn start() -> Result<System, CliError> {
    let cannot = |why: String| {
        CliError::failed(format!(
            "step `start` failed: the throw-away system does not start: {why}"
        ))
    };
    let folder = tempfile::Builder::new()
        .prefix("hallpass-demo-")
        .tempdir()
        .map_err(|error| cannot(error.to_string()))?;
    let data = folder.path().join("data");
    let ready_file = folder.path().join("ready.json");
    let program = std::env::current_exe().map_err(|error| cannot(error.to_string()))?;
    let mut child = Command::new(program)
        .args([
            "dev",
            "--api",
            "127.0.0.1:0",
            "--metadata",
            "127.0.0.1:0",
            "--data",
        ])
        .arg(&data)
        .arg("--ready-file")
        .arg(&ready_file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| cannot(error.to_string()))?;
    let deadline = Instant::now() + START_TIME_MAX;
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready_file) {
            let ready = serde_json::from_str(&text).map_err(|error| cannot(error.to_string()))?;
            return Ok(System {
                child,
                ready,
                _folder: folder,
            });
        }
        let exited = child.try_wait().map_err(|error| cannot(error.to_string()))?;
        if exited.is_some() || Instant::now() > deadline {
            let _ = child.kill();
            let output = child
                .wait_with_output()
                .map_err(|error| cannot(error.to_string()))?;
            return Err(cannot(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Demo<'_> {
    async fn tell(&mut self) -> Result<(), CliError> {
        self.role().await?;
        let credentials = self.credential().await?;
        self.object(&credentials).await?;
        self.elsewhere(&credentials).await?;
        self.nobody().await?;
        self.stolen(&credentials).await?;
        self.revoked(&credentials).await?;
        self.audit().await
    }

    fn heading(&mut self, text: &str) {
        self.step += 1;
        self.printer.say("");
        self.printer.say(&format!("{}. {text}", self.step));
    }

    fn tell_line(&self, text: &str) {
        self.printer.say(&format!("   {text}"));
    }

    fn is_broken(&self, step: &str) -> bool {
        self.broken.as_deref() == Some(step)
    }

    async fn iam(&self, step: &str, action: &str, params: &[(&str, &str)]) -> Result<Answer, CliError> {
        let answer = self.client.call(&self.admin, "iam", action, params).await?;
        expect(step, answer.status == 200, || {
            format!("{action} was refused: {}", reason(&answer))
        })?;
        Ok(answer)
    }

    async fn put_policy(&self, step: &str, document: &str) -> Result<(), CliError> {
        let params = [
            ("RoleName", ROLE),
            ("PolicyName", "bucket"),
            ("PolicyDocument", document),
        ];
        self.iam(step, "PutRolePolicy", &params).await.map(|_| ())
    }

    async fn role(&mut self) -> Result<(), CliError> {
        self.heading("An administrator makes a role that may use one bucket, and gives it to this machine.");
        let trust = if self.is_broken("role") {
            BROKEN_TRUST
        } else {
            EC2_TRUST
        };
        self.iam(
            "role",
            "CreateRole",
            &[("RoleName", ROLE), ("AssumeRolePolicyDocument", trust)],
        )
        .await?;
        self.put_policy("role", BUCKET_POLICY).await?;
        let profile = self.system.ready.role.clone();
        self.iam(
            "role",
            "AddRoleToInstanceProfile",
            &[("InstanceProfileName", &profile), ("RoleName", ROLE)],
        )
        .await?;
        self.write_rules("role", &own_rule(), Some("demo")).await?;
        self.tell_line(&format!(
            "role {ROLE}: s3:GetObject and s3:PutObject on arn:aws:s3:::{BUCKET}/*"
        ));
        Ok(())
    }

    /// Replaces the rules, and returns when the one of that name fits this process (or none does).
    async fn write_rules(&self, step: &str, text: &str, fits: Option<&str>) -> Result<(), CliError> {
        crate::data_dir::write_atomically(&self.system.ready.rules, text.as_bytes(), 0o600)
            .map_err(|error| failed(step, &error.to_string()))?;
        // The agent takes rules over at this signal, at once.
        if let Some(pid) = rustix::process::Pid::from_raw(i32::try_from(self.system.child.id()).unwrap_or(0))
        {
            rustix::process::kill_process(pid, rustix::process::Signal::HUP)
                .map_err(|error| failed(step, &format!("the agent is gone: {error}")))?;
        }
        let agent = hallpass_agent::client::Client::new(&self.system.ready.agent_socket);
        let deadline = Instant::now() + RULES_TIME_MAX;
        loop {
            let explained = agent.explain(None).await;
            let explained = explained.map_err(|error| failed(step, &error.to_string()))?;
            if explained.matched.as_deref() == fits {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(failed(step, "the new rules are not taken over"));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks the metadata service as an SDK does: token, role, credential.
    async fn ask_metadata(&self) -> Result<Result<String, u16>, CliError> {
        let base = self.system.ready.metadata.trim_end_matches('/');
        let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "300")];
        let token = self
            .client
            .plain("PUT", &format!("{base}/latest/api/token"), &ttl)
            .await?;
        let token = [("x-aws-ec2-metadata-token", token.body.as_str())];
        let list = format!("{base}/latest/meta-data/iam/security-credentials/");
        let role = self.client.plain("GET", &list, &token).await?;
        if role.status != 200 {
            return Ok(Err(role.status));
        }
        let answer = self
            .client
            .plain("GET", &format!("{list}{}", role.body), &token)
            .await?;
        Ok(if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(answer.status)
        })
    }

    async fn credential(&mut self) -> Result<Credentials, CliError> {
        self.heading("This process asks the metadata service, as every AWS SDK does, and gets the role.");
        if self.is_broken("credential") {
            self.write_rules("credential", "", None).await?;
        }
        let answer = self.ask_metadata().await?;
        let document = answer
            .map_err(|status| failed("credential", &format!("the metadata service answered {status}")))?;
        let credentials = Credentials::from_metadata(&document)?;
        self.tell_line(&format!(
            "{} for uid {}, no key anywhere",
            credentials.access_key_id,
            own_uid()
        ));
        Ok(credentials)
    }

    async fn object(&mut self, credentials: &Credentials) -> Result<(), CliError> {
        self.heading("With it, an object goes up and comes down.");
        if self.is_broken("object") {
            self.put_policy("object", READ_ONLY_POLICY).await?;
        }
        let up = self.client.s3(credentials, "PUT", OBJECT, LETTER).await?;
        expect("object", up.status == 200, || {
            format!("the upload was refused: {}", reason(&up))
        })?;
        let down = self.client.s3(credentials, "GET", OBJECT, "").await?;
        expect("object", down.body == LETTER, || {
            format!("what came down is not what went up: {}", reason(&down))
        })?;
        self.tell_line(&format!(
            "PUT and GET s3:/{OBJECT}: {} bytes, the same",
            LETTER.len()
        ));
        Ok(())
    }

    async fn elsewhere(&mut self, credentials: &Credentials) -> Result<(), CliError> {
        self.heading("Anywhere else it opens nothing, and the refusal says why.");
        if self.is_broken("elsewhere") {
            self.put_policy("elsewhere", EVERYTHING_POLICY).await?;
        }
        let denied = self
            .client
            .s3(credentials, "PUT", "/payroll/salaries.csv", "all of them")
            .await?;
        expect("elsewhere", denied.field("Code") == Some("AccessDenied"), || {
            format!(
                "another bucket should be denied, but the answer was {}: {}",
                denied.status,
                reason(&denied)
            )
        })?;
        self.tell_line(&reason(&denied));
        Ok(())
    }

    async fn nobody(&mut self) -> Result<(), CliError> {
        let is_root = own_uid() == 0;
        self.heading(if is_root {
            "A process running as nobody asks the same address, and sees a machine without a role."
        } else {
            "A process without a rule (played by this one: only root can become nobody) sees a machine without a role."
        });
        let everyone = format!("[[rule]]\nname = \"everyone\"\neveryone = true\nroles = [\"{ROLE}\"]\n");
        let status = match (is_root, self.is_broken("nobody")) {
            (true, true) => {
                self.write_rules("nobody", &everyone, Some("everyone")).await?;
                self.ask_as_nobody()?
            }
            (true, false) => self.ask_as_nobody()?,
            (false, is_broken) => {
                if !is_broken {
                    self.write_rules("nobody", "", None).await?;
                }
                self.ask_metadata()
                    .await?
                    .map_or_else(|status| status.to_string(), |_| "200".to_owned())
            }
        };
        self.write_rules("nobody", &own_rule(), Some("demo")).await?;
        expect("nobody", status == "404", || {
            format!("a role was offered to a process without a rule ({status})")
        })?;
        self.tell_line("GET /latest/meta-data/iam/security-credentials/ -> 404");
        Ok(())
    }

    fn ask_as_nobody(&self) -> Result<String, CliError> {
        let cannot = |why: String| failed("nobody", &why);
        let url = &self.system.ready.metadata;
        let address = url.trim_start_matches("http://").trim_end_matches('/');
        // The program itself, as another user: nothing else need be installed. By /proc/self/exe, because nobody may
        // not be able to reach the folder it lies in.
        let output = Command::new("/proc/self/exe")
            .args(["agent", "probe", address])
            .uid(NOBODY)
            .gid(NOBODY)
            .env_clear()
            .current_dir("/")
            .output()
            .map_err(|error| cannot(format!("cannot start a process as nobody: {error}")))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    async fn stolen(&mut self, credentials: &Credentials) -> Result<(), CliError> {
        self.heading("The credential is stolen and used from another address: worthless there.");
        let from = if self.is_broken("stolen") {
            Ipv4Addr::LOCALHOST
        } else {
            Ipv4Addr::new(127, 0, 0, 2)
        };
        let thief = SignedClient::new(
            &self.system.ready.api,
            &self.system.ready.region,
            Some(IpAddr::V4(from)),
        )?;
        let answer = thief.s3(credentials, "GET", OBJECT, "").await?;
        expect(
            "stolen",
            answer.status == 403 && answer.body.contains("bound to"),
            || {
                format!(
                    "the stolen credential should be refused, but the answer was {}",
                    answer.status
                )
            },
        )?;
        self.tell_line(&reason(&answer));
        Ok(())
    }

    async fn revoked(&mut self, credentials: &Credentials) -> Result<(), CliError> {
        self.heading(
            "The role's sessions are revoked, as AWS does it, and the credential is refused at once.",
        );
        if !self.is_broken("revoked") {
            use hallpass_types::Clock as _;
            let now = hallpass_agent::SystemClock.now().plus(1).iso8601();
            let revoke = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"DateLessThan":{{"aws:TokenIssueTime":"{now}"}}}}}}]}}"#
            );
            let params = [
                ("RoleName", ROLE),
                ("PolicyName", "AWSRevokeOlderSessions"),
                ("PolicyDocument", &revoke),
            ];
            self.iam("revoked", "PutRolePolicy", &params).await?;
        }
        let answer = self.client.s3(credentials, "GET", OBJECT, "").await?;
        expect("revoked", answer.field("Code") == Some("AccessDenied"), || {
            format!(
                "the revoked session still works: the answer was {}",
                answer.status
            )
        })?;
        self.tell_line(&reason(&answer));
        Ok(())
    }

    async fn audit(&mut self) -> Result<(), CliError> {
        self.heading("All of it is on record.");
        let folder = if self.is_broken("audit") {
            PathBuf::from("/dev/null")
        } else {
            self.system.ready.data.join("audit")
        };
        let records =
            hallpass_audit::latest(&folder, 100).map_err(|error| failed("audit", &error.to_string()))?;
        let lines: Vec<String> = records.iter().map(crate::audit::line).collect();
        for line in &lines {
            self.tell_line(line);
        }
        for (event, outcome) in [
            ("CreateRole", "ok"),
            ("IssueCredentials", "ok"),
            ("PutObject", "ok"),
            ("GetObject", "ok"),
            ("PutObject", "AccessDenied"),
            ("IssueCredentials", "refused"),
            ("GetObject", "AccessDenied"),
        ] {
            let found = records.iter().any(|record| {
                let code = record["errorCode"].as_str().unwrap_or("ok");
                record["eventName"] == event && (code == outcome || (outcome == "refused" && code != "ok"))
            });
            expect("audit", found, || {
                format!("there is no record of {event} ({outcome})")
            })?;
        }
        Ok(())
    }
}

fn own_rule() -> String {
    format!(
        "[[rule]]\nname = \"demo\"\nuid = {}\nroles = [\"{ROLE}\"]\n",
        own_uid()
    )
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn reason(answer: &Answer) -> String {
    let message = answer
        .field("Message")
        .map(|message| message.replace("&quot;", "\""));
    message.unwrap_or_else(|| format!("status {}", answer.status))
}

fn failed(step: &str, why: &str) -> CliError {
    CliError::no(format!("step `{step}` failed: {why}"))
}

fn expect(step: &str, holds: bool, why: impl FnOnce() -> String) -> Result<(), CliError> {
    if holds { Ok(()) } else { Err(failed(step, &why())) }
}
