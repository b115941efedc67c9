//! `[target.probe]` of the kind `dns`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::address::{self, Endpoint};
use super::probe_keys;
use crate::config::probe::{DnsExpect, DnsProbe, DnsRecord};
use crate::config::raw::field::Field;
use crate::config::raw::section::Section;

const PORT: u16 = 53;
/// No answer that people wrote has more.
const MAX_EXPECTED: usize = 64;

/// Reads the table without finishing it; `None` if there is no name.
pub(crate) fn dns_probe(section: &mut Section<'_>, endpoint: Option<&Endpoint>, timeout: Duration) -> Option<DnsProbe> {
    let name = match section.take("name") {
        Some(field) => name(&field),
        None => endpoint.and_then(|endpoint| from_endpoint(section, endpoint)),
    };
    let records = DnsRecord::ALL.map(|record| (record.as_str(), record));
    let record = match section.take("record") {
        // Where it is not known what is asked for, any text may be its value.
        Some(field) => field.word(&records).unwrap_or(DnsRecord::Txt),
        None => DnsRecord::A,
    };
    let expect = expect(section, record);
    let resolver = section.take("resolver").and_then(|field| {
        let text = field.filled_text()?;
        let address = address::ip_and_port(text, PORT);
        if address.is_none() {
            let detail = format!("{} is no IP address with a port", field.shown());
            field.fail(&detail, "Write resolver = \"1.1.1.1:53\", or remove it: then the machine's own are asked");
        }
        address
    });
    let max_latency = probe_keys::max_latency(section, timeout);
    Some(DnsProbe { name: name?, record, expect, resolver, max_latency })
}

fn from_endpoint(section: &Section<'_>, endpoint: &Endpoint) -> Option<Box<str>> {
    let host = endpoint.host()?;
    if host.parse::<IpAddr>().is_ok() {
        section.fail("the endpoint is an address, which has no name to look up", "Write probe.name");
        return None;
    }
    Some(normal(&host))
}

fn name(field: &Field<'_>) -> Option<Box<str>> {
    let text = field.filled_text()?;
    if !is_name(text) {
        let detail = format!("{} is not a name that DNS can look up", field.shown());
        field.fail(&detail, "Write it in ASCII (xn--...), like \"shop.example.com\"");
        return None;
    }
    Some(normal(text))
}

fn is_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_address = text.parse::<IpAddr>().is_ok();
    let labels = text.split('.');
    !is_address && address::is_host(text) && labels.clone().all(|label| (1..=63).contains(&label.len()))
}

/// In lower case and without a dot at its end: names are compared so.
fn normal(name: &str) -> Box<str> {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into()
}

fn expect(section: &mut Section<'_>, record: DnsRecord) -> DnsExpect {
    let (all, any) = (section.take("expect"), section.take("expect_any"));
    if let (Some(_), Some(any)) = (&all, &any) {
        any.fail("an answer is checked by one of `expect` and `expect_any`", "Remove one of them");
    }
    match (all, any) {
        (Some(field), _) => DnsExpect::All(values(&field, record)),
        (None, Some(field)) => DnsExpect::Any(values(&field, record)),
        (None, None) => DnsExpect::Something,
    }
}

fn values(field: &Field<'_>, record: DnsRecord) -> Box<[Box<str>]> {
    let elements = field.one_or_more();
    if elements.is_empty() {
        field.fail("no value is named", "Remove the key: then any record will do");
    }
    if elements.len() > MAX_EXPECTED {
        field.fail(&format!("more than {MAX_EXPECTED} values"), "");
    }
    elements.iter().filter_map(|element| value(element, record)).collect()
}

fn value(field: &Field<'_>, record: DnsRecord) -> Option<Box<str>> {
    let text = field.filled_text()?;
    let (value, example) = match record {
        DnsRecord::A => (text.parse::<Ipv4Addr>().ok().map(|ip| ip.to_string().into()), "192.0.2.1"),
        DnsRecord::Aaaa => (text.parse::<Ipv6Addr>().ok().map(|ip| ip.to_string().into()), "2001:db8::1"),
        DnsRecord::Cname | DnsRecord::Ns => (is_name(text).then(|| normal(text)), "ns1.example.com"),
        DnsRecord::Mx => (numbers_and_name(text, 1), "10 mail.example.com"),
        DnsRecord::Srv => (numbers_and_name(text, 3), "10 5 443 host.example.com"),
        DnsRecord::Caa => (caa(text), "0 issue letsencrypt.org"),
        DnsRecord::Txt => (Some(text.into()), ""),
        DnsRecord::Soa => (soa(text), "ns1.example.com admin.example.com 2024010101 7200 3600 1209600 300"),
    };
    if value.is_none() {
        let detail = format!("{} is not the value of a record {}", field.shown(), record.as_str());
        field.fail(&detail, &format!("Write it like \"{example}\""));
    }
    value
}

/// `10 mail.example.com`: so many numbers, and a name, which may be the root (`0 .`, RFC 7505).
fn numbers_and_name(text: &str, numbers: usize) -> Option<Box<str>> {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let last = words.pop()?;
    let numbers: Vec<u16> = words
        .iter()
        .map(|word| word.parse().ok())
        .collect::<Option<_>>()
        .filter(|all: &Vec<u16>| all.len() == numbers)?;
    let name = if last == "." { "".into() } else { is_name(last).then(|| normal(last))? };
    let words = numbers.iter().map(u16::to_string).chain([name.into_string()]);
    Some(words.collect::<Vec<_>>().join(" ").into())
}

/// `0 issue letsencrypt.org`, the value with or without quotes (RFC 8659).
fn caa(text: &str) -> Option<Box<str>> {
    let mut words = text.trim().splitn(3, char::is_whitespace);
    let flags: u8 = words.next()?.parse().ok()?;
    let tag = words.next().filter(|tag| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
    let value = words.next()?.trim().trim_matches('"');
    Some(format!("{flags} {} {value}", tag.to_ascii_lowercase()).into())
}

/// Two names and five numbers (RFC 1035, 3.3.13).
fn soa(text: &str) -> Option<Box<str>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [server, mailbox, numbers @ ..] = &words[..] else { return None };
    let good = is_name(server) && is_name(mailbox) && numbers.len() == 5;
    let good = good && numbers.iter().all(|number| number.parse::<u32>().is_ok());
    good.then(|| format!("{} {} {}", normal(server), normal(mailbox), numbers.join(" ")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_brought_into_the_form_that_answers_are_compared_in() {
        assert_eq!(numbers_and_name("10  Mail.Example.", 1).as_deref(), Some("10 mail.example"));
        assert_eq!(numbers_and_name("0 .", 1).as_deref(), Some("0 "));
        assert_eq!(numbers_and_name("10 5 host.example", 3), None);
        assert_eq!(numbers_and_name("10 5 443 host.example", 3).as_deref(), Some("10 5 443 host.example"));
        assert_eq!(caa("0 Issue \"letsencrypt.org\"").as_deref(), Some("0 issue letsencrypt.org"));
        assert_eq!(caa("issue letsencrypt.org"), None);
        assert_eq!(soa("NS1.a. m.a. 1 2 3 4 5").as_deref(), Some("ns1.a m.a 1 2 3 4 5"));
        assert_eq!(soa("ns1.a m.a 1 2 3 4"), None);
    }

    #[test]
    fn a_name_has_labels_and_is_no_address() {
        assert!(is_name("_sip._tcp.example.com.") && is_name("localhost"));
        assert!(!is_name("192.0.2.1") && !is_name("a..b") && !is_name("a b") && !is_name(&"a".repeat(64)));
    }
}
