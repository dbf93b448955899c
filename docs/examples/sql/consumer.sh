#!/bin/sh
# Usage: consumer.sh PROCEDURE         calls a loop of consumer.sql; connects by the PG* environment variables

# [loop]
# after an error or a lost connection begin again with a new session
pause=1
until psql -Xq -v ON_ERROR_STOP=1 -c "CALL $1()"; do
    sleep $pause
    pause=$((pause < 10 ? pause * 2 : 10))
done
# [/loop]
