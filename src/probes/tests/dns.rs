//! The DNS probe against a small resolver of our own on loopback.

use super::*;
use crate::config::probe::{DnsExpect, DnsProbe, DnsRecord};
use crate::domain::observation::Failure;
use crate::probes::dns::DnsTarget;
use crate::probes::trace::Trace;

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CAA, CNAME, MX, NS, SOA, SRV, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;

/// Answers each question as its script says.
struct Resolver {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    answering: JoinHandle<()>,
}

impl Resolver {
    /// `script` gets the question and an answer to it that is empty so far; what it returns is sent.
    async fn start(script: impl Fn(&str, Message) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&asked);
        let answering = tokio::spawn(async move {
            let mut space = [0; 4096];
            loop {
                let (count, from) = socket.recv_from(&mut space).await.unwrap();
                let question = Message::from_vec(&space[..count]).unwrap();
                let query = question.queries[0].clone();
                let asked = format!("{} {}", query.name(), query.query_type());
                let mut answer = Message::response(question.metadata.id, OpCode::Query);
                answer.add_query(query);
                let answer = script(&asked, answer);
                seen.lock().push(asked);
                if let Some(answer) = answer {
                    socket.send_to(&answer, from).await.unwrap();
                }
            }
        });
        Self { address, asked, answering }
    }

    /// Every question has these values as its answer.
    async fn holding(values: Vec<RData>) -> Self {
        Self::start(move |_, mut answer| {
            let name = answer.queries[0].name().clone();
            answer.add_answers(values.iter().map(|value| Record::from_rdata(name.clone(), 60, value.clone())));
            Some(answer.to_vec().unwrap())
        })
        .await
    }

    /// Every question is refused.
    async fn refusing(code: ResponseCode) -> Self {
        Self::start(move |_, mut answer| {
            answer.metadata.response_code = code;
            Some(answer.to_vec().unwrap())
        })
        .await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn all(values: &[&str]) -> DnsExpect {
    DnsExpect::All(values.iter().map(|value| Box::from(*value)).collect())
}

fn any(values: &[&str]) -> DnsExpect {
    DnsExpect::Any(values.iter().map(|value| Box::from(*value)).collect())
}

async fn look_up(resolver: &Resolver, record: DnsRecord, expect: DnsExpect, deadline: Duration) -> Observation {
    let probe =
        DnsProbe { name: "shop.example".into(), record, expect, resolver: Some(resolver.address), max_latency: None };
    prober().prepare(&Probe::Dns(Arc::new(probe))).unwrap().probe(deadline).await
}

#[tokio::test]
async fn a_name_that_has_what_is_expected_is_good_and_is_asked_for_each_time() {
    let addresses = vec![RData::A(A::new(192, 0, 2, 1)), RData::A(A::new(192, 0, 2, 2))];
    let resolver = Resolver::holding(addresses).await;
    for expect in [DnsExpect::Something, all(&["192.0.2.2", "192.0.2.1"]), any(&["192.0.2.9", "192.0.2.1"])] {
        let observation = look_up(&resolver, DnsRecord::A, expect, LONG).await;
        good(&observation);
        assert!(observation.phases.resolve.is_some());
    }
    assert_eq!(resolver.asked(), ["shop.example. A"; 3]);
}

#[tokio::test]
async fn every_kind_of_record_is_compared_as_it_is_written() {
    let soa = SOA::new(name("ns1.example."), name("Admin.example."), 7, 1, 2, 3, 4);
    for (record, value, written) in [
        (DnsRecord::A, RData::A(A::new(192, 0, 2, 1)), "192.0.2.1"),
        (DnsRecord::Aaaa, RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), "2001:db8::1"),
        (DnsRecord::Cname, RData::CNAME(CNAME(name("CDN.example."))), "cdn.example"),
        (DnsRecord::Mx, RData::MX(MX::new(10, name("Mail.example."))), "10 mail.example"),
        (DnsRecord::Txt, RData::TXT(TXT::new(vec!["v=spf1 ".into(), "-all".into()])), "v=spf1 -all"),
        (DnsRecord::Ns, RData::NS(NS(name("ns1.example."))), "ns1.example"),
        (DnsRecord::Srv, RData::SRV(SRV::new(10, 5, 443, name("a.example."))), "10 5 443 a.example"),
        (
            DnsRecord::Caa,
            RData::CAA(CAA::new_issue(false, Some(name("letsencrypt.org")), Vec::new())),
            "0 issue letsencrypt.org",
        ),
        (DnsRecord::Soa, RData::SOA(soa), "ns1.example admin.example 7 1 2 3 4"),
    ] {
        let resolver = Resolver::holding(vec![value]).await;
        good(&look_up(&resolver, record, all(&[written]), LONG).await);
        assert_eq!(resolver.asked(), [format!("shop.example. {}", record.as_str())]);
    }
}

