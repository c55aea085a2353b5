//! `[[control.ec2]]`: which machines of EC2 may enrol by their identity document, and as what.

use crate::error::CliError;
use hallpass_authority::{Authority, Ec2Trust, TrustedCertificate};
use hallpass_types::AccountId;
use serde::Deserialize;
use std::path::PathBuf;

/// A document is no secret on its machine, so it is good soon after the start only.
const AGE_SECONDS: i64 = 900;
const AGE_SECONDS_MAX: i64 = 7 * 86_400;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ec2File {
    /// AWS's account, which the document must name.
    account: String,
    /// AWS's regions it may name; all of them if none is given.
    #[serde(default)]
    regions: Vec<String>,
    /// Files of AWS's public certificates, PEM.
    pub(crate) certificates: Vec<PathBuf>,
    /// The instance profile the instance gets.
    profile: String,
    /// Whose instance profile that is, and whose instance.
    hallpass_account: Option<String>,
    /// How long after its start a machine may enrol.
    #[serde(default = "default_age")]
    max_age_seconds: i64,
}

fn default_age() -> i64 {
    AGE_SECONDS
}

fn account(name: &str, text: &str) -> Result<AccountId, String> {
    text.parse().map_err(|error| format!("{name} `{text}`: {error}"))
}

impl Ec2File {
    /// What can be said of it by itself.
    pub(crate) fn check(&self) -> Result<(), String> {
        account("account", &self.account)?;
        self.hallpass_account
            .as_deref()
            .map(|text| account("hallpass_account", text))
            .transpose()?;
        if let Some(region) = self.regions.iter().find(|region| !Ec2Trust::is_region(region)) {
            return Err(format!("regions: `{region}` is no region's name"));
        }
        if self.certificates.is_empty() {
            return Err(
                "certificates names files of AWS's public certificates: none comes with Hallpass".to_owned(),
            );
        }
        if self.profile.is_empty() {
            return Err("profile names the instance profile the machines get".to_owned());
        }
        if !(1..=AGE_SECONDS_MAX).contains(&self.max_age_seconds) {
            return Err(format!("max_age_seconds lies between 1 and {AGE_SECONDS_MAX}"));
        }
        Ok(())
    }

    fn certificates(&self) -> Result<Vec<TrustedCertificate>, String> {
        let mut all = vec![];
        for path in &self.certificates {
            let shown = path.display();
            let text = std::fs::read_to_string(path)
                .map_err(|error| format!("the certificates `{shown}` cannot be read: {error}"))?;
            let found = TrustedCertificate::read_pem(&text)
                .map_err(|error| format!("certificates `{shown}`: {error}"))?;
            all.extend(found);
        }
        Ok(all)
    }

    fn owner(&self, authority: &Authority) -> Result<AccountId, String> {
        let Some(text) = &self.hallpass_account else {
            return authority.first_account().ok_or_else(|| {
                "there are several accounts: hallpass_account names the one that is meant".to_owned()
            });
        };
        let owner = account("hallpass_account", text)?;
        let is_there = authority.accounts().contains(&owner);
        is_there
            .then_some(owner)
            .ok_or_else(|| format!("hallpass_account {owner} is not an account here"))
    }
}

/// Settings, and the certificates they name.
pub(super) struct Ec2Read<'a>(&'a Ec2File, Vec<TrustedCertificate>);

fn failed(why: String) -> CliError {
    CliError::failed(format!("control.ec2: {why}"))
}

/// The settings with their files read.
pub(super) fn read(files: &[Ec2File]) -> Result<Vec<Ec2Read<'_>>, CliError> {
    let read = |file: &'_ Ec2File| file.certificates().map_err(failed);
    files.iter().map(|file| Ok(Ec2Read(file, read(file)?))).collect()
}

impl Ec2Read<'_> {
    fn trust(self, authority: &Authority) -> Result<Ec2Trust, String> {
        let Self(file, certificates) = self;
        Ok(Ec2Trust {
            account: account("account", &file.account)?,
            regions: file.regions.clone(),
            certificates,
            max_age_seconds: file.max_age_seconds,
            owner: file.owner(authority)?,
            profile: file.profile.clone(),
        })
    }
}

/// The settings with the accounts they mean.
pub(super) fn trusts(read: Vec<Ec2Read<'_>>, authority: &Authority) -> Result<Vec<Ec2Trust>, CliError> {
    let mut trusts: Vec<Ec2Trust> = vec![];
    for one in read {
        let trust = one.trust(authority).map_err(failed)?;
        if trusts.iter().any(|other| other.overlaps(&trust)) {
            return Err(failed(format!(
                "account {} is there twice for the same region: each machine has one profile",
                trust.account
            )));
        }
        trusts.push(trust);
    }
    Ok(trusts)
}
