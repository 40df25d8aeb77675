//! What filters find: the engine's events under Kurento's names.

use serde_json::{Value, json};

/// How an event's data become its fields.
type Fields = fn(&Value) -> Value;

/// The class, the element's event, the class's event, and its fields.
pub(crate) const FOUND: &[(&str, &str, &str, Fields)] = &[
    ("ZBarFilter", "code-found", "CodeFound", code),
    ("CrowdDetectorFilter", "crowd-occupancy", "CrowdDetectorOccupancy", occupancy),
    ("CrowdDetectorFilter", "crowd-fluidity", "CrowdDetectorFluidity", fluidity),
    ("CrowdDetectorFilter", "crowd-direction", "CrowdDetectorDirection", direction),
    ("PlateDetectorFilter", "plate-detected", "PlateDetected", plate),
    ("PointerDetectorFilter", "window-in", "WindowIn", window),
    ("PointerDetectorFilter", "window-out", "WindowOut", window),
];

/// The event of a class for an event of its element, with its fields.
pub(crate) fn found(class: &str, name: &str, data: &Value) -> Option<(&'static str, Value)> {
    let row = FOUND.iter().find(|row| (row.0, row.1) == (class, name))?;
    Some((row.2, row.3(data)))
}

/// Names of types of codes as the library zbar has them, and so Kurento's clients expect them; types that zbar does not
/// read have our names.
const CODES: &[(&str, &str)] = &[
    ("qr", "QR-Code"),
    ("pdf417", "PDF417"),
    ("ean-13", "EAN-13"),
    ("ean-8", "EAN-8"),
    ("upc-a", "UPC-A"),
    ("upc-e", "UPC-E"),
    ("code-128", "CODE-128"),
    ("code-39", "CODE-39"),
    ("code-93", "CODE-93"),
    ("itf", "I2/5"),
    ("codabar", "Codabar"),
    ("databar", "DataBar"),
    ("databar-expanded", "DataBar-Exp"),
];

fn code(data: &Value) -> Value {
    let ours = data["code_type"].as_str().unwrap_or_default();
    let theirs = CODES.iter().find(|(name, _)| *name == ours).map_or(ours, |(_, name)| name);
    json!({"codeType": theirs, "value": data["value"]})
}

fn occupancy(data: &Value) -> Value {
    region(data, json!({"occupancyPercentage": data["percentage"], "occupancyLevel": data["level"]}))
}

fn fluidity(data: &Value) -> Value {
    region(data, json!({"fluidityPercentage": data["percentage"], "fluidityLevel": data["level"]}))
}

fn direction(data: &Value) -> Value {
    region(data, json!({"directionAngle": data["angle"]}))
}

/// The region has two names, because clients know one or the other.
fn region(data: &Value, mut fields: Value) -> Value {
    for name in ["roiID", "roiId"] {
        fields[name] = data["region"].clone();
    }
    fields
}

fn plate(data: &Value) -> Value {
    json!({"plate": data["plate"]})
}

fn window(data: &Value) -> Value {
    json!({"windowId": data["window"]})
}

#[cfg(test)]
mod tests {
    use super::super::EVENTS;
    use super::*;
    use crate::kurento::surface::surface;

    #[test]
    fn every_field_of_every_event_is_there() {
        let data = json!({
            "code_type": "itf", "value": "12", "percentage": 40.5, "level": 2, "region": "door", "angle": 90.0,
            "plate": "B AN 1", "window": "w",
        });
        for (class, name, event, _) in FOUND {
            let class = surface().class(class).unwrap();
            assert!(surface().sends(class, event) && EVENTS.iter().any(|row| row.1 == *event), "{event}");
            let (_, fields) = found(&class.name, name, &data).unwrap();
            let wanted = surface().event(event).unwrap();
            for field in &wanted.fields {
                assert!(!fields[&field.name].is_null(), "{event}: {}", field.name);
            }
            assert_eq!(fields.as_object().unwrap().len(), wanted.fields.len(), "{event}");
        }
        assert_eq!(found("ZBarFilter", "code-found", &data).unwrap().1["codeType"], "I2/5");
        assert_eq!(found("ZBarFilter", "plate-detected", &data), None);
    }
}
