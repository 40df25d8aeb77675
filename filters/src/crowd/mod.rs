//! What the crowd detector is made of: settings, the measures of a region, and who walks where.

pub mod events;
mod gauge;
mod heading;
mod heat;
mod perspective;
pub mod settings;
pub mod view;
mod walkers;
pub mod watch;
