//! How large an SVG says it is.

/// The attributes of the root element that say how large it is to be.
#[derive(Default)]
pub(super) struct Size {
    width: Option<f64>,
    height: Option<f64>,
    view_box: Option<(f64, f64)>,
}

impl Size {
    pub(super) fn take(&mut self, attribute: &str, value: &str) {
        match attribute {
            "width" => self.width = length(value),
            "height" => self.height = length(value),
            "viewBox" => {
                let is_separator = |c: char| c.is_ascii_whitespace() || c == ',';
                let mut numbers = value.split(is_separator).filter(|number| !number.is_empty()).skip(2);
                let mut side = || numbers.next()?.parse().ok().filter(|side| *side > 0.0);
                self.view_box = side().zip(side());
            }
            _ => {}
        }
    }

    /// A side that is not given follows from the other by the proportions of the view box.
    pub(super) fn in_pixels(&self) -> (Option<u32>, Option<u32>) {
        let (width, height) = match (self.width, self.height, self.view_box) {
            (None, None, Some((width, height))) => (Some(width), Some(height)),
            (Some(width), None, Some((across, down))) => (Some(width), Some(width * down / across)),
            (None, Some(height), Some((across, down))) => (Some(height * across / down), Some(height)),
            (width, height, _) => (width, height),
        };
        let whole = |side: f64| {
            let side = side.round();
            // the cast cannot lose anything within these bounds
            (1.0..=f64::from(u32::MAX)).contains(&side).then_some(side as u32)
        };
        (width.and_then(whole), height.and_then(whole))
    }
}

/// A length in CSS pixels (CSS Values, 6.2), unless it depends on something outside.
fn length(text: &str) -> Option<f64> {
    let text = text.trim();
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic() || c == '%').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let pixels = match unit {
        "" | "px" => 1.0,
        "pt" => 4.0 / 3.0,
        "pc" => 16.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 9.6 / 2.54,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|number| number * pixels)
}

#[cfg(test)]
mod tests {
    use quick_xml::events::BytesStart;

    use super::*;

    #[test]
    fn a_size_is_in_pixels_or_none() {
        let check = |root: &str, expected| {
            let tag = BytesStart::from_content(format!("svg {root}"), "svg".len());
            let mut size = Size::default();
            for attribute in tag.attributes() {
                let attribute = attribute.unwrap();
                size.take(attribute.key.into_inner(), &attribute.value);
            }
            assert_eq!(size.in_pixels(), expected, "{root}");
        };
        check("width='10' height='20.4px'", (Some(10), Some(20)));
        check("width='1in' height='2.54cm'", (Some(96), Some(96)));
        check("width='100%' height='100%'", (None, None));
        check("width='100%' viewBox='0 0 30,40'", (Some(30), Some(40)));
        check("height='80' viewBox='-5 -5 30 40'", (Some(60), Some(80)));
        check("viewBox='0 0 0 40'", (None, None));
        check("width='1e99' height='-3'", (None, None));
        check("width='NaN' height='auto'", (None, None));
    }
}
