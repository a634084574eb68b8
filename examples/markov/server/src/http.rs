//! The HTTP interface: listens, answers, stops on SIGTERM and SIGINT.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::chain::{Parts, Prefix, links};
use crate::flags::{Flags, host_and_port};
use crate::store::{Store, Unavailable};
use crate::{cleaner, log};

/// The longest text taken at once, in bytes; it is held in memory together with its links.
const MAX_TEXT: usize = 16 << 20;

/// The longest text made up, in words: a chain can go in circles without ever meeting a punctuation mark.
const MAX_WORDS: usize = 10_000;

/// How long requests under way may take once the server was told to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Why the server does not serve.
#[derive(Debug)]
pub(crate) enum ServeError {
    /// The address cannot be listened on.
    Listen { address: String, error: io::Error },
    /// The kernel refused something no server can do without.
    System(io::Error),
    /// The address of redis cannot be used.
    Redis(Unavailable),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: {error}\nhint: stop what uses it, or choose another port"
                )
            }
            Self::Listen { address, error } => {
                write!(
                    f,
                    "cannot listen on {address}: {error}\nhint: choose another -listenAddr, as in 127.0.0.1:8000"
                )
            }
            Self::System(error) => {
                write!(f, "cannot serve: {error}\nhint: see the limits on processes and open files")
            }
            Self::Redis(error) => write!(f, "{error}"),
        }
    }
}

/// What all requests share.
struct Service {
    store: Store,
    prefix_len: usize,
}

/// Serves until a signal ends it.
pub(crate) fn serve(flags: &Flags) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServeError::System)?;
    runtime.block_on(async {
        let store = Store::new(&flags.redis_addr).map_err(ServeError::Redis)?;
        let service = Arc::new(Service { store, prefix_len: flags.prefix_len });
        let listener = listen(&flags.listen_addr)
            .await
            .map_err(|error| ServeError::Listen { address: flags.listen_addr.clone(), error })?;
        let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::System)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::System)?;
        if let Ok(address) = listener.local_addr() {
            log::line(format_args!("listening on {address}"));
        }

        let cleaned = Arc::clone(&service);
        let hours = flags.timeout;
        tokio::spawn(async move { cleaner::run(&cleaned.store, hours).await });

        let (stop, stopped) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            std::future::poll_fn(|context| {
                if terminate.poll_recv(context).is_ready()
                    || interrupt.poll_recv(context).is_ready()
                {
                    return std::task::Poll::Ready(());
                }
                std::task::Poll::Pending
            })
            .await;
            // Fails only where nobody listens any more, and then there is nothing to stop.
            let _ = stop.send(true);
            tokio::time::sleep(LAST_ANSWERS).await;
            log::line("requests did not end in time and are dropped");
            std::process::exit(0);
        });
        let mut graceful = stopped.clone();
        axum::serve(listener, router(service))
            .with_graceful_shutdown(async move {
                let _ = graceful.wait_for(|stopped| *stopped).await;
            })
            .await
            .map_err(ServeError::System)?;
        log::line("stopped");
        Ok(())
    })
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/build", post(build))
        .route("/generate", get(generate))
        .layer(DefaultBodyLimit::max(MAX_TEXT))
        .with_state(service)
}

/// Listens as Go does: without a host on all addresses, both families where the kernel has both.
async fn listen(address: &str) -> io::Result<TcpListener> {
    match host_and_port(address) {
        Some(("", port)) => {
            match TcpListener::bind((IpAddr::from(Ipv6Addr::UNSPECIFIED), port)).await {
                Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                    TcpListener::bind((IpAddr::from(Ipv4Addr::UNSPECIFIED), port)).await
                }
                result => result,
            }
        }
        // Without asking a resolver, which in a bare container may not know it.
        Some(("localhost", port)) => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await,
        Some((host, port)) => TcpListener::bind((host, port)).await,
        None => TcpListener::bind(address).await,
    }
}

#[derive(Deserialize)]
struct BuildQuery {
    #[serde(rename = "chainName", default)]
    chain: String,
}

#[derive(Deserialize)]
struct GenerateQuery {
    #[serde(rename = "chainName", default)]
    chain: String,
    #[serde(rename = "numParts", default)]
    parts: String,
}

type Answer = Result<String, (StatusCode, String)>;

fn unavailable(error: &Unavailable) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n"))
}

async fn build(
    State(service): State<Arc<Service>>,
    Query(query): Query<BuildQuery>,
    text: Bytes,
) -> Answer {
    let links = links(&text, &query.chain, service.prefix_len);
    service.store.add(&links, cleaner::now()).await.map_err(|error| unavailable(&error))?;
    Ok(String::new())
}

async fn generate(
    State(service): State<Arc<Service>>,
    Query(query): Query<GenerateQuery>,
) -> Answer {
    let mut parts = Parts::wanted(number_of_parts(&query.parts)?);
    let mut prefix = Prefix::start(service.prefix_len);
    let mut words: Vec<String> = Vec::new();
    while words.len() < MAX_WORDS {
        let key = prefix.key(&query.chain);
        let Some(word) = service.store.any_word(&key).await.map_err(|error| unavailable(&error))?
        else {
            break;
        };
        prefix.shift(word.clone());
        let goes_on = parts.goes_on_after(&word);
        words.push(word);
        if !goes_on {
            break;
        }
    }
    Ok(words.join(" ") + "\n")
}

fn number_of_parts(value: &str) -> Result<NonZeroU32, (StatusCode, String)> {
    if value.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "numParts argument must be specified\n".into()));
    }
    value
        .parse()
        .map_err(|error| (StatusCode::BAD_REQUEST, format!("invalid value of numParts: {error}\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_parts_is_a_positive_number() {
        assert_eq!(number_of_parts("3").expect("a number").get(), 3);
        for (value, wanted) in
            [("", "must be specified"), ("0", "invalid value"), ("-1", "invalid"), ("x", "invalid")]
        {
            let (status, text) = number_of_parts(value).expect_err("refused");
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(text.contains(wanted), "{value:?}: {text}");
        }
    }

    #[test]
    fn a_taken_address_is_explained() {
        let error =
            ServeError::Listen { address: ":1".into(), error: io::ErrorKind::AddrInUse.into() };
        assert_eq!(
            error.to_string(),
            "cannot listen on :1: address in use\nhint: stop what uses it, or choose another port"
        );
    }
}
