#!/bin/sh
# A decode child that announces a frame of 4 GiB - 1.
printf "\001\000\000\000\202\377\377\377\377" >&0
exec sleep 30
