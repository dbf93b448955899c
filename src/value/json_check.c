/*-------------------------------------------------------------------------
 *
 * json_check.c
 *	  A quick look at whether bytes are JSON.
 *
 * PostgreSQL's parser takes about as long for an event of 100 bytes as all
 * that produce() does besides compressing it.  It copies, counts and calls back; for what is
 * plain, one pass over the bytes with no memory but a stack of bits says the same.
 *
 * Plain JSON ends with a bracket, as objects and arrays do: so a step over one
 * character that is not the last need not ask whether another one follows.
 *
 * IDENTIFICATION
 *	  src/value/json_check.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"

#include "value/json_check.h"

#define MAX_LEVELS 64

/* Strings and numbers are not walked byte by byte: what ends them is known of many bytes at once. */
#define WINDOW 64

typedef struct Scan
{
	const char *begin;			/* of the text */
	const char *end;
	const char *window;			/* bit i is about window[i] */
	uint64		stops;			/* is " or \ or a control character, or beyond
								 * the end */
	uint64		others;			/* is no digit */
} Scan;

#ifdef __SSE2__

/* 16 bytes at a time */
static inline void
look_at(const char *bytes, uint64 *stops, uint64 *others)
{
	*stops = *others = 0;
	for (int i = 0; i < WINDOW; i += 16)
	{
		__m128i		v = _mm_loadu_si128((const __m128i *) (bytes + i));
		__m128i		control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
		__m128i		quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
		__m128i		escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
		__m128i		digit = _mm_sub_epi8(v, _mm_set1_epi8('0'));
		__m128i		stop = _mm_or_si128(control, _mm_or_si128(quote, escape));
		__m128i		other = _mm_cmpeq_epi8(_mm_max_epu8(digit, _mm_set1_epi8(10)), digit);

		*stops |= (uint64) _mm_movemask_epi8(stop) << i;
		*others |= (uint64) _mm_movemask_epi8(other) << i;
	}
}

#else

#define EACH(byte)	(UINT64CONST(0x0101010101010101) * (byte))

/* The high bit of each byte that is zero. */
static inline uint64
zeros(uint64 v)
{
	return ~(((v & EACH(0x7F)) + EACH(0x7F)) | v | EACH(0x7F));
}

/* Eight high bits, the first byte's last. */
static inline uint64
gather(uint64 high_bits)
{
	return (high_bits * UINT64CONST(0x0002040810204081)) >> 56;
}

/* 8 bytes at a time */
static inline void
look_at(const char *bytes, uint64 *stops, uint64 *others)
{
	*stops = *others = 0;
	for (int i = 0; i < WINDOW; i += 8)
	{
		uint64		v;
		uint64		digit;

		memcpy(&v, bytes + i, sizeof(v));
#ifdef WORDS_BIGENDIAN
		v = pg_bswap64(v);
#endif
		/* 3 in the upper half, and no carry out of the lower one with 6 more */
		digit = zeros(((v & EACH(0xF0)) ^ EACH(0x30)) |
					  (((v & EACH(0x0F)) + EACH(6)) & EACH(0x10)));
		*stops |= gather(zeros(v & EACH(0xE0)) | zeros(v ^ EACH('"')) |
						 zeros(v ^ EACH('\\'))) << i;
		*others |= gather(digit ^ EACH(0x80)) << i;
	}
}

#endif

static pg_noinline void
move_window(Scan *s, const char *p)
{
	if (s->end - s->begin >= WINDOW)
	{
		/* the last one ends with the text */
		s->window = Min(p, s->end - WINDOW);
		look_at(s->window, &s->stops, &s->others);
	}
	else
	{
		char		copy[WINDOW] = {0};

		s->window = s->begin;
		memcpy(copy, s->begin, s->end - s->begin);
		look_at(copy, &s->stops, &s->others);
	}
}

