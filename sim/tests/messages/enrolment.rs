//! Fresh nodes ask the authority for certificates on a bad network: a token is good for one of them.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon::{
    Ca, EnrolDesk, EnrolRefusal, EnrolRefused, EnrolRequest, Enrolment, Identity, JoinToken,
    Validity, enrol, env::Env,
};
use odeon_sim::{LinkRule, SimEnv, World};

const SECOND: Duration = Duration::from_secs(1);
const PORT: u16 = 7401;

/// What is outside of the machines: the authority's memory, and what a person carries from one to the other.
#[derive(Default)]
struct Outside {
    token: RefCell<Option<JoinToken>>,
    issued: Cell<u32>,
    enrolled: RefCell<Vec<Identity>>,
    refused: Cell<u32>,
}

struct Desk {
    ca: Ca,
    env: Arc<SimEnv>,
    outside: Rc<Outside>,
}

impl EnrolDesk for Desk {
    fn enrol(&self, request: &EnrolRequest) -> Result<String, EnrolRefused> {
        let refused = |reason| EnrolRefused { reason, text: String::new() };
        let token = self.outside.token.borrow();
        let digest = token.as_ref().map(JoinToken::digest);
        if digest != Some(JoinToken::digest_of(&request.secret)) {
            return Err(refused(EnrolRefusal::Unknown));
        }
        if self.outside.issued.get() > 0 {
            return Err(refused(EnrolRefusal::Used));
        }
        self.outside.issued.set(1);
        let validity = Validity::from(self.env.wall_clock(), 3600 * SECOND);
        let signed = self.ca.sign_request_pem(request.name.as_str(), &request.csr, validity);
        signed.map_err(|_| refused(EnrolRefusal::Malformed))
    }
}

async fn office(env: Arc<SimEnv>, outside: Rc<Outside>) {
    let ca = Ca::in_memory("shop").expect("the name is valid");
    let until = env.wall_clock() + 3600 * SECOND;
    let token = JoinToken::new(&*env, &ca, until, &format!("office:{PORT}"));
    *outside.token.borrow_mut() = Some(token.expect("the endpoint is one"));
    let socket = env.bind(SocketAddr::new(env.address(), PORT)).expect("it is free");
    let copy = Ca::from_pem(&ca.to_pem()).expect("it is one");
    let desk = Rc::new(Desk { ca: copy, env: Arc::clone(&env), outside });
    let _enrolment = Enrolment::start(&(env as Arc<dyn Env>), socket, ca, desk).expect("it starts");
    std::future::pending::<()>().await;
}

/// Asks until there is an answer.
async fn fresh(env: Arc<SimEnv>, outside: Rc<Outside>) {
    let env: Arc<dyn Env> = env;
    let token = loop {
        let token = outside.token.borrow().clone();
        match token {
            Some(token) => break token,
            None => tokio::time::sleep(SECOND / 10).await,
        }
    };
    loop {
        match enrol(&env, &token, "n").await {
            Ok(enrolled) => {
                let identity = Identity::from_pem(&enrolled.cert, &enrolled.key, &enrolled.ca_cert);
                outside.enrolled.borrow_mut().push(identity.expect("they fit"));
            }
            Err(odeon::EnrolError::Refused { reason: EnrolRefusal::Used, .. }) => {
                outside.refused.set(outside.refused.get() + 1);
            }
            Err(odeon::EnrolError::NoAnswer { .. }) => {
                tokio::time::sleep(SECOND).await;
                continue;
            }
            Err(other) => panic!("{other}"),
        }
        return std::future::pending().await;
    }
}

#[odeon_sim::test(seeds = 0..20)]
async fn of_two_machines_with_one_token_one_gets_a_certificate(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let outside = Rc::new(Outside::default());
    let shared = Rc::clone(&outside);
    world.node("office", move |env| office(env, Rc::clone(&shared)));
    for name in ["x", "y"] {
        let shared = Rc::clone(&outside);
        world.node(name, move |env| fresh(env, Rc::clone(&shared)));
    }
    let answered = || {
        let enrolled = outside.enrolled.borrow().len() as u32;
        enrolled + outside.refused.get() == 2
    };
    world.run_until(answered, 120 * SECOND).await.expect("both hear an answer");
    assert_eq!(outside.issued.get(), 1);
    // A machine whose answer was lost has none, and its token is used up.
    let enrolled = outside.enrolled.borrow();
    assert!(enrolled.len() <= 1, "{enrolled:?}");
    assert!(enrolled.iter().all(|it| (it.cluster(), it.node_name()) == ("shop", "n")));
}
