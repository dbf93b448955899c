/*-------------------------------------------------------------------------
 *
 * format.c
 *	  A type taken apart: what is needed to write and read its values.
 *
 * IDENTIFICATION
 *	  src/value/format.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "value/format.h"
#include "value/portable.h"

static ElFormat *make_node(Oid type, int32 typmod, ElFormat *root);

/* An array's element type; int2vector and oidvector are scalars to us. */
static Oid
element_type(Oid base_type)
{
	if (base_type == INT2VECTOROID || base_type == OIDVECTOROID)
		return InvalidOid;
	return get_element_type(base_type);
}

static ElJsonForm
json_form(Oid base_type)
{
	switch (base_type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return EL_JSON_NUMBER;
		case BOOLOID:
			return EL_JSON_BOOLEAN;
		case JSONOID:
		case JSONBOID:
			return EL_JSON_AS_IS;
		default:
			return EL_JSON_STRING;
	}
}

static void
init_functions(ElFormat *c)
{
	Oid			func;
	bool		is_varlena;

	getTypeInputInfo(c->base_type, &func, &c->typioparam);
	fmgr_info_cxt(func, &c->input, c->mcxt);
	getTypeOutputInfo(c->base_type, &func, &is_varlena);
	fmgr_info_cxt(func, &c->output, c->mcxt);
	c->settings = el_settings_of_type(c->base_type);

	/*
	 * reg types, whose names version 1.0 has written without schema: with one
	 * they read the same under any search_path
	 */
	c->input_settings = c->base_type < FirstNormalObjectId ?
		c->settings & ~EL_FIX_NAMES : c->settings;
	c->json = json_form(c->base_type);
}

static void
init_array(ElFormat *c, Oid element, ElFormat *root)
{
	Oid			unused_func;
	Oid			unused_ioparam;

	c->kind = EL_FORMAT_ARRAY;
	c->element = make_node(element, c->typmod, root);
	c->has_row = c->element->has_row;
	c->one_by_one = c->one_by_one || c->element->one_by_one;
	get_type_io_data(element, IOFunc_output, &c->elmlen, &c->elmbyval,
					 &c->elmalign, &c->delimiter, &unused_ioparam,
					 &unused_func);

	/*
	 * null is a value of json, and an array inside would look like a
	 * dimension
	 */
	c->nests = c->element->kind == EL_FORMAT_ROW ||
		(c->element->kind == EL_FORMAT_SCALAR &&
		 c->element->json != EL_JSON_AS_IS);
	init_functions(c);
}

static void
init_row(ElFormat *c, ElFormat *root)
{
	TupleDesc	desc;

	c->kind = EL_FORMAT_ROW;
	c->has_row = true;

	/* first, so that a change in between is met at the next use */
	c->desc_id = assign_record_type_identifier(c->base_type, -1);
	desc = lookup_rowtype_tupdesc(c->base_type, -1);
	c->desc = CreateTupleDescCopyConstr(desc);
	ReleaseTupleDesc(desc);

	c->attributes = palloc0(sizeof(ElFormat *) * Max(c->desc->natts, 1));
	for (int i = 0; i < c->desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(c->desc, i);

		if (att->attisdropped)
			continue;
		c->attributes[i] = make_node(att->atttypid, att->atttypmod, root);
		c->one_by_one = c->one_by_one || c->attributes[i]->one_by_one;
	}
	root->rows = lappend(root->rows, c);
}

/* Types cannot contain themselves, however indirectly. */
static ElFormat *
make_node(Oid type, int32 typmod, ElFormat *root)
{
	ElFormat   *c = palloc0(sizeof(ElFormat));
	Oid			element;

	check_stack_depth();
	c->type = type;
	c->typmod = typmod;
	c->base_type = getBaseTypeAndTypmod(type, &c->typmod);
	c->one_by_one = c->base_type != type ||
		c->base_type == REGROLEOID || c->base_type == REGNAMESPACEOID;
	c->mcxt = CurrentMemoryContext;
	if (root == NULL)
		root = c;

	element = element_type(c->base_type);
	if (OidIsValid(element))
		init_array(c, element, root);
	else if (type_is_rowtype(c->base_type))
		init_row(c, root);
	else
	{
		c->kind = EL_FORMAT_SCALAR;
		init_functions(c);
	}
	return c;
}

ElFormat *
el_format_make(Oid type, int32 typmod, MemoryContext mcxt)
{
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	ElFormat   *c = make_node(type, typmod, NULL);

	MemoryContextSwitchTo(old);
	return c;
}

bool
el_format_is_current(const ElFormat *root)
{
	ListCell   *lc;

	foreach(lc, root->rows)
	{
		const ElFormat *c = lfirst(lc);

		if (assign_record_type_identifier(c->base_type, -1) != c->desc_id)
			return false;
	}
	return true;
}
