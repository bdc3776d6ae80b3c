//! What the rows of the directives say, and `docs/directives.json` with them, is what NGINX does.

use phantom_token_devkit::Verdict;
use serde_json::Value;

use super::verdict::{emerg_of, test_http};

#[test]
fn each_directive_is_accepted_in_the_contexts_of_its_row_and_not_elsewhere() {
    for directive in directives() {
        for context in ["http", "server", "location"] {
            let verdict = test_in(context, &directive.with(&directive.value("a")));

            let is_of_row = directive.row["contexts"].as_array().unwrap().contains(&context.into());
            let name = directive.name();
            assert_eq!(verdict.accepted, is_of_row, "{name} in {context}: {}", verdict.output);
            if !is_of_row {
                let emerg = emerg_of(&verdict);
                let expected = format!("\"{name}\" directive is not allowed here");
                assert!(emerg.contains(&expected), "{name} in {context}: {emerg}");
            }
        }
    }
}

#[test]
fn a_directive_may_be_given_twice_if_its_row_says_so() {
    for directive in directives() {
        let [first, second] = ["a", "b"].map(|word| directive.with(&directive.value(word)));
        let verdict = test_in(directive.a_context(), &format!("{first} {second}"));

        let name = directive.name();
        let is_repeatable = directive.row["repeatable"].as_bool().unwrap();
        assert_eq!(verdict.accepted, is_repeatable, "{name}: {}", verdict.output);
        if !is_repeatable {
            let expected = format!("\"{name}\" directive is duplicate");
            assert!(emerg_of(&verdict).contains(&expected), "{name}: {}", verdict.output);
        }
    }
}

#[test]
fn a_variable_is_a_warning_unless_the_row_says_that_there_may_be_one() {
    for directive in directives().filter(|directive| directive.row["syntax"] != "") {
        let verdict = test_in(directive.a_context(), &directive.with("$host"));

        let has_warning =
            verdict.output.contains(&format!("\"{}\" takes no variables", directive.name()));
        let takes_variables = directive.row["variables"].as_bool().unwrap();
        assert_eq!(has_warning, !takes_variables, "{}", verdict.output);
    }
}

struct Directive {
    row: Value,
}

fn directives() -> impl Iterator<Item = Directive> {
    let json = include_str!("../../../docs/directives.json");
    let rows: Vec<Value> = serde_json::from_str(json).unwrap();
    rows.into_iter().map(|row| Directive { row })
}

impl Directive {
    fn name(&self) -> &str {
        self.row["name"].as_str().unwrap()
    }

    fn a_context(&self) -> &str {
        self.row["contexts"][0].as_str().unwrap()
    }

    /// The default, which has to be a value, too, or one with that word in it.
    fn value(&self, word: &str) -> String {
        if let Some(default) = self.row["default"].as_str() {
            return default.to_owned();
        }
        match self.row["syntax"].as_str().unwrap() {
            "name:size" => format!("{word}:1m"),
            "Cache-Control | Expires ..." => "Expires".to_owned(),
            "" => String::new(),
            _ => word.to_owned(),
        }
    }

    fn with(&self, value: &str) -> String {
        format!("{} {value};", self.name())
    }
}

fn test_in(context: &str, directives: &str) -> Verdict {
    let in_block = |block| if context == block { directives } else { "" };
    test_http(&format!(
        "{} server {{ listen {{port}}; {} location / {{ {} }} }}",
        in_block("http"),
        in_block("server"),
        in_block("location")
    ))
}
