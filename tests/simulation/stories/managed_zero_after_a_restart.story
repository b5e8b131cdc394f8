# The same of a service that is saspd's own.
option managed
kernel is - -
start
gwm says 40 30
kernel has 40 30
gwm says 40 q
kernel has 40 0
kill
start
gwm says 40 30
kernel has 40 30
