// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Text and numbers as a page shows them.
//!
//! **In:** text an image may have chosen, counts of bytes. **Out:** text that stays text in
//! elements and in quoted attributes. **Refuses:** nothing.

use std::fmt;

/// Text between tags, or in quotes inside one.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Reports are escaped already; paths of this machine are not.
                ' '..='~' => write!(f, "{c}")?,
                _ => write!(f, "{}", c.escape_unicode())?,
            }
        }
        Ok(())
    }
}

/// A count, in groups of three digits.
pub(super) struct Exact(pub(super) u64);

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            let left = digits.len().saturating_sub(index);
            if index > 0 && left.is_multiple_of(3) {
                f.write_str("&#8239;")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// Bytes in the unit that suits them, with one decimal, rounded down.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            let whole = self.0 >> shift;
            if whole > 0 {
                let rest = self.0 & !(u64::MAX << shift);
                return write!(f, "{whole}.{} {unit}", rest.saturating_mul(10) >> shift);
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// A part of a whole in percent, with two decimals, rounded down; what is there is never nothing.
pub(super) struct Percent(pub(super) u64, pub(super) u64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match share(self.0, self.1, 10_000) {
            0 if self.0 > 0 => f.write_str("&lt;&#8239;0.01&#8239;%"),
            share => {
                let (whole, rest) = (share.div_euclid(100), share.rem_euclid(100));
                write!(f, "{whole}.{rest:02}&#8239;%")
            }
        }
    }
}

/// A place or a width of a drawing, in percent of its own.
pub(super) struct Along(pub(super) u64, pub(super) u64);

impl fmt::Display for Along {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = share(self.0, self.1, 100_000_000);
        write!(f, "{}.{:06}%", share.div_euclid(1_000_000), share.rem_euclid(1_000_000))
    }
}

fn share(part: u64, whole: u64, of: u64) -> u64 {
    let product = u128::from(part).saturating_mul(u128::from(of));
    u64::try_from(product.checked_div(u128::from(whole)).unwrap_or_default()).unwrap_or(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text() {
        let shown = Text("<script>\"&'\u{1b}\u{202e}\n</script>").to_string();
        assert_eq!(shown, "&lt;script&gt;&quot;&amp;&#39;\\u{1b}\\u{202e}\\u{a}&lt;/script&gt;");
    }

    #[test]
    fn numbers_are_exact_or_rounded_down() {
        assert_eq!(Exact(0).to_string(), "0");
        assert_eq!(Exact(1_234_567).to_string(), "1&#8239;234&#8239;567");
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            ((2 << 20) - 1, "1.9 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
        for (part, shown) in
            [(0, "0.00"), (1, "&lt;&#8239;0.01"), (99_999, "99.99"), (100_000, "100.00")]
        {
            assert_eq!(Percent(part, 100_000).to_string(), format!("{shown}&#8239;%"));
        }
        assert_eq!(Along(1, 3).to_string(), "33.333333%");
        assert_eq!(Along(u64::MAX, u64::MAX).to_string(), "100.000000%");
    }
}
