#!/bin/bash
# Sends a request to a service of this machine and prints the answer's body: request.sh PORT METHOD PATH BODY
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
printf '%s %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' "$2" "$3" ${#4} "$4" >&3
read -r _ status _ <&3
sed '1,/^\r*$/d' <&3
[ "$status" = 200 ]
