//! Enrolment by EC2's instance identity document.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};

const ID: &str = "i-0fedcba9876543210";
const MESSAGE: &str = include_str!("../identity/attributes.p7");
/// Of a machine with the same id in another region.
const ELSEWHERE: &str = include_str!("../identity/elsewhere.p7");

/// A new machine's request for a certificate.
fn machine() -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    request.der().to_vec()
}

impl House {
    async fn profile(&self) {
        self.role("web").await;
        let name = ("InstanceProfileName", "web");
        self.admin(Service::Iam, "CreateInstanceProfile", &[name]).await;
        let params = [name, ("RoleName", "web")];
        self.admin(Service::Iam, "AddRoleToInstanceProfile", &params)
            .await;
    }

    async fn shows(&self, message: &str, request: &[u8], now: UnixSeconds) -> Result<Enrolled, EnrolError> {
        let text: String = message.split_whitespace().collect();
        let message = STANDARD.decode(text).unwrap();
        let document = None;
        let trust = Ec2Trust {
            account: "444455556666".parse().unwrap(),
            regions: vec![],
            certificates: TrustedCertificate::read_pem(include_str!("../identity/signer.pem")).unwrap(),
            max_age_seconds: 900,
            owner: self.account.parse().unwrap(),
            profile: "WEB".to_owned(),
        };
        let shown = ShownDocument {
            message: &message,
            document,
        };
        self.authority.enrol_ec2(shown, request, &[trust], now).await
    }
}

fn used(outcome: Result<Enrolled, EnrolError>) -> bool {
    outcome == Err(EnrolError::DocumentUsed(ID.to_owned()))
}

#[tokio::test]
async fn a_machine_of_ec2_becomes_an_instance_once() {
    let house = house().await;
    house.profile().await;
    let first = machine();
    let enrolled = house.shows(MESSAGE, &first, NOW).await.unwrap();
    assert_eq!(enrolled.instance, ID);
    let instance = house.authority.instance(ID).unwrap();
    assert_eq!(instance.profile.as_deref(), Some("web"));
    assert_eq!(instance.account.to_string(), house.account);
    assert_eq!(instance.state, InstanceState::Running);
    // As any instance here, and not as the document has it.
    assert_eq!(instance.networks, vec!["127.0.0.0/8".parse().unwrap()]);
    let described = house.admin(Service::Ec2, "DescribeInstances", &[]).await;
    for text in [ID, "hallpass:ec2-account", "444455556666", "m7i.large"] {
        assert!(described.contains(text), "{text} in {described}");
    }
    // Another machine with the same document, or the same that has lost its key.
    assert!(used(house.shows(MESSAGE, &machine(), NOW).await));
    assert_eq!(house.authority.instance(ID), Some(instance.clone()));
    // The same whose answer was lost on its way.
    let again = house.shows(MESSAGE, &first, NOW.plus(5)).await.unwrap();
    assert_eq!(again.instance, ID);
    assert_eq!(house.authority.instance(ID), Some(instance));
}

#[tokio::test]
async fn an_instance_that_was_put_out_does_not_come_back_by_its_document() {
    for how in ["revoke", "revoke and terminate", "terminate"] {
        let house = house().await;
        house.profile().await;
        let key = machine();
        house.shows(MESSAGE, &key, NOW).await.unwrap();
        if how == "terminate" {
            house
                .admin(Service::Ec2, "TerminateInstances", &[("InstanceId.1", ID)])
                .await;
        } else {
            let terminate = if how == "revoke" { "false" } else { "true" };
            let params = [("InstanceId", ID), ("Terminate", terminate)];
            house.admin(Service::Hallpass, "RevokeInstance", &params).await;
        }
        assert!(used(house.shows(MESSAGE, &key, NOW).await), "{how}");
        assert!(used(house.shows(MESSAGE, &machine(), NOW).await), "{how}");
        if how == "revoke" {
            // An operator's secret does it.
            let made = house
                .admin(Service::Hallpass, "CreateEnrolment", &[("InstanceId", ID)])
                .await;
            let secret = field(&made, "Secret");
            let secret = secret.split('-').nth(1).unwrap();
            let enrolled = house.authority.enrol(secret, &key, NOW).await.unwrap();
            assert_eq!(enrolled.instance, ID);
        }
    }
}

#[tokio::test]
async fn a_document_that_was_used_stays_used_after_a_restart() {
    let (store, roots): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::default()), roots());
    let house = house_of(open(Arc::clone(&store), &roots, 5).await).await;
    house.profile().await;
    house.shows(MESSAGE, &machine(), NOW).await.unwrap();
    let again = House {
        authority: open(store, &roots, 77).await,
        ..house
    };
    assert!(used(again.shows(MESSAGE, &machine(), NOW).await));
}

#[tokio::test]
async fn of_machines_that_come_at_once_to_several_servers_one_is_taken() {
    let (store, roots): (Arc<dyn Store>, _) = (Arc::new(MemoryStore::default()), roots());
    let first = house_of(open(Arc::clone(&store), &roots, 5).await).await;
    first.profile().await;
    // Neither hears of the other's writes before it writes.
    let second = House {
        authority: open(Arc::clone(&store), &roots, 77).await,
        admin: Arc::clone(&first.admin),
        admin_key: first.admin_key.clone(),
        account: first.account.clone(),
    };
    let requests: Vec<_> = (0..6).map(|_| machine()).collect();
    let (a, b, c, d, e, f) = tokio::join!(
        first.shows(MESSAGE, &requests[0], NOW),
        second.shows(MESSAGE, &requests[1], NOW),
        first.shows(MESSAGE, &requests[2], NOW),
        second.shows(MESSAGE, &requests[3], NOW),
        first.shows(MESSAGE, &requests[4], NOW),
        second.shows(MESSAGE, &requests[5], NOW),
    );
    let (taken, refused): (Vec<_>, Vec<_>) = [a, b, c, d, e, f].into_iter().partition(Result::is_ok);
    assert_eq!(taken.len(), 1);
    assert!(refused.into_iter().all(used));
}

#[tokio::test]
async fn an_id_that_is_another_instance_s_is_not_given_twice() {
    let house = house().await;
    house.profile().await;
    house.shows(ELSEWHERE, &machine(), NOW).await.unwrap();
    let key = machine();
    let enrolled = house.shows(MESSAGE, &key, NOW).await.unwrap();
    assert_ne!(enrolled.instance, ID);
    let tags = house.authority.instance(&enrolled.instance).unwrap().tags;
    let of = tags.iter().find(|tag| tag.key == "hallpass:ec2-instance");
    assert_eq!(of.map(|tag| tag.value.as_str()), Some(ID));
    assert_eq!(
        house.shows(MESSAGE, &key, NOW).await.unwrap().instance,
        enrolled.instance
    );
    assert_eq!(
        house.shows(MESSAGE, &machine(), NOW).await,
        Err(EnrolError::DocumentUsed(enrolled.instance))
    );
}

#[tokio::test]
async fn a_document_is_not_used_up_by_a_refusal() {
    let house = house().await;
    let key = machine();
    assert_eq!(house.shows(MESSAGE, &key, NOW).await, Err(EnrolError::NotReady));
    house.profile().await;
    assert_eq!(
        house.shows(MESSAGE, &key, NOW.plus(601)).await,
        Err(EnrolError::Document(IdentityDocumentError::Old))
    );
    assert!(matches!(
        house.shows(MESSAGE, b"no request", NOW).await,
        Err(EnrolError::Certificate(_))
    ));
    assert_eq!(house.authority.instance(ID), None);
    assert!(house.shows(MESSAGE, &key, NOW).await.is_ok());
}
