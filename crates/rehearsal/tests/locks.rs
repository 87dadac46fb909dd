//! The commands about locks, as a user runs them.

use std::process::{Command, Output};

fn rehearsal(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearsal")).args(args).output().expect("the program starts")
}

fn file(name: &str, text: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).expect("the target directory can be written to");
    path
}

/// A reader, an ALTER TABLE behind it and a reader behind that; `blocker` is whom the last one waits for.
fn schedule(id: &str, blocker: u32) -> String {
    let lines = [
        format!(r#"{{"id":"{id}","prof":"classic","n":3,"T":1,"fk":0,"dl":[1000,1000,1000],"tr":["#),
        r#"{"t":1,"s":1,"op":"begin","res":"BEGIN","st":"TII"},"#.to_owned(),
        r#"{"t":2,"s":1,"op":"select","tb":1,"res":"OK","st":"TII"},"#.to_owned(),
        r#"{"t":3,"s":2,"op":"add_column","tb":1,"k":1,"res":"W","w":[[2,"t1","AX",[1]]],"st":"TWI"},"#.to_owned(),
        format!(
            r#"{{"t":4,"s":3,"op":"select","tb":1,"res":"W","w":[[2,"t1","AX",[1]],[3,"t1","AS",[{blocker}]]],"st":"TWW"}},"#
        ),
        r#"{"t":5,"s":1,"op":"commit","res":"COMMIT","done":[[2,"ALTER TABLE"],[3,"OK"]],"w":[],"st":"III"}]}"#
            .to_owned(),
    ];
    lines.concat() + "\n"
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program speaks UTF-8")
}

#[test]
fn schedules_that_agree_are_counted_and_the_status_is_0() {
    let path = file("agree.ndjson", &(schedule("a", 2) + "\n" + &schedule("b", 2)));
    let output = rehearsal(&["conform", "locks", &path]);
    assert_eq!(text(&output.stdout), "2 of 2 schedules agree\n");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_difference_is_shown_and_the_status_is_1() {
    let path = file("differ.ndjson", &(schedule("a", 2) + &schedule("wrong", 1)));
    let output = rehearsal(&["conform", "locks", &path]);
    let expected = "\
wrong, entry 4: t 4: session 3: select tb=1
  w      recorded  2 waits for t1 AX behind 1, 3 waits for t1 AS behind 1
         replayed  2 waits for t1 AX behind 1, 3 waits for t1 AS behind 2

1 of 2 schedules agree
";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn machines_get_one_json_object() {
    let path = file("json.ndjson", &schedule("wrong", 1));
    let output = rehearsal(&["conform", "locks", "--json", &path]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!((&value["agree"], &value["of"]), (&0.into(), &1.into()));
    assert_eq!(value["differences"][0]["fields"][0]["field"], "w");
}

#[test]
fn a_broken_file_is_named_with_line_and_column() {
    let path = file("broken.ndjson", &(schedule("a", 2) + r#"{"id":"x","n":"three"}"#));
    let output = rehearsal(&["conform", "locks", &path]);
    let expected = format!(
        "error: {path}:2:21: invalid type: string \"three\", expected u32; expected a lock schedule, one JSON object a line\n"
    );
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_schedule_that_makes_no_sense_is_refused_with_what_was_expected() {
    let bad = schedule("a", 2).replace(r#""s":3"#, r#""s":4"#);
    let path = file("senseless.ndjson", &bad);
    let output = rehearsal(&["conform", "locks", &path]);
    let expected =
        format!("error: {path}:1:1: schedule a: entry 4 of `tr`: session 4 is not one of 1 to 3\n");
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn a_story_tells_who_waits_for_whom_and_why() {
    let path = file("story.ndjson", &schedule("a", 2));
    let story = text(&rehearsal(&["locks", "replay", &path, "--id", "a"]).stdout);
    let expected = "     4 ms  session 3  SELECT count(*) FROM t1 → waits
             t1: held by 1 AS; waiting 2 AX, 3 AS
             2 ─► 1  wants t1 AX; 1 holds AS
             3 ┄► 2  wants t1 AS; 2 waits ahead for AX
";
    assert!(story.contains(expected), "{story}");
    assert!(story.ends_with("The recording agrees.\n"), "{story}");
}

#[test]
fn the_graph_has_solid_edges_to_holders_and_dashed_ones_to_waiters_ahead() {
    let path = file("graph.ndjson", &schedule("a", 2));
    let graph = text(&rehearsal(&["locks", "replay", &path, "--id", "a", "--dot"]).stdout);
    assert!(graph.starts_with("digraph waits {"), "{graph}");
    assert!(graph.contains("s2 -> s1 [label=\"t1 AX / AS\", style=solid];"), "{graph}");
    assert!(graph.contains("s3 -> s2 [label=\"t1 AS / AX\", style=dashed];"), "{graph}");
}

#[test]
fn an_unknown_schedule_is_named_with_some_that_there_are() {
    let path = file("unknown.ndjson", &schedule("a", 2));
    let output = rehearsal(&["locks", "replay", &path, "--id", "z"]);
    assert!(text(&output.stderr).contains("no schedule z; it has 1 schedules, among them a"));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_matrices_show_all_pairs() {
    let tables = text(&rehearsal(&["locks", "matrix"]).stdout);
    assert!(tables.contains("4 SHARE UPDATE EXCLUSIVE   . . . X X X X X  VACUUM, ANALYZE"), "{tables}");
    assert_eq!(tables.lines().count(), 9);
    let rows = text(&rehearsal(&["locks", "matrix", "--rows"]).stdout);
    assert!(rows.contains("3 FOR NO KEY UPDATE        . X X X"), "{rows}");
}
