//! The guarantees that the README prints, and the tests that it names for them. keeps D6

use weir_tests::paths::root;

/// Every `FILE.rs`: `test` of the section, with the file.
fn named(section: &str) -> Vec<(&str, &str)> {
    let mut file = "";
    let mut found = Vec::new();
    for word in section.split('`').skip(1).step_by(2) {
        if word.ends_with(".rs") {
            file = word;
        } else if word.contains('_')
            && word.chars().all(|letter| letter.is_ascii_lowercase() || "_0123456789".contains(letter))
        {
            found.push((file, word));
        }
    }
    found
}

#[test]
fn each_test_that_the_readme_names_for_a_guarantee_is_there() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("### What was tried").nth(1).unwrap().split("\n## ").next().unwrap();
    let named = named(section);
    assert!(named.len() > 10, "{named:?}");
    for (file, test) in named {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let is_there = text.contains(&format!("fn {test}("));
        assert!(is_there, "{file} has no test {test}");
    }
}

#[test]
fn each_clause_has_a_test_in_its_row() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let table = readme.split("| clause | test |").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() >= 10, "{rows:?}");
    for row in rows {
        let test = row.split('|').nth(2).unwrap_or_default();
        assert!(test.contains(".rs`: `") || test.contains("(rule"), "{row}");
    }
}
