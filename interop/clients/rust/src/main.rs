//! The AWS SDK for Rust as a client: operations as JSON on stdin, results as JSON on stdout.
//! Region, endpoint and credentials are what the SDK finds by itself.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime, DateTimeFormat as Format};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;

#[derive(Deserialize)]
struct Operation {
    op: String,
    bucket: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    prefix: String,
}

#[derive(Default, Serialize)]
struct Outcome {
    ok: bool,
    error: Option<String>,
    keys: Option<Vec<String>>,
    url: Option<String>,
    access_key: Option<String>,
    expires: Option<String>,
}

async fn perform(
    client: &Client,
    credentials: Option<&SharedCredentialsProvider>,
    op: &Operation,
) -> Result<Outcome, Box<dyn Error + Send + Sync>> {
    let mut outcome = Outcome { ok: true, ..Outcome::default() };
    match op.op.as_str() {
        "put" => {
            let body = ByteStream::from_path(&op.file).await?;
            client.put_object().bucket(&op.bucket).key(&op.key).body(body).send().await?;
        }
        "get" => {
            let answer = client.get_object().bucket(&op.bucket).key(&op.key).send().await?;
            let mut file = tokio::fs::File::create(&op.file).await?;
            tokio::io::copy(&mut answer.body.into_async_read(), &mut file).await?;
        }
        "list" => {
            let mut pages = client.list_objects_v2().bucket(&op.bucket).prefix(&op.prefix).into_paginator().send();
            let mut keys = vec![];
            while let Some(page) = pages.next().await {
                keys.extend(page?.contents().iter().filter_map(|entry| entry.key().map(str::to_owned)));
            }
            outcome.keys = Some(keys);
        }
        "delete" => {
            client.delete_object().bucket(&op.bucket).key(&op.key).send().await?;
        }
        "credentials" => {
            let held = credentials.ok_or("no provider")?.provide_credentials().await?;
            outcome.access_key = Some(held.access_key_id().to_owned());
            let expires = held.expiry().map(DateTime::from);
            outcome.expires = expires.map(|expires| expires.fmt(Format::DateTime)).transpose()?;
        }
        "presign" => {
            let expires = PresigningConfig::expires_in(Duration::from_secs(300))?;
            let request = client.get_object().bucket(&op.bucket).key(&op.key).presigned(expires).await?;
            outcome.url = Some(request.uri().to_owned());
        }
        other => return Err(format!("unknown operation {other}").into()),
    }
    Ok(outcome)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // Without TLS: what it talks to has none, and the SDK's TLS would be the larger part of building this.
    let http = aws_smithy_http_client::Builder::new().build_http();
    let shared = aws_config::from_env().http_client(http).load().await;
    let settings = aws_sdk_s3::config::Builder::from(&shared).force_path_style(true).build();
    let client = Client::from_conf(settings);
    let operations: Vec<Operation> = serde_json::from_reader(std::io::stdin())?;
    let mut outcomes = vec![];
    for op in &operations {
        outcomes.push(perform(&client, shared.credentials_provider().as_ref(), op).await.unwrap_or_else(|error| Outcome {
            error: Some(DisplayErrorContext(&*error).to_string()),
            ..Outcome::default()
        }));
    }
    println!("{}", serde_json::to_string(&outcomes)?);
    Ok(())
}
