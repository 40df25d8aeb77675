mod catalogue;
mod joined;
mod rig;
mod sound;
mod switched;