/* Go to the first byte from p on, before the end, that is in a set of bits; to where there is none. */
#define NEXT(s, p, set) \
	for (;;) \
	{ \
		uint64		found; \
\
		if (unlikely((p) - (s)->window >= WINDOW)) \
			move_window(s, p); \
		found = (s)->set >> ((p) - (s)->window); \
		if (likely(found != 0)) \
		{ \
			(p) += pg_rightmost_one_pos64(found); \
			break; \
		} \
		(p) = (s)->window + WINDOW; \
		if ((p) >= (s)->end) \
			break; \
	}

/*
 * What follows returns where it has come to, NULL if that is not plain.
 */

/* Behind the closing quote of a string that begins behind its opening one. */
static pg_attribute_always_inline const char *
skip_string(Scan *s, const char *p)
{
	for (;;)
	{
		NEXT(s, p, stops);
		if (unlikely(p >= s->end))
			return NULL;
		if (likely(*p == '"'))
			return p + 1;
		if (*p != '\\' || p[1] == '\0' || strchr("\"\\/bfnrt", p[1]) == NULL)
			return NULL;
		p += 2;
	}
}

static pg_attribute_always_inline const char *
skip_digits(Scan *s, const char *p)
{
	const char *begin = p;

	NEXT(s, p, others);
	return p > begin ? p : NULL;
}

static pg_attribute_always_inline const char *
skip_number(Scan *s, const char *p)
{
	const char *begin;

	if (*p == '-')
		p++;
	begin = p;
	p = skip_digits(s, p);
	if (p == NULL || (*begin == '0' && p > begin + 1))
		return NULL;
	if (*p == '.' && (p = skip_digits(s, p + 1)) == NULL)
		return NULL;
	if (unlikely(*p == 'e' || *p == 'E'))
	{
		p++;
		if (*p == '+' || *p == '-')
			p++;
		p = skip_digits(s, p);
	}
	return p;
}

static const char *
skip_word(Scan *s, const char *p, const char *word)
{
	size_t		len = strlen(word);

	return (size_t) (s->end - p) >= len && memcmp(p, word, len) == 0 ?
		p + len : NULL;
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const char *
skip_space(const char *p)
{
	while (unlikely(is_space(*p)))
		p++;
	return p;
}

/* Behind "key" : and the space behind it. */
static pg_attribute_always_inline const char *
skip_key(Scan *s, const char *p)
{
	if (*p != '"')
		return NULL;
	p = skip_string(s, p + 1);
	if (p == NULL)
		return NULL;
	p = skip_space(p);
	return *p == ':' ? skip_space(p + 1) : NULL;
}

bool
el_json_is_plain(const char *json, int32 len)
{
	Scan		s = {
		.begin = json,
		.end = json + len
	};
	const char *p;
	uint64		in_object = 0;	/* bit 0: the innermost level is one */
	int			level = 0;

	while (s.end > json && is_space(s.end[-1]))
		s.end--;
	if (s.end == json || (s.end[-1] != '}' && s.end[-1] != ']'))
		return false;
	p = skip_space(json);
	move_window(&s, p);

	for (;;)
	{
		/* a value, with its key */
		if ((in_object & 1) && (p = skip_key(&s, p)) == NULL)
			return false;
		if (*p == '"')
			p = skip_string(&s, p + 1);
		else if ((*p >= '0' && *p <= '9') || *p == '-')
			p = skip_number(&s, p);
		else if (*p == '{' || *p == '[')
		{
			if (level++ == MAX_LEVELS)
				return false;
			in_object = in_object << 1 | (*p == '{');
			p = skip_space(p + 1);
			if (*p != (in_object & 1 ? '}' : ']'))
				continue;
		}
		else if (*p == 't')
			p = skip_word(&s, p, "true");
		else if (*p == 'f')
			p = skip_word(&s, p, "false");
		else
			p = skip_word(&s, p, "null");
		if (p == NULL)
			return false;

		/* behind it: what it closes, and then another one */
		for (;;)
		{
			if (level == 0 || p == s.end)
				return level == 0 && p == s.end;
			p = skip_space(p);
			if (*p == ',')
				break;
			if (*p != (in_object & 1 ? '}' : ']'))
				return false;
			p++;
			in_object >>= 1;
			level--;
		}
		p = skip_space(p + 1);
	}
}
