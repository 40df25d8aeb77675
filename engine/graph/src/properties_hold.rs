//! Properties that hold for any graph and any text.

use indexmap::IndexMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::catalog::{Direction, PropertyKind, PropertyMap};
use crate::diff::GraphDiff;
use crate::document::Document;
use crate::link_options::{LinkOptions, PictureLimits};
use crate::plan::{Plan, Surgery, plan, surgery};
use crate::spec::{GraphSpec, LinkSpec, NodeSpec, OnError, PortRef, Transcoding};
use crate::testing::{Machine, catalog};
use crate::{Completeness, check_all, render};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        any::<String>(),
        Just("true".to_owned()),
        Just("0x10".to_owned()),
        Just("~".to_owned()),
        Just("1e3".to_owned()),
        Just("- a: [b]".to_owned()),
        Just(" spaced ".to_owned()),
        Just("2024-01-01".to_owned()),
        Just("a\nb\n".to_owned()),
    ]
}

fn value(kind: &PropertyKind) -> BoxedStrategy<Value> {
    match kind {
        PropertyKind::Bool => any::<bool>().prop_map(Value::from).boxed(),
        PropertyKind::Integer { min, max } => (*min..=*max).prop_map(Value::from).boxed(),
        PropertyKind::Number { min, max } => {
            (*min..=*max).prop_map(|x| json!(x)).prop_filter("finite", |v| v.is_number()).boxed()
        }
        PropertyKind::String => text().prop_map(Value::from).boxed(),
        PropertyKind::Enum { values } => {
            proptest::sample::select(values.clone()).prop_map(Value::from).boxed()
        }
        PropertyKind::List { item } => {
            proptest::collection::vec(value(item), 0..4).prop_map(Value::from).boxed()
        }
        PropertyKind::Map => proptest::collection::vec(("[a-z]{1,6}", -9i64..9), 0..4)
            .prop_map(|entries| entries.into_iter().map(|(key, n)| (key, Value::from(n))).collect())
            .boxed(),
        PropertyKind::Record { fields } => {
            let fields: Vec<_> = fields.iter().map(|f| (Just(f.name.clone()), value(&f.kind))).collect();
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())).boxed()
        }
    }
}

fn node(type_name: &'static str) -> impl Strategy<Value = (Option<OnError>, PropertyMap)> {
    let catalog = catalog();
    let descriptor = catalog.get(type_name).unwrap();
    let fields: Vec<BoxedStrategy<Option<(String, Value)>>> = descriptor
        .properties
        .iter()
        .map(|p| {
            let name = p.name.clone();
            let given = match (type_name, name.as_str()) {
                ("recorder", "location") => Just(json!("a.webm")).boxed(),
                _ => value(&p.kind),
            };
            let given = given.prop_map(move |v| Some((name.clone(), v)));
            if p.required { given.boxed() } else { prop_oneof![Just(None), given].boxed() }
        })
        .collect();
    let policy = proptest::sample::select(vec![
        None,
        Some(OnError::StopPipeline),
        Some(OnError::DropElement),
        Some(OnError::Restart),
    ]);
    (policy, fields).prop_map(|(policy, fields)| (policy, fields.into_iter().flatten().collect()))
}

const TYPES: [&str; 8] =
    ["player", "test-source", "face-overlay", "pass-through", "recorder", "snapshot", "null-sink", "mixer"];

