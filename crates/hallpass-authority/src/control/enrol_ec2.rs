//! How a machine of EC2 becomes an instance: by the document AWS signs for it, once.

use super::enrol::{EnrolError, Enrolled};
use crate::authority::Authority;
use crate::certificates::SignedNode;
use crate::entity::{Ec2Machine, Instance, InstanceState, MetadataOptions, Node};
use crate::identity_document::{Ec2Trust, IdentityDocument, ShownDocument, verify};
use crate::state::{State, key, put};
use hallpass_session::{BindingMode, Tag, instance_id, random_hex};
use hallpass_store::Op;
use hallpass_types::UnixSeconds;

/// What `hallpass enrol` gives where nothing is known.
const IMAGE: &str = "ami-00000000000000000";
const INSTANCE_TYPE: &str = "hallpass.machine";

/// What is to be written, or why nothing is.
type Judged = Result<Vec<Op>, EnrolError>;

fn machine_key(machine: &str) -> String {
    format!("v1/system/ec2/{machine}")
}

fn is_taken(state: &State, id: &str) -> bool {
    state
        .accounts
        .values()
        .any(|account| account.instances.contains_key(id))
}

fn tags(document: &IdentityDocument) -> Vec<Tag> {
    [
        ("hallpass:ec2-account", document.account.to_string()),
        ("hallpass:ec2-region", document.region.clone()),
        ("hallpass:ec2-instance", document.instance.clone()),
    ]
    .map(|(key, value)| Tag {
        key: key.to_owned(),
        value,
    })
    .into()
}

impl Authority {
    /// Makes an instance for a machine of EC2 that shows its identity document: the machine with the request's key is that
    /// instance. A document is good once; shown again with the same key, while the instance is what it was, it gets
    /// another certificate: an answer may have been lost on its way.
    ///
    /// # Errors
    /// [`EnrolError`].
    pub async fn enrol_ec2(
        &self,
        shown: ShownDocument<'_>,
        request: &[u8],
        trusts: &[Ec2Trust],
        now: UnixSeconds,
    ) -> Result<Enrolled, EnrolError> {
        let (trust, document) = verify(shown, trusts, now)?;
        let mut instance = self.new_instance(trust, &document, now);
        let signed = self
            .sign_node(request, &self.arn_of(&instance), &instance.id, now)
            .map_err(|error| EnrolError::Certificate(error.to_string()))?;
        instance.node = Some(Node {
            key: signed.key.clone(),
            enrolled: now,
            not_after: signed.not_after,
        });
        // Judged on the state that is written: of two that come with the same document, one finds it unused.
        self.change(|state| {
            Ok(match judge(state, &instance, &document) {
                Ok(ops) => (Ok(()), ops),
                Err(refused) => (Err(refused), vec![]),
            })
        })
        .await
        .map_err(|error| EnrolError::Store(error.to_string()))??;
        Ok(self.enrolled(&instance, signed))
    }

    fn enrolled(&self, instance: &Instance, signed: SignedNode) -> Enrolled {
        Enrolled {
            instance: instance.id.clone(),
            certificate: signed.certificate,
            authorities: self.certificate_authorities(),
            not_after: signed.not_after,
        }
    }

    /// As it is launched, without a machine. It has AWS's id where that is not another instance's here.
    fn new_instance(&self, trust: &Ec2Trust, document: &IdentityDocument, now: UnixSeconds) -> Instance {
        let entropy = &*self.env.entropy;
        let state = self.read();
        let id = match state.ec2_machines.get(&document.machine()) {
            Some(known) => known.instance.clone(),
            None if is_taken(&state, &document.instance) => instance_id(entropy),
            None => document.instance.clone(),
        };
        Instance {
            id,
            account: trust.owner,
            image_id: document.image.clone().unwrap_or_else(|| IMAGE.to_owned()),
            instance_type: document
                .instance_type
                .clone()
                .unwrap_or_else(|| INSTANCE_TYPE.to_owned()),
            state: InstanceState::Running,
            launched: now,
            terminated: None,
            // Where it may use its sessions is where it will be seen, whatever AWS calls it there.
            private_ip: self.env.machine.private_ip.clone(),
            networks: self.env.machine.networks.clone(),
            binding: BindingMode::Enforce,
            profile: Some(trust.profile.clone()),
            association_id: Some(format!("iip-assoc-{}", random_hex(entropy, 17))),
            reservation_id: format!("r-{}", random_hex(entropy, 17)),
            user_data: None,
            client_token: None,
            tags: tags(document),
            metadata_options: MetadataOptions::default(),
            revoked_before: None,
            node: None,
        }
    }
}

fn judge(state: &State, instance: &Instance, document: &IdentityDocument) -> Judged {
    let machine = document.machine();
    if let Some(known) = state.ec2_machines.get(&machine) {
        let is_it = is_same(state, known, instance);
        return is_it
            .then(Vec::new)
            .ok_or_else(|| EnrolError::DocumentUsed(known.instance.clone()));
    }
    let profile = instance.profile.as_deref().unwrap_or_default();
    let account = state.account(instance.account);
    let Some(profile) = account.and_then(|account| account.profile(profile)) else {
        tracing::error!(
            account = %instance.account,
            profile,
            "a machine of EC2 cannot enrol: the instance profile of the settings is not there"
        );
        return Err(EnrolError::NotReady);
    };
    if is_taken(state, &instance.id) {
        return Err(EnrolError::Store(
            "the instance's id was given away meanwhile".to_owned(),
        ));
    }
    let mut instance = instance.clone();
    // As it is spelt where it was made.
    instance.profile = Some(profile.name.clone());
    let used = Ec2Machine {
        account: instance.account,
        instance: instance.id.clone(),
        enrolled: instance.launched,
    };
    Ok(vec![
        put(key(instance.account, "instance", &instance.id), &instance),
        put(machine_key(&machine), &used),
    ])
}

/// Whether the machine that comes now is the one that came before, by its key, and still what it became then.
fn is_same(state: &State, known: &Ec2Machine, comes: &Instance) -> bool {
    let account = state.account(known.account);
    let instance = account.and_then(|account| account.instances.get(&known.instance));
    let key_of = |instance: &Instance| instance.node.as_ref().map(|node| node.key.clone());
    instance.is_some_and(|instance| {
        instance.id == comes.id
            && instance.account == comes.account
            && instance.state == InstanceState::Running
            && key_of(instance).is_some_and(|key| key_of(comes) == Some(key))
    })
}
