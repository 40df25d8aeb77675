//! Synthetic crowds whose truth is known exactly.

use super::super::heading::apart;
use super::*;
use crate::motion::polygon::Point;
use crate::motion::staging::{Disc, Stage, disc};

const WIDTH: usize = 240;
const HEIGHT: usize = 180;
/// Pictures of an empty place before anybody comes.
const EMPTY: u32 = 50;

fn time(n: u32) -> Duration {
    Duration::from_millis(u64::from(n) * 66)
}

fn square(id: &str, left: f64, right: f64) -> CrowdRegion {
    let points = [[left, 0.0], [right, 0.0], [right, 1.0], [left, 1.0]].map(|[x, y]| Point { x, y });
    CrowdRegion {
        id: id.into(),
        points: points.to_vec(),
        send_optical_flow_event: true,
        ..CrowdRegion::default()
    }
}

/// What came of each look at a crowd, and its discs.
fn watch(params: &Params, looks: u32, crowd: impl Fn(u32) -> Vec<Disc>) -> Vec<(Outcome, Vec<Disc>)> {
    let stage = Stage::new(WIDTH, HEIGHT);
    let mut watch = Watch::default();
    for n in 0..EMPTY {
        let outcome = watch.look(params, stage.empty(n), time(n), None);
        assert_eq!(outcome.events, [], "nobody is there");
    }
    let look = |n: u32| {
        let discs = crowd(n);
        (watch.look(params, stage.with(EMPTY + n, &discs), time(EMPTY + n), None), discs)
    };
    (0..looks).map(look).collect()
}

/// A crowd on a grid that goes in a direction (degrees clockwise from up) and comes in again on the other side.
fn flock(n: u32, angle: f64, speed: f64, count: usize, radius: f32) -> Vec<Disc> {
    let (sin, cos) = angle.to_radians().sin_cos();
    let way = f64::from(n) * speed;
    let one = |i: usize| {
        let (column, row) = ((i % 4) as f64, (i / 4) as f64);
        let x = (30.0 + 61.0 * column + 17.0 * row + sin * way).rem_euclid(WIDTH as f64 + 40.0) - 20.0;
        let y = (25.0 + 47.0 * row + 11.0 * column - cos * way).rem_euclid(HEIGHT as f64 + 40.0) - 20.0;
        disc(x as f32, y as f32, radius)
    };
    (0..count).map(one).collect()
}

#[test]
fn the_direction_is_within_ten_degrees() {
    let params = Params { regions: vec![square("all", 0.0, 1.0)], ..Params::default() };
    let mut worst: f64 = 0.0;
    for step in 0..12 {
        let angle = f64::from(step) * 30.0 + 7.0;
        let outcomes = watch(&params, 30, |n| flock(n, angle, 1.8, 10, 11.0));
        let told = outcomes.iter().flat_map(|(outcome, _)| &outcome.events).find_map(|event| match event {
            Event::Direction(direction) => Some(direction.angle),
            _ => None,
        });
        let told = told.unwrap_or_else(|| panic!("no direction for {angle}"));
        let last = outcomes.last().unwrap().0.regions[0].angle.unwrap();
        worst = worst.max(apart(told, angle)).max(apart(last, angle));
        assert!(apart(told, angle) < 10.0 && apart(last, angle) < 10.0, "{told} and {last} for {angle}");
    }
    println!("directions are right to {worst:.1} degrees");
}

#[test]
fn the_occupancy_is_within_five_points() {
    let mut worst: f64 = 0.0;
    for (count, radius, speed) in
        [(1, 9.0, 1.5), (4, 12.0, 2.0), (8, 15.0, 1.2), (12, 20.0, 2.5), (16, 24.0, 1.5)]
    {
        let regions = vec![square("left", 0.0, 0.5), square("right", 0.5, 1.0), square("all", 0.0, 1.0)];
        let params = Params { regions, ..Params::default() };
        let stage = Stage::new(WIDTH, HEIGHT);
        // They grow out of the ground: a crowd that is there all at once would be a cut.
        let crowd = |n: u32| flock(n, 65.0, speed, count, radius * (n as f32 / 12.0).min(1.0));
        for (n, (outcome, discs)) in watch(&params, 50, crowd).iter().enumerate() {
            let truth = stage.truth(discs);
            for report in &outcome.regions {
                let region = params.regions.iter().find(|r| r.id == report.region).unwrap();
                let mask = Polygon::of(&region.points).unwrap().mask(WIDTH, HEIGHT);
                let exact = 100.0 * mask.common(&truth) as f64 / mask.count() as f64;
                let wrong = (report.occupancy - exact).abs();
                worst = worst.max(wrong);
                assert!(wrong < 5.0, "look {n}, {count} discs: {} instead of {exact}", report.occupancy);
            }
        }
    }
    println!("occupancy is right to {worst:.1} points");
}

#[test]
fn fluidity_is_the_share_that_moves() {
    let params = Params { regions: vec![square("all", 0.0, 1.0)], ..Params::default() };
    for (walkers, standers) in [(0, 4), (2, 2), (3, 1), (4, 0)] {
        let crowd = |n: u32| -> Vec<Disc> {
            let walks = (0..walkers).map(|i| disc(20.0 + 3.0 * n as f32, 25.0 + 40.0 * i as f32, 14.0));
            let stands = (0..standers).map(|i| disc(200.0 - 3.0 * i as f32, 155.0 - 40.0 * i as f32, 14.0));
            walks.chain(stands).collect()
        };
        let outcomes = watch(&params, 50, crowd);
        let exact = 100.0 * f64::from(walkers) / f64::from(walkers + standers);
        // Who comes needs a moment to be known as standing.
        for (outcome, _) in &outcomes[15..] {
            let fluidity = outcome.regions[0].fluidity;
            assert!((fluidity - exact).abs() < 12.0, "{fluidity} instead of {exact}");
        }
    }
}

