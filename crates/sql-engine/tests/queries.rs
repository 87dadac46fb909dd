//! Queries on one session: what they return and what they refuse.

use sql_engine::{Database, DatabaseConfig, is_not_modelled};

fn database(script: &str) -> Database {
    let mut database = Database::new(DatabaseConfig::instant());
    if let Err(e) = database.script(script) {
        panic!("{script}: {e}");
    }
    database
}

/// Rows as psql would show them unaligned: `1|a`, NULL as nothing.
fn rows(database: &mut Database, sql: &str) -> Vec<String> {
    match database.query(sql) {
        Ok(rows) => rows
            .into_iter()
            .map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|"))
            .collect(),
        Err(e) => vec![format!("ERROR:  {}", e.message)],
    }
}

fn one(database: &mut Database, sql: &str) -> String {
    rows(database, sql).join("; ")
}

#[test]
fn expressions_have_the_servers_values() {
    let mut db = database("");
    for (sql, value) in [
        ("1 + 2 * 3", "7"),
        ("7 / 2", "3"),
        ("7.0 / 2", "3.5000000000000000"),
        ("2 ^ 10", "1024"),
        ("-7 % 3", "-1"),
        ("'a' || 1", "a1"),
        ("null = null", ""),
        ("null is not distinct from null", "t"),
        ("1 in (2, null)", ""),
        ("1 not in (2, 3)", "t"),
        ("3 between 1 and 2 or true", "t"),
        ("case when 1 = 2 then 'x' else 'y' end", "y"),
        ("coalesce(null, 5)", "5"),
        ("nullif(5, 5)", ""),
        ("upper('abc') || lower('DEF')", "ABCdef"),
        ("split_part('a,b,c', ',', 2)", "b"),
        ("substring('hello' from 2 for 3)", "ell"),
        ("md5('abc')", "900150983cd24fb0d6963f7d28e17f72"),
        ("length('héé')", "3"),
        ("'5'::int + 1", "6"),
        ("'abc' like 'a%'", "t"),
        ("'abc' ~ '^a.c$'", "t"),
        ("date '2024-01-31' + interval '1 month'", "2024-02-29 00:00:00"),
        ("array[1, 2, 3][2]", "2"),
        ("2 = any(array[1, 2])", "t"),
        ("(select 1) + 1", "2"),
        ("exists (select 1 where false)", "f"),
        ("greatest(1, 3, 2)", "3"),
        ("round(2.567, 2)", "2.57"),
        ("true and null", ""),
        ("false and null", "f"),
    ] {
        assert_eq!(one(&mut db, &format!("SELECT {sql}")), value, "{sql}");
    }
}

#[test]
fn errors_are_the_servers() {
    let mut db = database("CREATE TABLE t (id int PRIMARY KEY, v varchar(3) NOT NULL, CHECK (id > 0))");
    for (sql, message) in [
        ("SELECT 1 / 0", "division by zero"),
        ("SELECT 2147483647 + 1", "integer out of range"),
        ("SELECT * FROM nosuch", "relation \"nosuch\" does not exist"),
        ("SELECT nosuch FROM t", "column \"nosuch\" does not exist"),
        ("SELECT u.id FROM t", "missing FROM-clause entry for table \"u\""),
        ("SELECT 1 + 'x'", "invalid input syntax for type integer: \"x\""),
        ("SELECT 1 = 'a'::text", "operator does not exist: integer = text"),
        ("INSERT INTO t VALUES (1, 'toolong')", "value too long for type character varying(3)"),
        (
            "INSERT INTO t VALUES (1, NULL)",
            "null value in column \"v\" of relation \"t\" violates not-null constraint",
        ),
        (
            "INSERT INTO t VALUES (0, 'a')",
            "new row for relation \"t\" violates check constraint \"t_id_check\"",
        ),
        ("INSERT INTO t VALUES (1, 'a', 2)", "INSERT has more expressions than target columns"),
        ("UPDATE t SET nosuch = 1", "column \"nosuch\" of relation \"t\" does not exist"),
        ("SELEC 1", "syntax error at or near \"SELEC\""),
    ] {
        assert_eq!(one(&mut db, sql), format!("ERROR:  {message}"), "{sql}");
    }
}

