#!/bin/sh
# A decode child that answers with what is no frame.
printf "\001\000\000\000.\r\n\r\n" >&0
exec sleep 30
