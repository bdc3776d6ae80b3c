//! Reads structures out of the debug information that the C compiler wrote (DWARF, version 5).

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use gimli::{AttributeValue, EndianSlice, RunTimeEndian, SectionId, UnitOffset};
use object::{Object as _, ObjectSection as _};

use crate::is_big_endian;
use crate::layout::{BitField, Member, Structure};

type Reader<'a> = EndianSlice<'a, RunTimeEndian>;
type Entry<'a> = gimli::DebuggingInformationEntry<Reader<'a>>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {0}: {1}")]
    Unreadable(String, std::io::Error),
    #[error("cannot read what NGINX's C compiler made: {0}")]
    NoObject(#[from] object::Error),
    #[error("cannot read the debug information of NGINX's C compiler: {0}")]
    Malformed(#[from] gimli::Error),
    #[error("the debug information of NGINX's C compiler does not say {0}")]
    Unknown(String),
    #[error("the debug information of NGINX's C compiler has no {0}: is this NGINX?")]
    Missing(&'static str),
}

/// The structures and unions of NGINX in an object, in their order.
pub fn structures(path: &Path) -> Result<Vec<Structure>, Error> {
    let data =
        fs::read(path).map_err(|error| Error::Unreadable(path.display().to_string(), error))?;
    let object = object::File::parse(&*data)?;
    let endian = if object.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let section = |id: SectionId| -> Result<_, object::Error> {
        let section = object.section_by_name(id.name());
        let data = section.map_or(Ok(&[][..]), |section| section.data())?;
        Ok(EndianSlice::new(data, endian))
    };
    let dwarf = gimli::Dwarf::load(section)?;

    let mut structures = Vec::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        Unit { dwarf: &dwarf, unit: &unit }.read_structures(&mut structures)?;
    }
    if !structures.iter().any(|structure| structure.name == "ngx_http_request_s") {
        return Err(Error::Missing("ngx_http_request_s"));
    }
    Ok(structures)
}

struct Unit<'a> {
    dwarf: &'a gimli::Dwarf<Reader<'a>>,
    unit: &'a gimli::Unit<Reader<'a>>,
}

impl<'a> Unit<'a> {
    fn read_structures(&self, structures: &mut Vec<Structure>) -> Result<(), Error> {
        let type_names = self.type_names()?;
        let mut tree = self.unit.entries_tree(None)?;
        let mut children = tree.root()?.children();
        while let Some(node) = children.next()? {
            let entry = node.entry();
            let kind = match entry.tag() {
                gimli::DW_TAG_structure_type => "struct",
                gimli::DW_TAG_union_type => "union",
                _ => continue,
            };
            if entry.attr(gimli::DW_AT_declaration).is_some() {
                continue;
            }
            let (name, c_type) = match (self.name(entry)?, type_names.get(&entry.offset())) {
                (Some(tag), _) => (tag.clone(), format!("{kind} {tag}")),
                (None, Some(name)) => (name.clone(), name.clone()),
                (None, None) => continue,
            };
            if name.starts_with("ngx_") {
                structures.push(self.structure(node, name, c_type)?);
            }
        }
        Ok(())
    }

    fn structure(
        &self,
        node: gimli::EntriesTreeNode<'_, '_, Reader<'a>>,
        name: String,
        c_type: String,
    ) -> Result<Structure, Error> {
        let size = number(node.entry(), gimli::DW_AT_byte_size)
            .ok_or_else(|| Error::Unknown(format!("how large {name} is")))?;
        let mut structure =
            Structure { name, c_type, size, members: Vec::new(), bit_fields: Vec::new() };
        let mut children = node.children();
        while let Some(node) = children.next()? {
            let entry = node.entry();
            // What has no name is padding, or a structure whose members count as this one's.
            // NGINX has none of those, and the members around them would show a difference.
            if let (gimli::DW_TAG_member, Some(name)) = (entry.tag(), self.name(entry)?) {
                self.add_member(&mut structure, entry, name)?;
            }
        }
        Ok(structure)
    }

