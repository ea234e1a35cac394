#!/bin/sh
# A decode child that gives more than it was told to: frames of 1 MiB.
while printf "\001\000\000\000\202\000\000\020\000" >&0 && head -c 1048576 /dev/zero >&0; do :; done
