/* Passing: names of before, until all callers have changed. */
#ifndef EL_GROUP_H
#define EL_GROUP_H
#include "base/compat.h"
#include "base/arguments.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/extension.h"
#include "storage/log.h"
#include "storage/reader.h"
#include "rows/rows.h"
#include "topic/checks.h"
#include "topic/log_floor.h"
#include "topic/topic.h"
#include "topic/topic_views.h"
#include "group/arguments.h"
#include "group/catalog.h"
#include "group/coordinator.h"
#include "group/deliver.h"
#include "group/expire.h"
#include "group/offsets.h"
#include "group/notes.h"
#include "group/shmem.h"
#include "group/slots.h"
#include "group/wake.h"
#include "group/xact.h"
#include "fmgr.h"
#define ElSlot ElSlotNo
#define el_offsets_lock el_group_lock_with_offsets
#define el_offsets_fold_all el_entries_fold_all
#endif
