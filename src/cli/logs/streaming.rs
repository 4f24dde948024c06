//! Streams onto stdout: one as it is, several one after the other, or side by side while they are followed.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::cli::Context;
use crate::cli::Exit;
use crate::cli::Failure;
use crate::cli::logs::Args;
use crate::cli::logs::sources::Source;
use crate::client::Client;

/// Copies every stream to its end.
pub(super) async fn copy(
    sources: Vec<Source>,
    args: &Args,
    context: &Context,
    client: &Client,
) -> Result<Exit, Failure> {
    let mut failures = Vec::new();
    match sources.as_slice() {
        [one] if !args.prefix => failures.extend(whole(one, context, client).await.err()),
        several if args.follow => {
            let mut running: FuturesUnordered<_> = several
                .iter()
                .map(|one| lines(one, args.prefix, context, client))
                .collect();
            while let Some(ended) = running.next().await {
                failures.extend(ended.err());
            }
        }
        several => {
            for one in several {
                failures.extend(lines(one, args.prefix, context, client).await.err());
            }
        }
    }
    Failure::all(failures).map(|()| Exit::Done)
}

/// Copies bytes as they come.
async fn whole(source: &Source, context: &Context, client: &Client) -> Result<(), Failure> {
    let mut body = client.open(&source.path).await?;
    while let Some(chunk) = body.chunk().await {
        context.streams.out_bytes(&chunk?)?;
    }
    Ok(())
}

/// Copies whole lines, so that those of several streams do not mix; a last one without an end gets one.
async fn lines(
    source: &Source,
    prefix: bool,
    context: &Context,
    client: &Client,
) -> Result<(), Failure> {
    let prefix = if prefix {
        format!("[{}] ", source.label)
    } else {
        String::new()
    };
    let mut body = client.open(&source.path).await?;
    let mut rest = Vec::new();
    while let Some(chunk) = body.chunk().await {
        rest.extend_from_slice(&chunk?);
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
            continue;
        };
        let unfinished = rest.split_off(end + 1);
        context.streams.out_bytes(&prefixed(&rest, &prefix))?;
        rest = unfinished;
    }
    if !rest.is_empty() {
        rest.push(b'\n');
        context.streams.out_bytes(&prefixed(&rest, &prefix))?;
    }
    Ok(())
}

fn prefixed(lines: &[u8], prefix: &str) -> Vec<u8> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines
        .flat_map(|line| [prefix.as_bytes(), line].concat())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_prefix_also_an_empty_one() {
        assert_eq!(prefixed(b"a\n\nb\n", "[p] "), b"[p] a\n[p] \n[p] b\n");
    }
}
