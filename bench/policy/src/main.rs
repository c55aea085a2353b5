//! Measures policy decisions. `run` says how it is used with the other programs.

use hallpass_bench_policy::clock::time;
use hallpass_bench_policy::engines::{Engine, cedar::Cedar, hallpass, hallpass::Hallpass, iam_rs::IamRs};
use hallpass_bench_policy::scenario::{self, Scenario};
use hallpass_policy::{NamedPolicy, Policy, PolicyKind};
use serde_json::Value;
use std::hint::black_box;

fn main() {
    let args = std::env::args().skip(1).collect::<Vec<_>>();
    let args = args.iter().map(String::as_str).collect::<Vec<_>>();
    match args.as_slice() {
        ["scenarios", corpus] => {
            for scenario in scenario::all(&read(corpus)) {
                println!("{}", scenario.write());
            }
        }
        ["decide", file] => {
            let scenarios = read(file).lines().map(Scenario::read).collect::<Vec<_>>();
            decide::<Hallpass>(&scenarios);
            decide::<IamRs>(&scenarios);
            decide::<Cedar>(&scenarios);
        }
        ["repeat", file, name, calls] => repeat(file, name, calls.parse().unwrap()),
        ["parse", corpus] => parse(&read(corpus)),
        ["group", file] => group(file),
        _ => {
            eprintln!(
                "usage: scenarios CORPUS | decide FILE | repeat FILE MIX,COUNT,OUTCOME CALLS | parse CORPUS | group FILE"
            );
            std::process::exit(2);
        }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A line for each scenario: engine, mix, statements, outcome, median and best nanoseconds.
fn decide<E: Engine>(scenarios: &[Scenario]) {
    for scenario in scenarios {
        let Some(mut engine) = E::load(scenario) else {
            println!("{}\t{}\tunreadable\t-", E::NAME, scenario.name());
            continue;
        };
        let answer = engine.decide();
        if answer != scenario.outcome {
            println!("{}\t{}\tsays {answer}\t-", E::NAME, scenario.name());
            continue;
        }
        let timing = time(|| {
            black_box(engine.decide());
        });
        println!(
            "{}\t{}\t{:.1}\t{:.1}",
            E::NAME,
            scenario.name(),
            timing.median,
            timing.best
        );
    }
}

/// Nothing but decisions, for counters of instructions and for profilers.
fn repeat(file: &str, name: &str, calls: u32) {
    let name = name.replace(',', "\t");
    let scenario = read(file)
        .lines()
        .map(Scenario::read)
        .find(|scenario| scenario.name() == name);
    let mut engine = Hallpass::load(&scenario.expect("no such scenario")).expect("unreadable");
    for _ in 0..calls {
        black_box(engine.decide());
    }
}

/// Reading all managed policies: the JSON alone, iam-rs, ours.
fn parse(corpus: &str) {
    let documents = corpus.lines().filter_map(|line| line.rsplit_once('\t'));
    let documents = documents.map(|(_, document)| document).collect::<Vec<_>>();
    let report = |name: &str, read: &dyn Fn(&str) -> bool| {
        let readable = documents.iter().filter(|document| read(document)).count();
        let timing = time(|| {
            for document in &documents {
                black_box(read(document));
            }
        });
        let ms = |ns: f64| ns / 1e6;
        println!(
            "{name}\t{readable} of {}\t{:.1}\t{:.1}",
            documents.len(),
            ms(timing.median),
            ms(timing.best)
        );
    };
    report("serde_json to a tree", &|text| {
        serde_json::from_str::<Value>(text).is_ok()
    });
    report("hallpass-policy", &|text| {
        Policy::parse(text, PolicyKind::Identity).is_ok()
    });
    report("iam-rs", &|text| iam_rs::IAMPolicy::from_json(text).is_ok());
}

/// Putting a group of a thousand statements together, and replacing one of its policies.
fn group(file: &str) {
    let scenarios = read(file).lines().map(Scenario::read).collect::<Vec<_>>();
    for mix in ["worst", "realistic"] {
        let scenario = scenarios
            .iter()
            .find(|scenario| scenario.mix == mix && scenario.statements == 1_000)
            .expect("no such scenario");
        let group = hallpass::group(scenario).expect("unreadable");
        let policies = group.policies().to_vec();
        let built = time(|| {
            black_box(policies.iter().cloned().collect::<hallpass_policy::PolicyGroup>());
        });
        let text = &scenario.policies[0];
        let replaced = time(|| {
            let policy = Policy::parse(text, PolicyKind::Identity).expect("unreadable");
            black_box(group.replacing(NamedPolicy::new("policy 0", policy)));
        });
        for (what, timing) in [
            ("built from compiled policies", built),
            ("one of 20 policies parsed and replaced", replaced),
        ] {
            println!(
                "{mix}\t{what}\t{:.1}\t{:.1}",
                timing.median / 1e3,
                timing.best / 1e3
            );
        }
    }
}
