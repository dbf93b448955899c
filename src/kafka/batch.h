/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Kafka RecordBatch v2: the format, and all that reads and writes it.
 *
 * The format is Kafka's, to the byte: see clients/.../record/
 * DefaultRecordBatch.java and DefaultRecord.java.  All integers of a batch's
 * header are big-endian:
 *
 *	offset	bytes	field
 *	0		8		baseOffset				outside the CRC
 *	8		4		batchLength				bytes after this field
 *	12		4		partitionLeaderEpoch	outside the CRC; here the timeline
 *	16		1		magic = 2
 *	17		4		crc						CRC-32C of bytes 21 .. end
 *	21		2		attributes				bits 0-2 codec
 *	23		4		lastOffsetDelta
 *	27		8		baseTimestamp			ms since the Unix epoch
 *	35		8		maxTimestamp
 *	43		8		producerId				-1: none
 *	51		2		producerEpoch			-1: none
 *	53		4		baseSequence			-1: none
 *	57		4		recordsCount
 *	61		...		records, compressed as one piece if a codec is set
 *
 * record.h describes the records.
 *
 * IDENTIFICATION
 *	  src/kafka/batch.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_BATCH_H
#define EL_BATCH_H

#include "kafka/batch_builder.h"
#include "kafka/batch_header.h"
#include "kafka/batch_reader.h"
#include "kafka/record.h"

#endif							/* EL_BATCH_H */
