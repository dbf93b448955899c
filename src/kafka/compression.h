/*-------------------------------------------------------------------------
 *
 * compression.h
 *	  The records of a batch, compressed as one piece.
 *
 * Compression contexts are kept for the life of the process and used by one
 * call at a time: a program with threads calls from one of them.
 *
 * IDENTIFICATION
 *	  src/kafka/compression.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_COMPRESSION_H
#define EL_COMPRESSION_H

#include "kafka/scratch.h"

/* Kafka's numbers; all fit EL_ATTR_CODEC_MASK */
typedef enum ElCodec
{
	EL_CODEC_NONE = 0,
	EL_CODEC_GZIP = 1,			/* read, not written */
	EL_CODEC_SNAPPY = 2,		/* the same */
	EL_CODEC_LZ4 = 3,			/* LZ4 frame, 64 KB independent blocks */
	EL_CODEC_ZSTD = 4
} ElCodec;

/* Is the codec one that el_compress_records() knows? */
static inline bool
el_codec_is_written(ElCodec codec)
{
	return codec == EL_CODEC_LZ4 || codec == EL_CODEC_ZSTD;
}

/*
 * Compress len bytes (LZ4 or zstd) into *scratch, behind room bytes that are
 * left free for a header.  Returns the compressed size, without the room, or 0
 * if that is no smaller than len or cannot be had: a batch may always be
 * stored as it is.
 */
extern size_t el_compress_records(ElCodec codec, const char *src, size_t len,
								  size_t room, ElScratch *scratch);

/*
 * Decompress len bytes of any codec but none into *scratch: *out_len bytes,
 * never more than most, whatever the stream claims.  Several frames in a row
 * are one stream, as are members of gzip.  Returns NULL or what is wrong, a
 * static phrase.
 */
extern const char *el_decompress_records(ElCodec codec,
										 const char *src, size_t len,
										 size_t most, ElScratch *scratch,
										 size_t *out_len);

#endif							/* EL_COMPRESSION_H */
