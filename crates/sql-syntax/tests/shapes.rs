//! What statements become: names, types, precedence, and the parts of definitions.

use sql_syntax::ast::*;
use sql_syntax::parse;

fn one(text: &str) -> Statement {
    let script = parse(text);
    assert_eq!(script.errors, [], "{text}");
    assert_eq!(script.statements.len(), 1, "{text}");
    script.statements.into_iter().next().map(|s| s.value).expect("one statement")
}

/// An expression with all its parentheses, to show how it was understood.
fn grouped(e: &Expr) -> String {
    let all = |list: &[Expr]| list.iter().map(grouped).collect::<Vec<_>>().join(",");
    match &e.kind {
        ExprKind::Literal(Literal::Integer(n)) => n.to_string(),
        ExprKind::Literal(Literal::String(s)) => format!("'{s}'"),
        ExprKind::Literal(Literal::Bool(b)) => b.to_string(),
        ExprKind::Literal(other) => format!("{other:?}"),
        ExprKind::Column { qualifier, name } => {
            qualifier.iter().map(|q| format!("{q}.")).collect::<String>() + &name.text
        }
        ExprKind::Param(n) => format!("${n}"),
        ExprKind::Unary { op, operand } => format!("({op:?} {})", grouped(operand)),
        ExprKind::Binary { left, op, right } => {
            format!("({} {} {})", grouped(left), op.as_str(), grouped(right))
        }
        ExprKind::IsNull { operand, negated } => format!("(null{negated} {})", grouped(operand)),
        ExprKind::Between { operand, low, high, negated, .. } => {
            format!("(between{negated} {} {} {})", grouped(operand), grouped(low), grouped(high))
        }
        ExprKind::InList { operand, list, .. } => format!("({} in {})", grouped(operand), all(list)),
        ExprKind::Like { operand, pattern, .. } => {
            format!("({} like {})", grouped(operand), grouped(pattern))
        }
        ExprKind::Cast { operand, to } => format!("({}::{to})", grouped(operand)),
        ExprKind::Function(f) => {
            let args: Vec<Expr> = f.args.iter().map(|a| a.value.clone()).collect();
            format!("{}({})", f.name, all(&args))
        }
        ExprKind::Row(list) => format!("row({})", all(list)),
        other => format!("{other:?}"),
    }
}

fn expression(text: &str) -> String {
    let Statement::Select(query) = one(&format!("SELECT {text}")) else { panic!("{text}") };
    let QueryBody::Select(select) = query.body else { panic!("{text}") };
    grouped(&select.targets[0].value)
}

#[test]
fn operators_bind_as_in_the_manual() {
    for (text, understood) in [
        ("a or b and not c = d", "(a OR (b AND (Not (c = d))))"),
        ("a + b * c - d % e", "((a + (b * c)) - (d % e))"),
        ("-a ^ 2", "((Minus a) ^ 2)"),
        ("-1::int", "(Minus (1::integer))"),
        ("a || b = c", "((a || b) = c)"),
        ("a between 1 and 2 and b", "((betweenfalse a 1 2) AND b)"),
        ("a between 1 + 1 and 2 or b = c", "((betweenfalse a (1 + 1) 2) OR (b = c))"),
        ("a not between 1 and (2 or b)", "(betweentrue a 1 (2 OR b))"),
        ("a not in (1, 2) or b is null", "((a in 1,2) OR (nullfalse b))"),
        ("not a is not null", "(Not (nulltrue a))"),
        ("a ->> 'b' = 'c' and d", "(((a ->> 'b') = 'c') AND d)"),
        ("a not like 'x' || 'y'", "(a like ('x' || 'y'))"),
        ("(a, 1) = row(b, 2)", "(row(a,1) = row(b,2))"),
        ("date '2024-01-01' + 1", "(('2024-01-01'::date) + 1)"),
        ("a isnull", "(nullfalse a)"),
    ] {
        assert_eq!(expression(text), understood, "{text}");
    }
}

#[test]
fn sql_functions_with_a_notation_of_their_own_are_plain_calls() {
    for (text, understood) in [
        ("extract(year from a)", "extract('year',a)"),
        ("position('x' in a)", "position(a,'x')"),
        ("trim(both 'x' from a)", "btrim(a,'x')"),
        ("trim(leading from a)", "ltrim(a)"),
        ("substring(a from 2 for 3)", "substring(a,2,3)"),
        ("substring(a for 3)", "substring(a,1,3)"),
        ("substring(a, 2)", "substring(a,2)"),
        ("overlay(a placing 'x' from 2)", "overlay(a,'x',2)"),
        ("coalesce(a, 1)", "coalesce(a,1)"),
        ("s.f(a)", "s.f(a)"),
    ] {
        assert_eq!(expression(text), understood, "{text}");
    }
    assert_eq!(expression("current_timestamp"), "\"current_timestamp\"()");
}

