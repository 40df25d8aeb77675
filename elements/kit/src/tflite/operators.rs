//! The operators that are translated.

use super::ConvertError;
use super::convert::{Conversion, planes_shape};
use super::flat::Table;
use super::weights::reorder;
use crate::onnx::Attribute;

/// An operator of a TensorFlow Lite model.
pub(super) struct Operator<'a> {
    code: i32,
    custom: String,
    inputs: Vec<i32>,
    outputs: Vec<i32>,
    options: Option<Table<'a>>,
    custom_options: &'a [u8],
}

impl<'a> Operator<'a> {
    pub(super) fn read(code: &Table<'a>, table: &Table<'a>) -> Self {
        Operator {
            // Old files have the code in one byte.
            code: code.number(3, 0).max(i32::from(code.byte(0))),
            custom: code.text(1),
            inputs: table.numbers(1),
            outputs: table.numbers(2),
            options: table.table(4),
            custom_options: table.bytes(5),
        }
    }

    fn input(&self, number: usize) -> Result<i32, ConvertError> {
        let missing =
            || ConvertError::Damaged(format!("an operator of kind {} lacks input {number}", self.code));
        self.inputs.get(number).copied().filter(|i| *i >= 0).ok_or_else(missing)
    }

    fn output(&self) -> Result<i32, ConvertError> {
        self.outputs.first().copied().ok_or_else(|| ConvertError::Damaged("an operator has no output".into()))
    }

    fn byte(&self, number: usize) -> u8 {
        self.options.map_or(0, |o| o.byte(number))
    }

    fn number(&self, number: usize, default: i32) -> usize {
        let value = self.options.map_or(default, |o| o.number(number, default));
        usize::try_from(value).unwrap_or(1)
    }
}

/// Writes the operator's translation.
pub(super) fn convert(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    match op.code {
        0 => arithmetic(to, op, "Add"),
        1 => pool(to, op, "AveragePool"),
        2 => concatenation(to, op),
        3 => convolution(to, op, false),
        4 => convolution(to, op, true),
        6 => to.unpack(op.input(0)?, op.output()?),
        14 => simple(to, op, "Sigmoid", &[]),
        17 => pool(to, op, "MaxPool"),
        18 => arithmetic(to, op, "Mul"),
        19 => simple(to, op, "Relu", &[]),
        21 => relu6(to, op),
        22 => reshape(to, op),
        23 => resize(to, op),
        25 => softmax(to, op),
        28 => simple(to, op, "Tanh", &[]),
        34 => pad(to, op),
        40 => mean(to, op),
        41 => arithmetic(to, op, "Sub"),
        117 => hard_swish(to, op),
        32 if op.custom == "Convolution2DTransposeBias" => transposed_convolution(to, op),
        32 => Err(ConvertError::Unsupported(format!("the custom operator {}", op.custom))),
        code => Err(ConvertError::Unsupported(format!("the operator with the number {code}"))),
    }
}

/// Names the result of an operator, with its activation behind it.
fn finish(
    to: &mut Conversion<'_>,
    op: &Operator<'_>,
    (operator, inputs, attributes): (&str, &[&str], &[Attribute]),
    activation: u8,
) -> Result<(), ConvertError> {
    let output = to.tensor(op.output()?)?.name.clone();
    if activation == 0 {
        to.model.node(operator, inputs, &output, attributes);
        return Ok(());
    }
    let before = to.fresh();
    to.model.node(operator, inputs, &before, attributes);
    match activation {
        1 => to.model.node("Relu", &[&before], &output, &[]),
        3 => clip6(to, &before, &output),
        4 => to.model.node("Tanh", &[&before], &output, &[]),
        other => return Err(ConvertError::Unsupported(format!("the activation with the number {other}"))),
    }
    Ok(())
}

fn clip6(to: &mut Conversion<'_>, input: &str, output: &str) {
    let (low, high) = (to.add_constant(&[], &[0.0]), to.add_constant(&[], &[6.0]));
    to.model.node("Clip", &[input, &low, &high], output, &[]);
}

fn simple(
    to: &mut Conversion<'_>,
    op: &Operator<'_>,
    name: &str,
    attributes: &[Attribute],
) -> Result<(), ConvertError> {
    let input = to.tensor(op.input(0)?)?.name.clone();
    finish(to, op, (name, &[&input], attributes), 0)
}

fn relu6(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    let (input, output) = (to.tensor(op.input(0)?)?.name.clone(), to.tensor(op.output()?)?.name.clone());
    clip6(to, &input, &output);
    Ok(())
}

