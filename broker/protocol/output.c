/*-------------------------------------------------------------------------
 *
 * output.c
 *	  Bytes on their way to a socket: a buffer that grows, and references to
 *	  bytes elsewhere that writev() takes from where they are.
 *
 * IDENTIFICATION
 *	  broker/protocol/output.c
 *
 *-------------------------------------------------------------------------
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "broker/protocol/bytes.h"
#include "broker/protocol/output.h"

#define FIRST_CAPACITY 512
#define FIRST_REFERENCES 8
#define SIZE_BYTES 4			/* of a frame's size */

static const char *const too_large = "answer is larger than its limit";
static const char *const no_memory = "out of memory";

void
kafka_output_init(KafkaOutput *out, size_t limit)
{
	*out = (KafkaOutput)
	{
		.limit = limit,.reference_from = KAFKA_REFERENCE_FROM
	};
}

void
kafka_output_free(KafkaOutput *out)
{
	size_t		reference_from = out->reference_from;

	free(out->buffer);
	free(out->references);
	kafka_output_init(out, out->limit);
	out->reference_from = reference_from;
}

void
kafka_output_fail(KafkaOutput *out, const char *error)
{
	if (out->error == NULL)
		out->error = error;
}

size_t
kafka_output_unsent(const KafkaOutput *out)
{
	return out->len - out->sent + out->referred;
}

/* Whether size more bytes are allowed; if not, the output failed. */
static bool
within_limit(KafkaOutput *out, size_t size)
{
	size_t		unsent = kafka_output_unsent(out);

	if (out->error == NULL && (unsent > out->limit || size > out->limit - unsent))
		out->error = too_large;
	return out->error == NULL;
}

/* Make *array hold at least need elements, by doubling it. */
static bool
enlarge(void **array, size_t *capacity, size_t need, size_t first, size_t size)
{
	size_t		wanted = *capacity == 0 ? first : *capacity;
	void	   *larger;

	while (wanted < need)
	{
		if (wanted > SIZE_MAX / 2 / size)
			return false;
		wanted *= 2;
	}
	larger = realloc(*array, wanted * size);
	if (larger == NULL)
		return false;
	*array = larger;
	*capacity = wanted;
	return true;
}

char *
kafka_output_room(KafkaOutput *out, size_t size)
{
	char	   *room;

	if (!within_limit(out, size))
		return NULL;
	if (size > out->capacity - out->len)
	{
		void	   *buffer = out->buffer;

		if (!enlarge(&buffer, &out->capacity, out->len + size, FIRST_CAPACITY, 1))
		{
			out->error = no_memory;
			return NULL;
		}
		out->buffer = buffer;
	}
	room = out->buffer + out->len;
	out->len += size;
	return room;
}

void
kafka_output_copy(KafkaOutput *out, const char *data, size_t len)
{
	char	   *room;

	if (len == 0)
		return;
	room = kafka_output_room(out, len);
	if (room != NULL)
		memcpy(room, data, len);
}

void
kafka_output_refer(KafkaOutput *out, const char *data, size_t len)
{
	if (len == 0 || !within_limit(out, len))
		return;
	if (out->n_references == out->reference_capacity)
	{
		void	   *references = out->references;

		if (!enlarge(&references, &out->reference_capacity, out->n_references + 1,
					 FIRST_REFERENCES, sizeof(KafkaReference)))
		{
			out->error = no_memory;
			return;
		}
		out->references = references;
	}
	out->references[out->n_references++] = (KafkaReference)
	{
		out->len, data, len
	};
	out->referred += len;
}

KafkaFrame
kafka_output_begin_frame(KafkaOutput *out)
{
	KafkaFrame	frame = {out->len, out->referred, out->n_references};

	out->error = NULL;
	(void) kafka_output_room(out, SIZE_BYTES);
	return frame;
}

bool
kafka_output_end_frame(KafkaOutput *out, KafkaFrame frame)
{
	size_t		size;

	if (out->error == NULL)
	{
		size = out->len - frame.len - SIZE_BYTES + out->referred - frame.referred;
		if (size <= INT32_MAX)
		{
			kafka_put_int32(out->buffer + frame.len, (int32_t) size);
			return true;
		}
		out->error = too_large;
	}
	out->len = frame.len;
	out->referred = frame.referred;
	out->n_references = frame.n_references;
	return false;
}

int
kafka_output_pieces(const KafkaOutput *out, struct iovec *pieces, int max)
{
	size_t		at = out->sent;
	size_t		skip = out->sent_of_reference;
	size_t		i;
	int			n = 0;

	for (i = out->sent_references; i < out->n_references && n < max; i++)
	{
		const KafkaReference *ref = &out->references[i];

		if (ref->before > at)
		{
			pieces[n++] = (struct iovec)
			{
				out->buffer + at, ref->before - at
			};
			at = ref->before;
			if (n == max)
				return n;
		}
		pieces[n++] = (struct iovec)
		{
			(char *) ref->data + skip, ref->len - skip
		};
		skip = 0;
	}
	if (n < max && out->len > at)
		pieces[n++] = (struct iovec)
	{
		out->buffer + at, out->len - at
	};
	return n;
}

/*
 * Forget what was sent of the buffer, once that is no less than what is left to
 * be moved: so a byte is moved once on average, and a connection that always has
 * something to send does not grow.
 */
static void
forget_sent(KafkaOutput *out)
{
	size_t		left = out->len - out->sent;
	size_t		references_left = out->n_references - out->sent_references;
	size_t		i;

	if (out->sent < left || out->sent_references < references_left)
		return;
	if (left > 0)
		memmove(out->buffer, out->buffer + out->sent, left);
	for (i = 0; i < references_left; i++)
	{
		out->references[i] = out->references[out->sent_references + i];
		out->references[i].before -= out->sent;
	}
	out->len = left;
	out->n_references = references_left;
	out->sent = 0;
	out->sent_references = 0;
}

void
kafka_output_sent(KafkaOutput *out, size_t n)
{
	assert(n <= kafka_output_unsent(out));
	while (n > 0)
	{
		const KafkaReference *ref = NULL;
		size_t		left = out->len - out->sent;

		if (out->sent_references < out->n_references)
		{
			ref = &out->references[out->sent_references];
			left = ref->before - out->sent;
		}
		if (left > 0)
		{
			left = left < n ? left : n;
			out->sent += left;
		}
		else
		{
			left = ref->len - out->sent_of_reference;
			left = left < n ? left : n;
			out->referred -= left;
			out->sent_of_reference += left;
			if (out->sent_of_reference == ref->len)
			{
				out->sent_references++;
				out->sent_of_reference = 0;
			}
		}
		n -= left;
	}
	forget_sent(out);
}
