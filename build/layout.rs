//! Where C has the members of NGINX's structures, written as Rust.

use std::fmt::Write as _;

/// A structure or a union of NGINX.
pub struct Structure {
    /// The name that `bindgen` gives it: its tag, or that of its type if it has none.
    pub name: String,
    /// How C calls it.
    pub c_type: String,
    /// Bytes.
    pub size: u64,
    pub members: Vec<Member>,
    pub bit_fields: Vec<BitField>,
}

/// A member that has an address.
pub struct Member {
    pub name: String,
    /// Bytes from the beginning of the structure.
    pub offset: u64,
    /// Bytes; of an array without a length, none.
    pub size: u64,
}

/// A member that is a part of other bytes.
pub struct BitField {
    pub name: String,
    /// Bits from the beginning of the structure. In a byte the least significant bit is the first, and
    /// on a big-endian machine the most significant.
    pub first: u64,
    /// Bits.
    pub width: u64,
}

/// The integer that a bit-field is in, as small as can be.
pub struct Unit {
    /// Bytes from the beginning of the structure.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Bits behind the bit-field, to the least significant one.
    pub shift: u64,
}

impl BitField {
    /// The integer, if there is one: `unsigned` bit-fields do not cross the bounds of an `unsigned`.
    pub fn unit(&self, is_big_endian: bool) -> Option<Unit> {
        let last = self.first + self.width.checked_sub(1)?;
        let size =
            [1, 2, 4, 8].into_iter().find(|size| self.first / 8 / size == last / 8 / size)?;
        let offset = self.first / 8 / size * size;
        let from_first = self.first - offset * 8;
        let shift = if is_big_endian { size * 8 - self.width - from_first } else { from_first };
        Some(Unit { offset, size, shift })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "NGINX's C compiler puts the bit-field {0} where no integer holds all of it: \
         this module cannot be built with that compiler"
    )]
    Split(String),
}

/// Statements that do not compile where `nginx-sys` has a member elsewhere than C, and C's bit-fields
/// as constants.
pub fn to_rust(structures: &[Structure]) -> Result<String, Error> {
    let mut rust = String::new();
    for structure in structures {
        assertions(&mut rust, structure);
        constants(&mut rust, structure)?;
    }
    Ok(rust)
}

fn assertions(rust: &mut String, structure: &Structure) {
    _ = writeln!(rust, "structure! {{ {} {}", structure.name, structure.size);
    for Member { name, offset, size } in &structure.members {
        _ = writeln!(rust, "    {} {offset} {size}", identifier(name));
    }
    rust.push_str("}\n");
}

fn constants(rust: &mut String, structure: &Structure) -> Result<(), Error> {
    if structure.bit_fields.is_empty() {
        return Ok(());
    }
    _ = writeln!(rust, "bit_fields! {{ {}", structure.name);
    for field in &structure.bit_fields {
        let unit = field
            .unit(super::is_big_endian())
            .ok_or_else(|| Error::Split(format!("{}.{}", structure.name, field.name)))?;
        let Unit { offset, size, shift } = unit;
        let name = field.name.to_uppercase();
        _ = writeln!(rust, "    {name} {offset} {size} {shift} {}", field.width);
    }
    rust.push_str("}\n");
    Ok(())
}

/// The name of a member as `bindgen` has it, which appends an underscore to what may mean something
/// else in Rust.
fn identifier(name: &str) -> String {
    const WORDS: &[&str] = &[
        "Self", "abstract", "alignof", "as", "async", "await", "become", "bool", "box", "break",
        "const", "continue", "crate", "do", "dyn", "else", "enum", "extern", "f32", "f64", "false",
        "final", "fn", "for", "gen", "i128", "i16", "i32", "i64", "i8", "if", "impl", "in",
        "isize", "let", "loop", "macro", "match", "mod", "move", "mut", "offsetof", "override",
        "priv", "proc", "pub", "pure", "ref", "return", "self", "sizeof", "static", "str",
        "struct", "super", "trait", "true", "try", "type", "typeof", "u128", "u16", "u32", "u64",
        "u8", "unsafe", "unsized", "use", "usize", "virtual", "where", "while", "yield",
    ];
    let suffix = if WORDS.contains(&name) { "_" } else { "" };
    format!("{name}{suffix}")
}