/// x * clip(x / 6 + 1 / 2, 0, 1)
fn hard_swish(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    let input = to.tensor(op.input(0)?)?.name.clone();
    let gate = to.fresh();
    let attributes = [Attribute::float("alpha", 1.0 / 6.0), Attribute::float("beta", 0.5)];
    to.model.node("HardSigmoid", &[&input], &gate, &attributes);
    finish(to, op, ("Mul", &[&input, &gate], &[]), 0)
}

fn softmax(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    if to.tensor(op.input(0)?)?.shape.len() == 4 {
        return Err(ConvertError::Unsupported("a softmax over a picture".into()));
    }
    let last = to.tensor(op.input(0)?)?.shape.len().saturating_sub(1) as i64;
    simple(to, op, "Softmax", &[Attribute::int("axis", last)])
}

fn arithmetic(to: &mut Conversion<'_>, op: &Operator<'_>, name: &str) -> Result<(), ConvertError> {
    let sides = to.tensor(op.output()?)?.shape.len();
    let (a, b) = (to.operand(op.input(0)?, sides)?, to.operand(op.input(1)?, sides)?);
    finish(to, op, (name, &[&a, &b], &[]), op.byte(0))
}

/// How much is added on each side so that each `stride`-th pixel makes one of the output: top, left, bottom, right.
fn padding(same: bool, input: [usize; 2], window: [usize; 2], stride: [usize; 2]) -> [i64; 4] {
    if !same {
        return [0; 4];
    }
    let side = |i: usize| {
        let outputs = input[i].div_ceil(stride[i].max(1));
        let total = ((outputs.max(1) - 1) * stride[i] + window[i]).saturating_sub(input[i]);
        ((total / 2) as i64, (total - total / 2) as i64)
    };
    let ((top, bottom), (left, right)) = (side(0), side(1));
    [top, left, bottom, right]
}

fn pair(name: &str, [a, b]: [usize; 2]) -> Attribute {
    Attribute::ints(name, &[a as i64, b as i64])
}

