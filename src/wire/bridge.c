/*-------------------------------------------------------------------------
 *
 * bridge.c
 *	  A batch over offsets that nobody has: the end of a log that is aborted.
 *
 * Kafka ends each transaction with a control batch, which takes an offset; here there
 * is none.  Clients that wait until they are at the log's end would wait for ever
 * behind aborted offsets, so what they are given there is what Kafka's log would end
 * with: a control batch whose one record is a COMMIT marker at its last offset.  An
 * ABORT marker some clients look up in the list of aborted transactions, and a batch
 * without records some do not pass.
 *
 * IDENTIFICATION
 *	  src/wire/bridge.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "kafka/batch.h"
#include "wire/bridge.h"

/* Of control records: version 0, type COMMIT; version 0, coordinator epoch 0. */
static const char commit_key[4] = {0, 0, 0, 1};
static const char commit_value[6] = {0};

uint32
el_bridge(char *buf, int64 from, int64 to, int64 time_ms, int32 leader_epoch)
{
	ElBatchHeader h = {0};
	char		record[EL_BRIDGE_SIZE];
	char	   *p = record;
	int32		len;

	Assert(from < to);
	h.base_offset = from;
	h.last_offset_delta = (int32) Min(to - from - 1, PG_INT32_MAX);
	h.leader_epoch = leader_epoch;
	h.attributes = EL_ATTR_CONTROL;
	h.base_timestamp = h.max_timestamp = time_ms;
	h.producer_id = -1;
	h.producer_epoch = -1;
	h.base_sequence = -1;
	h.record_count = 1;

	*p++ = 0;					/* attributes */
	p += el_put_varlong(p, 0);	/* timestamp delta */
	p += el_put_varint(p, h.last_offset_delta);
	p += el_put_varint(p, sizeof(commit_key));
	memcpy(p, commit_key, sizeof(commit_key));
	p += sizeof(commit_key);
	p += el_put_varint(p, sizeof(commit_value));
	memcpy(p, commit_value, sizeof(commit_value));
	p += sizeof(commit_value);
	p += el_put_varint(p, 0);	/* headers */

	len = EL_BATCH_HEADER_SIZE;
	len += el_put_varint(buf + len, p - record);
	memcpy(buf + len, record, p - record);
	len += p - record;
	Assert(len <= EL_BRIDGE_SIZE);
	h.batch_length = len - EL_BATCH_LOG_OVERHEAD;
	el_batch_write_header(buf, &h);
	return len;
}
