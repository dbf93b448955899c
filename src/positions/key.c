/*-------------------------------------------------------------------------
 *
 * key.c
 *	  Keys of positions: the text on the log, and its hash.
 *
 *	key		["kind", "topic uuid", "name"]
 *	value	the position, a number; null, a tombstone, when it has expired
 *
 * The text is UTF-8, as all JSON on the log is, and has one form: keys are equal if
 * their bytes are, so nothing has to parse them.
 *
 * IDENTIFICATION
 *	  src/positions/key.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "positions/key.h"

void
el_position_hash(ElPositionHash *hash, const char *text, int32 len)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];

	if (ctx == NULL || pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) text, len) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute the hash of a position's key")));
	pg_cryptohash_free(ctx);
	memcpy(hash->bytes, digest, EL_POSITION_HASH_LEN);
}

void
el_position_key(ElPositionKey *key, const char *kind, const pg_uuid_t *uuid,
				const char *name)
{
	StringInfoData text;
	StringInfoData quoted;

	initStringInfo(&text);
	initStringInfo(&quoted);
	escape_json(&quoted, name);
	appendStringInfo(&text, "[\"%s\", \"%s\", %s]", kind,
					 DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid))),
					 pg_server_to_any(quoted.data, quoted.len, PG_UTF8));
	pfree(quoted.data);
	key->text = text.data;
	key->len = text.len;

	el_position_hash(&key->hash, key->text, key->len);
}

char *
el_position_key_name(const char *text, int32 len)
{
	int			quotes = 0;
	int32		i;

	for (i = 0; i < len && quotes < 5; i++)
		quotes += text[i] == '"';

	return pg_any_to_server(pnstrdup(text +i, Max(len - i - 2, 0)),
							Max(len - i - 2, 0), PG_UTF8);
}

char *
el_position_text(int64 position)
{
	return psprintf("%lld", (long long) position);
}

bool
el_position_parse(const char *text, int32 len, int64 *position)
{
	char		digits[24];

	if (len <= 0 || len >= (int32) sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	if ((int32) strspn(digits, "0123456789") != len)
		return false;
	errno = 0;
	*position = strtoi64(digits, NULL, 10);
	return errno == 0;
}