#[tokio::test]
async fn other_values_are_told_with_what_was_expected() {
    let addresses = (1..=7).map(|last| RData::A(A::new(192, 0, 2, last))).collect();
    let resolver = Resolver::holding(addresses).await;
    let told = async |expect| failed(&look_up(&resolver, DnsRecord::A, expect, LONG).await, Reason::Assertion, "N/A");
    insta::assert_snapshot!(told(all(&["192.0.2.1", "192.0.2.8", "192.0.2.9"])).await, @"the records A of shop.example should hold 192.0.2.8 and 192.0.2.9, and hold 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5 and 2 more");
    insta::assert_snapshot!(told(any(&["192.0.2.8", "192.0.2.9"])).await, @"the records A of shop.example should hold 192.0.2.8 or 192.0.2.9, and hold 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5 and 2 more");
    let one = Resolver::holding(vec![RData::TXT(TXT::new(vec!["V=spf1".into()]))]).await;
    let texts = look_up(&one, DnsRecord::Txt, all(&["v=spf1"]), LONG).await;
    insta::assert_snapshot!(failed(&texts, Reason::Assertion, "N/A"), @"the records TXT of shop.example should hold v=spf1, and hold V=spf1");
}

#[tokio::test]
async fn a_name_behind_another_one_is_followed() {
    let resolver = Resolver::start(|_, mut answer| {
        let cdn = name("cdn.example.");
        let name = answer.queries[0].name().clone();
        answer.add_answer(Record::from_rdata(name, 60, RData::CNAME(CNAME(cdn.clone()))));
        answer.add_answer(Record::from_rdata(cdn, 60, RData::A(A::new(192, 0, 2, 1))));
        Some(answer.to_vec().unwrap())
    })
    .await;
    good(&look_up(&resolver, DnsRecord::A, all(&["192.0.2.1"]), LONG).await);
}

#[tokio::test]
async fn a_name_that_is_not_there_and_a_resolver_that_fails_are_told_apart() {
    let told = async |code: ResponseCode, name: &str| {
        let resolver = Resolver::refusing(code).await;
        let observation = look_up(&resolver, DnsRecord::Mx, DnsExpect::Something, LONG).await;
        without(resolver.address, &failed(&observation, Reason::Dns, name))
    };
    insta::assert_snapshot!(told(ResponseCode::NXDomain, "NXDOMAIN").await, @"the name shop.example does not exist according to the resolver HOST (NXDOMAIN)");
    insta::assert_snapshot!(told(ResponseCode::ServFail, "SERVFAIL").await, @"the name shop.example was not resolved by the resolver HOST (SERVFAIL)");
    insta::assert_snapshot!(told(ResponseCode::Refused, "REFUSED").await, @"the name shop.example was not resolved by the resolver HOST (REFUSED)");
    insta::assert_snapshot!(told(ResponseCode::NoError, "NODATA").await, @"the name shop.example has no record MX according to the resolver HOST");
}