#[test]
fn what_is_not_modelled_is_refused_by_name() {
    let mut db = database("CREATE TABLE t (id int)");
    for (sql, what) in [
        ("SELECT row_number() OVER () FROM t", "window functions"),
        ("SELECT * FROM pg_locks", "the system catalog pg_locks"),
        ("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r", "WITH RECURSIVE"),
        ("MERGE INTO t USING t u ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("SELECT to_tsvector('x')", "the function to_tsvector"),
    ] {
        match db.query(sql) {
            Err(e) => {
                assert!(is_not_modelled(&e), "{sql}: {}", e.message);
                assert!(e.message.ends_with(what), "{sql}: {}", e.message);
            }
            Ok(_) => panic!("{sql} was not refused"),
        }
    }
}

#[test]
fn rows_are_written_changed_and_read() {
    let mut db = database(
        "CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, age int DEFAULT 18, at timestamptz DEFAULT now());
         INSERT INTO users (email) VALUES ('a'), ('b'), ('c');
         INSERT INTO users (email, age) SELECT 'n' || i, i FROM generate_series(1, 10) i",
    );
    assert_eq!(one(&mut db, "SELECT count(*), min(id), max(id), sum(age) FROM users"), "13|1|13|109");
    assert_eq!(one(&mut db, "UPDATE users SET age = age + 1 WHERE id <= 2 RETURNING id, age"), "1|19; 2|19");
    assert_eq!(one(&mut db, "SELECT email FROM users WHERE age = 19 ORDER BY id DESC"), "b; a");
    assert_eq!(one(&mut db, "DELETE FROM users WHERE email LIKE 'n%' AND age > 8 RETURNING id"), "12; 13");
    assert_eq!(one(&mut db, "SELECT id FROM users WHERE id > 3 ORDER BY id LIMIT 3"), "4; 5; 6");
    assert_eq!(one(&mut db, "SELECT id FROM users ORDER BY id DESC LIMIT 2"), "11; 10");
    assert_eq!(
        one(
            &mut db,
            "INSERT INTO users (email) VALUES ('a') ON CONFLICT (email) DO UPDATE SET age = 99 RETURNING id, age"
        ),
        "1|99"
    );
    assert_eq!(
        one(&mut db, "INSERT INTO users (email) VALUES ('a') ON CONFLICT DO NOTHING RETURNING id"),
        ""
    );
    assert_eq!(
        one(&mut db, "INSERT INTO users (email) VALUES ('b')"),
        "ERROR:  duplicate key value violates unique constraint \"users_email_key\""
    );
}

#[test]
fn groups_joins_and_subqueries_combine_rows() {
    let mut db = database(
        "CREATE TABLE u (id int PRIMARY KEY, name text); CREATE TABLE p (id int, u int REFERENCES u, n int);
         INSERT INTO u VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO p VALUES (1, 1, 10), (2, 1, 20), (3, 2, 5);
         CREATE VIEW v AS SELECT u.name, p.n FROM u JOIN p ON p.u = u.id",
    );
    assert_eq!(
        one(
            &mut db,
            "SELECT u.name, count(p.id), sum(n) FROM u LEFT JOIN p ON p.u = u.id GROUP BY u.name ORDER BY 1"
        ),
        "a|2|30; b|1|5; c|0|"
    );
    assert_eq!(one(&mut db, "SELECT name FROM u WHERE id IN (SELECT u FROM p WHERE n > 5)"), "a");
    assert_eq!(one(&mut db, "SELECT name FROM u WHERE NOT EXISTS (SELECT 1 FROM p WHERE p.u = u.id)"), "c");
    assert_eq!(one(&mut db, "SELECT avg(n), max(n) FROM p HAVING count(*) > 2"), "11.6666666666666667|20");
    assert_eq!(one(&mut db, "SELECT name, n FROM v ORDER BY n DESC"), "a|20; a|10; b|5");
    assert_eq!(one(&mut db, "SELECT DISTINCT u FROM p ORDER BY u"), "1; 2");
    assert_eq!(one(&mut db, "SELECT 1 UNION SELECT 2 UNION SELECT 1 ORDER BY 1"), "1; 2");
    assert_eq!(one(&mut db, "WITH big AS (SELECT * FROM p WHERE n > 5) SELECT count(*) FROM big"), "2");
    assert_eq!(
        one(&mut db, "UPDATE p SET n = n + u.id FROM u WHERE u.id = p.u AND u.name = 'b' RETURNING p.id, n"),
        "3|7"
    );
    assert_eq!(
        one(&mut db, "DELETE FROM p USING u WHERE u.id = p.u AND u.name = 'a' RETURNING p.id"),
        "1; 2"
    );
    assert_eq!(one(&mut db, "WITH gone AS (DELETE FROM p RETURNING id) SELECT count(*) FROM gone"), "1");
}

#[test]
fn foreign_keys_hold_in_both_directions() {
    let mut db = database(
        "CREATE TABLE u (id int PRIMARY KEY);
         CREATE TABLE p (id int PRIMARY KEY, u int REFERENCES u ON DELETE CASCADE, r int REFERENCES u);
         INSERT INTO u VALUES (1), (2), (3); INSERT INTO p VALUES (1, 1, 2)",
    );
    assert_eq!(
        one(&mut db, "INSERT INTO p VALUES (2, 9, NULL)"),
        "ERROR:  insert or update on table \"p\" violates foreign key constraint \"p_u_fkey\""
    );
    assert_eq!(
        one(&mut db, "DELETE FROM u WHERE id = 2"),
        "ERROR:  update or delete on table \"u\" violates foreign key constraint \"p_r_fkey\" on table \"p\""
    );
    assert_eq!(one(&mut db, "DELETE FROM u WHERE id = 3 RETURNING id"), "3");
    assert_eq!(one(&mut db, "DELETE FROM u WHERE id = 1 RETURNING id"), "1");
    assert_eq!(one(&mut db, "SELECT count(*) FROM p"), "0");
}

#[test]
fn definitions_change_the_rows_that_are_there() {
    let mut db = database(
        "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, '5'), (2, NULL);
         ALTER TABLE t ADD COLUMN b int DEFAULT 7; ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid();
         ALTER TABLE t ADD COLUMN d int GENERATED ALWAYS AS (id * 2) STORED",
    );
    assert_eq!(one(&mut db, "SELECT id, b, c IS NOT NULL, d FROM t ORDER BY id"), "1|7|t|2; 2|7|t|4");
    assert_eq!(one(&mut db, "SELECT count(DISTINCT c) FROM t"), "2");
    assert_eq!(
        one(&mut db, "ALTER TABLE t ALTER COLUMN a SET NOT NULL"),
        "ERROR:  column \"a\" of relation \"t\" contains null values"
    );
    assert_eq!(
        one(
            &mut db,
            "UPDATE t SET a = '6' WHERE a IS NULL; ALTER TABLE t ALTER a TYPE int USING a::int, ALTER a SET NOT NULL; SELECT sum(a) FROM t"
        ),
        "11"
    );
    assert_eq!(
        one(&mut db, "ALTER TABLE t DROP COLUMN a; SELECT * FROM t WHERE id = 1").matches('|').count(),
        3
    );
    assert_eq!(
        one(&mut db, "ALTER TABLE t RENAME COLUMN b TO bb; INSERT INTO t (id) VALUES (3) RETURNING bb, d"),
        "7|6"
    );
    assert_eq!(
        one(&mut db, "CREATE UNIQUE INDEX i ON t (bb)"),
        "ERROR:  could not create unique index \"i\""
    );
    assert_eq!(one(&mut db, "CREATE TABLE w AS SELECT id FROM t; SELECT count(*) FROM w"), "3");
    assert_eq!(one(&mut db, "TRUNCATE t; SELECT count(*) FROM t"), "0");
    assert_eq!(one(&mut db, "DROP TABLE t; SELECT * FROM t"), "ERROR:  relation \"t\" does not exist");
}

#[test]
fn partitions_take_the_rows_that_are_theirs() {
    let mut db = database(
        "CREATE TABLE m (zone int, body text) PARTITION BY LIST (zone);
         CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1); CREATE TABLE m2 PARTITION OF m FOR VALUES IN (2);
         INSERT INTO m VALUES (1, 'a'), (2, 'b')",
    );
    assert_eq!(one(&mut db, "SELECT body FROM m ORDER BY zone"), "a; b");
    assert_eq!(one(&mut db, "SELECT body FROM m2"), "b");
    assert_eq!(
        one(&mut db, "INSERT INTO m VALUES (3, 'c')"),
        "ERROR:  no partition of relation \"m\" found for row"
    );
    assert_eq!(one(&mut db, "UPDATE m SET body = 'z' WHERE zone = 2 RETURNING zone, body"), "2|z");
    assert_eq!(one(&mut db, "DELETE FROM m WHERE zone = 1; SELECT count(*) FROM m"), "1");
}

#[test]
fn a_function_that_is_one_expression_in_sql_is_replaced_by_it() {
    let mut db = database(
        "CREATE FUNCTION twice(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i + $1';
         CREATE FUNCTION four_times(i int) RETURNS bigint LANGUAGE sql AS 'SELECT twice(twice(four_times.i))';
         CREATE FUNCTION forever(i int) RETURNS int LANGUAGE sql AS 'SELECT forever(i)';
         CREATE TABLE t (id int PRIMARY KEY, v int CHECK (twice(v) < 100));
         CREATE INDEX ON t (twice(v));
         INSERT INTO t SELECT g, g FROM generate_series(1, 5) AS g;
         UPDATE t SET v = twice(id) WHERE id > 3;",
    );
    assert_eq!(one(&mut db, "SELECT four_times(id) FROM t WHERE twice(v) = 20"), "20");
    assert_eq!(one(&mut db, "SELECT twice(NULL) IS NULL"), "t");
    let refused = db.query("SELECT forever(1)").unwrap_err();
    assert!(is_not_modelled(&refused), "{refused}");
    let violated = db.query("INSERT INTO t VALUES (6, 50)").unwrap_err();
    assert_eq!(violated.sqlstate.to_string(), "23514");
}
