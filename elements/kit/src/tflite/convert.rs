//! The tensors of a TensorFlow Lite model, and the walk over its operators.

use std::collections::HashMap;

use super::ConvertError;
use super::flat::Table;
use super::operators::{self, Operator};
use super::weights::{from_half, from_single, reorder};
use crate::onnx::Builder;

/// From N, H, W, C to N, C, H, W.
const TO_PLANES: [usize; 4] = [0, 3, 1, 2];

const FLOAT32: u8 = 0;
const FLOAT16: u8 = 1;
const INT32: u8 = 2;

/// A tensor of the model.
pub(super) struct Tensor<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    kind: u8,
    data: &'a [u8],
}

/// A conversion under way.
pub(super) struct Conversion<'a> {
    pub model: Builder,
    tensors: Vec<Tensor<'a>>,
    /// Constants that an operator of the model unpacks: by the tensor that they become.
    unpacked: HashMap<usize, Vec<f32>>,
    constants: usize,
}

/// Translates a TensorFlow Lite file into an ONNX file.
///
/// # Errors
///
/// See [`ConvertError`]; the text names the operator or tensor.
pub fn to_onnx(file: &[u8]) -> Result<Vec<u8>, ConvertError> {
    let damaged = |what: &str| ConvertError::Damaged(what.to_owned());
    if file.get(4..8) != Some(b"TFL3") {
        return Err(damaged("it does not begin with TFL3"));
    }
    let root = Table::root(file).ok_or_else(|| damaged("it has no root"))?;
    let codes = root.tables(1);
    let [graph] = root.tables(2)[..] else { return Err(damaged("it does not have one graph")) };
    let buffers = root.tables(4);
    let tensors = graph.tables(0).iter().map(|t| tensor(t, &buffers)).collect();
    let mut conversion =
        Conversion { model: Builder::new(), tensors, unpacked: HashMap::new(), constants: 0 };
    for index in graph.numbers(1) {
        let tensor = conversion.tensor(index)?;
        let (name, shape) = (tensor.name.clone(), planes_shape(&tensor.shape));
        conversion.model.input(&name, &shape);
    }
    for table in graph.tables(3) {
        let code = usize::try_from(table.number(0, 0)).ok().and_then(|at| codes.get(at));
        let code = code.ok_or_else(|| damaged("an operator has no code"))?;
        operators::convert(&mut conversion, &Operator::read(code, &table))?;
    }
    for index in graph.numbers(2) {
        let tensor = conversion.tensor(index)?;
        let (name, shape) = (tensor.name.clone(), planes_shape(&tensor.shape));
        conversion.model.output(&name, &shape);
    }
    Ok(conversion.model.finish())
}

