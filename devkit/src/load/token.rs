//! Tokens that say what they stand for.

use std::fmt;

/// What the authorization server knows of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is active, with a JWT for an hour that may be kept for a minute.
    Active,
    /// It is active, with a JWT for a few seconds, and another one each time that it is asked for.
    Brief,
    /// It is not active.
    Inactive,
}

/// An opaque token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it stands for.
    pub kind: Kind,
    /// Which one it is of its kind.
    pub number: u64,
}

impl Token {
    /// The token with that text.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, number) = text.split_once('.')?;
        let kind = match kind {
            "active" => Kind::Active,
            "brief" => Kind::Brief,
            "inactive" => Kind::Inactive,
            _ => return None,
        };
        Some(Self { kind, number: number.parse().ok()? })
    }

    /// The length of its JWT, in bytes: from 0.5 to 3.5 KB.
    pub fn jwt_length(&self) -> usize {
        500 + scatter(self.number) as usize % 4 * 1000
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = match self.kind {
            Kind::Active => "active",
            Kind::Brief => "brief",
            Kind::Inactive => "inactive",
        };
        write!(f, "{kind}.{}", self.number)
    }
}

/// Which token request `number` has, if any: mostly one of `known` that come again and again, and
/// some new ones, short-lived ones, inactive ones, and none at all.
pub fn mixture(number: u64, known: u64) -> Option<Token> {
    /// Above all numbers of known tokens.
    const NEW: u64 = 1 << 40;
    let chance = scatter(number);
    let (kind, number) = match chance % 100 {
        0..65 => (Kind::Active, chance / 100 % known),
        65..75 => (Kind::Active, NEW + number / 4),
        75..83 => (Kind::Brief, number / 400 % known),
        83..88 => (Kind::Inactive, chance / 100 % 100),
        88..93 => (Kind::Inactive, NEW + number),
        _ => return None,
    };
    Some(Token { kind, number })
}

/// A number that looks random and depends on nothing but this one.
pub fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_text() {
        for kind in [Kind::Active, Kind::Brief, Kind::Inactive] {
            let token = Token { kind, number: 7 };

            assert_eq!(Token::parse(&token.to_string()), Some(token));
        }
    }

    #[test]
    fn a_mixture_has_some_of_everything() {
        let tokens: Vec<_> = (0..1000).map(|number| mixture(number, 50)).collect();

        for kind in [Kind::Active, Kind::Brief, Kind::Inactive] {
            assert!(tokens.iter().flatten().filter(|token| token.kind == kind).count() > 50);
        }
        assert!(tokens.iter().filter(|token| token.is_none()).count() > 30);
    }
}
