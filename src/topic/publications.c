/*-------------------------------------------------------------------------
 *
 * publications.c
 *	  Publications that include topics, whose events they do not carry.
 *
 * FOR ALL TABLES and TABLES IN SCHEMA publish whatever is there, now and later.
 * Nothing asks the access method, and logical decoding does not know its WAL: the
 * subscriber copies the events once and silently gets no more.
 *
 * IDENTIFICATION
 *	  src/topic/publications.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_publication.h"
#include "utils/lsyscache.h"

#include "topic/publications.h"

List *
el_publications_of(Oid relid)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, list_concat_copy(GetAllTablesPublications(),
								 GetSchemaPublications(get_rel_namespace(relid))))
	{
		char	   *name = get_publication_name(lfirst_oid(lc), true);

		if (name)
			result = lappend(result, name);
	}
	return result;
}

void
el_warn_of_publications(Oid relid)
{
	ListCell   *lc;

	foreach(lc, el_publications_of(relid))
		ereport(WARNING,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("publication \"%s\" includes topic \"%s\", whose events are not published",
						(char *) lfirst(lc), get_rel_name(relid)),
				 errdetail("Logical replication does not carry the events of topics."),
				 errhint("List the tables to publish one by one.")));
}
