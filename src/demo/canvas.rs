//! Shapes with soft edges on a small canvas.

use image::{Rgb, RgbImage};

/// Red, green, blue, each 0 to 255.
pub(super) type Colour = [f32; 3];

/// Coordinates are parts of the canvas: 0 is left or top, 1 is right or bottom. A radius is a part of its
/// height.
pub(super) struct Canvas {
    pixels: RgbImage,
    width: f32,
    height: f32,
}

impl Canvas {
    /// Filled from top to bottom with one colour that becomes another.
    pub(super) fn new(width: u32, height: u32, top: Colour, bottom: Colour) -> Self {
        let last = (height - 1) as f32;
        let pixels = RgbImage::from_fn(width, height, |_, y| bytes(mix(top, bottom, y as f32 / last)));
        Self { pixels, width: width as f32, height: height as f32 }
    }

    pub(super) fn disc(&mut self, centre: (f32, f32), radius: f32, colour: Colour) {
        let (x, y) = (centre.0 * self.width, centre.1 * self.height);
        let radius = radius * self.height;
        self.paint((x - radius, x + radius), (y - radius, y + radius), colour, |px, py| {
            radius - (px - x).hypot(py - y) + 0.5
        });
    }

    pub(super) fn rectangle(&mut self, x: (f32, f32), y: (f32, f32), colour: Colour) {
        let x = (x.0 * self.width, x.1 * self.width);
        let y = (y.0 * self.height, y.1 * self.height);
        self.paint(x, y, colour, |px, py| (px - x.0).min(x.1 - px).min(py - y.0).min(y.1 - py) + 0.5);
    }

    /// Everything below the line that `top` draws, from left to right.
    pub(super) fn land(&mut self, top: impl Fn(f32) -> f32, colour: Colour) {
        let ink = bytes(colour);
        for column in 0..self.pixels.width() {
            let line = top((column as f32 + 0.5) / self.width) * self.height;
            let first = line as u32;
            self.blend(column, first, colour, 1.0 - line.fract());
            for row in first + 1..self.pixels.height() {
                self.pixels.put_pixel(column, row, ink);
            }
        }
    }

    pub(super) fn into_pixels(self) -> RgbImage {
        self.pixels
    }

    /// Paints the pixels of a box, each as much as `cover` says: 0 is not at all, 1 and above wholly.
    fn paint(&mut self, x: (f32, f32), y: (f32, f32), colour: Colour, cover: impl Fn(f32, f32) -> f32) {
        let range = |(from, to): (f32, f32), size: u32| {
            // a float becomes the nearest number that the type holds, so a box may reach over the edge
            (from - 1.0) as u32..(to as u32).saturating_add(1).min(size)
        };
        for row in range(y, self.pixels.height()) {
            for column in range(x, self.pixels.width()) {
                self.blend(column, row, colour, cover(column as f32 + 0.5, row as f32 + 0.5));
            }
        }
    }

    fn blend(&mut self, column: u32, row: u32, colour: Colour, part: f32) {
        let Some(pixel) = self.pixels.get_pixel_mut_checked(column, row) else { return };
        *pixel = match part {
            ..=0.0 => return,
            1.0.. => bytes(colour),
            part => bytes(mix(pixel.0.map(f32::from), colour, part)),
        };
    }
}

/// `from` at 0, `to` at 1.
pub(super) fn mix(from: Colour, to: Colour, part: f32) -> Colour {
    [0, 1, 2].map(|index| from[index] + (to[index] - from[index]) * part)
}

fn bytes(colour: Colour) -> Rgb<u8> {
    Rgb(colour.map(|value| value as u8))
}
