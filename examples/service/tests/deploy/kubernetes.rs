//! `kubernetes.yaml`: what the objects say of each other and of the program, and the StatefulSet as processes.

use std::collections::BTreeMap;

use yaml_rust2::Yaml;

use crate::{
    container, documents,
    program::{BEYOND_DRAIN, Values},
    text, texts,
};

const FILE: &str = "deploy/kubernetes.yaml";

/// The object of this kind; there is one of each.
fn object(kind: &str) -> Yaml {
    let all = documents(FILE);
    let mut these = all.into_iter().filter(|it| it["kind"].as_str() == Some(kind));
    let one = these.next().unwrap_or_else(|| panic!("there is no {kind}"));
    assert!(these.next().is_none(), "several {kind}");
    one
}

/// The StatefulSet's pods.
pub(crate) struct PodTemplate {
    spec: Yaml,
    container: Yaml,
    pub(crate) set: String,
    pub(crate) replicas: usize,
}

impl PodTemplate {
    pub(crate) fn read() -> Self {
        let set = object("StatefulSet");
        let spec = set["spec"]["template"]["spec"].clone();
        let container = spec["containers"][0].clone();
        let name = set["metadata"]["name"].as_str().unwrap().to_owned();
        let replicas = usize::try_from(set["spec"]["replicas"].as_i64().unwrap()).unwrap();
        Self { spec, container, set: name, replicas }
    }

    /// The environment of the pod of this name, of this address, as the kubelet makes it: in order, with what stands before
    /// put in for `$(NAME)`.
    pub(crate) fn environment(&self, pod: &str, address: &str) -> BTreeMap<String, String> {
        let mut variables = container::variables();
        for variable in self.container["env"].as_vec().unwrap() {
            let name = variable["name"].as_str().unwrap();
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.name") => pod.to_owned(),
                Some("metadata.namespace") => "default".to_owned(),
                Some("status.podIP") => address.to_owned(),
                Some(other) => panic!("{other} is not known here"),
                None => expanded(variable["value"].as_str().expect(name), &variables),
            };
            variables.insert(name.to_owned(), value);
        }
        variables
    }

    /// Where each file of the pod comes from, by its path: the key of the secret.
    pub(crate) fn papers(&self, variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let volumes = self.spec["volumes"].as_vec().unwrap();
        let secret = volumes.iter().find(|it| !it["secret"].is_badvalue()).unwrap();
        let mounts = self.container["volumeMounts"].as_vec().unwrap().iter();
        mounts
            .map(|mount| {
                assert_eq!(mount["name"], secret["name"]);
                assert_eq!(mount["readOnly"].as_bool(), Some(true));
                let of = mount["subPath"].as_str().or(mount["subPathExpr"].as_str()).unwrap();
                (mount["mountPath"].as_str().unwrap().to_owned(), expanded(of, variables))
            })
            .collect()
    }
}

fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut parts = text.split("$(");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(')').unwrap();
        all += variables.get(name).unwrap_or_else(|| panic!("{name} does not stand before {text}"));
        all += rest;
    }
    all
}

/// The ports of a list, by name: number and protocol.
fn ports(list: &Yaml, number: &str) -> BTreeMap<String, (i64, String)> {
    let ports = list.as_vec().unwrap().iter();
    ports
        .map(|port| {
            let of = |key: &str| port[key].as_str().unwrap().to_owned();
            (of("name"), (port[number].as_i64().unwrap(), of("protocol")))
        })
        .collect()
}

#[test]
fn pods_start_together_and_are_found_before_they_are_ready() {
    let (set, service) = (object("StatefulSet"), object("Service"));
    assert_eq!(set["spec"]["podManagementPolicy"].as_str(), Some("Parallel"));
    assert_eq!(service["spec"]["clusterIP"].as_str(), Some("None"));
    assert_eq!(service["spec"]["publishNotReadyAddresses"].as_bool(), Some(true));
    assert_eq!(set["spec"]["serviceName"], service["metadata"]["name"]);
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    assert_eq!(set["spec"]["selector"]["matchLabels"], *labels);
    assert_eq!(service["spec"]["selector"], *labels);
    for other in ["PodDisruptionBudget", "NetworkPolicy"] {
        let spec = object(other)["spec"].clone();
        let selector = if other == "NetworkPolicy" { "podSelector" } else { "selector" };
        assert_eq!(spec[selector]["matchLabels"], *labels, "{other}");
    }

    let template = PodTemplate::read();
    let values = Values::of(&template.environment("greeter-0", "10.1.2.3"), &[]);
    let expect: usize = values.text("join.bootstrap_expect").parse().unwrap();
    assert!(expect * 2 > template.replicas && expect <= template.replicas);
    let name = service["metadata"]["name"].as_str().unwrap();
    let published = ports(&service["spec"]["ports"], "port");
    let (_, protocol) = &published["odeon"];
    let record = format!("_odeon._{}.{name}.default.svc.", protocol.to_lowercase());
    assert!(values.text("join.srv").contains(&record), "{record}");
}

