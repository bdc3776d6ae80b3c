//! A second opinion on bit-fields: a C program sets each of them, and tells which bits that changed.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::compiler::Compiler;
use crate::layout::{BitField, Structure};

/// Prints the name of a bit-field, and the bytes of its structure that have bits of it.
const PRELUDE: &str = r#"
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <stdio.h>
#include <string.h>

static void
show(const char *name, const unsigned char *bytes, size_t size)
{
    size_t  i;

    printf("%s", name);
    for (i = 0; i < size; i++) {
        if (bytes[i] != 0) {
            printf(" %zu:%02x", i, bytes[i]);
        }
    }
    printf("\n");
}

#define SHOW(type, structure, field)                                          \
    do {                                                                      \
        static type  s;                                                       \
        s.field = -1;                                                         \
        show(structure "." #field, (unsigned char *) &s, sizeof(s));          \
    } while (0)

int
main(void)
{
"#;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Compiler(#[from] crate::compiler::Error),
    #[error("cannot run what NGINX's C compiler made: {0}")]
    Io(#[from] std::io::Error),
    #[error("the program that shows NGINX's bit-fields ended with {0}")]
    Failed(std::process::ExitStatus),
    #[error(
        "NGINX's C compiler and its debug information disagree on a bit-field, so the module would \
         not work with this NGINX: C sets \"{c}\" (byte:bits), found was \"{expected}\""
    )]
    Differs { c: String, expected: String },
}

/// What C says about each bit-field, a line each: its name, and `byte:bits` for each byte that has
/// some of its bits. Fails where debug information says otherwise.
pub fn prove(structures: &[Structure], compiler: &Compiler, out: &Path) -> Result<String, Error> {
    let expected = expected(structures);
    // The program is one for the target.
    if env::var("HOST").ok() != env::var("TARGET").ok() {
        println!("cargo::warning=this is built for another machine, so bit-fields are not tried");
        return Ok(expected);
    }
    let source = out.join("bit_fields.c");
    let program = out.join("bit_fields");
    fs::write(&source, program_of(structures))?;
    compiler.program(&source, &program)?;
    let output = Command::new(&program).output()?;
    if !output.status.success() {
        return Err(Error::Failed(output.status));
    }
    let c = String::from_utf8_lossy(&output.stdout).into_owned();
    if c != expected {
        let mut both = c.lines().zip(expected.lines());
        let (c, expected) = both.find(|(c, expected)| c != expected).unwrap_or_default();
        return Err(Error::Differs { c: c.into(), expected: expected.into() });
    }
    Ok(c)
}

fn program_of(structures: &[Structure]) -> String {
    let mut program = String::from(PRELUDE);
    for structure in structures {
        for field in &structure.bit_fields {
            let Structure { name, c_type, .. } = structure;
            _ = writeln!(program, "    SHOW({c_type}, \"{name}\", {});", field.name);
        }
    }
    program.push_str("    return 0;\n}\n");
    program
}

fn expected(structures: &[Structure]) -> String {
    let mut lines = String::new();
    for structure in structures {
        for field in &structure.bit_fields {
            _ = writeln!(lines, "{}.{}{}", structure.name, field.name, bytes(field));
        }
    }
    lines
}

/// The bytes that have bits of a bit-field.
fn bytes(field: &BitField) -> String {
    let mut bytes = String::new();
    let end = field.first + field.width;
    for byte in field.first / 8..end.div_ceil(8) {
        let in_byte = field.first.max(byte * 8)..end.min(byte * 8 + 8);
        let bits = in_byte.fold(0, |bits, bit| bits | bit_in_byte(bit % 8));
        _ = write!(bytes, " {byte}:{bits:02x}");
    }
    bytes
}

fn bit_in_byte(bit: u64) -> u8 {
    if crate::is_big_endian() { 0x80 >> bit } else { 1 << bit }
}
