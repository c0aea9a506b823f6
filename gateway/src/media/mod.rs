//! Video frames: checked to be images, kept under `DATA_DIR`.
//!
//! Every door that takes a frame calls [`FrameStore::store`]: it checks the image, writes the file,
//! then the row, then tells the channel. A row therefore always has its file.

mod folder;
mod image_check;
mod picture_head;

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use slipstream_actors::{
    Router,
    ports::{Records, RecordsError, VideoFrame},
};
use slipstream_protocol::{
    ErrorCode, Id, ProtocolError, Timestamp,
    client::VideoUpload,
    server::{Event, VideoNote},
};

pub use folder::Folder;
pub use image_check::{ImageFacts, MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, check_image};

/// Why a frame could not be stored or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MediaError {
    /// It is not an image, or too large a one.
    #[error("{}", .0.message)]
    Image(ProtocolError),
    /// The disk is full or failing.
    #[error("the file cannot be written or read: {0}; free disk space under DATA_DIR or mend it")]
    Storage(String),
    /// The row could not be written or read.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

impl MediaError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Image(_) => false,
            Self::Storage(_) => true,
            Self::Records(error) => error.is_retryable(),
        }
    }
}

impl From<MediaError> for ProtocolError {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::Image(refusal) => refusal,
            MediaError::Storage(_) => Self::new(ErrorCode::Unavailable, error.to_string()),
            MediaError::Records(error) => crate::records::refusal(&error),
        }
    }
}

/// Where video frames are kept.
#[derive(Clone)]
pub struct FrameStore {
    folder: Folder,
    records: Arc<dyn Records>,
    router: Router,
}

impl FrameStore {
    /// Keeps frames in `video` under `data_dir`, their rows in `records`, and tells `router`.
    pub fn new(data_dir: &Path, records: Arc<dyn Records>, router: Router) -> Self {
        Self { folder: Folder::new(data_dir.join("video")), records, router }
    }

    /// Checks, keeps and publishes a frame that was received `now`; answers its id.
    pub async fn store(&self, upload: VideoUpload, now: Timestamp) -> Result<Id, MediaError> {
        let image = Bytes::from(upload.image);
        let facts = check_image(&image).map_err(MediaError::Image)?;
        let id = new_id();
        let frame = VideoFrame {
            id: id.clone(),
            driver: upload.vehicle.clone(),
            session: upload.session.clone(),
            content_type: facts.content_type.to_owned(),
            bytes: image.len() as u64,
            width: facts.width,
            height: facts.height,
            sha256: hexadecimal(&Sha256::digest(&image)),
            taken_at: upload.timestamp,
            received_at: now,
        };
        self.folder.write(&id, image).await.map_err(|error| MediaError::Storage(error.to_string()))?;
        if let Err(error) = self.records.create_frame(frame).await {
            // Without its row nobody finds the file.
            let _ = self.folder.remove(&id).await;
            return Err(error.into());
        }
        let note = VideoNote {
            vehicle: upload.vehicle,
            session: upload.session,
            frame_id: id.as_str().into(),
            timestamp: upload.timestamp,
            server_timestamp: now,
        };
        if let Err(untold) = self.router.publish(Event::Video(note)).await {
            // The frame is kept, so a resend would keep it twice: who listens misses a note, not a frame.
            tracing::warn!(frame = %id, error = %untold, "a stored video frame could not be told");
        }
        Ok(id)
    }

    /// A frame's row, where there is one.
    pub async fn find(&self, id: &Id) -> Result<Option<VideoFrame>, MediaError> {
        Ok(self.records.frame(id).await?)
    }

    /// A frame's image.
    pub async fn read(&self, frame: &VideoFrame) -> Result<Bytes, MediaError> {
        self.folder.read(&frame.id).await.map_err(|error| MediaError::Storage(error.to_string()))
    }
}

/// A fresh id, ordered by time.
pub(crate) fn new_id() -> Id {
    Id::new(&uuid::Uuid::now_v7().to_string()).expect("a UUID's text is hexadecimal digits and dashes")
}

/// Bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
