/*-------------------------------------------------------------------------
 *
 * option_value.h
 *	  The value of a setting, from text and back.
 *
 * IDENTIFICATION
 *	  client/option_value.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef CLIENT_OPTION_VALUE_H
#define CLIENT_OPTION_VALUE_H

#include <stddef.h>

#include "client/options.h"

/*
 * Reads a value; sets it, if set.  False, and why it is none ("must be from 1
 * to 10, not 11"): then nothing is set.
 */
extern bool client_option_parse(ClientOption *option, const char *text, bool set, char *why, size_t size);

/* A number of the option's type with the largest unit that fits; its value; what --help calls it. */
extern void client_option_format_number(const ClientOption *option, int64_t n, char *buf, size_t size);
extern void client_option_format(const ClientOption *option, char *buf, size_t size);
extern void client_option_type_name(const ClientOption *option, char *buf, size_t size);

#endif							/* CLIENT_OPTION_VALUE_H */
