#!/bin/sh
# A decode child whose words would clear a terminal.
printf "\001\000\000\000\204\015\000\000\000\000\033[2Jaccepted" >&0
exec sleep 30
