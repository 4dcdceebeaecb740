//! Joining over this machine's own sockets; `associations/enrolment.rs` has what else may come.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon_env::{Env, RealEnv};
use odeon_transport::{
    Ca, EnrolDesk, EnrolError, EnrolRefusal, EnrolRefused, EnrolRequest, Enrolment, Identity,
    JoinToken, Validity, enrol,
};
use tokio::task::LocalSet;

const HOUR: Duration = Duration::from_secs(3600);

fn env() -> Arc<dyn Env> {
    Arc::new(RealEnv)
}

fn ca() -> Ca {
    Ca::in_memory("demo").expect("a good name")
}

fn validity() -> Validity {
    Validity::from(RealEnv.wall_clock(), HOUR)
}

/// Gives certificates to whoever has the secret of this token, once it is not busy any more.
struct Desk {
    ca: Ca,
    digest: RefCell<String>,
    busy: Cell<u32>,
    asked: Cell<u32>,
}

impl EnrolDesk for Desk {
    fn enrol(&self, request: &EnrolRequest) -> Result<String, EnrolRefused> {
        self.asked.set(self.asked.get() + 1);
        let refused = |reason, text: &str| Err(EnrolRefused { reason, text: text.to_owned() });
        if JoinToken::digest_of(&request.secret) != *self.digest.borrow() {
            return refused(EnrolRefusal::Unknown, "who are you?");
        }
        if self.busy.get() > 0 {
            self.busy.set(self.busy.get() - 1);
            return refused(EnrolRefusal::Busy, "one moment");
        }
        self.ca.sign_request_pem(request.name.as_str(), &request.csr, validity()).map_err(|error| {
            EnrolRefused { reason: EnrolRefusal::Malformed, text: error.to_string() }
        })
    }
}

fn start(ca: Ca) -> (Enrolment, Rc<Desk>, SocketAddr) {
    let socket = RealEnv.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback is there");
    let copy = Ca::from_pem(&ca.to_pem()).expect("it is one");
    let (digest, busy, asked) = (RefCell::default(), Cell::new(0), Cell::new(0));
    let desk = Rc::new(Desk { ca: copy, digest, busy, asked });
    let enrolment = Enrolment::start(&env(), socket, ca, Rc::clone(&desk) as _).expect("it starts");
    let addr = enrolment.local_addr().expect("it is bound");
    (enrolment, desk, addr)
}

fn token(ca: &Ca, endpoint: SocketAddr) -> JoinToken {
    let until = RealEnv.wall_clock() + HOUR;
    JoinToken::new(&RealEnv, ca, until, &endpoint.to_string()).expect("a good endpoint")
}

#[tokio::test]
async fn a_token_brings_a_certificate_for_a_key_that_stays() {
    let test = async {
        let authority = ca();
        let pem = authority.to_pem();
        let (_enrolment, desk, addr) = start(Ca::from_pem(&pem).expect("it is one"));
        let token = token(&authority, addr);
        let refused = enrol(&env(), &token, "n").await.expect_err("nobody knows the token");
        let EnrolError::Refused { reason: EnrolRefusal::Unknown, text } = &refused else {
            panic!("{refused}");
        };
        assert_eq!(&**text, "who are you?");
        *desk.digest.borrow_mut() = token.digest();
        desk.busy.set(1);
        let enrolled = enrol(&env(), &token, "n").await.expect("the desk is free at last");
        assert_eq!(desk.asked.get(), 3);
        assert_eq!(enrolled.ca_cert, pem.cert);
        let identity = Identity::from_pem(&enrolled.cert, &enrolled.key, &enrolled.ca_cert);
        assert_eq!(identity.expect("they fit").node_name(), "n");
        let bad = enrol(&env(), &token, "No_Such").await.expect_err("it is no name");
        assert!(matches!(bad, EnrolError::Name(_)), "{bad}");
        // Of the right name, and of another authority.
        let other = token_of_another(addr);
        let refused = enrol(&env(), &other, "n").await.expect_err("it is another authority");
        assert!(matches!(refused, EnrolError::OtherAuthority { .. }), "{refused}");
        assert_eq!(desk.asked.get(), 3, "the secret was told to a stranger");
    };
    LocalSet::new().run_until(test).await;
}

fn token_of_another(addr: SocketAddr) -> JoinToken {
    token(&ca(), addr)
}
