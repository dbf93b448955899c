/*-------------------------------------------------------------------------
 *
 * output.h
 *	  Bytes on their way to a socket: a buffer that grows, and references to
 *	  bytes elsewhere that writev() takes from where they are.
 *
 * Positions count all bytes from the beginning, those referred to included.
 * A function that fails leaves the output failed: what is put then is dropped,
 * and "error" says why.  kafka_output_cut() goes back to before it.
 *
 * IDENTIFICATION
 *	  broker/output.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BROKER_OUTPUT_H
#define EL_BROKER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Bytes elsewhere, which come before the buffer's byte number "before". */
typedef struct KafkaReference
{
	size_t		before;
	const char *data;
	size_t		len;
} KafkaReference;

typedef struct KafkaOutput
{
	size_t		limit;			/* of len + referred */
	size_t		reference_from; /* records of so many bytes are not copied */
	const char *error;			/* NULL, or why it failed; static */

	char	   *buffer;
	size_t		len;
	size_t		capacity;
	size_t		referred;		/* bytes referred to */
	KafkaReference *references;
	size_t		n_references;
	size_t		reference_capacity;

	/* what has been sent: of the buffer, references, of the next reference */
	size_t		sent_buffer;
	size_t		sent_references;
	size_t		sent_of_reference;
} KafkaOutput;

/* A place in an output to which it can be cut back. */
typedef struct KafkaOutputMark
{
	size_t		len;
	size_t		referred;
	size_t		n_references;
} KafkaOutputMark;

/* Records below this many bytes cost less to copy than to refer to. */
#define KAFKA_REFERENCE_FROM 4096

/*
 * Begin an empty output; it takes no memory before the first byte.
 * reference_from is set to KAFKA_REFERENCE_FROM; SIZE_MAX copies everything.
 */
extern void kafka_output_init(KafkaOutput *out, size_t limit);

/* Give the memory back; the output is empty then, and may be used again. */
extern void kafka_output_free(KafkaOutput *out);

/*
 * Room for size more bytes at the end, which the caller fills, or NULL if the
 * output failed.  The pointer is good until the next call.
 */
extern char *kafka_output_room(KafkaOutput *out, size_t size);

/* Append a copy of bytes, or, with refer, a reference: they must stay then. */
extern void kafka_output_bytes(KafkaOutput *out, const char *data, size_t len,
							   bool refer);

/* Where the output ends now, and back to there, the failure forgotten. */
extern KafkaOutputMark kafka_output_mark(const KafkaOutput *out);
extern void kafka_output_cut(KafkaOutput *out, KafkaOutputMark mark);

/*
 * Between these two lies a frame: the first leaves room for its size, the
 * second fills it in.  False if the output failed; it is as before the frame
 * then, but for "error".
 */
extern KafkaOutputMark kafka_output_begin_frame(KafkaOutput *out);
extern bool kafka_output_end_frame(KafkaOutput *out, KafkaOutputMark begin);

/* How many bytes are to be sent yet. */
extern size_t kafka_output_unsent(const KafkaOutput *out);

/*
 * The next bytes to be sent, as at most max pieces for writev(); the number of
 * pieces, 0 at the end.
 */
extern int	kafka_output_pieces(const KafkaOutput *out, struct iovec *pieces, int max);

/*
 * n of them were sent.  After the last the output is empty again, and keeps its
 * buffer.
 */
extern void kafka_output_sent(KafkaOutput *out, size_t n);

#endif							/* EL_BROKER_OUTPUT_H */
