#!/bin/sh
# A network child that answers with what is no frame.
printf "HTTP/1.1 200 OK\r\n\r\n" >&0
exec sleep 30
