#!/bin/sh
# A decode child that always has more, and never too slowly: frames of 64 KiB.
while printf "\001\000\000\000\202\000\000\001\000" >&0 && head -c 65536 /dev/zero >&0; do sleep 0.05; done
