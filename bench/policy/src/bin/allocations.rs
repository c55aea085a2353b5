//! How often one of our decisions allocates. A program of its own, since counting would slow the others.

use hallpass_bench_policy::engines::{Engine as _, hallpass::Hallpass};
use hallpass_bench_policy::scenario::Scenario;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::hint::black_box;

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CALLS: usize = 100;

fn main() {
    let file = std::env::args().nth(1).expect("usage: allocations FILE");
    let text = std::fs::read_to_string(file).expect("cannot read the scenarios");
    for scenario in text.lines().map(Scenario::read) {
        let mut engine = Hallpass::load(&scenario).expect("unreadable");
        let region = Region::new(GLOBAL);
        for _ in 0..CALLS {
            black_box(engine.decide());
        }
        let made = region.change();
        let made = made.allocations + made.reallocations;
        println!("{}\t{}", scenario.name(), made as f64 / CALLS as f64);
    }
}
