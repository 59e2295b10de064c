//! The pictures of the sample origin, drawn when it starts.

use std::f32::consts::TAU;
use std::io::Cursor;

use fastrand::Rng;
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, ExtendedColorType, ImageError, ImageFormat};

use crate::demo::canvas::{Canvas, Colour, mix};

/// One picture: what it shows, and the URL path that names its format.
pub(super) struct Picture {
    pub(super) url: &'static str,
    scene: Scene,
    size: (u32, u32),
}

#[derive(Clone, Copy)]
enum Scene {
    Sea,
    Mountains,
    Night,
    Flowers,
    Town,
    Paper,
}

/// All that the sample origins have. Their hosts end in `.example`, which no real host does (RFC 2606).
pub(super) const PICTURES: [Picture; 15] = [
    picture("http://cdn.example/2022/04/harbour-morning.jpg", Scene::Sea, (320, 200)),
    picture("http://cdn.example/2022/04/fishing-boats.jpg", Scene::Sea, (320, 200)),
    picture("http://cdn.example/2022/04/lighthouse.png", Scene::Sea, (320, 200)),
    picture("http://photos.example/2022/ridge.webp", Scene::Mountains, (320, 200)),
    picture("http://photos.example/2022/晨雾.jpg", Scene::Mountains, (320, 200)),
    picture("http://photos.example/2022/night-sky.png", Scene::Night, (320, 200)),
    picture("http://pictures.example/garden/tulips.gif", Scene::Flowers, (240, 150)),
    picture("http://pictures.example/garden/bench.jpg", Scene::Town, (320, 200)),
    picture("http://pictures.example/garden/large/bench.jpg", Scene::Town, (480, 300)),
    picture("http://pictures.example/garden/path-320.jpg", Scene::Flowers, (320, 200)),
    picture("http://pictures.example/garden/path-480.jpg", Scene::Flowers, (480, 300)),
    picture("http://pictures.example/garden/paper.png", Scene::Paper, (120, 75)),
    picture("http://pictures.example/icon.png", Scene::Paper, (64, 64)),
    picture("http://cdn.example/2014/still-here.jpg", Scene::Town, (320, 200)),
    picture("http://gone.example/2014/old-bridge.jpg", Scene::Mountains, (320, 200)),
];

const fn picture(url: &'static str, scene: Scene, size: (u32, u32)) -> Picture {
    Picture { url, scene, size }
}

impl Picture {
    /// The bytes of the file. The URL is also the seed, so that no two pictures are alike.
    pub(super) fn encode(&self) -> Result<Vec<u8>, ImageError> {
        let seed = self.url.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte));
        let mut canvas = self.scene.draw(self.size, &mut Rng::with_seed(seed));
        label(&mut canvas, seed);
        let pixels = canvas.into_pixels();
        let mut bytes = Vec::new();
        match ImageFormat::from_path(self.url)? {
            // the fastest palette is good enough for a few shapes
            ImageFormat::Gif => {
                let (width, height) = self.size;
                GifEncoder::new_with_speed(&mut bytes, 30).encode(
                    pixels.as_raw(),
                    width,
                    height,
                    ExtendedColorType::Rgb8,
                )?;
            }
            format => DynamicImage::ImageRgb8(pixels).write_to(&mut Cursor::new(&mut bytes), format)?,
        }
        Ok(bytes)
    }
}

impl Scene {
    fn draw(self, (width, height): (u32, u32), rng: &mut Rng) -> Canvas {
        let canvas = |top, bottom| Canvas::new(width, height, top, bottom);
        match self {
            Self::Sea => sea(canvas([250.0, 196.0, 140.0], [255.0, 236.0, 210.0]), rng),
            Self::Mountains => mountains(canvas([150.0, 180.0, 214.0], [244.0, 232.0, 220.0]), rng),
            Self::Night => night(canvas([8.0, 12.0, 38.0], [44.0, 54.0, 104.0]), rng),
            Self::Flowers => flowers(canvas([176.0, 220.0, 245.0], [226.0, 242.0, 214.0]), rng),
            Self::Town => town(canvas([246.0, 186.0, 150.0], [252.0, 228.0, 196.0]), rng),
            Self::Paper => paper(canvas([236.0, 230.0, 214.0], [226.0, 218.0, 198.0]), rng),
        }
    }
}

fn sea(mut canvas: Canvas, rng: &mut Rng) -> Canvas {
    let sun = (between(rng, 0.2, 0.8), between(rng, 0.3, 0.45));
    canvas.disc(sun, 0.16, [255.0, 222.0, 170.0]);
    canvas.disc(sun, 0.11, [255.0, 246.0, 220.0]);
    for wave in 0..6 {
        let depth = wave as f32 / 5.0;
        let phase = rng.f32();
        let line =
            move |x: f32| 0.52 + 0.09 * depth * 5.0 + 0.01 * ((x * 6.0 + phase) * TAU).sin() * (0.3 + depth);
        canvas.land(line, mix([120.0, 168.0, 184.0], [22.0, 66.0, 104.0], depth));
        if wave % 2 == 0 {
            let x = rng.f32();
            let size = 0.03 + 0.05 * depth;
            canvas.rectangle((x, x + size), (line(x) - 0.02, line(x) + 0.02), [92.0, 44.0, 38.0]);
            canvas.rectangle(
                (x + size * 0.45, x + size * 0.6),
                (line(x) - size * 2.4, line(x) - 0.02),
                [250.0, 246.0, 236.0],
            );
        }
    }
    canvas
}

