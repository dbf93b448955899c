/*-------------------------------------------------------------------------
 *
 * form.h
 *	  A value's form on the log: JSON if there are rows in it, else its text.
 *
 * IDENTIFICATION
 *	  src/value/form.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_FORM_H
#define EL_FORM_H

#include "postgres.h"

#include "value/format.h"

/* The form of a value, in the server's encoding. */
extern char *el_form_write(ElFormat *c, Datum value);

/*
 * And back.  Domain constraints are checked only if that is asked for: one that was added later
 * must not make what is stored unreadable.
 */
extern Datum el_form_read(ElFormat *c, char *form, bool check_domains);

/* Is it JSON, and not the text form that rows had before, nor a text that a user gives? */
extern bool el_form_is_json(const ElFormat *c, const char *form);

/* Has the form a member of this name in a row of this type?  False for what is no JSON. */
extern bool el_form_has_member(ElFormat *c, const char *form, Oid row_type,
							   const char *name);

#endif							/* EL_FORM_H */
