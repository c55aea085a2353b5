//! `hallpass enrol`: an instance for a machine, and the secret its agent becomes it with.

use crate::admin::Admin;
use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_wire::XmlNode;

#[derive(Debug, ClapArgs)]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    location: Location,
    /// The instance profile the machine gets
    #[arg(long, value_name = "PROFILE", required_unless_present = "instance")]
    profile: Option<String>,
    /// Its name, as the tag `Name`
    #[arg(long, value_name = "NAME", conflicts_with = "instance")]
    name: Option<String>,
    /// An instance that is there: for a machine made anew, or one launched with `aws ec2 run-instances`
    #[arg(long, value_name = "ID", conflicts_with = "profile")]
    instance: Option<String>,
    /// How long the secret is good, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    seconds: u32,
}

pub(crate) async fn run(options: EnrolArgs, printer: &Printer) -> Result<u8, CliError> {
    let admin = Admin::running(&options.location)?;
    let server = admin.ready.control.clone().ok_or_else(|| {
        CliError::failed("this system enrols no machines: it has no control listener")
            .hint("run `hallpass server` with [control] in its configuration")
    })?;
    let instance = match &options.instance {
        Some(instance) => instance.clone(),
        None => launch(&admin, &options).await?,
    };
    let params = [
        ("InstanceId".to_owned(), instance.clone()),
        ("DurationSeconds".to_owned(), options.seconds.to_string()),
    ];
    let answer = admin.call("hallpass", "CreateEnrolment", &params).await?;
    let text = |name: &str| {
        answer
            .one_text(name)
            .ok()
            .flatten()
            .unwrap_or_default()
            .to_owned()
    };
    printer.say(&format!(
        "{instance} waits for its machine until {}. There, as root:",
        text("Expiration")
    ));
    printer.data(&format!(
        "hallpass agent enrol --server {server} {}",
        text("Secret")
    ));
    Ok(0)
}

async fn launch(admin: &Admin, options: &EnrolArgs) -> Result<String, CliError> {
    let mut params: Vec<(String, String)> = [
        ("ImageId", "ami-00000000000000000"),
        ("InstanceType", "hallpass.machine"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        (
            "IamInstanceProfile.Name",
            options.profile.as_deref().unwrap_or_default(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if let Some(name) = &options.name {
        params.extend(
            [
                ("TagSpecification.1.ResourceType", "instance"),
                ("TagSpecification.1.Tag.1.Key", "Name"),
                ("TagSpecification.1.Tag.1.Value", name),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
    }
    let answer = admin.call("ec2", "RunInstances", &params).await?;
    find(&answer, "instanceId").ok_or_else(|| CliError::failed("the answer to RunInstances cannot be read"))
}

/// The text of the first element of that name, however deep.
fn find(node: &XmlNode, name: &str) -> Option<String> {
    let mut waiting: Vec<&XmlNode> = vec![node];
    while let Some(node) = waiting.pop() {
        if let Ok(Some(text)) = node.one_text(name) {
            return Some(text.to_owned());
        }
        waiting.extend(node.children.iter().rev());
    }
    None
}
