//! What callgrind counted, in the parts that a request's cost is made of.

use std::{
    collections::HashMap,
    ops::{Index, IndexMut},
};

/// Whose code the instructions are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The NGINX executable.
    Nginx,
    /// The module under test.
    Module,
    /// `malloc` and its kin. What these cost depends on the state of the heap, which differs from
    /// one configuration to the next by chance.
    Allocator,
    /// The rest: the C library's copying and system calls, other libraries.
    Libraries,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Module, Self::Allocator, Self::Libraries];

    /// The name for a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "NGINX",
            Self::Module => "module",
            Self::Allocator => "allocator",
            Self::Libraries => "other libraries",
        }
    }

    fn of(object: &str, function: &str) -> Self {
        if object.contains("/libc.so") || object.contains("/libc-") {
            return if is_allocator(function) { Self::Allocator } else { Self::Libraries };
        }
        if object.ends_with("/nginx") {
            return Self::Nginx;
        }
        if object.contains("module") { Self::Module } else { Self::Libraries }
    }
}

/// Instructions by their part, and how often memory was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Profile {
    instructions: [f64; Part::ALL.len()],
    /// Calls of `malloc`, `calloc`, `realloc` and `posix_memalign`.
    pub allocations: f64,
}

impl Profile {
    /// Reads the file that callgrind wrote.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        text.lines().for_each(|line| reader.line(line));
        reader.profile
    }

    /// All instructions.
    pub fn total(&self) -> f64 {
        self.instructions.iter().sum()
    }

    /// All instructions but the allocator's: the part that does not vary with the heap.
    pub fn without_allocator(&self) -> f64 {
        self.total() - self[Part::Allocator]
    }

    /// What is left of it without the other, divided among that many requests.
    pub fn less(&self, other: &Self, requests: f64) -> Self {
        let mut profile = Self::default();
        for part in Part::ALL {
            profile[part] = (self[part] - other[part]) / requests;
        }
        profile.allocations = (self.allocations - other.allocations) / requests;
        profile
    }
}

impl Index<Part> for Profile {
    type Output = f64;

    fn index(&self, part: Part) -> &f64 {
        &self.instructions[part as usize]
    }
}

impl IndexMut<Part> for Profile {
    fn index_mut(&mut self, part: Part) -> &mut f64 {
        &mut self.instructions[part as usize]
    }
}

/// Goes through the file: names in `ob=` and `fn=` hold for the costs that follow, `calls=` says
/// that the next cost is that of a called function and counted elsewhere.
#[derive(Default)]
struct Reader {
    profile: Profile,
    names: HashMap<(Names, String), String>,
    object: String,
    function: String,
    called: String,
    next_is_inclusive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Names {
    Objects,
    Functions,
}

impl Reader {
    fn line(&mut self, line: &str) {
        match line.split_once('=') {
            Some(("ob", name)) => self.object = self.name(Names::Objects, name),
            Some(("fn", name)) => self.function = self.name(Names::Functions, name),
            Some(("cob", name)) => drop(self.name(Names::Objects, name)),
            Some(("cfn", name)) => self.called = self.name(Names::Functions, name),
            Some(("calls", call)) => self.call(call),
            Some(_) => {}
            None => self.cost(line),
        }
    }

    fn call(&mut self, call: &str) {
        self.next_is_inclusive = true;
        let times = call.split(' ').next().and_then(|times| times.parse().ok()).unwrap_or(0.0);
        if is_allocation(&self.called) && !is_allocator(&self.function) {
            self.profile.allocations += times;
        }
    }

    fn cost(&mut self, line: &str) {
        let starts_with_position =
            line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c));
        let Some((_, cost)) = line.split_once(' ').filter(|_| starts_with_position) else {
            return;
        };
        let cost: f64 = cost.trim().parse().unwrap_or(0.0);
        if std::mem::take(&mut self.next_is_inclusive) {
            if self.called == CLOCK {
                self.profile[Part::Nginx] -= cost;
            }
            return;
        }
        self.profile[Part::of(&self.object, &self.function)] += cost;
    }

    /// A name stands behind its number where it is first used, and is left out after that.
    fn name(&mut self, names: Names, text: &str) -> String {
        let (number, name) = text.split_once(' ').unwrap_or((text, ""));
        let known = self.names.entry((names, number.to_owned())).or_default();
        if !name.is_empty() {
            *known = name.to_owned();
        }
        known.clone()
    }
}

/// NGINX brings its clock up to date as time goes by and not once a request, so that it is left out.
const CLOCK: &str = "ngx_time_update";

fn is_allocation(function: &str) -> bool {
    matches!(function, "malloc" | "calloc" | "realloc" | "posix_memalign")
}

fn is_allocator(function: &str) -> bool {
    ["malloc", "memalign", "calloc", "realloc", "unlink_chunk", "tcache", "_int_", "systrim"]
        .into_iter()
        .any(|part| function.contains(part))
        || matches!(function, "free" | "cfree")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_go_to_the_part_they_were_spent_in_and_calls_are_not_counted_twice() {
        let text = "events: Ir\nsummary: 99\n\nob=(1) /opt/nginx\nfl=(1) ngx_alloc.c\n\
                    fn=(1) ngx_alloc\n10 5\ncob=(2) /lib/libc.so.6\ncfi=(2) malloc.c\n\
                    cfn=(2) malloc\ncalls=3 20\n+1 40\n* 2\n\n\
                    ob=(2)\nfl=(2)\nfn=(2)\n20 40\n\nob=(3) /opt/some_module.so\nfn=(3) grant\n-4 9\n\
                    totals: 56\n";

        let profile = Profile::parse(text);

        assert_eq!(Part::ALL.map(|part| profile[part]), [7.0, 9.0, 40.0, 0.0]);
        assert_eq!(profile.allocations, 3.0);
        assert_eq!(profile.without_allocator(), 16.0);
    }
}
