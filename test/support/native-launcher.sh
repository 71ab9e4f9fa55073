#!/bin/sh
# Stands in for the launcher and runs the program natively: `launcher run [OPTIONS] -- PROG ARGS...`.
while [ "$1" != -- ]; do
  shift
done
shift
exec "$@"
