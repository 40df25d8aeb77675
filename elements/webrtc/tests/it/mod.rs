mod catalogue;
mod commands;
mod giving_back;
mod media;
mod negotiation;
mod rig;
