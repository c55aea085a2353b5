//! `cargo xtask fuzz [TARGET [SECONDS]]`: the fuzz targets of `fuzz/`, guided by coverage, on the stable toolchain.
//!
//! libFuzzer comes with its crate; what it needs of the compiler are these flags. They go to the target only (`--target`
//! keeps them from build scripts), and into a target folder of their own.

use std::ffi::OsStr;
use std::path::Path;

const TARGETS: [&str; 10] = [
    "document",
    "decide",
    "compare",
    "lint",
    "authorization",
    "chunked",
    "events",
    "post_form",
    "apiroute",
    "s3route",
];
const SECONDS_DEFAULT: &str = "1800";
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Builds and runs one target, or all of them one after the other; what they find is left in the cache folder.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let (targets, seconds) = match words {
        [] => (&TARGETS[..], SECONDS_DEFAULT),
        [target] => (std::slice::from_ref(target), SECONDS_DEFAULT),
        [target, seconds, ..] => (std::slice::from_ref(target), *seconds),
    };
    if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(target)) {
        return Err(format!("no target `{unknown}`; there are {}", TARGETS.join(", ")));
    }
    let build = crate::cache().join("fuzz-target");
    for target in targets {
        crate::run(
            &crate::root().join("fuzz"),
            "cargo",
            [
                "build",
                "--release",
                "--locked",
                "--target",
                TRIPLE,
                "--bin",
                target,
            ],
            &[
                ("RUSTFLAGS", OsStr::new(FLAGS)),
                ("CARGO_TARGET_DIR", build.as_os_str()),
            ],
        )?;
        let corpus = crate::cache().join("fuzz-corpus").join(target);
        std::fs::create_dir_all(&corpus)
            .map_err(|error| format!("cannot make the corpus folder: {error}"))?;
        if matches!(*target, "document" | "lint") {
            seed(&corpus)?;
        }
        if *target == "apiroute" {
            seed_requests(&corpus)?;
        }
        let program = build.join(TRIPLE).join("release").join(target);
        let time = format!("-max_total_time={seconds}");
        let args = [
            time.as_str(),
            "-rss_limit_mb=3000",
            "-timeout=30",
            "-max_len=4096",
        ];
        let args = args.iter().map(OsStr::new).chain([corpus.as_os_str()]);
        crate::run(&corpus, &program.to_string_lossy(), args, &[])?;
    }
    Ok(())
}

/// Starts from documents that somebody wrote.
fn seed(corpus: &Path) -> Result<(), String> {
    let path = crate::root().join("crates/hallpass-reference/data/managed-policies.txt");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read the vectors: {error}"))?;
    let documents = text.lines().filter_map(|line| line.rsplit_once('\t'));
    let short = documents.filter(|(_, document)| document.len() < 2_000);
    for (number, (_, document)) in short.take(400).enumerate() {
        std::fs::write(corpus.join(number.to_string()), document)
            .map_err(|error| format!("cannot write a seed: {error}"))?;
    }
    Ok(())
}

/// Starts from one request of each protocol; the first byte chooses the service.
fn seed_requests(corpus: &Path) -> Result<(), String> {
    let json = "POST\n/\ncontent-type:application/x-amz-json-1.0\nx-amz-target:";
    let cbor = "POST\n/service/GraniteServiceVersion20100801/operation/DeleteAlarms\nsmithy-protocol:rpc-v2-cbor\n\n";
    let form = "POST\n/\ncontent-type:application/x-www-form-urlencoded\n\n";
    let requests = [
        (0, format!("{json}AmazonSQS.SendMessage\n\n{{\"QueueUrl\":\"http://h/123456789012/q\"}}")),
        (5, format!("{json}DynamoDB_20120810.BatchGetItem\n\n{{\"RequestItems\":{{\"t\":{{}}}}}}")),
        (5, format!("{json}DynamoDB_20120810.ExecuteStatement\n\n{{\"Statement\":\"SELECT * FROM t\"}}")),
        (6, format!("{json}TrentService.Encrypt\n\n{{\"KeyId\":\"alias/a\",\"EncryptionContext\":{{\"a\":\"b\"}}}}")),
        (1, format!("{form}Action=Publish&TopicArn=arn:aws:sns:us-east-1:123456789012:t")),
        (4, format!("{form}Action=CreateTags&ResourceId.1=i-0a&Tag.1.Key=k&Tag.1.Value=v")),
        (9, "POST\n/2015-03-31/functions\n\n{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::123456789012:role/r\"}".to_owned()),
        (9, "POST\n/2015-03-31/functions/f%3Av/invocations?Qualifier=v".to_owned()),
        (10, format!("{cbor}\u{1}")),
        (17, "POST\n/2013-04-01/tags/hostedzone/Z1\n\n<R><AddTags><Tag><Key>k</Key></Tag></AddTags></R>".to_owned()),
    ];
    for (number, (service, text)) in requests.into_iter().enumerate() {
        let bytes = [&[service], text.as_bytes()].concat();
        std::fs::write(corpus.join(format!("request-{number}")), bytes)
            .map_err(|error| format!("cannot write a seed: {error}"))?;
    }
    Ok(())
}
