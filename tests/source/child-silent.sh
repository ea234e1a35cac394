#!/bin/sh
# A network child that never answers.
exec sleep 30
