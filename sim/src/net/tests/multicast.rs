//! Multicast: who hears what is sent to a group.

use std::net::Ipv4Addr;

use odeon_env::{MulticastGroup, MulticastGroupError};

use super::*;

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

fn group(port: u16) -> MulticastGroup {
    MulticastGroup::v4(GROUP, port, Ipv4Addr::UNSPECIFIED).expect("it is a group")
}

impl Bed {
    fn join(&self, host: usize, port: u16) -> Arc<SimSocket> {
        self.net.join(self.ip(host), &group(port)).expect("anybody may join")
    }
}

#[test]
fn every_member_hears_a_group_its_sender_included() {
    on_bed(TEN, |bed| async move {
        let members = [bed.join(0, 5353), bed.join(1, 5353), bed.join(1, 5353)];
        let (other_port, no_member) = (bed.join(2, 5354), bed.bind(2, 5353));
        send(&members[0], &members[0], b"hello");
        for member in &members {
            let sender = SocketAddr::new(bed.ip(0), 5353);
            assert_eq!(receive(member).await, (sender, b"hello".to_vec()));
            assert_eq!(member.local_addr().unwrap(), group(5353).address());
        }
        for socket in [&other_port, &no_member] {
            assert_eq!(receive_all(socket).await, Vec::<Vec<u8>>::new());
        }
        // One for each host.
        assert_eq!((bed.net.counts().sent, bed.net.counts().delivered), (2, 2));
    });
}

#[test]
fn whoever_is_no_member_can_send_and_be_answered() {
    on_bed(TEN, |bed| async move {
        let (asker, member) = (bed.bind(0, 9), bed.join(1, 5353));
        send(&asker, &member, b"who is there?");
        let (from, _) = receive(&member).await;
        assert_eq!(from, asker.local_addr().unwrap());
        send_to(&member, from, b"I");
        assert_eq!(receive(&asker).await, (SocketAddr::new(bed.ip(1), 5353), b"I".to_vec()));
    });
}

#[test]
fn each_pair_has_its_own_rule_and_its_own_cuts() {
    on_bed(TEN, |bed| async move {
        let members = [bed.join(0, 5353), bed.join(1, 5353), bed.join(2, 5353)];
        bed.net.cut(bed.ip(0), bed.ip(1));
        let slow = LinkRule { latency: Latency::Constant(70 * MS), ..TEN };
        bed.net.set_rule(bed.ip(0), bed.ip(2), Some(slow));
        send(&members[0], &members[0], b"x");
        receive(&members[0]).await;
        assert!(bed.timeline.now() <= MS, "a host hears itself at once");
        receive(&members[2]).await;
        assert_eq!(bed.timeline.now(), 70 * MS);
        assert_eq!(receive_all(&members[1]).await, Vec::<Vec<u8>>::new());
        assert_eq!(bed.net.counts().cut, 1);
        send(&members[1], &members[1], b"y");
        assert_eq!(receive(&members[0]).await.1, b"y", "it is cut one way");
    });
}

#[test]
fn a_group_without_members_and_a_member_that_left_are_no_news_to_the_sender() {
    on_bed(TEN, |bed| async move {
        let (a, member) = (bed.bind(0, 9), bed.join(1, 5353));
        send(&a, &member, b"for one that leaves");
        drop(member);
        send_to(&a, group(5353).address(), b"for nobody");
        let told = timeout(Duration::from_secs(1), poll_fn(|cx| a.poll_unreachable(cx))).await;
        assert!(told.is_err());
        assert_eq!(bed.net.counts().nobody, 2);
    });
}

#[test]
fn the_members_of_a_closed_host_are_gone() {
    on_bed(TEN, |bed| async move {
        let (a, old) = (bed.join(0, 5353), bed.join(1, 5353));
        bed.net.close_host(bed.ip(1));
        send(&old, &a, b"from beyond");
        let new = bed.join(1, 5353);
        send(&a, &a, b"hello");
        assert_eq!(receive(&new).await.1, b"hello");
        assert_eq!(receive_all(&a).await, [b"hello".to_vec()]);
        assert!(timeout(Duration::from_secs(1), receive(&old)).await.is_err());
    });
}

#[test]
fn what_cannot_be_joined_is_refused_by_its_address() {
    on_bed(TEN, |bed| async move {
        let host = Ipv4Addr::new(10, 0, 0, 9);
        let elsewhere = MulticastGroup::v4(GROUP, 5353, host).unwrap();
        let error = bed.net.join(bed.ip(0), &elsewhere).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("10.0.0.9"), "{error}");
        let v6 = MulticastGroup::v6("ff02::fb".parse().unwrap(), 5353, 0).unwrap();
        assert!(bed.net.join(bed.ip(0), &v6).is_err());
        let error = MulticastGroup::v4(host, 5353, Ipv4Addr::UNSPECIFIED).unwrap_err();
        assert_eq!(error, MulticastGroupError::NotMulticast { address: host.into() });
    });
}

#[test]
fn a_member_that_does_not_read_keeps_no_other_from_hearing() {
    on_bed(LinkRule { datagram_bytes_max: u16::MAX, ..TEN }, |bed| async move {
        let (a, lazy, keen) = (bed.bind(0, 9), bed.join(1, 5353), bed.join(1, 5353));
        for _ in 0..2 {
            (0..50).for_each(|_| send(&a, &keen, &[0; 60_000]));
            assert_eq!(receive_all(&keen).await.len(), 50);
        }
        assert_eq!(receive_all(&lazy).await.len(), 69, "4 MiB");
        assert_eq!((bed.net.counts().delivered, bed.net.counts().buffer_full), (100, 0));
    });
}