#[test]
fn ports_probes_and_times_are_those_of_the_program() {
    let template = PodTemplate::read();
    let values = Values::of(&template.environment("greeter-0", "10.1.2.3"), &[]);
    let opened = ports(&template.container["ports"], "containerPort");
    let number = |key: &str| i64::from(values.port(key));
    assert_eq!(opened["odeon"], (number("node.listen"), "UDP".to_owned()));
    assert_eq!(opened["health"], (number("health.listen"), "TCP".to_owned()));
    assert_eq!(values.text("node.advertise"), format!("10.1.2.3:{}", number("node.listen")));
    assert_eq!(ports(&object("Service")["spec"]["ports"], "port"), opened);
    let allowed = object("NetworkPolicy")["spec"]["ingress"].clone();
    for (at, name) in ["odeon", "health"].into_iter().enumerate() {
        let port = &allowed[at]["ports"][0];
        let port = (port["port"].as_i64().unwrap(), port["protocol"].as_str().unwrap().to_owned());
        assert_eq!(port, opened[name]);
    }
    for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
        let get = &template.container[probe]["httpGet"];
        assert_eq!((get["port"].as_str(), get["path"].as_str()), (Some("health"), Some(path)));
    }
    // Operators come by the pod's loopback address, which is no port that others reach.
    let admin = values.text("admin.listen");
    assert!(admin.starts_with("127.0.0.1:"), "{admin}");
    assert!(text(FILE).contains(&format!(
        "port-forward {}-0 {port}:{port}",
        template.set,
        port = values.port("admin.listen")
    )));
    assert!(opened.values().all(|(port, _)| *port != number("admin.listen")));
    let annotations = &object("StatefulSet")["spec"]["template"]["metadata"]["annotations"];
    let health = number("health.listen").to_string();
    assert_eq!(annotations["prometheus.io/port"].as_str(), Some(health.as_str()));
    let grace = template.spec["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(u64::try_from(grace).unwrap() >= (values.drain() + BEYOND_DRAIN).as_secs());
}

#[test]
fn a_pod_may_do_no_more_than_it_needs_and_has_its_own_papers() {
    let template = PodTemplate::read();
    let of_pod = &template.spec["securityContext"];
    assert_eq!(of_pod["runAsNonRoot"].as_bool(), Some(true));
    assert_eq!(of_pod["runAsUser"].as_i64(), Some(container::user()));
    assert_eq!(of_pod["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"));
    assert_eq!(template.spec["automountServiceAccountToken"].as_bool(), Some(false));
    let of_container = &template.container["securityContext"];
    assert_eq!(of_container["allowPrivilegeEscalation"].as_bool(), Some(false));
    assert_eq!(of_container["readOnlyRootFilesystem"].as_bool(), Some(true));
    assert_eq!(texts(&of_container["capabilities"]["drop"]), ["ALL"]);
    assert!(template.container["resources"]["limits"]["memory"].as_str().is_some());

    let variables = template.environment("greeter-1", "10.1.2.3");
    let (values, papers) = (Values::of(&variables, &[]), template.papers(&variables));
    let keys = ["papers.cert", "papers.key", "papers.ca_cert"]
        .map(|key| papers[values.text(key)].as_str());
    assert_eq!(keys, ["greeter-1.pem", "greeter-1.key", "ca.pem"]);
    assert_eq!(papers.len(), 3, "nobody else's: {papers:?}");
    let secret = &template.spec["volumes"][0]["secret"];
    assert_eq!(secret["defaultMode"].as_i64(), Some(0o440));
}
