//! The committed bounds of what the module may cost.

use std::{error::Error, fs, path::Path};

use serde_json::{Map, Value, json};

use crate::counting::Count;

/// By how much a count may grow.
const TOLERANCE: f64 = 1.02;
/// Instructions that a count may grow by besides: where a token is in the index of the zone changes
/// with the zone's secret, and now and then NGINX is woken once more than a request needs. That
/// moved a count by up to 5 in the worker cache and by up to 35 in the zone in repeated runs.
const SLACK: f64 = 15.0;
/// A call that is made for each request counts at least 1.
const CALLS_SLACK: f64 = 0.5;

/// What a case costs for each request. Of a hit it is only what the module adds to bare proxying.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The case and the length of its JWT.
    pub name: String,
    /// Instructions without the allocator's, which vary with the state of the heap by hundreds.
    pub instructions: f64,
    /// Calls of the allocator, so that they are bounded, too.
    pub allocations: f64,
    /// System calls.
    pub calls: f64,
}

/// The costs that the budget bounds.
pub fn costs(counts: &[Count]) -> Vec<Cost> {
    counts.iter().filter(|count| count.module).map(|count| cost(counts, count)).collect()
}

/// Writes these costs as the new budget.
pub fn write(path: &Path, costs: &[Cost]) -> Result<(), Box<dyn Error>> {
    let entry = |cost: &Cost| {
        let entry = json!({
            "instructions": cost.instructions.round(),
            "allocations": rounded(cost.allocations),
            "system_calls": rounded(cost.calls),
        });
        (cost.name.clone(), entry)
    };
    let entries: Map<String, Value> = costs.iter().map(entry).collect();
    fs::write(path, serde_json::to_string_pretty(&entries)? + "\n")?;
    Ok(())
}

/// Prints how these costs compare with the budget, and says whether all are within it.
pub fn check(path: &Path, costs: &[Cost]) -> Result<bool, Box<dyn Error>> {
    let budget: Map<String, Value> = serde_json::from_str(&fs::read_to_string(path)?)?;
    let mut within = true;
    println!("each: counted (budget)");
    println!("{:<44} {:>19} {:>13} {:>13}", "", "instructions", "allocations", "system calls");
    for cost in costs {
        let bound = bound(&budget, &cost.name)?;
        let over = exceeds(cost, &bound);
        within &= !over;
        println!(
            "{:<44} {:>10.0} ({:>6.0}) {:>6.1} ({:>4.1}) {:>6.1} ({:>4.1}){}",
            cost.name,
            cost.instructions,
            bound.instructions,
            rounded(cost.allocations),
            bound.allocations,
            rounded(cost.calls),
            bound.calls,
            if over { "  OVER" } else { "" }
        );
    }
    Ok(within)
}

fn cost(counts: &[Count], count: &Count) -> Cost {
    let mut cost = Cost {
        name: format!("{}, JWT of {} bytes", count.name, count.jwt),
        instructions: count.instructions.without_allocator(),
        allocations: count.instructions.allocations,
        calls: count.all_calls(),
    };
    let bare = counts.iter().find(|other| other.name == "bare" && other.jwt == count.jwt);
    if let Some(bare) = bare.filter(|_| count.name.starts_with("hit")) {
        cost.instructions -= bare.instructions.without_allocator();
        cost.allocations -= bare.instructions.allocations;
        cost.calls -= bare.all_calls();
    }
    cost
}

fn bound(budget: &Map<String, Value>, name: &str) -> Result<Cost, Box<dyn Error>> {
    let missing = || format!("'{name}' is not in the budget: write it with --budget --write");
    let entry = budget.get(name).ok_or_else(missing)?;
    let number = |of: &str| entry[of].as_f64().ok_or_else(missing);
    Ok(Cost {
        name: name.to_owned(),
        instructions: number("instructions")?,
        allocations: number("allocations")?,
        calls: number("system_calls")?,
    })
}

fn exceeds(cost: &Cost, bound: &Cost) -> bool {
    cost.instructions > bound.instructions * TOLERANCE + SLACK
        || cost.allocations > bound.allocations + CALLS_SLACK
        || cost.calls > bound.calls + CALLS_SLACK
}

fn rounded(calls: f64) -> f64 {
    // Without adding 0 it might be -0.
    (calls * 10.0).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_cost(instructions: f64, calls: f64) -> Cost {
        Cost { name: "hit".to_owned(), instructions, allocations: 0.0, calls }
    }

    #[test]
    fn a_hit_that_gets_two_percent_dearer_and_no_more_is_within_the_budget() {
        assert!(!exceeds(&a_cost(1020.0 + SLACK, 0.0), &a_cost(1000.0, 0.0)));
        assert!(exceeds(&a_cost(1021.0 + SLACK, 0.0), &a_cost(1000.0, 0.0)));
    }

    #[test]
    fn one_system_call_more_is_over_the_budget() {
        assert!(exceeds(&a_cost(1000.0, 1.0), &a_cost(1000.0, 0.0)));
    }
}
