/*-------------------------------------------------------------------------
 *
 * literal.h
 *	  The text forms of arrays and rows, taken apart and put together.
 *
 * array_in() and record_in() call the input functions of what is inside; these do
 * not look at it.
 *
 * IDENTIFICATION
 *	  src/value/literal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_LITERAL_H
#define EL_LITERAL_H

#include "postgres.h"

#include "utils/array.h"

typedef struct ElArrayLiteral
{
	int			ndim;
	int			dims[MAXDIM];	/* number of elements */
	int			lbs[MAXDIM];	/* subscript of the first */
	int			nelems;
	char	  **elems;			/* NULL: a null */
} ElArrayLiteral;

/* 22P02 for what is no array. */
extern void el_array_literal_parse(const char *text, char delimiter,
								   ElArrayLiteral *array);

/* As array_out() does, but that all elements are quoted. */
extern char *el_array_literal(const ElArrayLiteral *array, char delimiter);

/* The columns of a row, NULL for a null, at most max; 22P02 for what is no row or has more.  Returns their number. */
extern int	el_record_literal_parse(const char *text, char **columns, int max);

#endif							/* EL_LITERAL_H */