#[test]
fn levels_come_as_events_in_order() {
    let params = Params { regions: vec![square("all", 0.0, 1.0)], ..Params::default() };
    // One after the other comes and stays; then they go in the same way.
    let outcomes = watch(&params, 220, |n| {
        let count = (n / 8).min(11).min(220u32.saturating_sub(n + 20) / 8) as usize;
        (0..count).map(|i| disc(30.0 + 60.0 * (i % 4) as f32, 30.0 + 60.0 * (i / 4) as f32, 27.0)).collect()
    });
    let levels: Vec<u8> = outcomes
        .iter()
        .flat_map(|(outcome, _)| &outcome.events)
        .filter_map(|event| match event {
            Event::Occupancy(occupancy) => {
                assert!((0.0..=1.0).contains(&occupancy.confidence) && occupancy.people.is_none());
                Some(occupancy.level)
            }
            _ => None,
        })
        .collect();
    assert_eq!(levels, [1, 2, 1, 0]);
}

#[test]
fn people_are_counted_by_their_height_and_cross_lines() {
    let line = super::super::settings::CrowdLine {
        id: "middle".into(),
        from: Point { x: 0.5, y: 0.0 },
        to: Point { x: 0.5, y: 1.0 },
    };
    // A disc covers what somebody covers who is 1.7 times as tall as the disc: pi r^2 = 0.28 h^2.
    let tall = 11.0 * (std::f64::consts::PI / 0.28).sqrt() / HEIGHT as f64;
    let same = Perspective { far_y: 0.0, far_height: tall, near_y: 1.0, near_height: tall };
    let params = Params { lines: vec![line], perspective: Some(same), ..Params::default() };
    let outcomes = watch(&params, 100, |n| {
        let right =
            (0..3).map(|i| disc(40.0 + 1.6 * n as f32 - 10.0 * i as f32, 30.0 + 45.0 * i as f32, 11.0));
        right.chain([disc(220.0 - 1.6 * n as f32, 160.0, 11.0)]).collect()
    });
    let wrong: f64 = outcomes[10..90].iter().map(|(o, _)| (f64::from(o.people.unwrap()) - 4.0).abs()).sum();
    assert!(wrong / 80.0 < 0.5, "{}", wrong / 80.0);
    let crossed: Vec<(String, u64, u64)> = outcomes
        .iter()
        .flat_map(|(outcome, _)| &outcome.events)
        .filter_map(|event| match event {
            Event::Crossed(crossed) => Some((crossed.direction.clone(), crossed.left, crossed.right)),
            _ => None,
        })
        .collect();
    // Who looks down the picture has its right edge at the left hand.
    assert_eq!(crossed.iter().filter(|c| c.0 == "left").count(), 3, "{crossed:?}");
    assert_eq!(crossed.iter().filter(|c| c.0 == "right").count(), 1, "{crossed:?}");
    assert_eq!((crossed[3].1, crossed[3].2), (3, 1));
}

#[test]
fn a_detector_upstream_is_believed() {
    let params = Params { regions: vec![square("left", 0.0, 0.5)], report_ms: 500, ..Params::default() };
    let stage = Stage::new(WIDTH, HEIGHT);
    let mut watch = Watch::default();
    let person = |x: f32| Region { x, y: 0.3, width: 0.1, height: 0.4, score: 0.9, ..Region::default() };
    let mut reports = 0;
    for n in 0..60 {
        let outcome =
            watch.look(&params, stage.empty(n), time(n), Some(&[person(0.1), person(0.2), person(0.7)]));
        assert_eq!((outcome.people, outcome.regions[0].people), (Some(3), Some(2)));
        reports += outcome.events.iter().filter(|e| matches!(e, Event::Report(_))).count();
    }
    assert_eq!(reports, 8, "every half second of four");
}

#[test]
fn properties_change_while_it_watches() {
    let stage = Stage::new(96, 72);
    let mut watch = Watch::default();
    let mut params = Params { regions: vec![square("a", 0.0, 0.5)], ..Params::default() };
    for n in 0..50 {
        watch.look(&params, stage.empty(n), time(n), None);
    }
    params.regions.push(square("b", 0.5, 1.0));
    let ids =
        |outcome: Outcome| outcome.regions.iter().map(|r| r.region.clone()).collect::<Vec<_>>().join(" ");
    assert_eq!(ids(watch.look(&params, stage.empty(50), time(50), None)), "a b");
    params.regions.push(CrowdRegion { id: "bad".into(), ..CrowdRegion::default() });
    assert_eq!(
        ids(watch.look(&params, stage.empty(51), time(51), None)),
        "a b",
        "what is wrong is not taken over"
    );
    params.regions.clear();
    assert_eq!(ids(watch.look(&params, stage.empty(52), time(52), None)), "picture");
    let small = Stage::new(1, 1);
    assert_eq!(ids(watch.look(&params, small.empty(53), time(53), None)), "picture");
}
