#!/bin/sh
# A decode child that gives a byte now and then (of 1000000 that it promised).
printf "\001\000\000\000\202\100\102\017\000" >&0
while printf x >&0; do sleep 0.05; done
