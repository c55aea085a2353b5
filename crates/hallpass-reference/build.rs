//! Packs AWS's managed policies, 3.4 MB of text: blocks of some 64 KiB, each deflated by itself, so that reading one
//! policy inflates one block, and a table of what is where.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

const SOURCE: &str = "data/managed-policies.txt";
const BLOCK_BYTES: usize = 64 << 10;

fn deflate(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(vec![], Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed=build.rs");
    let text = std::fs::read_to_string(SOURCE)?;
    let (mut blocks, mut table, mut block) = (vec![], String::new(), vec![]);
    let mut start = 0;
    for line in text.lines() {
        let (facts, document) = line.rsplit_once('\t').ok_or("a line without a document")?;
        writeln!(table, "{facts}\t{start}\t{}\t{}", block.len(), document.len())?;
        block.extend_from_slice(document.as_bytes());
        if block.len() >= BLOCK_BYTES {
            blocks.extend(deflate(&block)?);
            start = blocks.len();
            block.clear();
        }
    }
    blocks.extend(deflate(&block)?);
    let out = std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    std::fs::write(Path::new(&out).join("managed-policies.blocks"), blocks)?;
    std::fs::write(
        Path::new(&out).join("managed-policies.table"),
        deflate(table.as_bytes())?,
    )?;
    Ok(())
}
