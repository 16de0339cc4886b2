#!/bin/sh
# Started as root, which is how volumes that Docker made for other images can be taken over: gives the data folder to
# the user `kite` and goes on as that user. Started as any other user (docker run --user, Kubernetes): goes on as it is.
set -e
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$LOCALSTORAGE_PATH"
  # Only what is not kite's already: a large folder is not walked through at every start.
  find "$LOCALSTORAGE_PATH" ! -user kite -exec chown kite:kite {} +
  exec setpriv --reuid=kite --regid=kite --clear-groups --inh-caps=-all --bounding-set=-all "$@"
fi
exec "$@"
