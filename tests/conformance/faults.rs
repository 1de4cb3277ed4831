//! An outside system whose connections and answers go wrong, one after the other.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::upstream::{Answer, PATIENCE, read, write};

/// What happens to one attempt.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// It is answered, after a while.
    Answer(Duration, Answer),
    /// It is taken in and never answered.
    Silence,
    /// It gets no connection: what it asks with is dropped.
    NoConnection,
    /// Nobody listens.
    Refusal,
}

/// Plays the turns in order, then nobody listens any more. The URL.
pub(crate) fn playing(turns: Vec<Turn>) -> anyhow::Result<String> {
    let listener = listening()?;
    let address = listener.local_addr()?;
    let mut stage = Stage { address, listener: Some(listener), filler: None, held: Vec::new(), seen: HashSet::new() };
    stage.prepare(turns.first());
    std::thread::spawn(move || {
        for (number, turn) in turns.iter().enumerate() {
            // A caller that goes away is the caller's affair.
            let _ = stage.play(turn, turns.get(number + 1), number + 1);
        }
    });
    Ok(format!("http://{address}"))
}

/// A listener whose queue is full with one connection that nobody has taken. Only tokio's sockets let one say so.
fn listening() -> anyhow::Result<TcpListener> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        socket.listen(0)?.into_std()
    })?;
    listener.set_nonblocking(false)?;
    Ok(listener)
}

struct Stage {
    address: SocketAddr,
    listener: Option<TcpListener>,
    /// What fills the queue.
    filler: Option<TcpStream>,
    /// Connections that are never answered.
    held: Vec<TcpStream>,
    /// The ports from which connections were asked for in vain.
    seen: HashSet<String>,
}

impl Stage {
    /// Makes ready for a turn before its attempt can come.
    fn prepare(&mut self, turn: Option<&Turn>) {
        match turn {
            None | Some(Turn::Refusal) => self.listener = None,
            Some(Turn::NoConnection) if self.filler.is_none() => self.filler = TcpStream::connect(self.address).ok(),
            Some(_) => {}
        }
    }

    fn play(&mut self, turn: &Turn, next: Option<&Turn>, number: usize) -> anyhow::Result<()> {
        match turn {
            Turn::Refusal => {}
            Turn::NoConnection => {
                self.asked_in_vain()?;
                if !matches!(next, Some(Turn::NoConnection)) {
                    // Room for the next; what was dropped is asked for again only when it is too late.
                    let _ = self.accept()?;
                    self.filler = None;
                    self.prepare(next);
                }
            }
            Turn::Silence => {
                let stream = self.accept()?;
                self.prepare(next);
                read(&stream).context("no request")?;
                self.held.push(stream);
            }
            Turn::Answer(after, answer) => {
                let stream = self.accept()?;
                self.prepare(next);
                read(&stream).context("no request")?;
                std::thread::sleep(*after);
                write(&stream, answer, number).context("no listener")?;
            }
        }
        Ok(())
    }

    fn accept(&self) -> anyhow::Result<TcpStream> {
        let (stream, _) = self.listener.as_ref().context("nobody listens")?.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Waits until another connection to here is asked for: the kernel's table says so, and nothing else does.
    fn asked_in_vain(&mut self) -> anyhow::Result<()> {
        const SYN_SENT: &str = "02";
        let here = format!(":{:04X}", self.address.port());
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            for line in std::fs::read_to_string("/proc/net/tcp")?.lines() {
                let mut fields = line.split_whitespace().skip(1);
                let (Some(from), Some(to), Some(state)) = (fields.next(), fields.next(), fields.next()) else {
                    continue;
                };
                if state == SYN_SENT && to.ends_with(&here) && self.seen.insert(from.to_owned()) {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        anyhow::bail!("no connection was asked for")
    }
}
