//! Where an account comes from.

use super::{Account, EntityKind, details, fetch};
use crate::admin::Admin;
use crate::args::Location;
use crate::error::CliError;
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// An account's details with every version of every AWS managed policy are some 10 MB.
pub(in crate::policy) const ACCOUNT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;

/// Which account a command is about.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(in crate::policy) struct AccountSource {
    /// The account as `aws iam get-account-authorization-details` prints it; `-` is standard input [default: the
    /// running server's]
    #[arg(long, value_name = "FILE")]
    pub(in crate::policy) account: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::policy) location: Location,
}

/// Reads the account. Access keys are asked for only `with_keys`; the file has none.
pub(in crate::policy) async fn load(source: &AccountSource, with_keys: bool) -> Result<Account, CliError> {
    if let Some(path) = &source.account {
        let text = crate::policy::read_text(path, ACCOUNT_BYTES_MAX)?;
        let failed = |error| CliError::failed(format!("`{}`: {error}", path.display()));
        return details::parse([text.as_str()]).map_err(failed);
    }
    let server = Admin::running(&source.location)?;
    let pages = fetch::pages(&server).await?;
    let failed = |error| CliError::failed(format!("the server's account cannot be read: {error}"));
    let mut account = details::parse(pages.iter().map(String::as_str)).map_err(failed)?;
    if with_keys {
        let users = account
            .entities
            .iter()
            .filter(|entity| entity.kind == EntityKind::User);
        let users = users.map(|user| user.name.clone()).collect::<Vec<_>>();
        account.keys = fetch::keys(&server, &users).await?;
    }
    Ok(account)
}
