#!/bin/sh
# A decode child that says the stream was whole, and empty.
printf "\001\000\000\000\203\000\000\000\000" >&0
exec sleep 30
