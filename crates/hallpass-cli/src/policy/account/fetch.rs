//! The running server's account, in the form the file has.

use super::keys::Key;
use crate::admin::Admin;
use crate::error::CliError;
use hallpass_types::UnixSeconds;
use hallpass_wire::XmlNode;
use serde_json::{Map, Value};

/// A server that gives one page after another without end is not believed.
const PAGES_MAX: usize = 10_000;
/// Elements inside elements deeper than any answer of IAM has them.
const DEPTH_MAX: usize = 32;
/// Lists that are told from empty elements by their names alone.
const LISTS: [&str; 2] = ["AttachedManagedPolicies", "Policies"];

/// All pages of `GetAccountAuthorizationDetails`, each as JSON text.
pub(super) async fn pages(server: &Admin) -> Result<Vec<String>, CliError> {
    let mut pages = Vec::new();
    each_page(server, "GetAccountAuthorizationDetails", &[], |page| {
        pages.push(json(page, DEPTH_MAX).to_string());
    })
    .await?;
    Ok(pages)
}

/// The access keys of all these users, by `ListAccessKeys`.
pub(super) async fn keys(server: &Admin, users: &[String]) -> Result<Vec<Key>, CliError> {
    let mut keys = Vec::new();
    for user in users {
        let params = [("UserName".to_owned(), user.clone())];
        each_page(server, "ListAccessKeys", &params, |page| {
            let members = page
                .children
                .iter()
                .filter(|child| child.name == "AccessKeyMetadata");
            for member in members.flat_map(|list| &list.children) {
                let text = |name: &str| member.one_text(name).ok().flatten().unwrap_or_default();
                keys.push(Key {
                    user: user.clone(),
                    id: text("AccessKeyId").to_owned(),
                    is_active: text("Status") == "Active",
                    created: UnixSeconds::from_rfc3339(text("CreateDate")).ok(),
                });
            }
        })
        .await?;
    }
    Ok(keys)
}

async fn each_page(
    server: &Admin,
    action: &str,
    params: &[(String, String)],
    mut take: impl FnMut(&XmlNode),
) -> Result<(), CliError> {
    let mut marker: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let marked = marker.take().map(|marker| ("Marker".to_owned(), marker));
        let params = params.iter().cloned().chain(marked).collect::<Vec<_>>();
        let page = server.iam(action, &params).await?;
        take(&page);
        let truncated = page.one_text("IsTruncated").ok().flatten() == Some("true");
        let next = page.one_text("Marker").ok().flatten();
        match next.filter(|_| truncated) {
            Some(next) => marker = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
    Err(CliError::failed(format!(
        "{action} has no end after {PAGES_MAX} pages"
    )))
}

/// An answer's elements as the client prints them: `member`s are a list, elements in elements an object.
fn json(node: &XmlNode, depth: usize) -> Value {
    let is_list = node.name.ends_with("List") || node.name == "Tags" || LISTS.contains(&node.name.as_str());
    if depth == 0 {
        return Value::Null;
    }
    let inner = |child: &XmlNode| json(child, depth - 1);
    if is_list {
        return node.children.iter().map(inner).collect();
    }
    if !node.children.is_empty() {
        let members = node
            .children
            .iter()
            .map(|child| (child.name.clone(), inner(child)));
        return Value::Object(members.collect::<Map<_, _>>());
    }
    match node.text.as_str() {
        // Of all texts read, only whether a version is the default one is not text.
        "true" | "false" if node.name.starts_with("Is") => Value::Bool(node.text == "true"),
        text => Value::String(text.to_owned()),
    }
}
