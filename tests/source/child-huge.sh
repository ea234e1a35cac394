#!/bin/sh
# A network child that says an image is larger than it was told to accept (2^63 bytes).
printf "\001\000\000\000\201\011\000\000\000\000\000\000\000\000\000\000\200\001" >&0
exec sleep 30
