/*-------------------------------------------------------------------------
 *
 * portable.c
 *	  Text forms of types that no setting of the session changes.
 *
 * Bytes on the log are written in one session and read in another, maybe of
 * another database: so input and output functions run under the same settings
 * everywhere.  Assigning the variables behind the settings, not the settings,
 * keeps that cheap enough to do per event, and most types depend on none.
 *
 * IDENTIFICATION
 *	  src/value/portable.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/pg_locale.h"
#include "utils/xml.h"

#include "base/compat.h"
#include "value/portable.h"
#include "value/type_check.h"

/* What it was, to be put back. */
typedef struct Saved
{
	int			date_style;
	int			date_order;
	int			interval_style;
	int			float_digits;
	int			bytea_output;
	int			xmloption;
	bool		array_nulls;
	bool		quote_all;
	pg_tz	   *timezone;
	char	   *monetary;
} Saved;

/* Found once in a backend: pg_tzset() keeps what it has found. */
static pg_tz *
utc(void)
{
	static pg_tz *tz = NULL;

	if (tz == NULL)
		tz = pg_tzset("UTC");
	/* which needs no file */
	if (tz == NULL)
		tz = pg_tzset("GMT");
	return tz;
}

int
el_settings_of_type(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	check_stack_depth();

	/* array_nulls */
	if (OidIsValid(element))
		return EL_FIX_FORMATS | el_settings_of_type(element);

	switch (get_typtype(base))
	{
		case TYPTYPE_ENUM:
			return 0;
		case TYPTYPE_RANGE:
			return el_settings_of_type(get_range_subtype(base));
		case TYPTYPE_MULTIRANGE:
			return el_settings_of_type(get_multirange_range(base));
		case TYPTYPE_COMPOSITE:
			return EL_FIX_ALL;
		default:
			break;
	}

	switch (base)
	{
		case BOOLOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case CHAROID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case OIDOID:
		case UUIDOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case BITOID:
		case VARBITOID:
		case JSONOID:
		case JSONBOID:
		case JSONPATHOID:
		case TSVECTOROID:
		case TSQUERYOID:
		case PG_LSNOID:
			return 0;

		case MONEYOID:
			return EL_FIX_MONEY;

		default:
			/* topics of these are not made any more */
			if (el_type_names_objects(base))
				return EL_FIX_FORMATS | EL_FIX_NAMES;
			/* what an extension's functions look at is not known */
			return base < FirstNormalObjectId ? EL_FIX_FORMATS : EL_FIX_ALL;
	}
}

/* Does the session have these settings anyway?  search_path is not looked at. */
static bool
are_fixed(int settings)
{
	if ((settings & EL_FIX_FORMATS) &&
		(DateStyle != USE_ISO_DATES || DateOrder != DATEORDER_MDY ||
		 IntervalStyle != INTSTYLE_POSTGRES || extra_float_digits < 1 ||
		 bytea_output != BYTEA_OUTPUT_HEX || xmloption != XMLOPTION_CONTENT ||
		 !Array_nulls || quote_all_identifiers || session_timezone != utc()))
		return false;
	if ((settings & EL_FIX_MONEY) && strcmp(locale_monetary, "C") != 0)
		return false;
	return (settings & EL_FIX_NAMES) == 0;
}

static void
set_monetary(char *locale)
{
	locale_monetary = locale;
	assign_locale_monetary(locale, NULL);
}

static void
fix(int settings, Saved *saved)
{
	saved->date_style = DateStyle;
	saved->date_order = DateOrder;
	saved->interval_style = IntervalStyle;
	saved->float_digits = extra_float_digits;
	saved->bytea_output = bytea_output;
	saved->xmloption = xmloption;
	saved->array_nulls = Array_nulls;
	saved->quote_all = quote_all_identifiers;
	saved->timezone = session_timezone;
	saved->monetary = locale_monetary;

	DateStyle = USE_ISO_DATES;
	DateOrder = DATEORDER_MDY;
	IntervalStyle = INTSTYLE_POSTGRES;
	extra_float_digits = 3;
	bytea_output = BYTEA_OUTPUT_HEX;
	xmloption = XMLOPTION_CONTENT;
	Array_nulls = true;
	quote_all_identifiers = false;
	session_timezone = utc();
	if (settings & EL_FIX_MONEY)
		set_monetary("C");
}

/*
 * search_path by the rules: a function of a user's type may itself set it.
 * Undone by undo_names(), after an error by the transaction's abort.
 */
static int
fix_names(int settings)
{
	int			level;

	if ((settings & EL_FIX_NAMES) == 0)
		return 0;
	level = NewGUCNestLevel();
	(void) set_config_option("search_path", "", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static void
undo_names(int level)
{
	if (level > 0)
		AtEOXact_GUC(true, level);
}

static void
restore(int settings, const Saved *saved)
{
	if (settings & EL_FIX_MONEY)
		set_monetary(saved->monetary);
	DateStyle = saved->date_style;
	DateOrder = saved->date_order;
	IntervalStyle = saved->interval_style;
	extra_float_digits = saved->float_digits;
	bytea_output = saved->bytea_output;
	xmloption = saved->xmloption;
	Array_nulls = saved->array_nulls;
	quote_all_identifiers = saved->quote_all;
	session_timezone = saved->timezone;
}

char *
el_output_portably(FmgrInfo *output, Datum value, int settings)
{
	Saved		saved;
	char	   *result;

	if (settings == 0 || are_fixed(settings))
		return OutputFunctionCall(output, value);

	fix(settings, &saved);
	PG_TRY();
	{
		int			level = fix_names(settings);

		result = OutputFunctionCall(output, value);
		undo_names(level);
	}
	PG_FINALLY();
	{
		restore(settings, &saved);
	}
	PG_END_TRY();
	return result;
}

Datum
el_input_portably(FmgrInfo *input, char *str, Oid typioparam, int32 typmod,
				  int settings)
{
	Saved		saved;
	Datum		result;

	if (settings == 0 || are_fixed(settings))
		return InputFunctionCall(input, str, typioparam, typmod);

	fix(settings, &saved);
	PG_TRY();
	{
		int			level = fix_names(settings);

		result = InputFunctionCall(input, str, typioparam, typmod);
		undo_names(level);
	}
	PG_FINALLY();
	{
		restore(settings, &saved);
	}
	PG_END_TRY();
	return result;
}
