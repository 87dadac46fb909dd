//! Which tool a directory belongs to.

use super::{Runner, runner};

/// Guesses the tool from the names of a directory's files, the first lines of one of them, and the names of the files
/// beside the directory and above it. The marks are looked for from the surest to the vaguest.
pub fn detect(files: &[&str], sample: &str, neighbours: &[&str]) -> &'static Runner {
    let any = |test: &dyn Fn(&str) -> bool| files.iter().any(|f| test(f));
    let beside = |name: &str| neighbours.contains(&name);
    let by_name = |name: &str| runner(name).unwrap_or(&super::RUNNERS[0]);
    if files.contains(&"atlas.sum") || sample.contains("-- atlas:") || beside("atlas.hcl") {
        return by_name("atlas");
    }
    if sample.contains("-- migrate:up") {
        return by_name("dbmate");
    }
    if sample.contains("-- +goose") {
        return by_name("goose");
    }
    if any(&|f| is_prefixed(f)) {
        let flyway = any(&|f| f.starts_with("R__") || f.starts_with('U') || f.ends_with(".sql.conf"))
            || beside("flyway.conf")
            || beside("flyway.toml")
            || beside("pom.xml")
            || beside("build.gradle")
            || beside("build.gradle.kts");
        return by_name(if beside("Cargo.toml") && !flyway { "refinery" } else { "flyway" });
    }
    let pairs = any(&|f| f.ends_with(".up.sql"));
    if beside("go.mod") && pairs {
        return by_name("golang-migrate");
    }
    let numbered =
        any(&|f| f.ends_with(".sql") && f.split('_').next().is_some_and(|n| n.parse::<u64>().is_ok()));
    if (beside("Cargo.toml") || sample.starts_with("-- no-transaction")) && numbered {
        return by_name("sqlx");
    }
    if pairs {
        return by_name("golang-migrate");
    }
    by_name("plain")
}

fn is_prefixed(name: &str) -> bool {
    let Some((prefix, _)) = name.split_once("__") else { return false };
    name.ends_with(".sql") && prefix.starts_with('V') && prefix[1..].starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_convention_is_recognised_by_its_own_marks() {
        assert_eq!(detect(&["atlas.sum", "1_a.sql"], "", &[]).name, "atlas");
        assert_eq!(detect(&["1_a.sql"], "-- migrate:up\n", &[]).name, "dbmate");
        assert_eq!(detect(&["1_a.sql"], "-- +goose Up\n", &[]).name, "goose");
        assert_eq!(detect(&["V1__a.sql", "R__v.sql"], "", &["Cargo.toml"]).name, "flyway");
        assert_eq!(detect(&["V1__a.sql"], "", &["Cargo.toml"]).name, "refinery");
        assert_eq!(detect(&["V1__a.sql"], "", &[]).name, "flyway");
        assert_eq!(detect(&["1_a.up.sql", "1_a.down.sql"], "", &["go.mod"]).name, "golang-migrate");
        assert_eq!(detect(&["1_a.up.sql"], "", &["Cargo.toml"]).name, "sqlx");
        assert_eq!(detect(&["schema.sql"], "", &[]).name, "plain");
    }
}
