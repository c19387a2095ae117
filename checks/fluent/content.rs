//! Reads an object's content as a stream, unpacked by what it is and not by what its name says.

use std::io::ErrorKind;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use super::lines::Scanner;

/// How an object is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Packing {
    /// RFC 1952, one member or several.
    Gzip,
    /// RFC 8878, one frame or several.
    Zstd,
    /// Not packed.
    Plain,
    /// A format that is not read; its name.
    Unread(&'static str),
}

impl std::fmt::Display for Packing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Plain => "plain",
            Self::Unread(name) => name,
        })
    }
}

/// Why an object's content cannot be read to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ContentError {
    /// The transfer broke; the next one may not.
    #[error("the transfer broke: {0}")]
    Transfer(String),
    /// The object itself is broken.
    #[error("the content is no whole {packing}: {reason}")]
    Broken {
        /// What it is, by its beginning.
        packing: Packing,
        /// What the decoder says.
        reason: String,
    },
}

/// The first bytes of formats.
const MAGIC: [(&[u8], Packing); 8] = [
    (&[0x1f, 0x8b], Packing::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Packing::Zstd),
    (b"PAR1", Packing::Unread("parquet")),
    (&[0xfd, b'7', b'z', b'X'], Packing::Unread("xz")),
    (b"BZh", Packing::Unread("bzip2")),
    (&[0x04, 0x22, 0x4d, 0x18], Packing::Unread("lz4")),
    (&[0xff, 0x06, 0x00, 0x00], Packing::Unread("snappy")),
    (&[0x89, b'L', b'Z', b'O'], Packing::Unread("lzop")),
];
const LONGEST_MAGIC: usize = 4;

/// The most that a zstd frame may have to be remembered of, as a power of two: 8 MiB, which every decoder should support.
///
/// <https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1.2>
const ZSTD_WINDOW_LOG: u32 = 23;

/// The kind of error by which a body says that its transfer broke; every other one is the decoder's.
pub(super) const TRANSFER: ErrorKind = ErrorKind::ConnectionAborted;

/// Unpacked content is looked at in pieces of this size.
const PIECE: usize = 64 * 1024;

fn packing_of(head: &[u8]) -> Packing {
    let found = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
    found.map_or(Packing::Plain, |(_, packing)| *packing)
}

/// Gives a whole content to the scanner; how it is packed and how many bytes it has unpacked.
pub(super) async fn scan(
    mut body: impl AsyncBufRead + Unpin,
    scanner: &mut Scanner<'_>,
) -> Result<(Packing, u64), ContentError> {
    let mut head = Vec::with_capacity(LONGEST_MAGIC);
    let read = (&mut body).take(LONGEST_MAGIC as u64).read_to_end(&mut head).await;
    read.map_err(|error| ContentError::Transfer(error.to_string()))?;
    let packing = packing_of(&head);
    let all = std::io::Cursor::new(head).chain(body);
    let unpacked = match packing {
        Packing::Gzip => {
            let mut decoder = GzipDecoder::new(all);
            decoder.multiple_members(true);
            feed(BufReader::with_capacity(PIECE, decoder), scanner).await
        }
        Packing::Zstd => {
            let mut decoder = ZstdDecoder::with_params(all, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)]);
            decoder.multiple_members(true);
            feed(BufReader::with_capacity(PIECE, decoder), scanner).await
        }
        Packing::Plain => feed(all, scanner).await,
        Packing::Unread(_) => Ok(0),
    };
    match unpacked {
        Ok(bytes) => Ok((packing, bytes)),
        Err(error) if error.kind() != TRANSFER => Err(ContentError::Broken { packing, reason: error.to_string() }),
        Err(error) => Err(ContentError::Transfer(error.to_string())),
    }
}