fn convolution(to: &mut Conversion<'_>, op: &Operator<'_>, by_channel: bool) -> Result<(), ConvertError> {
    let (input, weights) = (op.input(0)?, op.input(1)?);
    let [_, height, width, channels] = to.sides(input)?;
    let shape = to.sides(weights)?;
    let (window, order) = ([shape[1], shape[2]], if by_channel { [3, 0, 1, 2] } else { [0, 3, 1, 2] });
    // The options of the two kinds differ by the factor of channels.
    let at = if by_channel { 4 } else { 3 };
    let (activation, dilation) = (op.byte(at), [op.number(at + 2, 1), op.number(at + 1, 1)]);
    let stride = [op.number(2, 1), op.number(1, 1)];
    let reach = [(window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1];
    let pads = padding(op.byte(0) == 0, [height, width], reach, stride);
    let data = reorder(&to.numbers(weights)?, shape, order);
    let kernel = to.add_constant(&order.map(|side| shape[side]), &data);
    let name = to.tensor(input)?.name.clone();
    let mut inputs = vec![name, kernel];
    if op.inputs.len() > 2 && op.inputs[2] >= 0 {
        let bias = to.numbers(op.inputs[2])?;
        inputs.push(to.add_constant(&[bias.len()], &bias));
    }
    let attributes = [
        pair("kernel_shape", window),
        pair("strides", stride),
        pair("dilations", dilation),
        Attribute::ints("pads", &pads),
        Attribute::int("group", if by_channel { channels as i64 } else { 1 }),
    ];
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    finish(to, op, ("Conv", &inputs, &attributes), activation)
}

/// An operator of MediaPipe's: its options are three whole numbers, padding (1 is SAME) and the two strides.
fn transposed_convolution(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    let option = |number: usize| {
        let bytes = op.custom_options.get(4 * number..4 * number + 4)?.try_into().ok()?;
        usize::try_from(i32::from_le_bytes(bytes)).ok()
    };
    let stride = option(2).zip(option(1)).map(|(down, across)| [down, across]);
    let stride = stride.ok_or_else(|| ConvertError::Damaged("a convolution has no strides".into()))?;
    let shape = to.sides(op.input(1)?)?;
    let window = [shape[1], shape[2]];
    if window != stride {
        return Err(ConvertError::Unsupported("a transposed convolution whose windows overlap".into()));
    }
    let data = reorder(&to.numbers(op.input(1)?)?, shape, [3, 0, 1, 2]);
    let kernel = to.add_constant(&[shape[3], shape[0], shape[1], shape[2]], &data);
    let bias = to.numbers(op.input(2)?)?;
    let bias = to.add_constant(&[bias.len()], &bias);
    let input = to.tensor(op.input(0)?)?.name.clone();
    let attributes = [pair("kernel_shape", window), pair("strides", stride)];
    finish(to, op, ("ConvTranspose", &[&input, &kernel, &bias], &attributes), 0)
}

fn pool(to: &mut Conversion<'_>, op: &Operator<'_>, name: &str) -> Result<(), ConvertError> {
    let [_, height, width, _] = to.sides(op.input(0)?)?;
    let (stride, window) = ([op.number(2, 1), op.number(1, 1)], [op.number(4, 1), op.number(3, 1)]);
    let input = to.tensor(op.input(0)?)?.name.clone();
    if name == "AveragePool" && window == [height, width] && op.byte(0) == 1 {
        return finish(to, op, ("GlobalAveragePool", &[&input], &[]), op.byte(5));
    }
    let pads = padding(op.byte(0) == 0, [height, width], window, stride);
    let attributes = [pair("kernel_shape", window), pair("strides", stride), Attribute::ints("pads", &pads)];
    finish(to, op, (name, &[&input], &attributes), op.byte(5))
}

fn mean(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    to.sides(op.input(0)?)?;
    let mut axes = to.integers(op.input(1)?)?;
    axes.sort_unstable();
    if axes != [1, 2] || op.byte(0) == 0 {
        return Err(ConvertError::Unsupported("a mean over something else than a picture's area".into()));
    }
    simple(to, op, "GlobalAveragePool", &[])
}

fn resize(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    let [_, height, width, _] = to.sides(op.input(0)?)?;
    let [_, high, wide, _] = to.sides(op.output()?)?;
    let scales = [1.0, 1.0, high as f32 / height.max(1) as f32, wide as f32 / width.max(1) as f32];
    let mode = match (op.byte(2) != 0, op.byte(3) != 0) {
        (true, _) => "align_corners",
        (_, true) => "half_pixel",
        _ => "asymmetric",
    };
    let input = to.tensor(op.input(0)?)?.name.clone();
    let (region, scales) = (to.add_constant(&[0], &[]), to.add_constant(&[4], &scales));
    let attributes = [
        Attribute::text("mode", "linear"),
        Attribute::text("coordinate_transformation_mode", mode),
        Attribute::text("nearest_mode", "floor"),
    ];
    finish(to, op, ("Resize", &[&input, &region, &scales], &attributes), 0)
}

fn pad(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    to.sides(op.input(0)?)?;
    let [n0, n1, top, bottom, left, right, c0, c1] = to.integers(op.input(1)?)?[..] else {
        return Err(ConvertError::Unsupported("padding of something else than a picture".into()));
    };
    let pads = [n0, c0, top, left, n1, c1, bottom, right].map(i64::from);
    let pads = to.add_integers(&pads);
    let input = to.tensor(op.input(0)?)?.name.clone();
    finish(to, op, ("Pad", &[&input, &pads], &[Attribute::text("mode", "constant")]), 0)
}

fn concatenation(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    let sides = to.tensor(op.output()?)?.shape.len();
    let axis = op.options.map_or(0, |o| o.number(0, 0));
    let axis = usize::try_from(if axis < 0 { axis + sides as i32 } else { axis }).unwrap_or(0);
    let axis = if sides == 4 { [0, 2, 3, 1].get(axis).copied().unwrap_or(0) } else { axis };
    let inputs = op.inputs.iter().map(|i| to.operand(*i, sides)).collect::<Result<Vec<_>, _>>()?;
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    finish(to, op, ("Concat", &inputs, &[Attribute::int("axis", axis as i64)]), op.byte(1))
}

/// The numbers of a picture are in another order there, so a picture is turned back before it takes another shape.
fn reshape(to: &mut Conversion<'_>, op: &Operator<'_>) -> Result<(), ConvertError> {
    let mut input = to.tensor(op.input(0)?)?.name.clone();
    if to.tensor(op.input(0)?)?.shape.len() == 4 {
        let turned = to.fresh();
        to.model.node("Transpose", &[&input], &turned, &[Attribute::ints("perm", &[0, 2, 3, 1])]);
        input = turned;
    }
    let target = to.tensor(op.output()?)?.shape.clone();
    let sizes: Vec<i64> = target.iter().map(|n| *n as i64).collect();
    let sizes = to.add_integers(&sizes);
    if planes_shape(&target) == target {
        return finish(to, op, ("Reshape", &[&input, &sizes], &[]), 0);
    }
    let picture = to.fresh();
    to.model.node("Reshape", &[&input, &sizes], &picture, &[]);
    finish(to, op, ("Transpose", &[&picture], &[Attribute::ints("perm", &[0, 3, 1, 2])]), 0)
}
