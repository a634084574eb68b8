//! Pictures: the pixels of a screen, and how two differ.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::target;

/// The pixels of a screen.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    /// Red, green and blue, each in a byte, from the top left.
    pixels: Vec<u32>,
}

impl Picture {
    /// Reads a window dump of 32 bits for each pixel: the format of xwd(1), XWDFile.h.
    #[must_use]
    pub fn parse(dump: &[u8]) -> Option<Picture> {
        let field = |number: usize| {
            let bytes = dump.get(number * 4..)?.first_chunk()?;
            usize::try_from(u32::from_be_bytes(*bytes)).ok()
        };
        let (head, width, height) = (field(0)?, field(4)?, field(5)?);
        let (bits, line, colors) = (field(11)?, field(12)?, field(19)?);
        if bits != 32 || line != width * 4 {
            return None;
        }
        // A color in the list of colors has 12 bytes.
        let pixels = dump.get(head + colors * 12..)?.get(..line * height)?;
        let pixels = pixels.as_chunks().0.iter();
        Some(Picture {
            width,
            pixels: pixels.map(|p| u32::from_le_bytes(*p) & 0xff_ffff).collect(),
        })
    }

    /// How many pixels have this color.
    #[must_use]
    pub fn count(&self, color: u32) -> usize {
        self.pixels.iter().filter(|pixel| **pixel == color).count()
    }

    /// How many pixels differ.
    #[must_use]
    pub fn difference(&self, other: &Picture) -> usize {
        self.pixels.iter().zip(&other.pixels).filter(|(one, other)| one != other).count()
    }

    /// Writes it into the target directory, for people to look at. Returns its path.
    #[must_use]
    pub fn kept(&self, name: &str) -> PathBuf {
        let path = target().join("fixtures").join(Path::new(name).with_extension("ppm"));
        let head = format!("P6 {} {} 255\n", self.width, self.pixels.len() / self.width);
        let pixels = self.pixels.iter().flat_map(|pixel| pixel.to_be_bytes().into_iter().skip(1));
        let bytes: Vec<u8> = head.into_bytes().into_iter().chain(pixels).collect();
        fs::write(&path, bytes).expect("write a picture");
        path
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a picture of {} pixels", self.pixels.len())
    }
}