/// Any graph that a partial check accepts: links only lead forward, and an input takes one.
fn graph() -> impl Strategy<Value = GraphSpec> {
    let nodes = proptest::collection::vec(
        proptest::sample::select(TYPES.to_vec()).prop_flat_map(|t| node(t).prop_map(move |n| (t, n))),
        0..7,
    );
    let links = proptest::collection::vec(
        (
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            any::<bool>(),
            proptest::option::of(1u32..9000),
        ),
        0..12,
    );
    (text(), text(), nodes, links, "[A-Za-z_][a-z0-9_-]{0,5}").prop_map(
        |(name, description, nodes, wishes, prefix)| {
            let catalog = catalog();
            let nodes: IndexMap<String, NodeSpec> = nodes
                .into_iter()
                .enumerate()
                .map(|(index, (type_name, (on_error, properties)))| {
                    let id = format!("{prefix}{index}");
                    let node =
                        NodeSpec { id: id.clone(), type_name: type_name.to_owned(), on_error, properties };
                    (id, node)
                })
                .collect();
            let mut links: Vec<LinkSpec> = Vec::new();
            for (from, to, forbid, bitrate) in wishes {
                if nodes.len() < 2 {
                    break;
                }
                let (a, b) = (from.index(nodes.len()), to.index(nodes.len()));
                let ((from, a), (to, b)) = match a.cmp(&b) {
                    std::cmp::Ordering::Less => (nodes.get_index(a).unwrap(), nodes.get_index(b).unwrap()),
                    std::cmp::Ordering::Greater => (nodes.get_index(b).unwrap(), nodes.get_index(a).unwrap()),
                    std::cmp::Ordering::Equal => continue,
                };
                let outputs = catalog
                    .get(&a.type_name)
                    .unwrap()
                    .ports
                    .iter()
                    .filter(|p| p.direction == Direction::Output);
                for output in outputs {
                    let input = catalog
                        .get(&b.type_name)
                        .unwrap()
                        .inputs()
                        .find(|p| p.medium == output.medium)
                        .cloned();
                    let Some(input) = input else { continue };
                    let end = PortRef { node: to.clone(), port: input.name.clone() };
                    let taken = links
                        .iter()
                        .any(|link| link.to == end && (!input.multiple || link.from.node == *from));
                    if taken {
                        continue;
                    }
                    let transcoding = if forbid { Transcoding::Forbid } else { Transcoding::Allow };
                    links.push(LinkSpec {
                        from: PortRef { node: from.clone(), port: output.name.clone() },
                        to: end,
                        medium: output.medium,
                        options: LinkOptions {
                            transcoding,
                            bitrate,
                            max_bitrate: bitrate.map(|rate| rate.saturating_add(7)),
                            picture: PictureLimits {
                                max_height: bitrate.map(|rate| rate.clamp(16, 16_384)),
                                ..PictureLimits::default()
                            },
                            ..LinkOptions::default()
                        },
                    });
                }
            }
            GraphSpec { name, description, nodes, links }
        },
    )
}

/// Takes the steps on a set of elements and links, and complains about any that does not fit.
fn operate(old: &Plan, new: &Plan, steps: &[Surgery]) {
    let there = |plan: &Plan, id: &str| plan.nodes.get(id).is_some_and(|n| n.domain.is_some());
    let built = |plan: &Plan| {
        let nodes: std::collections::BTreeSet<String> =
            plan.nodes.keys().filter(|id| there(plan, id)).cloned().collect();
        let links: std::collections::BTreeSet<String> = plan
            .links
            .values()
            .filter(|l| there(plan, &l.from.node) && there(plan, &l.to.node))
            .map(|l| l.id.clone())
            .collect();
        (nodes, links)
    };
    let (mut nodes, mut links) = built(old);
    for step in steps {
        match step {
            Surgery::Disconnect(id) => assert!(links.remove(id)),
            Surgery::Remove(id) => {
                let end = |link: &String| {
                    link.split([' ', '.']).next() == Some(id) || link.contains(&format!("-> {id}."))
                };
                assert!(!links.iter().any(end), "{id} is still linked");
                assert!(nodes.remove(id));
            }
            Surgery::Add(id) => assert!(nodes.insert(id.clone())),
            Surgery::SetProperty { node, .. } => assert!(nodes.contains(node)),
            Surgery::Connect(id) => {
                let link = &new.links[id];
                assert!(nodes.contains(&link.from.node) && nodes.contains(&link.to.node));
                assert!(links.insert(id.clone()));
            }
        }
    }
    assert_eq!((nodes, links), built(new));
}