    fn add_member(
        &self,
        structure: &mut Structure,
        entry: &Entry<'a>,
        name: String,
    ) -> Result<(), Error> {
        let unknown = |what| Error::Unknown(format!("{what} {}.{name}", structure.name));
        if let Some(width) = number(entry, gimli::DW_AT_bit_size) {
            let first = first_bit(entry, width).ok_or_else(|| unknown("where to find"))?;
            structure.bit_fields.push(BitField { name, first, width });
            return Ok(());
        }
        let size = self.size(entry)?.ok_or_else(|| unknown("how large it makes"))?;
        structure.members.push(Member { name, offset: offset(entry), size });
        Ok(())
    }

    /// The names that `typedef` gives.
    fn type_names(&self) -> Result<HashMap<UnitOffset, String>, Error> {
        let mut names = HashMap::new();
        let mut tree = self.unit.entries_tree(None)?;
        let mut children = tree.root()?.children();
        while let Some(node) = children.next()? {
            let entry = node.entry();
            if let (gimli::DW_TAG_typedef, Some(of), Some(name)) =
                (entry.tag(), type_of(entry), self.name(entry)?)
            {
                names.entry(of).or_insert(name);
            }
        }
        Ok(names)
    }

    /// Bytes of what an entry is a variable, a member, or another name of.
    fn size(&self, entry: &Entry<'a>) -> Result<Option<u64>, Error> {
        let Some(offset) = type_of(entry) else {
            return Ok(None);
        };
        let entry = self.unit.entry(offset)?;
        if let Some(size) = number(&entry, gimli::DW_AT_byte_size) {
            return Ok(Some(size));
        }
        match entry.tag() {
            gimli::DW_TAG_pointer_type => Ok(Some(self.unit.encoding().address_size.into())),
            gimli::DW_TAG_array_type => {
                let elements = self.elements(offset)?;
                Ok(self.size(&entry)?.and_then(|size| size.checked_mul(elements)))
            }
            _ => self.size(&entry),
        }
    }

    /// The number of elements of an array in all its dimensions.
    fn elements(&self, array: UnitOffset) -> Result<u64, Error> {
        let mut elements = 1u64;
        let mut tree = self.unit.entries_tree(Some(array))?;
        let mut children = tree.root()?.children();
        while let Some(node) = children.next()? {
            let entry = node.entry();
            if entry.tag() == gimli::DW_TAG_subrange_type {
                let count = number(entry, gimli::DW_AT_count);
                let last = number(entry, gimli::DW_AT_upper_bound);
                let count = count.or(last.map(|last| last.wrapping_add(1)));
                elements = elements.saturating_mul(count.unwrap_or(0));
            }
        }
        Ok(elements)
    }

    fn name(&self, entry: &Entry<'a>) -> Result<Option<String>, Error> {
        let Some(value) = entry.attr_value(gimli::DW_AT_name) else {
            return Ok(None);
        };
        Ok(Some(self.dwarf.attr_string(self.unit, value)?.to_string_lossy().into_owned()))
    }
}

/// Bytes from the beginning of the structure. A member that is there need not say so.
fn offset(entry: &Entry<'_>) -> u64 {
    number(entry, gimli::DW_AT_data_member_location).unwrap_or(0)
}

/// Bits from the beginning of the structure.
fn first_bit(entry: &Entry<'_>, width: u64) -> Option<u64> {
    if let Some(first) = number(entry, gimli::DW_AT_data_bit_offset) {
        return Some(first);
    }
    // clang still does as before DWARF 4, and counts from the most significant bit of an integer.
    let before = number(entry, gimli::DW_AT_bit_offset)?;
    let bits = number(entry, gimli::DW_AT_byte_size)?.checked_mul(8)?;
    let in_integer =
        if is_big_endian() { before } else { bits.checked_sub(before)?.checked_sub(width)? };
    offset(entry).checked_mul(8)?.checked_add(in_integer)
}

fn number(entry: &Entry<'_>, name: gimli::DwAt) -> Option<u64> {
    entry.attr(name)?.udata_value()
}

fn type_of(entry: &Entry<'_>) -> Option<UnitOffset> {
    match entry.attr_value(gimli::DW_AT_type)? {
        AttributeValue::UnitRef(offset) => Some(offset),
        _ => None,
    }
}
