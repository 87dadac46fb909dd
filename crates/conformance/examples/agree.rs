use conformance::schedules::{compare, parse};
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let schedules = parse(&path, &text).unwrap();
    let show: usize = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(5);
    let (mut ok, mut ok0, mut n0, mut shown) = (0, 0, 0, 0);
    for s in &schedules {
        let d = compare(s);
        n0 += usize::from(s.mw == 0);
        if d.is_empty() { ok += 1; ok0 += usize::from(s.mw == 0); continue; }
        if shown < show { shown += 1; println!("mw {} {} {}", s.mw, s.prof, d[0]); }
    }
    println!("{ok} of {}; mw=0: {ok0} of {n0}", schedules.len());
}
