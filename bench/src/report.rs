//! The report in Markdown, with its plots.

use std::{error::Error, fmt::Write, fs, path::Path};

use phantom_token_core_testing::capacity::HitRatio;

use crate::{
    burst::{self, Burst},
    cache::{Cache, Growth},
    chart::{Bar, bars},
    counting::Count,
    faults::Fault,
    goals, machine,
    profile::Part,
    setting::USUAL_JWT,
    start::Start,
    throughput::Scene,
};

/// Everything that was measured; what was left out is empty.
#[derive(Default)]
pub struct Results {
    /// Instructions and system calls.
    pub counts: Vec<Count>,
    /// Processor time, rates, latencies.
    pub scenes: Vec<Scene>,
    /// Bursts.
    pub bursts: Vec<Burst>,
    /// Start-up and reload.
    pub starts: Vec<Start>,
    /// The zone alone.
    pub cache: Option<Cache>,
    /// Bad days.
    pub faults: Vec<Fault>,
}

impl Results {
    /// Writes README.md and its plots into that folder, in place of those that are there.
    pub fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "svg") {
                fs::remove_file(path)?;
            }
        }
        for (name, svg) in self.plots() {
            fs::write(folder.join(name), svg)?;
        }
        fs::write(folder.join("README.md"), self.markdown(true))?;
        Ok(())
    }

    /// The report as text; with links to the plots, if there are any.
    pub fn markdown(&self, with_plots: bool) -> String {
        let mut text =
            "# Benchmarks\n\nWritten by `scripts/bench`; a change here is lost with the \
                        next run. What the words mean is said at the end.\n\n"
                .to_owned();
        text += &table("| on | |\n| --- | --- |\n", &machine::description(), |(name, value)| {
            format!("| {name} | {value} |")
        });
        text += &self.goals();
        text += &self.counts();
        text += &self.scenes(with_plots);
        text += &self.bursts(with_plots);
        text += &self.starts();
        text += &self.cache();
        text += &self.faults();
        text + MEANING
    }

    fn goals(&self) -> String {
        let head =
            "\n## Numbers to reach\n\n| what | reach | measured | |\n| --- | --- | --- | --- |\n";
        table(head, &goals::of(self), |goal| {
            let verdict = if goal.met { "reached" } else { "**missed**" };
            format!("| {} | {} | {} | {verdict} |", goal.what, goal.reach, goal.measured)
        })
    }

    fn counts(&self) -> String {
        let head = "\n## What one request costs\n\nCounted, not timed. \"Added\" is what is more than \
                    with bare proxying of the same size, without the allocator.\n\n\
                    | request | JWT | instructions | of these the allocator's | added | allocations \
                    | system calls |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        let counts = table(head, &self.counts, |count| {
            let profile = &count.instructions;
            let bare = self.bare(count.jwt);
            let added = bare.map_or(0.0, |bare| {
                profile.without_allocator() - bare.instructions.without_allocator()
            });
            format!(
                "| {} | {} | {:.0} | {:.0} | {added:+.0} | {:.1} | {:.1} |",
                count.name,
                count.jwt,
                profile.total(),
                profile[Part::Allocator],
                profile.allocations,
                count.all_calls()
            )
        });
        let head = format!(
            "\nWhose instructions these are, with a JWT of {USUAL_JWT} bytes:\n\n| request | {} |\n\
             | --- {}|\n",
            Part::ALL.map(Part::name).join(" | "),
            "| ---: ".repeat(Part::ALL.len())
        );
        let usual: Vec<&Count> =
            self.counts.iter().filter(|count| count.jwt == USUAL_JWT).collect();
        let parts = table(&head, &usual, |count| {
            let parts = Part::ALL.map(|part| format!("{:.0}", count.instructions[part]));
            format!("| {} | {} |", count.name, parts.join(" | "))
        });
        counts + &parts
    }

    fn scenes(&self, with_plots: bool) -> String {
        if self.scenes.is_empty() {
            return String::new();
        }
        let mut text = "\n## Processor time, rate and latency\n".to_owned();
        for (index, scene) in self.scenes.iter().enumerate() {
            let _ = write!(text, "\n### {}\n\n", scene.title);
            if with_plots && scene.rows.len() > 1 {
                let _ = write!(text, "![{}]({})\n\n", scene.title, scene_plot(index));
            }
            let head = "| | µs per request | ratio to the first (range) | requests/s | half within \
                        | 99 % within | own memory | zone |\n\
                        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
            text += &table(head, &scene.rows, |row| {
                let (ratio, least, most) = row.ratio;
                let latency = |pick: fn((f64, f64)) -> f64| {
                    row.latency.map_or("-".to_owned(), |both| format!("{:.2} ms", pick(both)))
                };
                format!(
                    "| {} | {:.2} | {ratio:.3} ({least:.3} to {most:.3}) | {:.0} | {} | {} | {} | {} |",
                    row.name,
                    row.cpu,
                    row.rate,
                    latency(|both| both.0),
                    latency(|both| both.1),
                    megabytes(row.memory.anonymous),
                    megabytes(row.memory.shared)
                )
            });
        }
        text
    }

    fn bursts(&self, with_plots: bool) -> String {
        let mut head = format!(
            "\n## Cold burst\n\n{} clients send one new token at the same moment to two workers; an \
             introspection takes {} ms.\n\n",
            burst::CLIENTS,
            burst::INTROSPECTION.as_millis()
        );
        if with_plots {
            head += "![Cold burst](burst.svg)\n\n";
        }
        head += "| | introspections | most | all answered after | longest |\n\
                 | --- | ---: | ---: | ---: | ---: |\n";
        table(&head, &self.bursts, |burst| {
            let ((asked, most), (answered, longest)) = (burst.asked, burst.answered);
            format!("| {} | {asked:.0} | {most} | {answered:.0} ms | {longest:.0} ms |", burst.name)
        })
    }

    fn starts(&self) -> String {
        let head = "\n## Start-up and reload\n\nUntil the first answer, and until the first answer of \
                    a new worker. The zones are empty.\n\n\
                    | | start | reload |\n| --- | ---: | ---: |\n";
        table(head, &self.starts, |start| {
            format!("| {} | {:.1} ms | {:.1} ms |", start.name, start.start, start.reload)
        })
    }

    fn cache(&self) -> String {
        let Some(cache) = &self.cache else {
            return String::new();
        };
        let mut text =
            "\n## The zone alone\n\nWithout NGINX. JWTs of 1200 bytes, if nothing else is \
                        said.\n\n"
                .to_owned();
        let head = "| looked up | among 1,000 | among 1,000,000 | ratio |\n\
                    | --- | ---: | ---: | ---: |\n";
        text += &table(head, &cache.lookups, |growth| {
            let Growth { tokens, small, large, ratio } = growth;
            format!("| {tokens} | {small:.0} ns | {large:.0} ns | {ratio:.2} |")
        });
        let head = "\n| JWTs | tokens in 64 MB | bytes for each beyond the JWT | at most | inserts | \
                    failed |\n| --- | ---: | ---: | ---: | ---: | ---: |\n";
        text += &table(head, &cache.rooms, |(name, room)| {
            format!(
                "| {name} | {} | {:.0} | {:.0} | {} | {} |",
                room.tokens,
                room.overhead,
                room.bound(),
                room.inserts,
                room.failures
            )
        });
        let HitRatio { zone, exact_lru } = cache.hits;
        let _ = write!(
            text,
            "\nOf 100,000 tokens, asked for by a popularity of Zipf(0.99), in a zone with room for a \
             tenth, {zone:.2} % are found; an exact LRU list finds {exact_lru:.2} %.\n"
        );
        text
    }

    fn faults(&self) -> String {
        let head = "\n## Bad days\n\n| | requests | answered as they should be | good tokens from the \
                    cache | introspections | half within | 99 % within | errors logged |\n\
                    | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n";
        table(head, &self.faults, |fault| {
            let hits = fault.hits.map_or("-".to_owned(), |hits| format!("{:.2} %", hits * 100.0));
            format!(
                "| {} | {} | {:.2} % | {hits} | {} | {:.2} ms | {:.2} ms | {} |",
                fault.name,
                fault.requests,
                fault.right * 100.0,
                fault.asked,
                fault.latency.0,
                fault.latency.1,
                fault.errors
            )
        })
    }

    fn bare(&self, jwt: usize) -> Option<&Count> {
        self.counts.iter().find(|count| count.name == "bare" && count.jwt == jwt)
    }

    fn plots(&self) -> Vec<(String, String)> {
        let compared = self.scenes.iter().enumerate().filter(|(_, scene)| scene.rows.len() > 1);
        let mut plots: Vec<(String, String)> =
            compared.map(|(index, scene)| (scene_plot(index), ratios(scene))).collect();
        let bursts: Vec<Bar> = self
            .bursts
            .iter()
            .map(|burst| Bar {
                label: burst.name.clone(),
                value: burst.answered.0,
                text: format!("{:.0} ms", burst.answered.0),
            })
            .collect();
        plots.push(("burst.svg".to_owned(), bars("Cold burst: until the last answer", &bursts)));
        plots
    }
}

