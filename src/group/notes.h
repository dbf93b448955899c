/*-------------------------------------------------------------------------
 *
 * notes.h
 *	  What others have to know when this transaction has ended.
 *
 * IDENTIFICATION
 *	  src/group/notes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef EL_NOTES_H
#define EL_NOTES_H

#include "postgres.h"

#include "access/xact.h"
#include "utils/uuid.h"

/*
 * For ElTopicCallbacks: this transaction appends to a partition / drops a topic or
 * changes it / gives it a uuid that another may have had.
 */
extern void el_note_append(Oid topic, Oid leaf);
extern void el_note_topic(Oid topic, const pg_uuid_t *dropped);
extern void el_note_uuid(void);

/* This transaction runs a statement that changes what roles may do. */
extern void el_note_rights(void);

/*
 * Has this transaction changed topics or rights?  What it does not find then may
 * be there again when it has ended, so nothing outside of it follows from that.
 */
extern bool el_notes_catalog_changes(void);

/* A group whose members shall be removed if this transaction commits. */
extern void el_note_dropped_group(const char *group);

/* The transaction is about to commit. */
extern void el_notes_pre_commit(void);

/* Is there anything to do at the end of the transaction? */
extern bool el_notes_pending(void);

/* 0A000 for what cannot be prepared. */
extern void el_notes_check_prepare(void);
extern void el_notes_prepared(void);
extern void el_notes_subxact(SubXactEvent event, SubTransactionId mine,
							 SubTransactionId parent);

/* The locks are gone.  Must not fail. */
extern void el_notes_finish(bool is_commit);

#endif							/* EL_NOTES_H */
