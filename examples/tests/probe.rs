//! One node and a probe, as the book's chapter on tests shows it: a shop whose bank is in the hands of the test.

use std::time::Duration;

use odeon::{Actor, AskError, Context, Handler, Node, Probe, Recipient, StartError, message};

const SOON: Duration = Duration::from_secs(5);

/// What a shop asks its bank.
#[message(local, reply = bool)]
struct Charge {
    cents: u64,
}

#[message(local, reply = bool)]
struct Buy {
    cents: u64,
}

struct Shop {
    bank: Recipient<Charge>,
    sold: u64,
}

impl Actor for Shop {
    type Args = Recipient<Charge>;

    async fn start(bank: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { bank, sold: 0 })
    }
}

impl Handler<Buy> for Shop {
    async fn handle(&mut self, buy: Buy, _: &mut Context<Self>) -> bool {
        assert!(buy.cents > 0, "nothing is free");
        let paid = self.bank.ask(Charge { cents: buy.cents }).await.unwrap_or(false);
        self.sold += u64::from(paid);
        paid
    }
}

#[odeon::test]
async fn what_is_paid_is_sold(node: Node) {
    let mut bank = Probe::<Charge>::start(node.system()).await.unwrap();
    let shop = node.spawn_with::<Shop>(bank.recipient()).await.unwrap();

    // The ask and the bank's answer go on side by side.
    let buying = shop.ask(Buy { cents: 5 }).into_future();
    let charging = async {
        let charge = bank.expect(SOON).await;
        assert_eq!(charge.cents, 5);
        bank.reply_with(true);
    };
    let (bought, ()) = tokio::join!(buying, charging);
    assert_eq!(bought, Ok(true));
}

#[odeon::test(exits = 1)]
async fn a_price_of_nothing_is_a_bug(node: Node) {
    let bank = Probe::<Charge>::start(node.system()).await.unwrap();
    let shop = node.spawn_with::<Shop>(bank.recipient()).await.unwrap();
    let bought = shop.ask(Buy { cents: 0 }).await;
    assert!(matches!(bought, Err(AskError::Panicked(_))), "{bought:?}");
}
