//! `compose.yaml`: the nodes of one machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use yaml_rust2::Yaml;

use crate::{
    container, documents,
    program::{BEYOND_DRAIN, Values, seconds},
    texts,
};

const FILE: &str = "deploy/compose.yaml";

/// The entries of a map, with those that it takes over from another one (`<<`).
fn entries(map: &Yaml) -> BTreeMap<String, Yaml> {
    let mut all = BTreeMap::new();
    for (key, value) in map.as_hash().expect("it is a map") {
        match key.as_str().expect("a key is a text") {
            "<<" => entries(value).into_iter().for_each(|(key, value)| {
                all.entry(key).or_insert(value);
            }),
            key => {
                all.insert(key.to_owned(), value.clone());
            }
        }
    }
    all
}

fn text<'a>(map: &'a BTreeMap<String, Yaml>, key: &str) -> &'a str {
    map.get(key).and_then(Yaml::as_str).unwrap_or_else(|| panic!("{key} is missing in {map:?}"))
}

#[test]
fn each_container_of_the_machine_is_a_node_of_the_cluster() {
    let file = &documents(FILE)[0];
    let services = entries(&file["services"]);
    let (mut listening, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let defined = entries(&file["secrets"]);
    for (name, service) in &services {
        let service = entries(service);
        let mut variables = container::variables();
        let own = entries(&service["environment"]);
        let own =
            own.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        variables.extend(own);
        let values = Values::of(&variables, &[]);
        assert_eq!(values.text("node.name"), name);
        // Where it listens is its own address, and nobody else's.
        let address = &service["networks"]["greeters"]["ipv4_address"];
        let address = address.as_str().expect("it has an address");
        assert_eq!(values.text("node.listen"), format!("{address}:{}", values.port("node.listen")));
        assert!(listening.insert(address.to_owned()), "{address} twice");
        let seeds = values.text("join.seeds");
        assert!(services.keys().all(|it| seeds.contains(&format!("\"{it}:7400\""))), "{seeds}");
        let expect: usize = values.text("join.bootstrap_expect").parse().unwrap();
        assert!(expect * 2 > services.len() && expect <= services.len());
        // Its papers are its own secrets.
        let secrets = service["secrets"].as_vec().unwrap();
        for key in ["papers.cert", "papers.key", "papers.ca_cert"] {
            let file = values.text(key).strip_prefix("/run/secrets/").expect("it is a secret");
            let secret = secrets.iter().find(|it| it["target"].as_str() == Some(file));
            let source = secret.and_then(|it| it["source"].as_str()).expect(file);
            let from = defined[source]["file"].as_str().unwrap();
            let stem = Path::new(from).file_stem().unwrap();
            assert!(source == "ca" || stem == name.as_str(), "{name} has {from}");
        }
        let health = values.port("health.listen");
        let published = texts(&service["ports"]);
        assert!(published.iter().all(|it| it.starts_with("127.0.0.1:")), "{published:?}");
        assert!(published[0].ends_with(&format!(":{health}")), "{published:?}");
        let admin = values.port("admin.listen");
        assert!(published[1].ends_with(&format!(":{admin}")), "{published:?}");
        assert!(published.iter().all(|it| taken.insert((*it).to_owned())), "{published:?} twice");
        let probe = texts(&service["healthcheck"]["test"]).pop().unwrap().to_owned();
        assert!(probe.contains(&format!("127.0.0.1/{health} ")) && probe.contains("GET /readyz"));
        let grace = seconds(text(&service, "stop_grace_period"));
        assert!(grace >= values.drain() + BEYOND_DRAIN, "{grace:?}");
        assert_eq!(text(&service, "stop_signal"), "SIGTERM");
        assert_eq!(service["read_only"].as_bool(), Some(true));
        assert_eq!(texts(&service["cap_drop"]), ["ALL"]);
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"]);
        assert!(text(&service, "user").starts_with(&format!("{}:", container::user())));
    }
    assert_eq!(services.len(), 3);
    let build = entries(&services["a"])["build"].clone();
    let (context, dockerfile) = (build["context"].as_str(), build["dockerfile"].as_str());
    assert_eq!(dockerfile, Some("examples/service/deploy/Containerfile"));
    // As in the container file: from the root of the repository.
    let context = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(context.unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    assert_eq!(context.canonicalize().unwrap(), root.canonicalize().unwrap());
}
