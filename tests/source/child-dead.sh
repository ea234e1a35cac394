#!/bin/sh
# A network child that dies at once.
exit 0
