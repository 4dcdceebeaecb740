//! What is answered at which path, and that the book says the same.

use odeon::{Actor, Context, Handler, StartError, SubscribeOptions, actor, message};

use super::*;

#[derive(Clone)]
struct Clerk;

#[actor(id = "paths/Clerk", handles())]
impl Actor for Clerk {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

#[tokio::test]
async fn names_and_groups_of_the_cluster_are_listed() {
    let shop = Shop::open("names");
    let identity = |name: &str| shop.ca.issue(name, shop.validity).unwrap();
    let a = Node::builder("a").identity(identity("a")).actor::<Clerk>().alone();
    let a = a.start().await.unwrap();
    let b = Node::builder("b").identity(identity("b")).actor::<Clerk>().seed(a.addr().to_string());
    let b = b.start().await.unwrap();
    let (here, there) = (a.spawn(Clerk).await.unwrap(), b.spawn(Clerk).await.unwrap());
    a.cluster().register("first", &here).await.unwrap();
    b.cluster().register("second", &there).await.unwrap();
    b.cluster().group::<Clerk>("clerks").unwrap().join(&there).unwrap();
    let mut group = a.cluster().group::<Clerk>("clerks").unwrap().changes().unwrap();
    a.cluster().group::<Clerk>("clerks").unwrap().join(&here).unwrap();
    while a.cluster().groups() != [("clerks".to_owned(), 2)] {
        group.next().await.unwrap();
    }
    let standing = Standing::new(&a, "test", "1", Events::default());
    let says = async |path: &str, query: &str| {
        let (path, query) = (path.to_owned(), query.to_owned());
        let asked = Asked { path, query, ..Asked::default() };
        let (status, text) = answer(&standing, "alice", &asked).await.into_text();
        assert_eq!(status, 200, "{text}");
        text
    };
    let names = says("/v1/names", "").await;
    let all =
        r#"{"names":[{"name":"first","node":"a"},{"name":"second","node":"b"}],"left_out":0}"#;
    assert_eq!(names, all);
    let names: view::Names = serde_json::from_str(&names).unwrap();
    assert_eq!(names.to_string(), "\"first\" on a\n\"second\" on b");
    let one: view::Names = serde_json::from_str(&says("/v1/names", "max=1").await).unwrap();
    assert_eq!(one.to_string(), "\"first\" on a\nand 1 more");
    let groups = says("/v1/groups", "").await;
    assert_eq!(groups, r#"{"groups":[{"name":"clerks","members":2}],"left_out":0}"#);
    let groups: view::Groups = serde_json::from_str(&groups).unwrap();
    assert_eq!(groups.to_string(), "\"clerks\": 2 actors");
    b.stop(Duration::from_secs(5)).await;
    a.stop(Duration::from_secs(5)).await;
}

#[message(id = "paths/Price")]
struct Price {
    cents: u64,
}

/// Listens.
#[derive(Clone)]
struct Ticker;

#[actor(id = "paths/Ticker", handles(Price))]
impl Actor for Ticker {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Price> for Ticker {
    async fn handle(&mut self, price: Price, _: &mut Context<Self>) {
        assert!(price.cents > 0);
    }
}

#[tokio::test]
async fn topics_of_the_cluster_are_listed() {
    let shop = Shop::open("topics");
    let identity = |name: &str| shop.ca.issue(name, shop.validity).unwrap();
    let a = Node::builder("a").identity(identity("a")).actor::<Ticker>().alone();
    let a = a.start().await.unwrap();
    let b = Node::builder("b").identity(identity("b")).topic::<Price>().seed(a.addr().to_string());
    let b = b.start().await.unwrap();
    let ticker = a.spawn(Ticker).await.unwrap();
    a.cluster().subscribe_actor::<Ticker, Price>("prices.>", &ticker).unwrap();
    let mut options = SubscribeOptions::default();
    options.messages_max = 2;
    let _slow = a.cluster().subscribe_with::<Price>("prices.>", &options).unwrap();
    let _wide = b.cluster().subscribe::<Price>("prices.>").unwrap();
    let _narrow = b.cluster().subscribe::<Price>("notes.*").unwrap();
    while a.cluster().patterns().iter().map(|it| it.nodes.len()).sum::<usize>() < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let gold = a.cluster().topic::<Price>("prices.gold").unwrap();
    for cents in 1..6 {
        assert_eq!(gold.publish(Price { cents }).await.here, 2);
    }
    let standing = Standing::new(&a, "test", "1", Events::default());
    let says = async |query: &str| {
        let (path, query) = ("/v1/topics".to_owned(), query.to_owned());
        let asked = Asked { path, query, ..Asked::default() };
        let (status, text) = answer(&standing, "alice", &asked).await.into_text();
        assert_eq!(status, 200, "{text}");
        text
    };
    let all = says("").await;
    let expected = concat!(
        r#"{"topics":[{"pattern":"notes.*","message":"paths/Price","nodes":["b"],"more_nodes":0,"subscriptions":0,"missed":0},"#,
        r#"{"pattern":"prices.>","message":"paths/Price","nodes":["a","b"],"more_nodes":0,"subscriptions":2,"missed":3}],"#,
        r#""missed":3,"left_out":0}"#,
    );
    assert_eq!(all, expected);
    let all: view::Topics = serde_json::from_str(&all).unwrap();
    let lines = "\"notes.*\" of paths/Price on b\n\
                 \"prices.>\" of paths/Price on a, b: 2 subscriptions here, 3 missed\n\
                 3 missed on this node, of all that ever listened";
    assert_eq!(all.to_string(), lines);
    let one: view::Topics = serde_json::from_str(&says("max=1").await).unwrap();
    assert_eq!((one.topics.len(), one.left_out), (1, 1));
    b.stop(Duration::from_secs(5)).await;
    a.stop(Duration::from_secs(5)).await;
}

/// Whoever writes a program against the port has the book alone.
#[tokio::test]
async fn the_book_has_all_paths_and_no_other() {
    let book = include_str!("../../../../docs/concepts/observability.md");
    let rows = book.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let is_path = |row: &&str| row.starts_with("GET /") || row.starts_with("POST /");
    let told: Vec<_> = rows.map(|(row, _)| row).filter(is_path).collect();
    let there: Vec<_> =
        PATHS.iter().map(|it| format!("{} {}{}", it.method, it.path, it.query)).collect();
    assert_eq!(told, there);
    // Each of them is answered, and by its method alone.
    let shop = Shop::open("paths");
    let node = shop.node().await;
    let standing = Standing::new(&node, "test", "1", Events::default());
    let status = async |method: &Method, path: &str| {
        let asked = Asked { method: method.clone(), path: path.to_owned(), ..Asked::default() };
        answer(&standing, "alice", &asked).await.into_text()
    };
    for Path { method, path, .. } in &PATHS {
        let (code, text) = status(method, path).await;
        assert!(code == 200 || (*path == "/v1/drain" && code == 202), "{path}: {code} {text}");
        assert_eq!(status(&Method::PUT, path).await.0, 405, "{path}");
    }
    let (code, text) = status(&Method::GET, "/v1/nothing").await;
    assert_eq!(code, 404);
    assert!(PATHS.iter().all(|it| text.contains(&format!("{}{}", it.path, it.query))), "{text}");
    node.stop(Duration::from_secs(5)).await;
}