fn tensor<'a>(table: &Table<'a>, buffers: &[Table<'a>]) -> Tensor<'a> {
    let buffer = usize::try_from(table.number(2, 0)).ok().and_then(|at| buffers.get(at));
    Tensor {
        name: table.text(3),
        shape: table.numbers(0).iter().map(|n| usize::try_from(*n).unwrap_or(1)).collect(),
        kind: table.byte(1),
        data: buffer.map_or(&[], |b| b.bytes(0)),
    }
}

/// The shape of a tensor with the channels before the rows.
pub(super) fn planes_shape(shape: &[usize]) -> Vec<usize> {
    match shape {
        [n, h, w, c] => vec![*n, *c, *h, *w],
        other => other.to_vec(),
    }
}

impl<'a> Conversion<'a> {
    pub(super) fn tensor(&self, index: i32) -> Result<&Tensor<'a>, ConvertError> {
        let found = usize::try_from(index).ok().and_then(|at| self.tensors.get(at));
        found.ok_or_else(|| ConvertError::Damaged(format!("it has no tensor {index}")))
    }

    /// Four sides of a tensor.
    pub(super) fn sides(&self, index: i32) -> Result<[usize; 4], ConvertError> {
        let tensor = self.tensor(index)?;
        let four = tensor.shape.as_slice().try_into();
        four.map_err(|_| ConvertError::Unsupported(format!("the tensor {} without four sides", tensor.name)))
    }

    /// A constant that the model keeps packed, in the order of the file.
    pub(super) fn unpack(&mut self, from: i32, to: i32) -> Result<(), ConvertError> {
        let numbers = self.numbers(from)?;
        self.unpacked.insert(usize::try_from(to).unwrap_or(usize::MAX), numbers);
        Ok(())
    }

    /// The numbers of a constant, in the order of the file.
    pub(super) fn numbers(&self, index: i32) -> Result<Vec<f32>, ConvertError> {
        if let Some(data) = usize::try_from(index).ok().and_then(|at| self.unpacked.get(&at)) {
            return Ok(data.clone());
        }
        let tensor = self.tensor(index)?;
        let numbers = match tensor.kind {
            FLOAT32 => from_single(tensor.data),
            FLOAT16 => from_half(tensor.data),
            _ => return Err(ConvertError::Unsupported(format!("the quantised tensor {}", tensor.name))),
        };
        if numbers.len() != tensor.shape.iter().product::<usize>() {
            return Err(ConvertError::Unsupported(format!(
                "the tensor {}, which is no constant,",
                tensor.name
            )));
        }
        Ok(numbers)
    }

    /// The whole numbers of a constant.
    pub(super) fn integers(&self, index: i32) -> Result<Vec<i32>, ConvertError> {
        let tensor = self.tensor(index)?;
        if tensor.kind != INT32 || tensor.data.is_empty() {
            return Err(ConvertError::Unsupported(format!(
                "the tensor {}, which is no constant,",
                tensor.name
            )));
        }
        Ok(tensor.data.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect())
    }

    fn is_constant(&self, index: i32) -> bool {
        let unpacked = usize::try_from(index).is_ok_and(|at| self.unpacked.contains_key(&at));
        unpacked || self.tensor(index).is_ok_and(|t| !t.data.is_empty())
    }

    /// Adds constant numbers, and returns their name.
    pub(super) fn add_constant(&mut self, shape: &[usize], data: &[f32]) -> String {
        let name = self.fresh();
        self.model.constant(&name, shape, data);
        name
    }

    /// Adds constant whole numbers, and returns their name.
    pub(super) fn add_integers(&mut self, data: &[i64]) -> String {
        let name = self.fresh();
        self.model.integers(&name, data);
        name
    }

    /// A name that no tensor has.
    pub(super) fn fresh(&mut self) -> String {
        self.constants += 1;
        format!("anabranch/{}", self.constants)
    }

    /// The name of an operand beside another one of `sides` sides: a constant is added in the right order.
    pub(super) fn operand(&mut self, index: i32, sides: usize) -> Result<String, ConvertError> {
        if !self.is_constant(index) {
            return Ok(self.tensor(index)?.name.clone());
        }
        let data = self.numbers(index)?;
        let shape = self.tensor(index)?.shape.clone();
        Ok(match shape[..] {
            [n, h, w, c] => {
                let data = reorder(&data, [n, h, w, c], TO_PLANES);
                self.add_constant(&[n, c, h, w], &data)
            }
            [channels] if sides == 4 => self.add_constant(&[channels, 1, 1], &data),
            _ => self.add_constant(&shape, &data),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_files_are_refused_and_damage_does_no_harm() {
        assert!(matches!(to_onnx(b"GIF89a..........").unwrap_err(), ConvertError::Damaged(_)));
        assert!(to_onnx(b"").is_err());
        let mut file = vec![0xff; 64];
        file[4..8].copy_from_slice(b"TFL3");
        assert!(to_onnx(&file).is_err());
        file[..4].copy_from_slice(&[16, 0, 0, 0]);
        assert!(to_onnx(&file).is_err());
    }
}
