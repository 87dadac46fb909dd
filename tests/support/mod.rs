//! The real binary as a child process, spoken to over its pipes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Node {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Node {
    /// `rehearsal node` with more arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rehearsal"))
            .arg("node")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Sends a line and waits for the next reply.
    #[allow(dead_code)]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).and_then(|()| input.write_all(b"\n")).unwrap();
        let mut reply = String::new();
        self.output.read_line(&mut reply).unwrap();
        reply.trim_end_matches('\n').to_owned()
    }

    /// Sends everything, ends the input, and gives all replies.
    #[allow(dead_code)]
    pub(crate) fn converse(self, text: &str) -> Vec<String> {
        self.converse_bytes(text.as_bytes())
    }

    /// The same for bytes that need not be text.
    #[allow(dead_code)]
    pub(crate) fn converse_bytes(mut self, bytes: &[u8]) -> Vec<String> {
        let mut input = self.input.take().unwrap();
        let bytes = bytes.to_owned();
        // Written from another thread: the node may reply before it has read everything.
        let writer = std::thread::spawn(move || {
            input.write_all(&bytes).unwrap();
        });
        let replies = self.output.by_ref().lines().map(Result::unwrap).collect();
        writer.join().unwrap();
        assert!(self.child.wait().unwrap().success());
        replies
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.input.take();
        let _ = self.child.wait();
    }
}
