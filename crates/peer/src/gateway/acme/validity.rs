//! When a certificate is good, as it says itself.

use super::names::Validity;
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, BERReaderSeq, Tag};

/// The tag of a time with two digits for the year.
const SHORT_TIME: u8 = 0x17;

/// Reads it out of a certificate in DER; None if that is none.
pub(super) fn of(certificate: &[u8]) -> Option<Validity> {
    let read = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|parts| {
            let validity = parts.next().read_sequence(body)?;
            skip(parts)?;
            Ok(validity)
        })
    });
    read.ok()
}

/// `version? serial algorithm issuer validity …` (RFC 5280, section 4.1).
fn body(parts: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Validity> {
    parts.read_optional(|reader| reader.read_tagged(Tag::context(0), any))?;
    for _ in ["serial", "algorithm", "issuer"] {
        parts.next().read_der()?;
    }
    let validity = parts.next().read_sequence(|times| {
        let (from, until) = (time(times.next())?, time(times.next())?);
        Ok(Validity { from, until })
    })?;
    skip(parts)?;
    Ok(validity)
}

/// What is left.
fn skip(parts: &mut BERReaderSeq<'_, '_>) -> ASN1Result<()> {
    while parts.read_optional(any)?.is_some() {}
    Ok(())
}

fn any(reader: BERReader<'_, '_>) -> ASN1Result<Vec<u8>> {
    reader.read_der()
}

fn time(reader: BERReader<'_, '_>) -> ASN1Result<u64> {
    let der = reader.read_der()?;
    let seconds = yasna::parse_der(&der, |reader| match der.first() {
        Some(&SHORT_TIME) => Ok(reader.read_utctime()?.datetime().unix_timestamp()),
        _ => Ok(reader.read_generalized_time()?.datetime().unix_timestamp()),
    })?;
    u64::try_from(seconds).map_err(|_| ASN1Error::new(ASN1ErrorKind::Invalid))
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::gateway::acme::names::Validity;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(from: i32, until: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(["a.test".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        certificate.der().to_vec()
    }

    /// (G20)
    #[test]
    fn times_of_this_century_and_the_next_are_read() {
        let found = of(&certificate(2026, 2027));
        let (from, until) = (1_767_225_600, 1_798_761_600);
        assert_eq!(found, Some(Validity { from, until }));
        // From 2050 on they are written otherwise.
        let found = of(&certificate(2026, 2050));
        let until = 2_524_608_000;
        assert_eq!(found, Some(Validity { from, until }));
    }

    mod fuzz {
        use super::{certificate, of};
        use crate::dice::Fuzz;

        /// What a server gives may be anything.
        #[test]
        fn what_is_no_certificate_does_no_harm() {
            let good = certificate(2026, 2027);
            let mut fuzz = Fuzz::begin();
            while let Some(dice) = fuzz.round() {
                let mut bytes = good.clone();
                dice.mutate(&mut bytes);
                of(&bytes);
            }
            assert_eq!(of(&[]), None);
        }
    }
}
