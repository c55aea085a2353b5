//! Who a certificate is of: what becomes of its names in a session.
//!
//! Source: IAM Roles Anywhere User Guide, "Trust policy", "Certificate attribute mapping" and "Source identity rules".

use super::chain::parsed;
use hallpass_session::Tag;
use std::collections::BTreeMap;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::x509::X509Name;

/// The parts of names that become tags (RFC 4519, RFC 2985). The guide gives no list of its own.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "T"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "E"),
];
/// Of a session tag.
const VALUE_CHARS_MAX: usize = 256;
/// A source identity has 64 characters, three of which are the prefix.
const PREFIXED_CHARS_MAX: usize = 61;
const SOURCE_IDENTITY_CHARS_MAX: usize = 64;

/// What a certificate says of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// In decimal, as requests name it.
    pub(super) serial: String,
    /// In hex of whole bytes.
    pub(super) serial_hex: String,
    /// For people: `CN=web-1, O=Example`.
    pub(super) subject: String,
    /// The subject's DER.
    pub(super) subject_der: Vec<u8>,
    /// `x509Subject/CN` and its like. A value that session tags cannot have is left out.
    pub(super) tags: Vec<Tag>,
    pub(super) source_identity: String,
}

impl Leaf {
    /// Reads a certificate that may prove who somebody is: it has a subject, is no authority's, and its key may sign.
    pub(super) fn read(der: &[u8]) -> Result<Self, &'static str> {
        let certificate = parsed(der).ok_or("it is not an X.509 certificate")?;
        if certificate.version.0 != 2 {
            return Err("it is not one of version 3");
        }
        if certificate
            .basic_constraints()
            .map_err(|_| "its constraints cannot be read")?
            .is_some_and(|it| it.value.ca)
        {
            return Err("it is an authority's");
        }
        let usage = certificate
            .key_usage()
            .map_err(|_| "its key usage cannot be read")?;
        if !usage.is_some_and(|usage| usage.value.digital_signature()) {
            return Err("its key usage does not include Digital Signature");
        }
        if certificate.subject().iter_attributes().next().is_none() {
            return Err("it has no subject");
        }
        let serial_hex = serial_hex(certificate.raw_serial());
        Ok(Self {
            serial: certificate.tbs_certificate.serial.to_string(),
            subject: certificate.subject().to_string(),
            subject_der: certificate.subject().as_raw().to_vec(),
            tags: tags(&certificate)?,
            source_identity: source_identity(certificate.subject(), &serial_hex)?,
            serial_hex,
        })
    }
}

fn serial_hex(bytes: &[u8]) -> String {
    let significant: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    let hex: String = significant.iter().map(|byte| format!("{byte:02x}")).collect();
    if hex.is_empty() { "00".to_owned() } else { hex }
}

/// Values by tag key, in their order. `None` for one of which a part cannot be read: without it the tag would say something
/// else.
type Values = BTreeMap<String, Option<String>>;

fn add(values: &mut Values, key: String, value: Option<&str>) {
    match values.entry(key) {
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(value.map(str::to_owned));
        }
        std::collections::btree_map::Entry::Occupied(mut place) => {
            let joined = match (place.get(), value) {
                (Some(before), Some(value)) => Some(format!("{before}/{value}")),
                _ => None,
            };
            place.insert(joined);
        }
    }
}

fn names(values: &mut Values, prefix: &str, name: &X509Name<'_>) {
    for attribute in name.iter_attributes() {
        let oid = attribute.attr_type().to_id_string();
        if let Some((_, short)) = ATTRIBUTES.iter().find(|(known, _)| *known == oid) {
            add(values, format!("{prefix}/{short}"), attribute.as_str().ok());
        }
    }
}

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`, of separators the space alone.
fn is_tag_value(text: &str) -> bool {
    text.chars().count() <= VALUE_CHARS_MAX
        && text
            .chars()
            .all(|letter| letter.is_alphanumeric() || " _.:/=+-@".contains(letter))
}

fn tags(certificate: &X509Certificate<'_>) -> Result<Vec<Tag>, &'static str> {
    let mut values = Values::new();
    names(&mut values, "x509Subject", certificate.subject());
    names(&mut values, "x509Issuer", certificate.issuer());
    let alternative = certificate
        .subject_alternative_name()
        .map_err(|_| "its alternative names cannot be read")?;
    let (mut dns, mut uri, mut directory) = (None, None, None);
    for name in alternative
        .iter()
        .flat_map(|extension| &extension.value.general_names)
    {
        match name {
            GeneralName::DNSName(name) => dns = dns.or(Some(*name)),
            GeneralName::URI(name) => uri = uri.or(Some(*name)),
            GeneralName::DirectoryName(name) => directory = directory.or(Some(name)),
            _ => {}
        }
    }
    for (key, value) in [("x509SAN/DNS", dns), ("x509SAN/URI", uri)] {
        if let Some(value) = value {
            add(&mut values, key.to_owned(), Some(value));
        }
    }
    if let Some(name) = directory {
        names(&mut values, "x509SAN/Name", name);
    }
    let tags = values
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .filter(|(_, value)| is_tag_value(value))
        .map(|(key, value)| Tag { key, value });
    Ok(tags.collect())
}

/// `CN=` and the common name; a long common name as it is; `ID=` and the serial number where there is none.
fn source_identity(subject: &X509Name<'_>, serial_hex: &str) -> Result<String, &'static str> {
    let mut common_names = subject.iter_common_name();
    let Some(first) = common_names.next() else {
        return Ok(format!("ID={serial_hex}"));
    };
    let unusable = "its common name cannot be a source identity";
    let name = first.as_str().map_err(|_| unusable)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if common_names.next().is_some()
        || name.is_empty()
        || name.len() > SOURCE_IDENTITY_CHARS_MAX
        || !name.bytes().all(fits)
    {
        return Err(unusable);
    }
    Ok(if name.len() <= PREFIXED_CHARS_MAX {
        format!("CN={name}")
    } else {
        name.to_owned()
    })
}
