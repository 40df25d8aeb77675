//! Pictures of a graph: Graphviz DOT, Mermaid, SVG (without Graphviz), and a plan as text.

mod dot;
mod mermaid;
mod picture;
mod plan_text;
mod svg;

#[cfg(test)]
mod tests;

pub use dot::dot;
pub use mermaid::mermaid;
pub use plan_text::plan_text;
pub use svg::svg;
