/*-------------------------------------------------------------------------
 *
 * snappy.h
 *	  Reading Snappy, as Kafka's clients write it.
 *
 * IDENTIFICATION
 *	  src/kafka/snappy.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_SNAPPY_H
#define EL_SNAPPY_H

/*
 * How many bytes len bytes of Snappy expand to, by what they say; never more
 * than 22 times len, for what no bytes could keep is refused.  False: they are
 * corrupt.
 */
extern bool el_snappy_size(const char *src, size_t len, uint64 *size);

/*
 * Decompress len bytes into dst, which has the size bytes that el_snappy_size()
 * has told.  False: they are corrupt or expand to another size, and what is in
 * dst has no meaning.
 */
extern bool el_snappy_decompress(const char *src, size_t len, char *dst,
								 size_t size);

#endif							/* EL_SNAPPY_H */
