//! What is in an ONNX file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::wire::{Fields, Value};

/// An input or output of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// What it holds: `float32`, `uint8`, `int64`.
    pub kind: String,
    /// Its sizes; `None` where any size will do.
    pub shape: Vec<Option<usize>>,
}

/// An operator: the domain is empty for those of the standard.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator {
    /// Who defined it.
    pub domain: String,
    /// Its name: `Conv`.
    pub name: String,
}

/// What a model takes, gives and needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The program that wrote it.
    pub producer: String,
    /// The version of the standard operators.
    pub opset: u64,
    /// What it must be given.
    pub inputs: Vec<Port>,
    /// What it gives.
    pub outputs: Vec<Port>,
    /// The operators and how often each occurs.
    pub operators: BTreeMap<Operator, usize>,
    /// What its maker wrote beside it.
    pub metadata: BTreeMap<String, String>,
}

impl Summary {
    /// Reads an ONNX file.
    ///
    /// # Errors
    ///
    /// A sentence that names the file: it cannot be read, or it is not ONNX.
    pub fn of_file(path: &Path) -> Result<Summary, String> {
        let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        Summary::of(&bytes).ok_or_else(|| format!("{} is not an ONNX file, or it is damaged", path.display()))
    }

    /// Reads the bytes of an ONNX file; `None` if they are something else.
    pub fn of(bytes: &[u8]) -> Option<Summary> {
        let mut summary = Summary::default();
        let mut graph = None;
        for field in Fields(bytes) {
            match field? {
                (2, Value::Bytes(name)) => summary.producer = text(name),
                (7, Value::Bytes(bytes)) => graph = Some(bytes),
                (8, Value::Bytes(bytes)) => {
                    let (mut domain, mut version) = (String::new(), 0);
                    for field in Fields(bytes) {
                        match field? {
                            (1, Value::Bytes(name)) => domain = text(name),
                            (2, Value::Number(number)) => version = number,
                            _ => {}
                        }
                    }
                    if domain.is_empty() || domain == "ai.onnx" {
                        summary.opset = version;
                    }
                }
                (14, Value::Bytes(bytes)) => {
                    let (key, value) = pair(bytes)?;
                    summary.metadata.insert(key, value);
                }
                _ => {}
            }
        }
        summary.graph(graph?)?;
        // Every model gives something; a file that says otherwise is something else.
        (!summary.outputs.is_empty()).then_some(summary)
    }

    fn graph(&mut self, bytes: &[u8]) -> Option<()> {
        let mut constants = BTreeSet::new();
        for field in Fields(bytes) {
            match field? {
                (1, Value::Bytes(node)) => self.node(node)?,
                (5, Value::Bytes(tensor)) => {
                    for field in Fields(tensor) {
                        if let (8, Value::Bytes(name)) = field? {
                            constants.insert(text(name));
                        }
                    }
                }
                (11, Value::Bytes(info)) => self.inputs.push(port(info)?),
                (12, Value::Bytes(info)) => self.outputs.push(port(info)?),
                _ => {}
            }
        }
        // Old files list their weights among the inputs.
        self.inputs.retain(|input| !constants.contains(&input.name));
        Some(())
    }

    fn node(&mut self, bytes: &[u8]) -> Option<()> {
        let mut operator = Operator::default();
        for field in Fields(bytes) {
            match field? {
                (4, Value::Bytes(name)) => operator.name = text(name),
                (7, Value::Bytes(domain)) if domain != b"ai.onnx" => operator.domain = text(domain),
                _ => {}
            }
        }
        *self.operators.entry(operator).or_default() += 1;
        Some(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pair(bytes: &[u8]) -> Option<(String, String)> {
    let mut pair = (String::new(), String::new());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(key)) => pair.0 = text(key),
            (2, Value::Bytes(value)) => pair.1 = text(value),
            _ => {}
        }
    }
    Some(pair)
}

fn port(bytes: &[u8]) -> Option<Port> {
    let mut port = Port::default();
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(name)) => port.name = text(name),
            (2, Value::Bytes(kind)) => {
                for field in Fields(kind) {
                    if let (1, Value::Bytes(tensor)) = field? {
                        tensor_kind(tensor, &mut port)?;
                    }
                }
            }
            _ => {}
        }
    }
    Some(port)
}

fn tensor_kind(bytes: &[u8], port: &mut Port) -> Option<()> {
    for field in Fields(bytes) {
        match field? {
            (1, Value::Number(kind)) => port.kind = kind_name(kind),
            (2, Value::Bytes(shape)) => {
                for field in Fields(shape) {
                    let (1, Value::Bytes(dimension)) = field? else { continue };
                    let mut size = None;
                    for field in Fields(dimension) {
                        if let (1, Value::Number(number)) = field? {
                            // Some writers say -1 or 0 for any size.
                            size = usize::try_from(number as i64).ok().filter(|n| *n > 0);
                        }
                    }
                    port.shape.push(size);
                }
            }
            _ => {}
        }
    }
    Some(())
}

fn kind_name(kind: u64) -> String {
    const NAMES: [&str; 14] = [
        "unknown", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool",
        "float16", "float64", "uint32", "uint64",
    ];
    usize::try_from(kind).ok().and_then(|k| NAMES.get(k)).copied().unwrap_or("other").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{Attribute, Builder};
    use super::*;

    #[test]
    fn a_built_model_is_read_back() {
        let mut model = Builder::new();
        model.input("x", &[1, 3, 2, 2]);
        model.constant("k", &[1], &[2.0]);
        model.node("Mul", &["x", "k"], "y", &[]);
        model.node("Softmax", &["y"], "z", &[Attribute::int("axis", -1)]);
        model.output("z", &[1, 3, 2, 2]);
        model.metadata("character", "A\nB");
        let bytes = model.finish();
        let summary = Summary::of(&bytes).unwrap();
        assert_eq!(summary.inputs.len(), 1);
        assert_eq!(summary.inputs[0].shape, [Some(1), Some(3), Some(2), Some(2)]);
        assert_eq!((summary.inputs[0].kind.as_str(), summary.outputs[0].name.as_str()), ("float32", "z"));
        let names: Vec<_> = summary.operators.keys().map(|o| o.name.as_str()).collect();
        assert_eq!((names, summary.opset), (vec!["Mul", "Softmax"], 11));
        assert_eq!(summary.metadata["character"], "A\nB");
        assert_eq!(Summary::of(&bytes[..bytes.len() - 3]), None, "cut short");
        assert_eq!(Summary::of(b"GIF89a"), None);
        assert_eq!(Summary::of(b""), None);
    }
}
