/*-------------------------------------------------------------------------
 *
 * output.h
 *	  Bytes on their way to a socket: a buffer that grows, and references to
 *	  bytes elsewhere that writev() takes from where they are.
 *
 * What fails (a limit, no memory, kafka_encode()) leaves the output failed: "error"
 * says why, what is put then is dropped, and the end of the frame takes back the
 * frame.  So a caller may look at the end only.
 *
 * IDENTIFICATION
 *	  broker/protocol/output.h
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
	size_t		limit;			/* of what is not sent yet, references
								 * included */
	size_t		reference_from; /* records of so many bytes are not copied */
	const char *error;			/* NULL, or why it failed; static */

	char	   *buffer;
	size_t		len;
	size_t		capacity;
	KafkaReference *references;
	size_t		n_references;
	size_t		reference_capacity;
	size_t		referred;		/* bytes referred to that are not sent yet */

	/* what has been sent: of the buffer, references, of the next reference */
	size_t		sent;
	size_t		sent_references;
	size_t		sent_of_reference;
} KafkaOutput;

/* Where a frame begins. */
typedef struct KafkaFrame
{
	size_t		len;
	size_t		referred;
	size_t		n_references;
} KafkaFrame;

/* Records below this many bytes cost less to copy than to refer to. */
#define KAFKA_REFERENCE_FROM 4096

/*
 * Begin an empty output; it takes no memory before the first byte.
 * reference_from is set to KAFKA_REFERENCE_FROM; SIZE_MAX copies everything.
 */
extern void kafka_output_init(KafkaOutput *out, size_t limit);

/* Give the memory back; the output is empty then, and may be used again. */
extern void kafka_output_free(KafkaOutput *out);

/* The output failed, unless it had before. */
extern void kafka_output_fail(KafkaOutput *out, const char *error);

/*
 * Room for size more bytes at the end, which the caller fills, or NULL if the
 * output failed.  The pointer is good until the next call.
 */
extern char *kafka_output_room(KafkaOutput *out, size_t size);

/* Append a copy of bytes. */
extern void kafka_output_copy(KafkaOutput *out, const char *data, size_t len);

/* Append a reference to bytes, which must stay until they are sent. */
extern void kafka_output_refer(KafkaOutput *out, const char *data, size_t len);

/*
 * Between these two lies a frame.  The first leaves room for its size and
 * forgets an earlier failure, the second fills the size in; false if the output
 * failed: without the frame then, but with "error".
 */
extern KafkaFrame kafka_output_begin_frame(KafkaOutput *out);
extern bool kafka_output_end_frame(KafkaOutput *out, KafkaFrame frame);

/* How many bytes are to be sent yet. */
extern size_t kafka_output_unsent(const KafkaOutput *out);

/*
 * The next bytes to be sent, as at most max pieces for writev().  Returns the
 * number of pieces, 0 at the end.
 */
extern int	kafka_output_pieces(const KafkaOutput *out, struct iovec *pieces,
								int max);

/*
 * n bytes of them were sent (not within a frame).  The buffer is kept for what
 * comes.
 */
extern void kafka_output_sent(KafkaOutput *out, size_t n);

#endif							/* EL_BROKER_OUTPUT_H */
