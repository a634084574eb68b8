//! The chains in redis.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, Pipeline, RedisError};
use tokio::sync::Mutex;

use crate::chain::{KEYS, Link};
use crate::flags::RedisAddr;

/// How long to wait for a connection; redis is on the same machine or near.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait for an answer; redis rewrites and loads its file within this on any text a person has.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Commands in one request to redis: bounds the memory for it, and how long others wait.
const BATCH: usize = 1_000;

/// Redis could not be asked: it is away, or starting, or refuses.
#[derive(Debug)]
pub(crate) struct Unavailable(RedisError);

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "redis cannot be asked: {}\nhint: try again when redis runs", self.0)
    }
}

/// A redis that may come and go: the connection is made when it is needed, and made again when it broke.
#[derive(Debug)]
pub(crate) struct Store {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Store {
    /// A store that connects at its first use.
    pub(crate) fn new(address: &RedisAddr) -> Result<Self, Unavailable> {
        let address = match address {
            RedisAddr::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
            RedisAddr::Socket(path) => ConnectionAddr::Unix(path.clone()),
        };
        let client = Client::open(address).map_err(Unavailable)?;
        Ok(Self { client, connection: Mutex::new(None) })
    }

    /// Adds links, seen at a time in seconds since 1970.
    pub(crate) async fn add(&self, links: &[Link], time: u64) -> Result<(), Unavailable> {
        for batch in links.chunks(BATCH) {
            let mut commands = redis::pipe();
            for link in batch {
                commands.zadd(&link.key, &link.word, time).ignore();
            }
            self.ask::<()>(&commands).await?;
        }
        Ok(())
    }

    /// One of the words behind a prefix, each with the same chance; none at the end of a chain.
    pub(crate) async fn any_word(&self, key: &str) -> Result<Option<String>, Unavailable> {
        let (count,): (isize,) = self.ask(redis::pipe().zcard(key)).await?;
        if count < 1 {
            return Ok(None);
        }
        let chosen = fastrand::isize(0..count);
        // Not ZRANDMEMBER, which older versions of redis lack. Empty where a word was removed meanwhile.
        let (words,): (Vec<String>,) = self.ask(redis::pipe().zrange(key, chosen, chosen)).await?;
        Ok(words.into_iter().next())
    }

    /// Removes all words last seen at that time or before.
    pub(crate) async fn forget_until(&self, time: u64) -> Result<(), Unavailable> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::pipe();
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(KEYS).arg("COUNT").arg(BATCH);
            let ((next, keys),): ((u64, Vec<Vec<u8>>),) = self.ask(&scan).await?;
            let mut removal = redis::pipe();
            for key in keys {
                removal.zrembyscore(key, 0, time).ignore();
            }
            if !removal.is_empty() {
                self.ask::<()>(&removal).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Sends commands; once more over a new connection where an old one broke. Doing any of them twice does no harm.
    async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Unavailable> {
        let (mut connection, was_open) = self.connection().await?;
        match commands.query_async(&mut connection).await {
            Ok(answer) => Ok(answer),
            Err(error) if is_broken(&error) => {
                *self.connection.lock().await = None;
                if !was_open || error.is_timeout() {
                    return Err(Unavailable(error));
                }
                let (mut connection, _) = self.connection().await?;
                commands.query_async(&mut connection).await.map_err(Unavailable)
            }
            Err(error) => Err(Unavailable(error)),
        }
    }

    /// The connection, and whether it was there already.
    async fn connection(&self) -> Result<(MultiplexedConnection, bool), Unavailable> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = &*connection {
            return Ok((open.clone(), true));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let open = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(Unavailable)?;
        *connection = Some(open.clone());
        Ok((open, false))
    }
}

fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || error.is_unrecoverable_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redis_that_is_not_there_is_unavailable() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let store = Store::new(&RedisAddr::Socket("/nonexistent/redis.sock".into()))
                .expect("no connection yet");
            let error = store.any_word("key").await.expect_err("no redis");
            assert!(error.to_string().ends_with("\nhint: try again when redis runs"), "{error}");
        });
    }
}
