//! A question to a running agent and its answer, over a socket that has no file and no port: an
//! abstract Unix socket, which is there as long as the agent is.

use std::io::{self, Read};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

/// Bytes of stack for the thread that answers: it calls nothing deep.
const STACK: usize = 32 << 10;
/// Until an answer has to be there, and taken.
const LIMIT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const MOST: u64 = 1024;
/// Bytes of a socket's name that the end of a path may take.
const PATH: usize = 60;

/// Answers whoever asks the agent whose state is in `root`: with what `answer` returns, one at a
/// time. Fails if another one does already, and if no thread can be started.
pub(crate) fn serve(root: &Path, answer: impl Fn() -> String + Send + 'static) -> io::Result<()> {
    let listener = UnixListener::bind_addr(&address(root)?)?;
    let serve = move || loop {
        let Ok((mut stream, _)) = listener.accept() else {
            // Out of descriptors: others will be free again.
            crate::base::clock::pause(LIMIT);
            continue;
        };
        // Whoever does not take the answer does not get it.
        drop(stream.set_write_timeout(Some(LIMIT)));
        drop(io::Write::write_all(&mut stream, answer().as_bytes()));
    };
    let thread = thread::Builder::new().name("inquiry".to_owned());
    thread.stack_size(STACK).spawn(serve).map(drop)
}

/// What the agent answers whose state is in `root`. Fails if there is none, or none that answers.
pub(crate) fn ask(root: &Path) -> io::Result<String> {
    let stream = UnixStream::connect_addr(&address(root)?)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Sockets without a file are those of a network namespace, which several containers may share: the
/// process namespace tells them apart.
fn address(root: &Path) -> io::Result<SocketAddr> {
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let root = root.as_os_str().as_encoded_bytes();
    let root = root
        .get(root.len().saturating_sub(PATH)..)
        .unwrap_or_default();
    let space = space.as_os_str().as_encoded_bytes();
    let name = [b"mackerel-agent/", space, b":", root].concat();
    SocketAddr::from_abstract_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agent_of_the_same_root_answers_and_only_one_does() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("x".repeat(200));
        ask(&root).unwrap_err();
        serve(&root, || "well".to_owned()).unwrap();
        for _ in 0..3 {
            assert_eq!(ask(&root).unwrap(), "well");
        }
        serve(&root, || "mine".to_owned()).unwrap_err();
        ask(directory.path()).unwrap_err();
    }
}
