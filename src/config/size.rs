//! Sizes as people write them.

/// A number of bytes such as `64MiB`, `1 GB` or `4096`. `None` if it is not one, or too large to count.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(parse(text), expected, "{text:?}");
    }

    #[test]
    fn units_are_powers_of_1000_or_1024() {
        check("0", Some(0));
        check("4096", Some(4096));
        check("12B", Some(12));
        check("3kB", Some(3000));
        check("3KB", Some(3000));
        check("3KiB", Some(3072));
        check("64MiB", Some(67_108_864));
        check("64 MB", Some(64_000_000));
        check("2GB", Some(2_000_000_000));
        check("2GiB", Some(2_147_483_648));
        check("17179869183GiB", Some(18_446_744_072_635_809_792));
    }

    #[test]
    fn nothing_else_is_a_size() {
        for text in
            ["", "MiB", "-1", "+1", "1.5GiB", "64mib", "64M", "64 MiB ", " 64MiB", "6_4", "17179869184GiB"]
        {
            check(text, None);
        }
    }
}
