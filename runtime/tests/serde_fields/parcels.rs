//! What both arms of the tests of fields that travel by serde have: two actors that take parcels, and the same parcels as
//! another version of a program has them, whose part by serde is another one, which no fingerprint sees.

use odeon::{
    Actor, ActorRef, AskError, Certainty, Context, Handler, Node, StartError, View, ViewHandler,
    actor,
};

/// Writes one version of the messages and actors; `$more` is what the part has beside its name.
macro_rules! version {
    ($module:ident { $($more:tt)* }) => {
        pub(crate) mod $module {
            use super::*;

            #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
            pub(crate) struct Label {
                pub(crate) name: String,
                $($more)*
            }

            #[odeon::message(id = "parcels/Send", reply = Receipt)]
            #[derive(Clone)]
            pub(crate) struct Send {
                pub(crate) weight: u64,
                #[with(odeon::AsSerde)]
                pub(crate) label: Label,
            }

            #[odeon::data]
            #[derive(Debug, PartialEq)]
            pub(crate) struct Receipt {
                pub(crate) number: u64,
                #[with(odeon::AsSerde)]
                pub(crate) label: Label,
            }

            /// Makes a value of each.
            #[derive(Clone, Default)]
            pub(crate) struct Scale(u64);

            #[actor(id = "parcels/Scale", handles(Send))]
            impl Actor for Scale {
                type Args = Self;

                async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
                    Ok(args)
                }
            }

            impl Handler<Send> for Scale {
                async fn handle(&mut self, parcel: Send, _: &mut Context<Self>) -> Receipt {
                    self.0 += 1;
                    Receipt { number: self.0, label: parcel.label }
                }
            }

            /// Reads each in place.
            #[derive(Clone, Default)]
            pub(crate) struct Clerk(u64);

            #[actor(id = "parcels/Clerk", views(Send))]
            impl Actor for Clerk {
                type Args = Self;

                async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
                    Ok(args)
                }
            }

            impl Handler<Send> for Clerk {
                async fn handle(&mut self, _: Send, _: &mut Context<Self>) -> Receipt {
                    unreachable!("all come from another node")
                }
            }

            impl ViewHandler<Send> for Clerk {
                async fn view(&mut self, parcel: View<Send>, _: &mut Context<Self>) -> Receipt {
                    self.0 += parcel.weight.to_native();
                    let label = parcel.label.read().expect("it has been read before");
                    Receipt { number: self.0, label }
                }
            }
        }
    };
}

version!(now { pub(crate) street: Option<String>, });
// It lacks the street, which has a default, and has a number, which nobody there knows.
version!(before { pub(crate) house: u32, });
// Its name of the street is no text.
version!(other { pub(crate) street: (u8, u8), });

/// Starts both actors and gives them names.
pub(crate) async fn serve(node: Node) {
    let scale = node.spawn(now::Scale::default()).await.expect("it starts");
    node.register("scale", &scale).expect("the name is free");
    let clerk = node.spawn(now::Clerk::default()).await.expect("it starts");
    node.register("clerk", &clerk).expect("the name is free");
}

async fn find<A: Actor>(from: &Node, name: &str) -> ActorRef<A> {
    let found = from.on("b").lookup::<A>(name).await.expect("it answers");
    found.expect("it is registered")
}

/// Sends parcels of all versions to the actors of node "b".
pub(crate) async fn send_all(from: &Node, to: &Node) {
    let label = now::Label { name: "heron".into(), street: Some("by the lake".into()) };
    let parcel = now::Send { weight: 7, label: label.clone() };
    let (scale, clerk) =
        (find::<now::Scale>(from, "scale").await, find::<now::Clerk>(from, "clerk").await);
    scale.tell(parcel.clone()).await.expect("it is taken");
    let receipt = scale.ask(parcel.clone()).await.expect("it is answered");
    assert_eq!(receipt, now::Receipt { number: 2, label: label.clone() });
    let receipt = clerk.ask(parcel.clone()).await.expect("it is answered");
    assert_eq!(receipt, now::Receipt { number: 7, label });

    // Serde decides: what is not there is left out, what is not known is skipped. The answer lacks what that version needs.
    let label = before::Label { name: "crane".into(), house: 9 };
    let error = find::<before::Scale>(from, "scale").await.ask(before::Send { weight: 1, label });
    let error = error.await.expect_err("the answer has no house");
    assert!(matches!(error, AskError::Decode(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::Ran);
    assert!(error.to_string().contains("house"), "{error}");

    let failures = to.stats().decode_failures;
    let label = other::Label { name: "stork".into(), street: (1, 2) };
    let parcel = other::Send { weight: 1, label };
    let (scale_there, clerk_there) =
        (find::<other::Scale>(from, "scale").await, find::<other::Clerk>(from, "clerk").await);
    let errors = [scale_there.ask(parcel.clone()).await, clerk_there.ask(parcel.clone()).await];
    for error in errors.map(|it| it.expect_err("it cannot be read")) {
        assert!(matches!(error, AskError::Decode(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert!(error.to_string().contains("both nodes need the same version"), "{error}");
    }
    scale_there.tell(parcel.clone()).await.expect("it is taken");
    clerk_there.tell(parcel).await.expect("it is taken");

    // Both are as well as before, and none of those ran.
    let label = now::Label { name: "heron".into(), street: None };
    let parcel = now::Send { weight: 7, label };
    assert_eq!(scale.ask(parcel.clone()).await.expect("it is answered").number, 4);
    assert_eq!(clerk.ask(parcel).await.expect("it is answered").number, 14);
    assert_eq!(to.stats().decode_failures, failures + 4);
}
