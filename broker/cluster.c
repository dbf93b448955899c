/*-------------------------------------------------------------------------
 *
 * cluster.c
 *	  Who this cluster is.
 *
 * Kafka's ids of clusters are 16 bytes in base64 for URLs, without padding.
 * These are the system identifier, the database's OID and four zeros: the same
 * after a restart, a promotion and from every broker of that database.
 *
 * IDENTIFICATION
 *	  broker/cluster.c
 *
 *-------------------------------------------------------------------------
 */
#include "broker/cluster.h"

static char id[22];
static int	id_len;

KafkaString
cluster_id(void)
{
	return (KafkaString)
	{
		id, id_len
	};
}

void
cluster_set_id(uint64_t system_identifier, uint32_t database)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t		bytes[18] = {0};	/* 16, and two so that it is whole digits */

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t) (system_identifier >> (56 - 8 * i));
	for (int i = 0; i < 4; i++)
		bytes[8 + i] = (uint8_t) (database >> (24 - 8 * i));
	for (int i = 0; i < (int) sizeof(id); i++)
	{
		int			bit = i * 6;
		int			two = bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

		id[i] = digits[two >> (10 - bit % 8) & 63];
	}
	id_len = sizeof(id);
}