fn ratios(scene: &Scene) -> String {
    let rows = scene.rows.iter().map(|row| Bar {
        label: row.name.clone(),
        value: row.ratio.0,
        text: format!("{:.2}", row.ratio.0),
    });
    let title = format!("{}: processor time, bare proxying = 1", scene.title);
    bars(&title, &rows.collect::<Vec<_>>())
}

fn scene_plot(index: usize) -> String {
    format!("scene-{}.svg", index + 1)
}

/// A table with a row for each item; nothing without items.
fn table<T>(head: &str, items: &[T], row: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return String::new();
    }
    let rows = items.iter().map(|item| row(item) + "\n");
    head.to_owned() + &rows.collect::<String>()
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

const MEANING: &str = "
## What the words mean

- **Bare proxying** is the same NGINX without the module, which sends a header of the size of the JWT.
  A JWT that is longer than NGINX's configuration allows a text to be is spread over several headers.
- **phantom_token** is the module as it comes; **zone only** has `phantom_token_worker_cache off`, and
  **no cache** has `phantom_token_cache off`.
- **auth_request** is what stock NGINX offers. It cannot read the body of an answer, so it gets the JWT in a
  header. Files of its cache are left on the disk until the run is over: after many are deleted, the file system is
  slow for minutes. Wait that long before the next run, too.