fn labels_lie_inside(document: &Document) -> Result<(), TestCaseError> {
    let checked = check_all(document, &catalog(), Some(&Machine::full()), Completeness::Complete);
    for diagnostic in &checked.diagnostics {
        let source = diagnostic.source.as_ref().unwrap();
        for label in &diagnostic.labels {
            prop_assert!(source.text.get(label.span.range()).is_some());
            prop_assert!(label.line >= 1 && label.column >= 1);
        }
        prop_assert!(!diagnostic.draw(false).is_empty());
    }
    if let Some(spec) = checked.spec {
        let _ = plan(&spec, &catalog(), &Machine::full());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_graph_prints_and_reads_equal(spec in graph()) {
        let printed = spec.to_yaml();
        let checked = check_all(&Document::yaml("printed", printed.clone()), &catalog(), None, Completeness::Partial);
        let drawn: String = checked.diagnostics.iter().map(|d| d.draw(false)).collect();
        prop_assert_eq!(checked.spec, Some(spec), "{}\n{}", printed, drawn);
    }

    #[test]
    fn plans_are_deterministic_and_pictures_never_fail(spec in graph()) {
        let (a, b) = (plan(&spec, &catalog(), &Machine::full()), plan(&spec, &catalog(), &Machine::full()));
        prop_assert_eq!(&a, &b);
        if let Ok(plan) = a {
            prop_assert!(!render::plan_text(&plan).is_empty());
            operate(&Plan::default(), &plan, &surgery(&Plan::default(), &plan, &catalog()));
        }
        prop_assert!(render::svg(&spec, &catalog()).ends_with("</svg>\n"));
        let dot = render::dot(&spec, &catalog());
        let closed = dot.trim_end().ends_with(char::from(125));
        prop_assert!(closed);
        prop_assert!(render::mermaid(&spec, &catalog()).starts_with("flowchart"));
    }

    #[test]
    fn a_diff_leads_from_one_graph_to_the_other(a in graph(), b in graph()) {
        let diff = GraphDiff::between(&a, &b);
        let applied = diff.apply(&a).unwrap();
        prop_assert_eq!(&applied, &b);
        prop_assert!(applied.nodes.keys().eq(b.nodes.keys()));
        prop_assert!(GraphDiff::between(&a, &a).is_empty());
        let plans = (plan(&a, &catalog(), &Machine::full()), plan(&b, &catalog(), &Machine::full()));
        if let (Ok(a), Ok(b)) = plans {
            operate(&a, &b, &surgery(&a, &b, &catalog()));
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        labels_lie_inside(&Document::yaml("any", text.clone()))?;
        labels_lie_inside(&Document::one_liner(text))?;
    }

    #[test]
    fn texts_that_look_right_are_answered(
        words in proptest::collection::vec(
            proptest::sample::select(vec![
                "elements", ":", "\n", "  ", "    ", "- ", "links", "type", "player", "recorder", " -> ", "a", "b.video",
                "{", "}", "[", "]", ",", "\"", "'", "uri", "=", "é", "&x", "*x", "|", ">", "#", "name", "null", "1e9", ";",
            ]),
            0..60,
        )
    ) {
        let text = words.concat();
        labels_lie_inside(&Document::yaml("any", text.clone()))?;
        labels_lie_inside(&Document::one_liner(text))?;
    }
}

#[test]
fn the_schema_says_what_the_checker_says() {
    let schema = crate::schema::description_schema(&catalog());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = json!({
        "name": "x",
        "elements": {
            "a": {"type": "player", "uri": "x", "loop-count": 2, "on-error": "restart"},
            "s": {"type": "snapshot", "location": "x.png", "times": [1, 2.5], "every": null},
            "n": "null-sink",
        },
        "links": ["a -> n", {"from": "a.video", "to": "s", "transcoding": "allow", "bitrate": 5, "media": ["video"]}],
    });
    let errors: Vec<String> = validator.iter_errors(&good).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let checked = check_all(&Document::from(good.to_string()), &catalog(), None, Completeness::Complete);
    assert!(checked.spec.is_some(), "{:?}", checked.diagnostics);
    for (path, bad) in [
        ("/elements/a/type", json!("plyer")),
        ("/elements/a/uri", json!(5)),
        ("/elements/a/loop-count", json!(-1)),
        ("/elements/a/on-error", json!("explode")),
        ("/elements/s/times", json!(["x"])),
        ("/links/0", json!("a, n")),
        ("/links/1/bitrate", json!(0)),
        ("/name", json!(5)),
    ] {
        let mut wrong = good.clone();
        *wrong.pointer_mut(path).unwrap() = bad;
        assert!(!validator.is_valid(&wrong), "{path}");
        let checked = check_all(&Document::from(wrong.to_string()), &catalog(), None, Completeness::Complete);
        assert!(checked.spec.is_none(), "{path}");
    }
    let mut missing = good.clone();
    missing["elements"]["a"].as_object_mut().unwrap().remove("uri");
    assert!(!validator.is_valid(&missing));
    let mut extra = good;
    extra["elements"]["a"]["url"] = json!("x");
    assert!(!validator.is_valid(&extra));
}
