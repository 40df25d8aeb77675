//! Writing ONNX files.

use super::wire::Message;

const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// An attribute of an operator.
#[derive(Clone, Debug)]
pub struct Attribute(Message);

impl Attribute {
    fn new(name: &str, kind: i64) -> Self {
        let mut message = Message::default();
        message.text(1, name);
        message.number(20, kind);
        Attribute(message)
    }

    /// A whole number.
    pub fn int(name: &str, value: i64) -> Self {
        let mut attribute = Attribute::new(name, 2);
        attribute.0.number(3, value);
        attribute
    }

    /// A number.
    pub fn float(name: &str, value: f32) -> Self {
        let mut attribute = Attribute::new(name, 1);
        attribute.0.float(2, value);
        attribute
    }

    /// A text.
    pub fn text(name: &str, value: &str) -> Self {
        let mut attribute = Attribute::new(name, 3);
        attribute.0.text(4, value);
        attribute
    }

    /// Whole numbers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        let mut attribute = Attribute::new(name, 7);
        values.iter().for_each(|value| attribute.0.number(8, *value));
        attribute
    }
}

/// A model in the making: operators of version 11 of the standard, 32-bit numbers. The same calls make the same bytes.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    graph: Message,
    metadata: Message,
}

impl Builder {
    /// An empty model.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Declares an input of numbers.
    pub fn input(&mut self, name: &str, shape: &[usize]) {
        self.graph.message(11, &value_info(name, shape));
    }

    /// Declares an output of numbers.
    pub fn output(&mut self, name: &str, shape: &[usize]) {
        self.graph.message(12, &value_info(name, shape));
    }

    /// Adds numbers that are part of the model.
    pub fn constant(&mut self, name: &str, shape: &[usize], data: &[f32]) {
        let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, FLOAT, shape, &bytes);
    }

    /// Adds whole numbers that are part of the model: shapes, axes.
    pub fn integers(&mut self, name: &str, data: &[i64]) {
        let bytes: Vec<u8> = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(name, INT64, &[data.len()], &bytes);
    }

    fn tensor(&mut self, name: &str, kind: i64, shape: &[usize], bytes: &[u8]) {
        let mut tensor = Message::default();
        shape.iter().for_each(|size| tensor.number(1, *size as i64));
        tensor.number(2, kind);
        tensor.text(8, name);
        tensor.bytes(9, bytes);
        self.graph.message(5, &tensor);
    }

    /// Adds an operator with one output. An empty name among the inputs leaves an optional one out.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[Attribute]) {
        let mut node = Message::default();
        inputs.iter().for_each(|input| node.text(1, input));
        node.text(2, output);
        node.text(3, output);
        node.text(4, operator);
        attributes.iter().for_each(|attribute| node.message(5, &attribute.0));
        self.graph.message(1, &node);
    }

    /// Adds a line of metadata.
    pub fn metadata(&mut self, key: &str, value: &str) {
        let mut pair = Message::default();
        pair.text(1, key);
        pair.text(2, value);
        self.metadata.message(14, &pair);
    }

    /// The bytes of the file.
    pub fn finish(mut self) -> Vec<u8> {
        self.graph.text(2, "graph");
        let mut opset = Message::default();
        opset.text(1, "");
        opset.number(2, 11);
        let mut model = Message::default();
        model.number(1, 6);
        model.text(2, "anabranch");
        model.message(7, &self.graph);
        model.message(8, &opset);
        model.0.extend(self.metadata.0);
        model.0
    }
}

fn value_info(name: &str, shape: &[usize]) -> Message {
    let mut dimensions = Message::default();
    for size in shape {
        let mut dimension = Message::default();
        dimension.number(1, *size as i64);
        dimensions.message(1, &dimension);
    }
    let mut tensor = Message::default();
    tensor.number(1, FLOAT);
    tensor.message(2, &dimensions);
    let mut kind = Message::default();
    kind.message(1, &tensor);
    let mut info = Message::default();
    info.text(1, name);
    info.message(2, &kind);
    info
}
