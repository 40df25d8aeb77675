//! What is shown where the backdrop was.

use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use anabranch_kit::filter::FilterError;
use anabranch_kit::frame::Frame;
use gst_video::{VideoFrame, VideoInfo};

use crate::sprite::{Colours, Painter, Placement, Sprite};

/// A picture in the format and size of the frames, or black.
#[derive(Clone, Debug)]
pub struct Backdrop {
    planes: Vec<Vec<u8>>,
    /// What a plane is filled with if there is no picture, one byte for each component in turn.
    black: Vec<Vec<u8>>,
}

impl Backdrop {
    /// Black.
    pub fn black(info: &VideoInfo) -> Self {
        let [a, b, c, _] = Colours::new(info).convert([0, 0, 0, 255]);
        let black = match info.n_planes() {
            1 => vec![vec![a, b, c, 255]],
            2 => vec![vec![a], vec![b, c]],
            _ => vec![vec![a], vec![b], vec![c]],
        };
        Backdrop { planes: Vec::new(), black }
    }

    /// A picture that fills the frame; what does not fit its shape is cut off on both sides.
    ///
    /// # Errors
    ///
    /// A sentence that names the file.
    pub fn load(path: &str, info: &VideoInfo) -> Result<Self, FilterError> {
        let sprite = Sprite::load(Some(path), info)?;
        let (width, height) = (f64::from(info.width()), f64::from(info.height()));
        let wide = width / height > sprite.aspect();
        let size = match wide {
            true => (width, width / sprite.aspect()),
            false => (height * sprite.aspect(), height),
        };
        let place = Placement {
            x: width / 2.0,
            y: height / 2.0,
            // A hair larger, so that its soft edge is outside.
            width: size.0 + 2.0,
            height: size.1 + 2.0,
            angle: 0.0,
            opacity: 1.0,
        };
        let mut backdrop = Backdrop::black(info);
        let no_room = |_| FilterError::failed("there is no memory for the background picture");
        let buffer = gst::Buffer::with_size(info.size()).map_err(no_room)?;
        let mut mapped = VideoFrame::from_buffer_writable(buffer, info)
            .map_err(|_| FilterError::failed("there is no memory for the background picture"))?;
        let mut frame = Frame::new(&mut mapped, None, 0);
        for plane in 0..frame.n_planes() {
            let black = backdrop.black[plane].clone();
            for row in frame.rows_mut(plane) {
                row.chunks_mut(black.len()).for_each(|pixel| pixel.copy_from_slice(&black[..pixel.len()]));
            }
        }
        Painter::default().draw(&sprite, &place, &mut frame);
        backdrop.planes =
            (0..frame.n_planes()).map(|plane| frame.rows(plane).flatten().copied().collect()).collect();
        Ok(backdrop)
    }

    /// The row `y` of a plane, `length` bytes.
    pub fn row(&self, plane: usize, y: usize, length: usize) -> Row<'_> {
        match self.planes.get(plane) {
            Some(bytes) => Row::Picture(bytes.get(y * length..(y + 1) * length).unwrap_or_default()),
            None => Row::Same(self.black.get(plane).map_or(&[], Vec::as_slice)),
        }
    }
}

/// A row of a backdrop.
pub enum Row<'a> {
    /// Its bytes.
    Picture(&'a [u8]),
    /// These bytes over and over.
    Same(&'a [u8]),
}

impl Row<'_> {
    /// One byte.
    pub fn at(&self, index: usize) -> u8 {
        match self {
            Row::Picture(bytes) => bytes.get(index).copied().unwrap_or_default(),
            Row::Same(bytes) => bytes.get(index % bytes.len().max(1)).copied().unwrap_or_default(),
        }
    }
}

/// A background that is loaded beside the video.
#[derive(Debug, Default)]
pub struct Loader {
    loading: Option<Receiver<Result<Backdrop, FilterError>>>,
}

impl Loader {
    /// Begins to load a picture; the one that is being loaded is forgotten.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn start(&mut self, path: &Path, info: &VideoInfo) -> Result<(), FilterError> {
        let (sender, receiver) = channel();
        let (path, info) = (path.to_string_lossy().into_owned(), info.clone());
        std::thread::Builder::new()
            .name("background".into())
            .spawn(move || {
                // Nobody waits for it any more: then another picture is wanted, or none.
                let _ = sender.send(Backdrop::load(&path, &info));
            })
            .map_err(|e| FilterError::failed(format!("cannot start a thread: {e}")))?;
        self.loading = Some(receiver);
        Ok(())
    }

    /// Forgets what is being loaded.
    pub fn cancel(&mut self) {
        self.loading = None;
    }

    /// What was loaded, once it is.
    pub fn take(&mut self) -> Option<Result<Backdrop, FilterError>> {
        match self.loading.as_ref()?.try_recv() {
            Ok(loaded) => {
                self.loading = None;
                Some(loaded)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.loading = None;
                Some(Err(FilterError::failed("the background picture could not be loaded")))
            }
        }
    }
}
