#!/bin/sh
# Usage: consumer.sh PROCEDURE         calls a loop of consumer.sql; connects by the PG* environment variables
# (PGHOST=a,b PGTARGETSESSIONATTRS=read-write PGCONNECT_TIMEOUT=2: to whichever of them is the primary)

# [loop]
# after an error or a lost connection begin again with a new session; the loop is one statement, which no timeout must end
until psql -Xq -v ON_ERROR_STOP=1 -c "SET statement_timeout = 0" -c "CALL $1()"; do
    sleep 1
done
# [/loop]
