/*-------------------------------------------------------------------------
 *
 * publications.c
 *	  CREATE and ALTER PUBLICATION: a topic that is named is refused, one that
 *	  is included with all tables (of a schema) is warned of.
 *
 * IDENTIFICATION
 *	  src/ddl/publications.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_publication.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/errors.h"
#include "ddl/lookup.h"
#include "ddl/publications.h"
#include "topic/topic.h"

/* The WARNING's DETAIL names so many topics. */
#define MAX_NAMED_TOPICS	20

/* What the statement puts into its publication: tables and schemas by name. */
static List *
objects_put_in(Node *stmt)
{
	AlterPublicationStmt *alter;

	if (IsA(stmt, CreatePublicationStmt))
		return ((CreatePublicationStmt *) stmt)->pubobjects;
	alter = castNode(AlterPublicationStmt, stmt);
	return alter->action == AP_DropObjects ? NIL : alter->pubobjects;
}

static void
refuse_topics(List *objects)
{
	ListCell   *lc;

	foreach(lc, objects)
	{
		PublicationObjSpec *spec = lfirst_node(PublicationObjSpec, lc);

		if (spec->pubtable &&
			el_rel_kind(el_lookup(spec->pubtable->relation)) != EL_REL_OTHER)
			el_not_supported("logical replication", EL_HINT_PUBLICATION);
	}
}

/*
 * What the publication includes is known when it is there: the name of a schema
 * may be left to search_path, and topics be created meanwhile.
 */
static void
warn_of_topics(const char *publication)
{
	Publication *pub;
	List	   *schemas;
	StringInfoData names;
	int			n = 0;
	ListCell   *lc;

	CommandCounterIncrement();
	pub = GetPublicationByName(publication, false);
	schemas = GetPublicationSchemas(pub->oid);
	if (!pub->alltables && schemas == NIL)
		return;

	initStringInfo(&names);
	foreach(lc, el_all_topics())
	{
		Oid			relid = lfirst_oid(lc);
		Oid			schema = get_rel_namespace(relid);

		CHECK_FOR_INTERRUPTS();
		if (!pub->alltables && !list_member_oid(schemas, schema))
			continue;
		if (++n <= MAX_NAMED_TOPICS)
			appendStringInfo(&names, "%s%s", n > 1 ? ", " : "",
							 quote_qualified_identifier(get_namespace_name(schema),
														get_rel_name(relid)));
	}
	if (n == 0)
		return;
	if (n > MAX_NAMED_TOPICS)
		appendStringInfo(&names, ", and %d more", n - MAX_NAMED_TOPICS);
	ereport(WARNING,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg_plural("publication \"%s\" includes %d topic, whose events are not published",
						   "publication \"%s\" includes %d topics, whose events are not published",
						   n, publication, n),
			 errdetail("Logical replication does not carry the events of topics: %s.",
					   names.data),
			 errhint("List the tables to publish one by one.")));
}

void
el_refuse_publication(Node *stmt)
{
	refuse_topics(objects_put_in(stmt));
}

void
el_warn_of_published_topics(Node *stmt)
{
	if (IsA(stmt, CreatePublicationStmt))
		warn_of_topics(((CreatePublicationStmt *) stmt)->pubname);
	else if (objects_put_in(stmt) != NIL)
		warn_of_topics(castNode(AlterPublicationStmt, stmt)->pubname);
}