fn mountains(mut canvas: Canvas, rng: &mut Rng) -> Canvas {
    canvas.disc((between(rng, 0.2, 0.8), 0.24), 0.1, [255.0, 248.0, 226.0]);
    for ridge in 0..5 {
        let nearness = ridge as f32 / 4.0;
        let line = ridge_line(rng, 0.38 + 0.13 * ridge as f32, 0.16 - 0.02 * ridge as f32);
        canvas.land(line, mix([186.0, 200.0, 214.0], [26.0, 58.0, 60.0], nearness));
    }
    canvas
}

fn night(mut canvas: Canvas, rng: &mut Rng) -> Canvas {
    for _ in 0..160 {
        let size = between(rng, 0.001, 0.006);
        canvas.disc((rng.f32(), rng.f32() * 0.8), size, [240.0, 240.0, 255.0]);
    }
    let (x, y) = (between(rng, 0.2, 0.8), 0.25);
    canvas.disc((x, y), 0.09, [250.0, 244.0, 214.0]);
    canvas.disc((x + 0.03, y - 0.02), 0.08, [16.0, 22.0, 53.0]);
    canvas.land(ridge_line(rng, 0.78, 0.1), [10.0, 16.0, 30.0]);
    canvas
}

fn flowers(mut canvas: Canvas, rng: &mut Rng) -> Canvas {
    canvas.land(ridge_line(rng, 0.5, 0.06), [126.0, 176.0, 96.0]);
    canvas.land(ridge_line(rng, 0.62, 0.05), [88.0, 146.0, 74.0]);
    for row in 0..5 {
        let size = 0.02 + 0.008 * row as f32;
        for _ in 0..9 {
            let (x, y) = (rng.f32(), 0.62 + 0.07 * row as f32 + between(rng, -0.02, 0.02));
            let petals = mix([220.0, 40.0, 60.0], [252.0, 206.0, 70.0], rng.f32());
            canvas.rectangle((x - 0.002, x + 0.002), (y, y + size * 3.0), [48.0, 104.0, 50.0]);
            for turn in 0..5 {
                let (sin, cos) = (turn as f32 / 5.0 * TAU).sin_cos();
                canvas.disc((x + cos * size * 0.5, y + sin * size * 0.8), size * 0.6, petals);
            }
            canvas.disc((x, y), size * 0.4, [90.0, 50.0, 30.0]);
        }
    }
    canvas
}

fn town(mut canvas: Canvas, rng: &mut Rng) -> Canvas {
    canvas.disc((between(rng, 0.3, 0.7), 0.4), 0.18, [255.0, 238.0, 200.0]);
    for (top, colour) in [(0.42, [196.0, 142.0, 132.0]), (0.58, [86.0, 62.0, 84.0])] {
        let mut x = 0.0;
        while x < 1.0 {
            let width = between(rng, 0.06, 0.12);
            let roof = top + between(rng, -0.12, 0.1);
            canvas.rectangle((x, x + width), (roof, 1.0), colour);
            for storey in 0..5 {
                let y = roof + 0.05 + 0.09 * storey as f32;
                let light = if rng.bool() { [255.0, 226.0, 150.0] } else { mix(colour, [0.0; 3], 0.3) };
                canvas.rectangle((x + width * 0.2, x + width * 0.4), (y, y + 0.04), light);
                canvas.rectangle((x + width * 0.6, x + width * 0.8), (y, y + 0.04), light);
            }
            x += width + 0.006;
        }
    }
    canvas
}

fn paper(mut canvas: Canvas, rng: &mut Rng) -> Canvas {
    for _ in 0..40 {
        let tint = between(rng, 196.0, 240.0);
        canvas.disc((rng.f32(), rng.f32()), between(rng, 0.01, 0.06), [tint, tint - 8.0, tint - 26.0]);
    }
    canvas
}

/// A postmark in the corner: a light strip with a row of dots that are the seed's own.
fn label(canvas: &mut Canvas, seed: u64) {
    const INK: [Colour; 4] =
        [[196.0, 52.0, 56.0], [236.0, 172.0, 60.0], [62.0, 132.0, 96.0], [48.0, 84.0, 152.0]];
    canvas.rectangle((0.03, 0.37), (0.86, 0.95), [252.0, 250.0, 244.0]);
    for dot in 0..8 {
        let ink = INK[(seed >> (2 * dot) & 3) as usize];
        canvas.disc((0.06 + 0.04 * dot as f32, 0.905), 0.025, ink);
    }
}

/// A line of three waves, each half as high and twice as dense as the one before.
fn ridge_line(rng: &mut Rng, base: f32, height: f32) -> impl Fn(f32) -> f32 + use<> {
    let phases = [rng.f32(), rng.f32(), rng.f32()];
    move |x| {
        let waves = phases.iter().zip([1.0, 2.0, 4.0]);
        base - height
            * waves.map(|(phase, pace)| ((x * pace * 1.3 + phase) * TAU).sin() / pace).sum::<f32>()
            * 0.5
    }
}

fn between(rng: &mut Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.f32()
}
