/*-------------------------------------------------------------------------
 *
 * portable.h
 *	  Text forms of types that no setting of the session changes.
 *
 * IDENTIFICATION
 *	  src/value/portable.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_PORTABLE_H
#define EL_PORTABLE_H

#include "postgres.h"

#include "fmgr.h"

/* Settings that a type's text form depends on. */
#define EL_FIX_FORMATS	0x01	/* DateStyle, TimeZone, bytea_output and the
								 * like: variables that cost nothing to set */
#define EL_FIX_MONEY	0x02	/* lc_monetary */
#define EL_FIX_NAMES	0x04	/* search_path */
#define EL_FIX_ALL		(EL_FIX_FORMATS | EL_FIX_MONEY | EL_FIX_NAMES)

/* Which of them a type depends on; looks at catalogs. */
extern int	el_settings_of_type(Oid type);

/* Call an output or input function with these settings fixed. */
extern char *el_output_portably(FmgrInfo *output, Datum value, int settings);
extern Datum el_input_portably(FmgrInfo *input, char *str, Oid typioparam,
							   int32 typmod, int settings);

#endif							/* EL_PORTABLE_H */