#[test]
fn names_are_folded_and_cut() {
    let Statement::CreateTable(table) = one("CREATE TABLE App.\"Us\"\"ers\" (ID int, \"Id\" int)") else {
        panic!("a table")
    };
    assert_eq!(table.name.schema(), Some("app"));
    assert_eq!(table.name.name, "Us\"ers");
    assert_eq!(table.columns[0].name, "id");
    assert_eq!(table.columns[1].name, "Id");
    let Statement::Savepoint(name) = one(&format!("SAVEPOINT {}", "é".repeat(40))) else {
        panic!("savepoint")
    };
    assert_eq!(name.text, "é".repeat(31));
}

#[test]
fn types_have_their_catalog_names() {
    for (text, name, shown) in [
        ("int", "int4", "integer"),
        ("BIGINT", "int8", "bigint"),
        ("decimal(10,2)", "numeric", "numeric(10,2)"),
        ("char", "bpchar", "character(1)"),
        ("\"char\"", "char", "\"char\""),
        ("character varying(5)", "varchar", "character varying(5)"),
        ("float(24)", "float4", "real"),
        ("float(53)", "float8", "double precision"),
        ("timestamp(3) with time zone", "timestamptz", "timestamp(3) with time zone"),
        ("timestamp", "timestamp", "timestamp without time zone"),
        ("interval day to second(3)", "interval", "interval day to second(3)"),
        ("text[][]", "text", "text[]"),
        ("app.status", "status", "app.status"),
        ("pg_catalog.int4", "int4", "integer"),
        ("bit varying(8)", "varbit", "bit varying(8)"),
    ] {
        let Statement::CreateTable(table) = one(&format!("CREATE TABLE t (a {text})")) else {
            panic!("{text}")
        };
        let ty = table.columns[0].data_type.clone().expect("a type");
        assert_eq!((ty.name.as_str(), ty.to_string().as_str()), (name, shown), "{text}");
    }
}

#[test]
fn column_and_table_constraints_keep_everything() {
    let text = "CREATE TABLE t (id bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 5 INCREMENT BY -2) PRIMARY KEY,
        a text COLLATE \"C\" NOT NULL DEFAULT 'x', b int CONSTRAINT b_fk REFERENCES p (id) ON DELETE CASCADE
        ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED, g int GENERATED ALWAYS AS (b * 2) STORED,
        CONSTRAINT ck CHECK (b > 0) NO INHERIT, UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (g),
        FOREIGN KEY (a, b) REFERENCES s.q, EXCLUDE USING gist (r WITH &&) WHERE (b > 1))";
    let Statement::CreateTable(table) = one(text) else { panic!("a table") };
    let ColumnConstraintKind::Identity { always: false, options } = &table.columns[0].constraints[0].kind
    else {
        panic!("{:?}", table.columns[0])
    };
    assert_eq!(*options, [SequenceOption::Start(5), SequenceOption::Increment(-2)]);
    assert!(table.columns[1].says_not_null() && table.columns[1].default_value().is_some());
    assert_eq!(table.columns[1].collation.as_ref().map(|c| c.name.as_str()), Some("C"));
    let fk = &table.columns[2].constraints[0];
    assert_eq!(fk.name.as_deref(), Some("b_fk"));
    assert_eq!((fk.attributes.deferrable, fk.attributes.initially_deferred), (Some(true), Some(true)));
    let ColumnConstraintKind::References(references) = &fk.kind else { panic!("{fk:?}") };
    assert_eq!(references.on_delete, ReferentialAction::Cascade);
    assert_eq!(references.on_update, ReferentialAction::SetNull(Vec::new()));
    assert_eq!(references.columns, [Ident::new("id")]);
    assert!(matches!(
        table.columns[3].constraints[0].kind,
        ColumnConstraintKind::Generated { stored: true, .. }
    ));
    assert!(table.constraints[0].attributes.no_inherit);
    let TableConstraintKind::Unique { columns, index } = &table.constraints[1].kind else { panic!("unique") };
    assert_eq!((columns.len(), index.nulls_not_distinct, index.include.len()), (2, true, 1));
    let TableConstraintKind::ForeignKey { columns, references } = &table.constraints[2].kind else {
        panic!("fk")
    };
    assert_eq!((columns.len(), references.columns.len(), references.table.schema()), (2, 0, Some("s")));
    let TableConstraintKind::Exclude { elements, predicate, .. } = &table.constraints[3].kind else {
        panic!("exclude")
    };
    assert_eq!((elements[0].1.as_str(), predicate.is_some()), ("&&", true));
}

