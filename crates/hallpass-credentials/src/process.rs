//! The credentials a program prints (`credential_process`).
//!
//! Source: AWS SDKs and Tools Reference Guide, "Process credential provider".

use crate::document::{credentials, expiry};
use crate::error::{CredentialsError, FetchError};
use crate::refreshed::{Fetch, Fetched};
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use serde::Deserialize;
use std::process::Stdio;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Far above any document of credentials.
const OUTPUT_BYTES_MAX: u64 = 64 * 1_024;
const COMPLAINT_BYTES_MAX: u64 = 8 * 1_024;
/// What is kept of a program's complaint.
const COMPLAINT_CHARS_MAX: usize = 300;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    version: u32,
    access_key_id: Option<String>,
    secret_access_key: Option<Secret>,
    session_token: Option<Secret>,
    expiration: Option<String>,
}

/// Runs a program and reads what it prints.
pub(crate) struct Process {
    words: Vec<String>,
}

impl Process {
    /// A command line, split into words as a shell would, without a shell: no variables, no globs, no pipes.
    pub(crate) fn new(command: &str) -> Result<Self, CredentialsError> {
        let words = words(command).filter(|words| !words.is_empty());
        words.map(|words| Self { words }).ok_or(CredentialsError::Process)
    }
}

impl Fetch for Process {
    fn what(&self) -> String {
        // Arguments may be secrets.
        format!("the program `{}`", self.words[0])
    }

    async fn fetch(&self, _now: UnixSeconds) -> Result<Fetched, FetchError> {
        let cannot = |error: std::io::Error| FetchError::Program(format!("cannot be run: {error}"));
        let mut child = Command::new(&self.words[0])
            .args(&self.words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // The deadline drops this future, and the program with it.
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(FetchError::Program("has no output".to_owned()));
        };
        let read_output = async move {
            let mut output = String::new();
            let read = stdout.take(OUTPUT_BYTES_MAX).read_to_string(&mut output).await;
            // The pipe is closed now: a program that prints on must not wait for a reader.
            (read, Secret::new(output))
        };
        let read_complaint = async move {
            let mut complaint = Vec::new();
            let _ = stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut complaint).await;
            complaint
        };
        let ((read, output), complaint) = tokio::join!(read_output, read_complaint);
        let status = child.wait().await.map_err(cannot)?;
        if !status.success() {
            return Err(FetchError::Program(failure(status, &complaint)));
        }
        read.map_err(|_| FetchError::Program("printed what is not text".to_owned()))?;
        parse(&output)
    }
}

fn parse(output: &Secret) -> Result<Fetched, FetchError> {
    let other = || FetchError::Program("printed what is not a document of credentials".to_owned());
    let document: Document = serde_json::from_str(output.expose()).map_err(|_| other())?;
    if document.version != 1 {
        return Err(FetchError::Program(format!(
            "printed a document of version {}, not 1",
            document.version
        )));
    }
    let expires_at = document.expiration.as_deref().map(expiry).transpose()?;
    credentials(
        document.access_key_id,
        document.secret_access_key,
        document.session_token,
        expires_at,
    )
}

/// The exit status and the first line of the complaint, as AWS's own tools show it.
fn failure(status: std::process::ExitStatus, complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
    let line: String = line
        .chars()
        .filter(|letter| !letter.is_control())
        .take(COMPLAINT_CHARS_MAX)
        .collect();
    if line.is_empty() {
        format!("ended with {status}")
    } else {
        format!("ended with {status}: {line}")
    }
}

/// Words with single and double quotes and backslashes, as POSIX shells read them; `None` if a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => match letters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(command: &str) -> Result<Fetched, String> {
        let process = Process::new(command).unwrap();
        process
            .fetch(UnixSeconds(0))
            .await
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_line_is_split_as_a_shell_splits_it() {
        for (text, expect) in [
            ("a b", Some(vec!["a", "b"])),
            (
                "  a\t'b c' \"d \\\" e\" f\\ g ''",
                Some(vec!["a", "b c", "d \" e", "f g", ""]),
            ),
            ("a'b'\"c\"d", Some(vec!["abcd"])),
            ("$(x) `y` a;b", Some(vec!["$(x)", "`y`", "a;b"])),
            ("'open", None),
            ("open\\", None),
        ] {
            let expect = expect.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(words(text), expect, "{text}");
        }
        assert!(Process::new("  ").is_err());
    }

    #[tokio::test]
    async fn what_it_prints_is_read() {
        let fetched = run(
            r#"printf '{"Version":1,"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"s","SessionToken":"t","Expiration":"2015-08-30T12:36:00Z"}'"#,
        )
        .await
        .unwrap();
        assert_eq!(fetched.expires_at, Some(UnixSeconds(1_440_938_160)));
        assert_eq!(fetched.credentials.session_token.unwrap().expose(), "t");
    }

    #[tokio::test]
    async fn its_failures_are_told_and_its_output_never() {
        for (command, told) in [
            ("/nowhere/at/all", "cannot be run"),
            ("false", "exit status: 1"),
            (
                "sh -c 'echo hush; echo the token expired >&2; exit 3'",
                "the token expired",
            ),
            ("echo hush", "not a document"),
            (r#"echo '{"Version":2,"AccessKeyId":"hush"}'"#, "version 2"),
            (
                r#"echo '{"Version":1,"AccessKeyId":"hush","SecretAccessKey":"hush"}'"#,
                "AccessKeyId",
            ),
            ("head -c 200000 /dev/zero", "signal"),
        ] {
            let error = run(command).await.unwrap_err();
            assert!(
                error.contains(told) && !error.contains("hush"),
                "{command}: {error}"
            );
        }
    }
}
