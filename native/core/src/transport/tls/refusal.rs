//! Why a handshake failed, in words: what was wrong, and on which side it can be helped.

use rustls::{
    AlertDescription as Alert, CertificateError, Error, InvalidMessage, PeerIncompatible,
};

use crate::reason::EndReason;
use crate::transport::codec::Refused;
use crate::transport::tls::date::date;

/// `peer`: what the other end is. `heard`: it has said something that TLS would.
pub(super) fn refusal(error: &Error, peer: &str, heard: bool) -> Refused {
    let (reason, text) = match error {
        Error::InvalidCertificate(error) => (EndReason::CertificateRefused, invalid(error, peer)),
        Error::NoCertificatesPresented => (
            EndReason::CertificateRefused,
            format!("the {peer} showed no certificate, and must"),
        ),
        Error::AlertReceived(alert) => alerted(*alert, peer),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::InvalidEmptyPayload
            | InvalidMessage::MessageTooLarge,
        ) if !heard => (
            EndReason::TlsFailed,
            format!("the {peer} does not speak TLS: is its transport type another one?"),
        ),
        Error::PeerIncompatible(error) => (EndReason::TlsFailed, incompatible(error, peer)),
        Error::DecryptError => (
            EndReason::TlsFailed,
            format!("a record of the {peer} could not be decrypted: it was changed on the way"),
        ),
        error => (
            EndReason::TlsFailed,
            format!("the TLS handshake with the {peer} failed: {error}"),
        ),
    };
    Refused::new(reason, text)
}

fn invalid(error: &CertificateError, peer: &str) -> String {
    let what = match error {
        CertificateError::ExpiredContext { time, not_after } => format!(
            "expired on {}; by our clock it is {}",
            date(*not_after),
            date(*time)
        ),
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "is not valid before {}; by our clock it is {}",
            date(*not_before),
            date(*time)
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let wanted = expected.to_str();
            if presented.is_empty() {
                format!("is not for {wanted}: it has no names (no subjectAltName) at all")
            } else {
                format!("is not for {wanted}, but for {}", names(presented))
            }
        }
        CertificateError::UnknownIssuer => "was issued by nobody whom we trust".to_owned(),
        CertificateError::BadSignature => {
            "is signed by another key than that of its issuer, or the other end does not have its key"
                .to_owned()
        }
        CertificateError::BadEncoding => "is malformed".to_owned(),
        CertificateError::InvalidPurposeContext { required, .. } => {
            format!("is not made for this use: its extended key usage lacks {required}")
        }
        CertificateError::Other(other) => match other.0.downcast_ref() {
            Some(webpki::Error::CaUsedAsEndEntity) => {
                "is that of an authority, and not itself one of those that we trust".to_owned()
            }
            Some(webpki::Error::UnsupportedCertVersion) => {
                "is not of X.509 version 3, which alone can carry names".to_owned()
            }
            _ => format!("cannot be used: {other}"),
        },
        other => format!("cannot be used: {other}"),
    };
    format!("the certificate of the {peer} {what}")
}

/// As webpki says them, `DnsName("a.test")`, without that.
fn names(presented: &[String]) -> String {
    let names: Vec<_> = presented
        .iter()
        .map(|name| {
            let inner = name.split_once('(').map_or(name.as_str(), |(_, it)| it);
            inner.trim_end_matches(')').trim_matches('"')
        })
        .collect();
    names.join(", ")
}

fn alerted(alert: Alert, peer: &str) -> (EndReason, String) {
    let refused = EndReason::CertificateRefused;
    let failed = EndReason::TlsFailed;
    let (reason, what) = match alert {
        Alert::UnknownCA => (refused, "does not trust who issued our certificate"),
        Alert::CertificateExpired => (refused, "says that our certificate is out of its dates"),
        Alert::CertificateRevoked => (refused, "says that our certificate was revoked"),
        Alert::CertificateRequired | Alert::NoCertificate => {
            (refused, "wants a certificate of ours, and we showed none")
        }
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied => (refused, "did not accept our certificate"),
        Alert::ProtocolVersion => (failed, "speaks neither TLS 1.2 nor TLS 1.3"),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => (
            failed,
            "found nothing in common with us (cipher suite, key exchange or signature), or wants a \
             certificate of ours",
        ),
        Alert::UnrecognisedName => (failed, "does not know the host name that we ask for"),
        Alert::InternalError => (failed, "had a fault of its own"),
        Alert::DecryptError => (failed, "could not verify a signature or key of ours"),
        Alert::BadRecordMac | Alert::DecodeError | Alert::RecordOverflow => (
            failed,
            "could not read what we sent: it was changed on the way, or is not TLS to it",
        ),
        Alert::CloseNotify | Alert::UserCanceled => (failed, "closed during the TLS handshake"),
        _ => (failed, "broke the TLS handshake off"),
    };
    (
        reason,
        format!("the {peer} {what} (TLS alert {})", named(alert)),
    )
}

/// As RFC 8446 6.2 spells it: `unknown_ca`.
fn named(alert: Alert) -> String {
    match alert {
        Alert::UnknownCA => "unknown_ca".to_owned(),
        Alert::UnrecognisedName => "unrecognized_name".to_owned(),
        Alert::UnknownPSKIdentity => "unknown_psk_identity".to_owned(),
        Alert::Unknown(number) => number.to_string(),
        other => {
            let mut name = String::new();
            for letter in format!("{other:?}").chars() {
                if letter.is_ascii_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(letter.to_ascii_lowercase());
            }
            name
        }
    }
}

fn incompatible(error: &PeerIncompatible, peer: &str) -> String {
    use PeerIncompatible as Lack;
    let what = match error {
        Lack::NoCipherSuitesInCommon => "no cipher suite",
        Lack::NoKxGroupsInCommon | Lack::NamedGroupsExtensionRequired => "no key exchange group",
        Lack::NoSignatureSchemesInCommon
        | Lack::NoCertificateRequestSignatureSchemesInCommon
        | Lack::SignatureAlgorithmsExtensionRequired => {
            "no kind of signature that fits a certificate"
        }
        Lack::ServerDoesNotSupportTls12Or13
        | Lack::ServerTlsVersionIsDisabledByOurConfig
        | Lack::SupportedVersionsExtensionRequired
        | Lack::Tls12NotOffered
        | Lack::Tls12NotOfferedOrEnabled => "no version (ours are TLS 1.2 and 1.3)",
        other => return format!("the TLS of the {peer} and ours do not fit: {other:?}"),
    };
    format!("the {peer} and we have {what} in common")
}