#[test]
fn indexes_keep_everything() {
    let text =
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t USING btree (lower(a) text_pattern_ops
        DESC NULLS LAST, b COLLATE \"C\") INCLUDE (c) NULLS NOT DISTINCT WITH (fillfactor = 90) TABLESPACE ts
        WHERE c IS NULL";
    let Statement::CreateIndex(index) = one(text) else { panic!("an index") };
    assert!(index.unique && index.concurrently && index.if_not_exists && index.table.only);
    assert!(index.nulls_not_distinct && index.predicate.is_some());
    assert_eq!(index.elements[0].opclass.as_ref().map(|o| o.name.as_str()), Some("text_pattern_ops"));
    assert_eq!((index.elements[0].descending, index.elements[0].nulls_first), (true, Some(false)));
    assert_eq!(index.elements[0].column(), None);
    assert_eq!(index.elements[1].column().map(Ident::as_str), Some("b"));
    assert_eq!(index.elements[1].collation.as_ref().map(|c| c.name.as_str()), Some("C"));
    assert_eq!(index.options[0].value.as_deref(), Some("90"));
    assert_eq!(index.tablespace.as_deref(), Some("ts"));
    assert_eq!(index.include[0].column().map(Ident::as_str), Some("c"));
}

#[test]
fn alter_table_keeps_its_actions_in_order() {
    let text =
        "ALTER TABLE IF EXISTS ONLY t ADD COLUMN IF NOT EXISTS c int DEFAULT 1 NOT NULL, DROP b CASCADE,
        ALTER c TYPE bigint USING c::bigint, ADD CONSTRAINT k CHECK (c > 0) NOT VALID, VALIDATE CONSTRAINT k";
    let Statement::AlterTable(alter) = one(text) else { panic!("alter") };
    assert!(alter.only && alter.if_exists);
    let actions: Vec<&AlterTableAction> = alter.actions.iter().map(|a| &a.value).collect();
    assert!(
        matches!(
            actions.as_slice(),
            [
                AlterTableAction::AddColumn { if_not_exists: true, column },
                AlterTableAction::DropColumn { behavior: DropBehavior::Cascade, .. },
                AlterTableAction::AlterColumn { change: ColumnChange::SetType { using: Some(_), .. }, .. },
                AlterTableAction::AddConstraint(TableConstraint {
                    attributes: ConstraintAttributes { not_valid: true, .. },
                    ..
                }),
                AlterTableAction::ValidateConstraint { .. },
            ] if column.constraints.len() == 2
        ),
        "{actions:?}"
    );
    assert_eq!(alter.actions[1].range.of(text), "DROP b CASCADE");
}

#[test]
fn other_relations_share_alter_tables_actions() {
    for (text, keyword) in [
        ("ALTER INDEX i RENAME TO j", RelationKeyword::Index),
        ("ALTER INDEX i SET (fillfactor = 80)", RelationKeyword::Index),
        ("ALTER INDEX i ATTACH PARTITION p", RelationKeyword::Index),
        ("ALTER INDEX i ALTER COLUMN 1 SET STATISTICS 500", RelationKeyword::Index),
        ("ALTER VIEW v SET (security_barrier = true)", RelationKeyword::View),
        ("ALTER VIEW v RENAME TO w", RelationKeyword::View),
        ("ALTER MATERIALIZED VIEW v RENAME TO w", RelationKeyword::MaterializedView),
        ("ALTER SEQUENCE s RENAME TO t", RelationKeyword::Sequence),
    ] {
        let Statement::AlterTable(alter) = one(text) else { panic!("{text}") };
        assert_eq!(alter.keyword, keyword, "{text}");
        assert_eq!(alter.actions.len(), 1, "{text}");
        assert!(!matches!(alter.actions[0].value, AlterTableAction::NotModelled(_)), "{text}");
    }
    let Statement::AlterSequence(alter) = one("ALTER SEQUENCE s OWNED BY app.t.id RESTART") else {
        panic!("seq")
    };
    let [SequenceOption::OwnedBy(Some((table, column))), SequenceOption::Restart(None)] =
        alter.options.as_slice()
    else {
        panic!("{:?}", alter.options)
    };
    assert_eq!((table.to_string().as_str(), column.as_str()), ("app.t", "id"));
}

#[test]
fn drops_name_their_kind_and_objects() {
    for (text, kind, names) in [
        ("DROP TABLE IF EXISTS a, s.b CASCADE", ObjectKind::Table, 2),
        ("DROP INDEX CONCURRENTLY i", ObjectKind::Index, 1),
        ("DROP FUNCTION f(int), s.g", ObjectKind::Function, 2),
        ("DROP TRIGGER tr ON t", ObjectKind::Trigger, 1),
        ("DROP MATERIALIZED VIEW mv", ObjectKind::MaterializedView, 1),
        ("DROP SCHEMA s CASCADE", ObjectKind::Schema, 1),
        ("DROP TYPE s", ObjectKind::Type, 1),
        ("DROP PUBLICATION p", ObjectKind::Publication, 1),
        ("DROP RULE r ON t", ObjectKind::Rule, 1),
        ("DROP POLICY p ON t", ObjectKind::Policy, 1),
        ("DROP EXTENSION e", ObjectKind::Extension, 1),
        ("DROP STATISTICS s", ObjectKind::Statistics, 1),
        ("DROP AGGREGATE a(int)", ObjectKind::Aggregate, 1),
        ("DROP USER u", ObjectKind::Role, 1),
    ] {
        let Statement::Drop(drop) = one(text) else { panic!("{text}") };
        assert_eq!((drop.kind, drop.names.len()), (kind, names), "{text}");
        assert_eq!(drop.on.is_some(), text.contains(" ON "), "{text}");
    }
}

#[test]
fn settings_and_transactions_keep_their_words() {
    let set = |text| match one(text) {
        Statement::Set(set) => (set.name, set.local, set.values),
        other => panic!("{other:?}"),
    };
    let value = |v: &str| Some(vec![v.to_owned()]);
    assert_eq!(set("SET LOCAL lock_timeout = '2s'"), ("lock_timeout".to_owned(), true, value("2s")));
    assert_eq!(set("SET statement_timeout TO 0"), ("statement_timeout".to_owned(), false, value("0")));
    assert_eq!(set("SET TIME ZONE 'UTC'"), ("timezone".to_owned(), false, value("UTC")));
    assert_eq!(set("SET lock_timeout = DEFAULT"), ("lock_timeout".to_owned(), false, None));
    assert_eq!(
        set("SET search_path = App, \"$user\""),
        ("search_path".to_owned(), false, Some(vec!["App".to_owned(), "\"$user\"".to_owned()]))
    );
    let modes = TransactionModes { isolation: Some(IsolationLevel::RepeatableRead), ..Default::default() };
    assert_eq!(one("BEGIN ISOLATION LEVEL REPEATABLE READ"), Statement::Begin(modes));
    assert_eq!(one("ROLLBACK TO a"), Statement::RollbackTo(Ident::new("a")));
    assert_eq!(one("END"), Statement::Commit { chain: false });
    assert_eq!(one("RESET ALL"), Statement::Reset(None));
    assert_eq!(one("DEALLOCATE ALL"), Statement::Deallocate(None));
}

#[test]
fn maintenance_options_are_the_same_in_both_notations() {
    for text in ["VACUUM (FULL, ANALYZE) t", "VACUUM FULL ANALYZE t", "VACUUM (full on, analyze true) t"] {
        let Statement::Vacuum(vacuum) = one(text) else { panic!("{text}") };
        assert!(has_option(&vacuum.options, "full") && has_option(&vacuum.options, "analyze"), "{text}");
        assert_eq!(vacuum.tables.len(), 1, "{text}");
    }
    let Statement::Vacuum(vacuum) = one("VACUUM (TRUNCATE off) t") else { panic!("vacuum") };
    assert!(!has_option(&vacuum.options, "truncate"));
    for (text, concurrently) in [
        ("REINDEX INDEX CONCURRENTLY i", true),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", true),
        ("REINDEX SCHEMA s", false),
    ] {
        let Statement::Reindex(reindex) = one(text) else { panic!("{text}") };
        assert_eq!(reindex.concurrently, concurrently, "{text}");
    }
}

#[test]
fn functions_keep_language_and_body() {
    let text =
        "CREATE OR REPLACE FUNCTION s.f(a int, OUT b text) RETURNS trigger LANGUAGE plpgsql IMMUTABLE AS
        $x$ BEGIN RETURN NEW; END $x$";
    let Statement::CreateFunction(function) = one(text) else { panic!("a function") };
    assert_eq!(function.body.language, "plpgsql");
    assert_eq!(function.body.text.trim(), "BEGIN RETURN NEW; END");
    assert_eq!(function.volatility, Volatility::Immutable);
    assert_eq!(function.params.len(), 2);
    let Statement::Do(body) = one("DO LANGUAGE plpgsql 'begin end'") else { panic!("do") };
    assert_eq!((body.language.as_str(), body.text.as_str()), ("plpgsql", "begin end"));
}

#[test]
fn comments_before_a_statement_belong_to_it() {
    let text = "-- first\nSELECT 1;\n-- squawk-ignore ban-drop-table\n/* b */ DROP TABLE t; SELECT 3 -- c\n";
    let script = parse(text);
    let comments = |n: usize| {
        let of = script.leading_comments(&script.statements[n]);
        of.iter().map(|c| c.range.of(text)).collect::<Vec<_>>()
    };
    assert_eq!(comments(0), ["-- first"]);
    assert_eq!(comments(1), ["-- squawk-ignore ban-drop-table", "/* b */"]);
    assert!(comments(2).is_empty());
    assert_eq!(script.statements[1].range.line_column(text), (4, 9));
}
