#!/bin/sh
# A decode child that dies at once.
exit 0