#[tokio::test]
async fn a_resolver_that_is_silent_or_lies_is_a_timeout_or_a_broken_protocol() {
    let silent = Resolver::start(|_, _| None).await;
    let message = failed(&look_up(&silent, DnsRecord::A, DnsExpect::Something, SHORT).await, Reason::Timeout, "N/A");
    insta::assert_snapshot!(without(silent.address, &message), @"the name was not resolved after 1s (the resolver HOST)");

    // What does not fit the question is no answer to it.
    let other = Resolver::start(|_, _| Some(b"220 mail.example ESMTP\r\n".to_vec())).await;
    failed(&look_up(&other, DnsRecord::A, DnsExpect::Something, SHORT).await, Reason::Timeout, "N/A");

    let garbled = Resolver::start(|_, answer| {
        let mut bytes = answer.to_vec().unwrap();
        // One answer is announced, and none follows.
        bytes[7] = 1;
        Some(bytes)
    })
    .await;
    let message = failed(&look_up(&garbled, DnsRecord::A, DnsExpect::Something, LONG).await, Reason::Protocol, "N/A");
    insta::assert_snapshot!(without(garbled.address, &message), @"the answer of the resolver HOST cannot be used: protocol error: decoding error: unexpected end of input reached");
}

/// Asks several resolvers, as a machine has them.
async fn look_up_at(resolvers: &[&Resolver], deadline: Duration) -> Result<(), Failure> {
    let (record, expect) = (DnsRecord::A, all(&["192.0.2.1"]));
    let probe = DnsProbe { name: "shop.example".into(), record, expect, resolver: None, max_latency: None };
    let clock = Clock::system();
    let addresses: Vec<SocketAddr> = resolvers.iter().map(|resolver| resolver.address).collect();
    let mut trace = Trace::begin(clock, deadline);
    DnsTarget::prepare(clock, &Arc::new(probe)).unwrap().ask(&addresses, &mut trace).await
}

#[tokio::test]
async fn the_machines_first_resolver_that_can_tell_decides() {
    let right = || Resolver::holding(vec![RData::A(A::new(192, 0, 2, 1))]);
    let (first, wrong) = (right().await, Resolver::refusing(ResponseCode::NXDomain).await);
    assert_eq!(look_up_at(&[&first, &wrong], LONG).await, Ok(()));
    assert_eq!(wrong.asked(), [""; 0], "nobody asks the second");
    let nowhere = look_up_at(&[&wrong, &first], LONG).await.unwrap_err();
    assert_eq!((nowhere.reason, &*nowhere.code), (Reason::Dns, "NXDOMAIN"));
    assert_eq!(first.asked().len(), 1, "no second opinion on a name that does not exist");
}

#[tokio::test]
async fn a_resolver_that_cannot_tell_passes_the_question_on() {
    let last = Resolver::holding(vec![RData::A(A::new(192, 0, 2, 1))]).await;
    let (lame, refusing) =
        (Resolver::refusing(ResponseCode::ServFail).await, Resolver::refusing(ResponseCode::Refused).await);
    assert_eq!(look_up_at(&[&lame, &refusing, &last], LONG).await, Ok(()));
    let silent = Resolver::start(|_, _| None).await;
    assert_eq!(look_up_at(&[&silent, &last], SHORT * 2).await, Ok(()));
    let failed = look_up_at(&[&lame, &refusing], LONG).await.unwrap_err();
    assert_eq!(&*failed.code, "REFUSED", "the last says it");
}

#[tokio::test]
async fn a_name_that_dns_cannot_hold_is_refused_before_any_probe() {
    let probe = DnsProbe {
        name: "a".repeat(64).into(),
        record: DnsRecord::A,
        expect: DnsExpect::Something,
        resolver: None,
        max_latency: None,
    };
    let error = prober().prepare(&Probe::Dns(Arc::new(probe))).unwrap_err();
    assert!(error.to_string().ends_with("is not a name that DNS can look up"));
}