async fn feed(mut content: impl AsyncBufRead + Unpin, scanner: &mut Scanner<'_>) -> std::io::Result<u64> {
    let mut bytes = 0;
    loop {
        let piece = content.fill_buf().await?;
        if piece.is_empty() {
            return Ok(bytes);
        }
        let taken = piece.len();
        scanner.take(piece);
        content.consume(taken);
        bytes += taken as u64;
        // All checks share one thread, and a decoder that has its input never waits.
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
    use tokio::io::AsyncWriteExt;

    use super::super::lines::Wanted;
    use super::*;

    fn wanted() -> Wanted {
        Wanted { nonce: "run1.blue".to_owned(), lines: 3, length: 90 }
    }

    async fn read(content: &[u8]) -> Result<(Packing, u64, usize), ContentError> {
        let wanted = wanted();
        let mut scanner = Scanner::new(&wanted);
        let (packing, bytes) = scan(BufReader::with_capacity(3, content), &mut scanner).await?;
        Ok((packing, bytes, scanner.finish().whole.len()))
    }

    async fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(content).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }

    async fn zstd(content: &[u8]) -> Vec<u8> {
        let mut encoder = ZstdEncoder::new(Vec::new());
        encoder.write_all(content).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }

    #[tokio::test]
    async fn content_is_unpacked_by_what_it_is() {
        let (first, second) = (format!("{}\n", wanted().line(0)), format!("{}\n", wanted().line(1)));
        let both = [first.as_bytes(), second.as_bytes()].concat();
        let size = both.len() as u64;
        assert_eq!(read(&both).await.unwrap(), (Packing::Plain, size, 2));
        assert_eq!(read(&gzip(&both).await).await.unwrap(), (Packing::Gzip, size, 2));
        assert_eq!(read(&zstd(&both).await).await.unwrap(), (Packing::Zstd, size, 2));
        // Shippers append members, as fluentd does to its buffer chunks.
        let members = [gzip(first.as_bytes()).await, gzip(second.as_bytes()).await].concat();
        assert_eq!(read(&members).await.unwrap(), (Packing::Gzip, size, 2));
        let frames = [zstd(first.as_bytes()).await, zstd(second.as_bytes()).await].concat();
        assert_eq!(read(&frames).await.unwrap(), (Packing::Zstd, size, 2));
    }

    #[tokio::test]
    async fn short_and_foreign_contents_are_no_errors() {
        assert_eq!(read(b"").await.unwrap(), (Packing::Plain, 0, 0));
        assert_eq!(read(b"a").await.unwrap(), (Packing::Plain, 1, 0));
        assert_eq!(read(b"PAR1....PAR1").await.unwrap(), (Packing::Unread("parquet"), 0, 0));
    }

    #[tokio::test]
    async fn a_pack_that_is_not_whole_is_broken_and_not_a_transfer_to_repeat() {
        let line = wanted().line(0);
        for whole in [gzip(line.as_bytes()).await, zstd(line.as_bytes()).await] {
            let error = read(&whole[..whole.len() - 6]).await.unwrap_err();
            assert!(matches!(error, ContentError::Broken { .. }), "{error}");
        }
        let mut garbled = gzip(line.as_bytes()).await;
        garbled[12] ^= 0xff;
        assert!(matches!(read(&garbled).await.unwrap_err(), ContentError::Broken { .. }));
    }

    #[tokio::test]
    async fn a_transfer_that_breaks_is_no_broken_object() {
        let packed = gzip(wanted().line(0).as_bytes()).await;
        let (half, _) = packed.split_at(packed.len() / 2);
        let broken = breaking_after(half.to_vec());
        let wanted = wanted();
        let error = scan(broken, &mut Scanner::new(&wanted)).await.unwrap_err();
        assert!(matches!(error, ContentError::Transfer(_)), "{error}");
    }

    /// A body that breaks after its bytes.
    fn breaking_after(bytes: Vec<u8>) -> impl AsyncBufRead + Unpin {
        let pieces = [Ok(std::io::Cursor::new(bytes)), Err(std::io::Error::new(TRANSFER, "reset"))];
        tokio_util::io::StreamReader::new(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_frame_that_wants_too_much_memory_is_refused() {
        use async_compression::Level;
        use async_compression::zstd::CParameter;
        let params = [CParameter::window_log(27), CParameter::enable_long_distance_matching(true)];
        let mut encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Fastest, &params);
        let piece: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        for _ in 0..10 {
            encoder.write_all(&piece).await.unwrap();
        }
        encoder.shutdown().await.unwrap();
        let error = read(&encoder.into_inner()).await.unwrap_err();
        assert!(matches!(&error, ContentError::Broken { packing: Packing::Zstd, .. }), "{error}");
    }
}
