#!/bin/sh
# A decode child that never answers.
exec sleep 30