- **Bad days**: zones are of 4 MB, which is room for the good tokens and few besides. The cache of auth_request has
  its files in memory, since it deletes many. What its zone has no room for, NGINX refuses with an error.
- **Processor time** is what the kernel's scheduler accounts to the workers of the gateway, in user and in
  kernel mode. All configurations of a table run at the same time and get their requests in turn, in
  several rounds; a number is the median of the rounds, and a ratio is the median of the ratios within a round.
- **Requests per second** and latency are those of one load generator with 32 connections, on the same
  machine. They depend on what else the machine has to do.
- **Own memory** is that of all workers together; **zone** is what a worker has touched of the zones.
- **Looked up**: *1,000 in use* looks for the same number of tokens in both zones, so that it compares the
  zones; *any of all* touches a gigabyte of JWTs in the large one, and compares the processor's caches and
  address translation as well.
- **Instructions** are counted by valgrind in user mode, and system calls by strace, in one process over one
  kept-alive connection; a number is the difference of two runs with 500 and 1,500 requests. NGINX's update
  of its clock is left out, since it depends on the time that passes. What the C library's allocator takes
  depends on the state of the heap, by hundreds of instructions in either direction, and is shown apart.
- **Start-up and reload** of a stock NGINX without the module differ from ours by what loading any module of
  this size takes; what the zone itself takes is the comparison with the module loaded.
- The upstream and the authorization server are an NGINX that answers from its configuration, and in the
  parts *Cold burst* and *Bad days* a server that can be slow. Everything runs on one machine.
";
